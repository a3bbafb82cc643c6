//! What `sealwax-tokens` reads, from any bearer and any table: records and the texts of peppers have one form, and what is
//! read is written as the same again. A token is accepted only with its own record, and what is accepted has one
//! encoding. No error repeats a word of what was read.

use std::error::Error;

use sealwax_tokens::{Grant, Mode, Pepper, Peppers, Record, State, TokenError, TokenId, Tokens};

use super::heap::Limit;

/// In an input, it stands for the text of the pepper, because a mutated text no longer has a valid checksum.
const PEPPER: char = '\u{1}';
/// In an input, it stands for a token with a valid checksum.
const TOKEN: char = '\u{2}';
const MAX_MARKS: usize = 8;
/// The token of the page.
const KNOWN: &str = "acme_live_6789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm0YRqrS";
const SUBJECT: &str = "tenant/42";
const NOW: u64 = 1_790_000_000;

/// An input has up to four lines: a token, a record, peppers, and an id.
pub fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let text = text.replacen(TOKEN, KNOWN, MAX_MARKS);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (second, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    [token(first), record(second, first), peppers(rest), id(first)].contains(&true)
}

/// Returns the pepper whose bytes count up, which is that of the page.
fn pepper() -> Pepper {
    let mut bytes: Vec<u8> = (0..32).collect();
    Pepper::from_bytes(&mut bytes).unwrap()
}

fn tokens() -> Tokens {
    let peppers = Peppers::new("tokens-2026".parse().unwrap(), pepper());
    Tokens::new(peppers.unwrap(), Mode::Live, "acme_live_".parse().unwrap())
}

fn token(text: &str) -> bool {
    // A key for each scheme without a salt: the text of each, on the way from one text to the other, and a list of them.
    let limit = Limit { bytes: 1024, allocations: 16 };
    match limit.hold(|| tokens().lookup_keys(text)) {
        Ok(keys) => {
            let body = text.strip_prefix("acme_live_").unwrap();
            assert!(body.len() == 49 && body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert_eq!(keys.len(), 1);
            // A typo in it is found.
            let typo: String = text.chars().rev().skip(1).collect();
            assert!(tokens().lookup_keys(&typo).is_err());
            true
        }
        Err(error) => {
            assert!(matches!(error, TokenError::Malformed | TokenError::WrongMode));
            says_nothing_of(text, &error);
            // A service that also accepts the tokens of another program.
            let existing = tokens().accept_existing([]).lookup_keys(text);
            assert!(existing.is_err() || (error == TokenError::Malformed && text.len() <= 1024));
            false
        }
    }
}

fn record(text: &str, token: &str) -> bool {
    let limit = Limit { bytes: 2 * text.len() + 64, allocations: 4 };
    let record = match limit.hold(|| text.parse::<Record>()) {
        Ok(record) => record,
        Err(error) => {
            says_nothing_of(text, &error);
            return false;
        }
    };
    assert_eq!(record.to_string(), text, "a record with two texts");
    assert!(text.starts_with(&format!("swt1:{}:", record.lookup_key())));
    let accepting = tokens().accept_existing([]);
    let Ok(claims) = accepting.inspect(&record) else {
        assert!(accepting.verify(token, &record, NOW, "read").is_err());
        assert!(accepting.redeem(token, &record, NOW, "read").is_err());
        assert!(accepting.revoke(&record, SUBJECT).is_err());
        return true;
    };
    // The MAC is right, so this is a record of the page: nothing else is known that has one.
    assert_eq!(claims.grant.subject(), SUBJECT);
    assert!(accepting.verify(token, &record, NOW, "admin").is_err());
    let verified = accepting.verify(token, &record, NOW, "read");
    let lookup_keys =
        accepting.lookup_keys(token).map_or_else(|_| Vec::new(), |keys| keys.to_vec());
    // One that is found has a salt, or is searched for.
    if let Ok(verified) = &verified {
        let is_upgraded = verified.change.is_some();
        assert!(lookup_keys.contains(&record.lookup_key()) || is_upgraded);
    }
    let same = accepting.narrow(&record, SUBJECT, claims.grant).unwrap();
    assert_eq!(same.record, record, "claims with two encodings");
    let revoked = accepting.inspect(&accepting.revoke(&record, SUBJECT).unwrap().record).unwrap();
    assert_eq!((revoked.state, revoked.id), (State::Revoked, claims.id));
    true
}

fn peppers(text: &str) -> bool {
    let pepper = pepper().to_text();
    let text = text.replacen(PEPPER, pepper.expose_str().unwrap(), MAX_MARKS);
    match text.parse::<Peppers>() {
        Ok(peppers) => {
            assert!(!format!("{peppers:?}").contains("swh1_"), "Debug shows a pepper");
            // The only key of an input is that of the mark, and no two ids have it.
            assert_eq!(peppers.fingerprints(&"".into()).count(), 1);
            let grant = Grant::new("a", ["b"]).unwrap();
            let tokens = Tokens::new(peppers, Mode::Test, "a_".parse().unwrap());
            assert!(tokens.issue(grant).is_ok());
            true
        }
        Err(error) => {
            let mut words = text.split([' ', '\t', '\n', '\r', ';']);
            let shown = format!("{error} {error:?}");
            assert!(
                !words.any(|word| word.starts_with("swh1_")
                    && word.len() > 20
                    && shown.contains(word))
            );
            false
        }
    }
}

fn id(text: &str) -> bool {
    text.parse::<TokenId>().is_ok_and(|id| {
        assert_eq!(id.to_string(), text);
        true
    })
}

/// An error repeats no long word of what was read.
fn says_nothing_of(text: &str, error: &dyn Error) {
    let shown = format!("{error} {error:?}");
    let words = text.split([' ', ':', '\n']);
    let mut long = words.filter(|word| word.len() > 12);
    assert!(!long.any(|word| shown.contains(word)), "an error that echoes its input");
}
