//! What verifying tells, and to whom.

use std::collections::BTreeSet;

use sealwax::ErrorClass;
use sealwax_tokens::{Grant, GrantError, Mode, TokenError, Tokens};

use crate::given::{NOW, SUBJECT, grant, issue, line, tokens, under};

#[test]
fn a_token_is_for_its_scopes_alone() {
    let (token, record) = issue(&tokens(), grant());
    for scope in ["read", "write"] {
        assert_eq!(tokens().verify(&token, &record, NOW, scope).unwrap().claims.grant, grant());
    }
    for scope in ["", "rea", "read ", "READ", "read,write", "readwrite", "admin"] {
        let error = tokens().verify(&token, &record, NOW, scope).unwrap_err();
        assert_eq!(error, TokenError::Scope, "{scope}");
    }
}

#[test]
fn a_token_is_for_its_mode_alone() {
    for mode in [Mode::Live, Mode::Test] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    for text in ["", "Live", "TEST", "test ", "production"] {
        assert!(text.parse::<Mode>().is_err(), "{text}");
    }
    let of_mode = |mode| {
        let peppers = line("primary", "tokens-2026", 0).parse().unwrap();
        Tokens::new(peppers, mode, "acme_live_".parse().unwrap())
    };
    for (here, there) in [(Mode::Live, Mode::Test), (Mode::Test, Mode::Live)] {
        let (token, record) = issue(&of_mode(here), grant());
        assert!(of_mode(here).verify(&token, &record, NOW, "read").is_ok());
        let there = of_mode(there);
        let error = there.verify(&token, &record, NOW, "read").unwrap_err();
        assert_eq!(error, TokenError::WrongMode);
        assert_eq!(there.inspect(&record).unwrap_err(), TokenError::WrongMode);
    }
}

/// Two products that share peppers, and a table.
#[test]
fn a_token_is_for_its_prefix_alone() {
    let (token, record) = issue(&tokens(), grant());
    let peppers = line("primary", "tokens-2026", 0).parse().unwrap();
    let other = Tokens::new(peppers, Mode::Live, "other_".parse().unwrap());
    assert_eq!(other.verify(&token, &record, NOW, "read").unwrap_err(), TokenError::WrongMode);
    assert!(other.inspect(&record).is_ok());
    let shown = format!("{other:?} {record:?}");
    for part in ["Tokens {", "other_", "Live", "accepts_existing: false", "Record {", "tokens-2026"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let text = record.to_string();
    assert!(!shown.contains(&token) && text.split(':').skip(2).all(|part| !shown.contains(part)));
}

#[test]
fn a_record_is_for_its_token_alone() {
    let (token, record) = issue(&tokens(), grant());
    let (other, _) = issue(&tokens(), grant());
    assert_eq!(tokens().verify(&other, &record, NOW, "read").unwrap_err(), TokenError::Unknown);
    assert!(tokens().verify(&token, &record, NOW, "read").is_ok());
    assert_eq!(tokens().inspect(&record).unwrap().grant, grant());
}

#[test]
fn a_pepper_that_is_retired_verifies_and_one_that_is_disabled_does_not() {
    let old = under(&line("primary", "tokens-2025", 9));
    let (token, record) = issue(&old, grant());
    let new = |state: &str| {
        under(&[line("primary", "tokens-2026", 0), line(state, "tokens-2025", 9)].concat())
    };
    let retired = new("retired");
    let keys = retired.lookup_keys(&token).unwrap();
    assert_eq!((keys.len(), &keys[1]), (2, &record.lookup_key()));
    let change = retired.verify(&token, &record, NOW, "read").unwrap().change.unwrap();
    assert_eq!((&change.seen, change.record.lookup_key()), (&record, keys[0].clone()));
    assert_eq!(change.record.pepper_id().as_ref(), "tokens-2026");
    // The new record is enough for peppers without the old one, and is not changed again.
    let verified = tokens().verify(&token, &change.record, NOW, "read").unwrap();
    assert_eq!((verified.claims.grant, verified.change.is_none()), (grant(), true));
    // As a retired pepper's, it stays what it is until the change is written.
    assert!(retired.verify(&token, &record, NOW, "read").is_ok());

    for tokens in [new("disabled"), tokens()] {
        assert_eq!(tokens.lookup_keys(&token).unwrap().len(), 1);
        let error = tokens.verify(&token, &record, NOW, "read").unwrap_err();
        assert!(
            matches!(&error, TokenError::Pepper { pepper_id, .. } if pepper_id.as_ref() == "tokens-2025")
        );
        assert_eq!(tokens.inspect(&record).unwrap_err(), error);
    }
    // Another pepper with the same id.
    let other = under(&line("primary", "tokens-2025", 50));
    assert_eq!(other.verify(&token, &record, NOW, "read").unwrap_err(), TokenError::Altered);
}

#[test]
fn the_log_gets_a_name_and_the_bearer_one_answer() {
    let pepper = tokens().inspect(&issue(&under(&line("primary", "p", 1)), grant()).1).unwrap_err();
    let all = [
        (TokenError::Malformed, "malformed", ErrorClass::Refused),
        (TokenError::Unknown, "unknown", ErrorClass::Refused),
        (TokenError::Altered, "altered", ErrorClass::Altered),
        (pepper, "pepper", ErrorClass::Misconfigured),
        (TokenError::WrongMode, "wrong_mode", ErrorClass::Refused),
        (TokenError::WrongUse, "wrong_use", ErrorClass::Refused),
        (TokenError::Revoked, "revoked", ErrorClass::Refused),
        (TokenError::Spent, "spent", ErrorClass::Refused),
        (TokenError::NotYet, "not_yet", ErrorClass::Refused),
        (TokenError::Expired, "expired", ErrorClass::Refused),
        (TokenError::Scope, "scope", ErrorClass::Refused),
    ];
    let readme = include_str!("../../README.md");
    let (mut names, mut messages) = (BTreeSet::new(), BTreeSet::new());
    for (error, name, class) in &all {
        assert_eq!((error.name(), error.class()), (*name, *class));
        let answer = error.http_answer();
        assert_eq!(answer, TokenError::Unknown.http_answer());
        assert_eq!((answer.status, answer.www_authenticate), (401, "Bearer"));
        assert!(!answer.body.contains(name));
        assert!(readme.contains(&format!("| `{name}` | {class} |")), "{name}");
        assert!(names.insert(*name) && messages.insert(error.to_string()));
    }
    assert_eq!(names.len(), 11);
}

#[test]
fn a_grant_has_a_subject_and_scopes() {
    let of = |subject: &str, scopes: &[&str]| Grant::new(subject, scopes.iter().copied());
    let (long, many): (_, Vec<String>) =
        ("s".repeat(256), (0..33).map(|n| n.to_string()).collect());
    for subject in ["", "a\nb", "a\u{85}", &long] {
        assert_eq!(of(subject, &["a"]).unwrap_err(), GrantError::Subject, "{subject:?}");
    }
    assert_eq!(of("a", &[]).unwrap_err(), GrantError::Scopes);
    assert_eq!(Grant::new("a", many.clone()).unwrap_err(), GrantError::Scopes);
    for scope in ["", " ", "a b", "é", "\u{7f}", &"s".repeat(65)] {
        assert_eq!(of("a", &["b", scope]).unwrap_err(), GrantError::Scope, "{scope:?}");
        assert!(grant().with_scopes([scope]).is_err());
    }
    // The largest one has a record that is read.
    let largest = Grant::new(&long[1..], many[1..].iter().map(|n| format!("{n:s>64}"))).unwrap();
    let (token, record) = issue(&tokens(), largest.clone());
    let read = record.to_string().parse().unwrap();
    assert_eq!(
        tokens().verify(&token, &read, NOW, largest.scopes().next().unwrap()).unwrap().claims.grant,
        largest
    );
    assert_eq!(largest.scopes().count(), 32);
    let sorted = grant().with_scopes(["b", "a", "b"]).unwrap();
    assert_eq!((sorted.subject(), sorted.scopes().collect::<Vec<_>>()), (SUBJECT, vec!["a", "b"]));
    // A subject is no scope, and a scope no subject, also if a text has a line break.
    for scope in [SUBJECT, "", "\nread", "read\nwrite", "tenant/42\nread"] {
        assert!(!grant().allows(scope), "{scope:?}");
    }
    // Any other text is a subject, also one that is not ASCII.
    for subject in ["é", "a b", " ", "日本", "\u{a0}", "a:b,c"] {
        let grant = Grant::new(subject, ["read"]).unwrap();
        let (token, record) = issue(&tokens(), grant);
        let found = tokens().verify(&token, &record, NOW, "read").unwrap().claims.grant;
        assert_eq!((found.subject(), found.scopes().count()), (subject, 1));
    }
    assert_eq!(
        (grant().valid_from(), grant().valid_until(), grant().is_single_use()),
        (0, None, false)
    );
    assert_eq!(grant().expires(7).valid_until(), Some(7));
}
