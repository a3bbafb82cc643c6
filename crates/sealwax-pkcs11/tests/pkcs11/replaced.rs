//! Tokens and sessions that are no longer what they were. Each test runs in a process of its own, because it finalizes the
//! library, or changes the list of tokens, which SoftHSM does unsafely.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use cryptoki::context::{CInitializeArgs, CInitializeFlags};
use cryptoki::session::{SessionState, UserType};
use cryptoki::types::AuthPin;
use pollster::block_on;
use sealwax::ProviderErrorKind as Kind;
use sealwax_pkcs11::{TokenError, TokenKey};

use crate::token::{PIN, Row, Token, library, source, with_token};

/// Runs a test that is ignored here in a process of its own.
fn alone(test: &str) {
    if library().is_none() {
        return;
    }
    // With tokens of its own, which nobody else writes meanwhile.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    let settings = directory.join("softhsm2.conf");
    std::fs::write(&settings, format!("directories.tokendir = {}\n", directory.display())).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--ignored", "--exact", &format!("replaced::{test}")]);
    let output = program.env("SOFTHSM2_CONF", settings).output().unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn with_two_tokens(test: impl FnOnce(Token, Token)) {
    with_token(|one| with_token(|two| test(one, two)));
}

/// Does what another part of the program may do.
fn finalize(token: &Token) {
    token.library.clone().finalize().unwrap();
    token.library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
}

/// The slot of a token may have another number after the library was finalized.
fn found_again(token: Token) -> Token {
    let label = |slot: &_| token.library.get_token_info(*slot).unwrap().label().to_owned();
    let mut slots = token.library.get_slots_with_token().unwrap().into_iter();
    let slot = slots.find(|slot| label(slot) == token.label).unwrap();
    Token { slot, ..token }
}

#[test]
fn a_library_that_was_finalized_is_initialized_again() {
    alone("finalized");
}

#[test]
#[ignore = "the test above runs it"]
fn finalized() {
    with_token(|token| {
        let (key, row) = (token.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        for _ in 0..4 {
            token.library.clone().finalize().unwrap();
            row.unwrap(&key, &body).unwrap();
        }
    });
}

#[test]
fn a_session_that_became_another_tokens_is_not_used() {
    for test in ["another_token_in_use", "another_token_not_in_use"] {
        alone(test);
    }
}

#[test]
#[ignore = "the test above runs it"]
fn another_token_in_use() {
    with_two_tokens(|ours, theirs| another_tokens_session(ours, theirs, true));
}

#[test]
#[ignore = "the test above runs it"]
fn another_token_not_in_use() {
    with_two_tokens(|ours, theirs| another_tokens_session(ours, theirs, false));
}

/// After the library was finalized, the handles of our sessions are those of sessions with another token.
fn another_tokens_session(ours: Token, theirs: Token, is_logged_in: bool) {
    const OURS: &str = "a PIN that is ours";
    theirs.create("byok", &[1], &[]);
    ours.create("byok", &[1], &[]);
    ours.user().set_pin(&AuthPin::from(PIN), &AuthPin::from(OURS)).unwrap();
    let config = || ours.config_of("byok", OURS).with_sessions(NonZeroUsize::MIN);
    let (key, row) = (block_on(TokenKey::connect(config())).unwrap(), Row::new(1));
    let before = row.wrap(&key).unwrap();
    let idle = block_on(TokenKey::connect(config())).unwrap();

    finalize(&theirs);
    let theirs = found_again(theirs);
    let open = |_| theirs.library.open_rw_session(theirs.slot).unwrap();
    let sessions: Vec<_> = (0..200).map(open).collect();
    if is_logged_in {
        sessions[0].login(UserType::User, Some(&AuthPin::from(PIN))).unwrap();
    }

    drop(idle);
    row.unwrap(&key, &before).unwrap();
    let wrapped = row.wrap(&key).unwrap();
    let fresh = block_on(TokenKey::connect(config())).unwrap();
    row.unwrap(&fresh, &wrapped).unwrap();
    // Their token was not asked about our PIN, and their sessions were not closed.
    assert!(!theirs.library.get_token_info(theirs.slot).unwrap().user_pin_count_low());
    assert!(sessions.iter().all(|session| session.get_session_info().is_ok()));
}

#[test]
fn a_token_that_took_the_place_of_another_is_not_used() {
    alone("replaced");
}

#[test]
#[ignore = "the test above runs it"]
fn replaced() {
    with_two_tokens(|before, after| {
        let (key, row) = (before.key(), Row::new(1));
        let body = row.wrap(&key).unwrap();
        finalize(&before);
        let (before, after) = (found_again(before), found_again(after));
        before.initialize("gone");
        after.initialize(&before.label);
        after.create("byok", &[1], &[]);
        for error in [row.unwrap(&key, &body).unwrap_err(), row.wrap(&key).unwrap_err()] {
            assert_eq!(error.kind(), Kind::Unavailable);
            assert!(matches!(source(&error), TokenError::TokenGone), "{error:?}");
        }
        // Whoever connects again has the other one.
        let key = before.connect();
        assert_eq!(row.unwrap(&key, &body).unwrap_err().kind(), Kind::Rejected);
        row.unwrap(&key, &row.wrap(&key).unwrap()).unwrap();
    });
}

#[test]
fn two_tokens_of_one_label_are_told_apart_by_their_serial_numbers() {
    alone("one_label");
}

#[test]
#[ignore = "the test above runs it"]
fn one_label() {
    with_two_tokens(|one, two| {
        two.initialize(&one.label);
        one.create("byok", &[1], &[]);
        let error = block_on(TokenKey::connect(one.config())).unwrap_err();
        assert_eq!(error.kind(), Kind::Other);
        assert!(matches!(source(&error), TokenError::SeveralTokens));
        let serial = one.library.get_token_info(one.slot).unwrap().serial_number().to_owned();
        let key = block_on(TokenKey::connect(one.config().with_serial(&serial))).unwrap();
        drop(Row::new(1).wrap(&key).unwrap());
    });
}

#[test]
fn a_token_in_the_same_slot_is_not_mistaken_for_another() {
    alone("same_slot");
}

#[test]
#[ignore = "the test above runs it"]
fn same_slot() {
    const THEIRS: &str = "a PIN that is theirs";
    with_token(|ours| {
        ours.create("byok", &[1], &[]);
        let config = ours.config().with_sessions(NonZeroUsize::MIN);
        let (key, row) = (block_on(TokenKey::connect(config)).unwrap(), Row::new(1));
        drop(row.wrap(&key).unwrap());

        ours.library.clone().finalize().unwrap();
        remove(&ours);
        ours.library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let theirs = Token { label: "theirs".into(), ..ours };
        theirs.initialize(&theirs.label);
        theirs.create("byok", &[1], &[]);
        theirs.user().set_pin(&AuthPin::from(PIN), &AuthPin::from(THEIRS)).unwrap();
        let open = |_| theirs.library.open_rw_session(theirs.slot).unwrap();
        let sessions: Vec<_> = (0..200).map(open).collect();
        for is_logged_in in [false, true] {
            if is_logged_in {
                sessions[0].login(UserType::User, Some(&AuthPin::from(THEIRS))).unwrap();
            }
            let error = row.wrap(&key).unwrap_err();
            assert!(matches!(source(&error), TokenError::TokenGone), "{error:?}");
        }
        drop(key);
        assert!(!theirs.library.get_token_info(theirs.slot).unwrap().user_pin_count_low());
        assert!(sessions.iter().all(|session| session.get_session_info().is_ok()));
    });
}

#[test]
fn a_session_is_not_used_while_its_token_cannot_be_told() {
    alone("unreadable");
}

#[test]
#[ignore = "the test above runs it"]
fn unreadable() {
    with_token(|token| {
        token.create("byok", &[1], &[]);
        let config = token.config().with_sessions(NonZeroUsize::MIN);
        let (key, row) = (block_on(TokenKey::connect(config)).unwrap(), Row::new(1));
        let body = row.wrap(&key).unwrap();

        let object = folder(&token).join("token.object");
        let aside = object.with_extension("aside");
        std::fs::rename(&object, &aside).unwrap();
        assert!(token.library.get_token_info(token.slot).is_err());
        // The session is logged in, and has the key.
        let error = row.wrap(&key).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");

        std::fs::rename(&aside, &object).unwrap();
        // It was closed, and not forgotten: with the last session, the login ends.
        let ours = token.library.open_ro_session(token.slot).unwrap();
        let state = ours.get_session_info().unwrap().session_state();
        assert_eq!(state, SessionState::RoPublic);
        drop(ours);
        // Until then, SoftHSM does not read the file again.
        finalize(&token);
        row.unwrap(&key, &body).unwrap();
    });
}

/// Removes a token from the directory of this process.
fn remove(token: &Token) {
    std::fs::remove_dir_all(folder(token)).unwrap();
}

/// Returns the folder of a token in the directory of this process.
fn folder(token: &Token) -> PathBuf {
    let settings = std::env::var("SOFTHSM2_CONF").unwrap();
    let label = token.label.as_bytes();
    let has_label = |folder: &PathBuf| {
        let file = std::fs::read(folder.join("token.object")).unwrap_or_default();
        file.windows(label.len()).any(|part| part == label)
    };
    let entries = std::fs::read_dir(Path::new(&settings).parent().unwrap()).unwrap();
    let mut folders = entries.map(|entry| entry.unwrap().path());
    folders.find(has_label).unwrap()
}
