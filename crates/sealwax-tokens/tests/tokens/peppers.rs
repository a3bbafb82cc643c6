//! The text of peppers, and the digests of credentials.

use sealwax::companion::{DerivationKey, Purpose};
use sealwax::{KeyState, KeyringError, LineProblem, MasterKey, Secret};
use sealwax_tokens::{Pepper, Peppers};

use crate::given::{expand, line, pepper};

fn error(text: &str) -> KeyringError {
    text.parse::<Peppers>().unwrap_err()
}

#[test]
fn the_text_has_a_primary_retired_and_disabled_peppers() {
    let text = format!(
        "# ours\n{};disabled c; disabled d {}\r\n{}",
        line("retired", "b", 2).trim_end(),
        pepper(4).to_text().expose_str().unwrap(),
        line("primary", "a", 1)
    );
    let peppers: Peppers = text.parse().unwrap();
    assert_eq!(format!("{peppers:?}"), r#"Peppers { primary: KeyId("a"), retired: [KeyId("b")] }"#);
    let of = |state: &str| error(&[line("primary", "a", 1), line(state, "b", 2)].concat());
    for state in ["escrow", "leaked", "destroyed"] {
        let expected: KeyState = state.parse().unwrap();
        assert!(
            matches!(of(state), KeyringError::Line { line: 2, problem: LineProblem::OtherState { state, .. }, .. } if state == expected)
        );
    }
    assert!(matches!(error(""), KeyringError::NoPrimary));
    assert!(matches!(error(&line("retired", "a", 1)), KeyringError::NoPrimary));
    assert!(matches!(of("primary"), KeyringError::TwoPrimaries));
    assert!(matches!(error("primary a"), KeyringError::Line { .. }));
}

#[derive(Debug)]
enum ForAudits {}

impl Purpose for ForAudits {
    const NAME: &str = "swa1";
}

#[test]
fn a_pepper_is_no_other_key() {
    let master = MasterKey::generate().unwrap().to_text();
    let audit = DerivationKey::<ForAudits>::generate().unwrap().to_text();
    for text in [&master, &audit] {
        let text = text.expose_str().unwrap();
        assert!(text.parse::<Pepper>().is_err());
        assert!(matches!(error(&format!("primary a {text}")), KeyringError::Line { .. }));
        // Nor with the prefix of one.
        assert!(text.replacen(&text[..5], "swh1_", 1).parse::<Pepper>().is_err());
    }
    let ours = pepper(1).to_text();
    let ours = ours.expose_str().unwrap();
    assert!(ours.parse::<Pepper>().is_ok());
    assert!(ours.parse::<MasterKey>().is_err());
    assert!(ours.parse::<DerivationKey<ForAudits>>().is_err());
    assert!(ours.replacen("swh1_", "swk1_", 1).parse::<MasterKey>().is_err());
}

#[test]
fn equal_credentials_have_equal_digests_under_one_pepper() {
    let peppers: Peppers =
        [line("primary", "a", 1), line("retired", "b", 2)].concat().parse().unwrap();
    let of = |text: &str| peppers.fingerprint(&Secret::from(text));
    assert_eq!(of("sk-1"), of("sk-1"));
    assert_ne!(of("sk-1"), of("sk-2"));
    assert_ne!(of("sk-1"), of(""));
    let all: Vec<_> = peppers.fingerprints(&Secret::from("sk-1")).collect();
    assert_eq!((all.len(), &all[0]), (2, &of("sk-1")));
    let older = Peppers::new("b".parse().unwrap(), pepper(2)).unwrap();
    assert_eq!(all[1], older.fingerprint(&Secret::from("sk-1")));
    // It is no token's digest, and no bare hash.
    use base64ct::{Base64UrlUnpadded, Encoding};
    let encode = |digest: [u8; 32]| format!("a:{}", Base64UrlUnpadded::encode_string(&digest));
    assert_eq!(of("sk-1").as_ref(), encode(expand(1, b"swt1/printsk-1")));
    assert_ne!(of("sk-1").as_ref(), encode(expand(1, b"swt1/tokensk-1")));
}

/// A configuration with the two the wrong way round would print the pepper in every record and log.
#[test]
fn a_pepper_is_no_id() {
    let text = pepper(1).to_text();
    let bare = text.expose_str().unwrap().strip_prefix("swh1_").unwrap();
    let error = Peppers::new(bare.parse().unwrap(), pepper(2)).unwrap_err();
    assert!(matches!(error, KeyringError::KeyAsKeyId), "{error:?}");
    let peppers = Peppers::new("tokens-2026".parse().unwrap(), pepper(2)).unwrap();
    assert_eq!(peppers.primary_id().as_ref(), "tokens-2026");
    assert_eq!(format!("{:?}", peppers.clone()), format!("{peppers:?}"));
}
