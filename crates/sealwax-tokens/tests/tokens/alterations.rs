//! Every field of a record that is altered, and every part that is exchanged with another record's, is refused by name.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax_tokens::{
    Existing, Grant, Mode, OldDigest, Previous, Record, RecordError, Salt, TokenError, Tokens,
};
use sha2::{Digest, Sha256};

use crate::given::{
    Fields, NOW, Parts, SUBJECT, grant, issue, line, rotation, shown, tokens, under, with_part,
};

fn refusal(tokens: &Tokens, token: &str, record: &Record) -> TokenError {
    tokens.verify(token, record, NOW, "read").unwrap_err()
}

type Alteration = (&'static str, fn(&mut Fields));

/// What a thief who can write the table would like.
fn wishes() -> [Alteration; 16] {
    [
        ("a scope is added", |f| f.scopes.insert(0, b"admin".to_vec())),
        ("a scope is removed", |f| drop(f.scopes.pop())),
        ("a scope is renamed", |f| f.scopes[1] = b"wrote".to_vec()),
        ("it expires later", |f| f.expires += 1),
        ("it never expires", |f| f.expires = u64::MAX),
        ("it begins earlier", |f| f.not_before -= 1),
        ("another subject", |f| f.subject = b"tenant/43".to_vec()),
        ("a byte moves from the subject to a scope", |f| {
            f.subject.pop();
            f.scopes[0].insert(0, b'2');
        }),
        ("another id", |f| f.id[15] ^= 1),
        ("another mode", |f| f.mode = 0),
        ("for one use", |f| f.single_use = 1),
        ("another state", |f| f.state = 2),
        ("another scheme", |f| f.scheme = 1),
        ("a salt", |f| {
            f.scheme = 2;
            f.salt = b"s".to_vec();
        }),
        ("another hint", |f| f.hint = b"abcd".to_vec()),
        ("another version", |f| f.version = 2),
    ]
}

#[test]
fn every_field_is_bound() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant().not_before(NOW).expires(NOW + 1));
    let parts = Parts::of(&record);
    assert_eq!(parts.record(), record);
    for (wish, alter) in wishes() {
        let mut fields = Fields::of(&parts.claims);
        alter(&mut fields);
        let altered = Parts { claims: fields.encode(), ..parts.clone() }.record();
        assert_eq!(refusal(&tokens, &token, &altered), TokenError::Altered, "{wish}");
        assert_eq!(tokens.inspect(&altered).unwrap_err(), TokenError::Altered, "{wish}");
    }
}

#[test]
fn every_byte_is_bound() {
    let tokens =
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat());
    let (token, record) = issue(&tokens, grant());
    let parts = Parts::of(&record);
    let places: [fn(&mut Parts) -> &mut Vec<u8>; 3] =
        [|parts| &mut parts.digest, |parts| &mut parts.claims, |parts| &mut parts.mac];
    let mut altered_bytes = 0;
    for place in places {
        for at in 0..place(&mut parts.clone()).len() {
            for bit in 0..8 {
                let mut altered = parts.clone();
                place(&mut altered)[at] ^= 1 << bit;
                assert_eq!(refusal(&tokens, &token, &altered.record()), TokenError::Altered);
            }
            altered_bytes += 1;
        }
    }
    assert_eq!(altered_bytes, 32 + parts.claims.len() + 32);
    // The claims are cut off, or something follows.
    for len in 0..parts.claims.len() {
        let cut = Parts { claims: parts.claims[..len].into(), ..parts.clone() };
        assert_eq!(refusal(&tokens, &token, &cut.record()), TokenError::Altered);
    }
    let longer = Parts { claims: [&parts.claims[..], &[0]].concat(), ..parts.clone() };
    assert_eq!(refusal(&tokens, &token, &longer.record()), TokenError::Altered);
    // Another pepper, of these and of others.
    let other = Parts { pepper_id: "tokens-2025".into(), ..parts.clone() }.record();
    assert_eq!(refusal(&tokens, &token, &other), TokenError::Altered);
    let unknown = Parts { pepper_id: "tokens-202".into(), ..parts }.record();
    assert!(matches!(refusal(&tokens, &token, &unknown), TokenError::Pepper { .. }));
}

#[test]
fn a_pepper_is_bound_by_its_id_too() {
    // The same pepper under two ids, which one ring does not have.
    let (here, there) = (tokens(), under(&line("primary", "tokens-2027", 0)));
    let (token, record) = issue(&here, grant());
    let renamed = Parts { pepper_id: "tokens-2027".into(), ..Parts::of(&record) }.record();
    assert_eq!(refusal(&there, &token, &renamed), TokenError::Altered);
}

type Row = (String, Record, Result<(), TokenError>);

/// Records of two peppers, subjects and modes, of every scheme and state and for one use, each with its token and what is
/// said of it.
fn records(tokens: &Tokens, old: &Tokens) -> Vec<Row> {
    let grants = [
        grant(),
        grant().expires(NOW + 1),
        grant().with_scopes(["admin", "read"]).unwrap(),
        Grant::new("tenant/43", ["read"]).unwrap(),
    ];
    let issued = grants.iter().map(|grant| issue(tokens, grant.clone()));
    let mut rows: Vec<Row> = issued
        .chain(grants[..2].iter().map(|grant| issue(old, grant.clone())))
        .map(|(token, record)| (token, record, Ok(())))
        .collect();

    let (salt, digest) = (Salt::new(b"s").unwrap(), |text: &str| {
        OldDigest::from(<[u8; 32]>::from(Sha256::digest(text)))
    });
    let existing = [
        ("tok_1", Existing::Plaintext("tok_1")),
        ("tok_2", Existing::Sha256(digest("tok_2"))),
        ("tok_3", Existing::SaltBefore(salt.clone(), digest("stok_3"))),
        ("tok_4", Existing::SaltAfter(salt, digest("tok_4s"))),
    ];
    for (token, existing) in existing {
        rows.push((token.into(), tokens.convert(&existing, grant()).unwrap().record, Ok(())));
    }

    let (token, record) = issue(tokens, grant());
    let rotated = tokens.rotate(&record, SUBJECT, rotation(NOW, Duration::MAX, None)).unwrap();
    let Previous::Is(previous) = rotated.previous.clone() else { panic!("{rotated:?}") };
    rows.push((token, previous, Ok(())));
    let successor = rotated.record.clone();
    rows.push((shown(rotated.finish(true).unwrap().token), successor, Ok(())));
    let (token, record) = issue(tokens, grant());
    let revoked = tokens.revoke(&record, SUBJECT).unwrap().record;
    rows.push((token, revoked, Err(TokenError::Revoked)));
    let (token, record) = issue(tokens, grant().single_use());
    rows.push((token, record, Err(TokenError::WrongUse)));
    let (token, record) = issue(tokens, grant().single_use());
    let spent = tokens.redeem(&token, &record, NOW, "read").unwrap().record;
    rows.push((token, spent, Err(TokenError::Spent)));
    let peppers = line("primary", "tokens-2026", 0).parse().unwrap();
    let of_tests = Tokens::new(peppers, Mode::Test, "acme_live_".parse().unwrap());
    let (token, record) = issue(&of_tests, grant());
    rows.push((token, record, Err(TokenError::WrongMode)));
    rows
}

#[test]
fn parts_of_two_records_are_never_one_record() {
    let ring = [line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat();
    let (tokens, old) =
        (under(&ring).accept_existing([]), under(&line("primary", "tokens-2025", 9)));
    let records = records(&tokens, &old);
    let exchange = |ours: &Parts, theirs: &Parts, which: u8| {
        let pick = |bit: u8| if which & bit == 0 { ours } else { theirs };
        let (pepper_id, digest) = (pick(1).pepper_id.clone(), pick(2).digest.clone());
        Parts { pepper_id, digest, claims: pick(4).claims.clone(), mac: pick(8).mac.clone() }
    };
    let (mut exchanged, mut of_others) = (0, 0);
    for (token, record, expected) in &records {
        let verified = tokens.verify(token, record, NOW, "read").map(drop);
        assert_eq!(verified, *expected);
        for (_, other, _) in records.iter().filter(|(_, other, _)| other != record) {
            for which in 1..16 {
                let mixed = exchange(&Parts::of(record), &Parts::of(other), which).record();
                if mixed == *record {
                    continue; // Only the pepper's id, and it is the same.
                }
                // A whole record is that of another token, and everything else was altered.
                let is_whole = mixed == *other;
                let expected = if is_whole { TokenError::Unknown } else { TokenError::Altered };
                assert_eq!(refusal(&tokens, token, &mixed), expected);
                *(if is_whole { &mut of_others } else { &mut exchanged }) += 1;
            }
        }
    }
    assert_eq!(records.len(), 16);
    assert!(exchanged > 2_400 && of_others >= 240, "{exchanged}, {of_others}");
}

/// Claims that only somebody with the pepper can write: each has one encoding, and every other one is refused.
#[test]
fn claims_have_one_encoding() {
    let (token, record) = issue(&tokens(), grant());
    let parts = Parts::of(&record);
    let wrong: [Alteration; 29] = [
        ("a start in milliseconds", |f| f.not_before = NOW * 1000),
        ("a start at the end of time", |f| f.not_before = u64::MAX),
        ("an end in milliseconds", |f| f.expires = NOW * 1000),
        ("an end just before never", |f| f.expires = u64::MAX - 1),
        ("version 0", |f| f.version = 0),
        ("version 2", |f| f.version = 2),
        ("scheme 4", |f| f.scheme = 4),
        ("state 5", |f| f.state = 5),
        ("mode 2", |f| f.mode = 2),
        ("single use 2", |f| f.single_use = 2),
        ("no subject", |f| f.subject.clear()),
        ("a subject with a control character", |f| f.subject = b"a\n".to_vec()),
        ("a subject that is not UTF-8", |f| f.subject = vec![0xff]),
        ("no scope", |f| f.scopes.clear()),
        ("33 scopes", |f| f.scopes = (0..33).map(|n| vec![b'A' + n]).collect()),
        ("a scope twice", |f| f.scopes = vec![b"read".to_vec(); 2]),
        ("scopes in another order", |f| f.scopes.reverse()),
        ("an empty scope", |f| f.scopes[0].clear()),
        ("a long scope", |f| f.scopes[0] = vec![b'a'; 65]),
        ("a scope with a space", |f| f.scopes[0] = b"a b".to_vec()),
        ("a scope that is not UTF-8", |f| f.scopes[0] = vec![0xff]),
        ("a hint of three", |f| f.hint.truncate(3)),
        ("a hint of five", |f| f.hint.push(b'a')),
        ("a hint of other characters", |f| f.hint = b"a\nbc".to_vec()),
        ("a salt without a scheme", |f| f.salt = b"s".to_vec()),
        ("a salt for a bare hash", |f| {
            f.scheme = 1;
            f.salt = b"s".to_vec();
        }),
        ("no salt before", |f| f.scheme = 2),
        ("no salt after", |f| f.scheme = 3),
        ("a long salt", |f| {
            f.scheme = 3;
            f.salt = vec![0; 65];
        }),
    ];
    for (name, alter) in wrong {
        let mut fields = Fields::of(&parts.claims);
        alter(&mut fields);
        let signed = Parts { claims: fields.encode(), ..parts.clone() }.signed(0);
        assert_eq!(refusal(&tokens(), &token, &signed), TokenError::Altered, "{name}");
    }
    for len in 0..parts.claims.len() {
        let cut = Parts { claims: parts.claims[..len].into(), ..parts.clone() }.signed(0);
        assert_eq!(refusal(&tokens(), &token, &cut), TokenError::Altered);
    }
    let longer = Parts { claims: [&parts.claims[..], &[0]].concat(), ..parts.clone() }.signed(0);
    assert_eq!(refusal(&tokens(), &token, &longer), TokenError::Altered);
    // The signature of the tests is right: unchanged claims are accepted.
    assert_eq!(parts.signed(0), record);
    assert!(tokens().verify(&token, &record, NOW, "read").is_ok());
}

#[test]
fn a_record_has_one_text() {
    let (_, record) = issue(&tokens(), grant());
    let text = record.to_string();
    let parts: Vec<&str> = text.split(':').collect();
    let with = |at: usize, part: &str| with_part(&text, at, part);
    // A character that sets bits behind the end, and standard base64.
    let loose = |part: &str| {
        let (front, last) = part.split_at(part.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap();
        format!("{front}{}", &alphabet[at + 1..at + 2])
    };
    let short = Base64UrlUnpadded::encode_string(&[7; 31]);
    let long = Base64UrlUnpadded::encode_string(&[7; 33]);
    let huge = Base64UrlUnpadded::encode_string(&[7; 2445]);
    let enormous = "A".repeat(1_000_000);
    let rows: [(&str, String, RecordError); 28] = [
        ("nothing", String::new(), RecordError::Version),
        ("a digest", parts[2].into(), RecordError::Version),
        ("another version", with(0, "swt2"), RecordError::Version),
        ("in capitals", with(0, "SWT1"), RecordError::Version),
        ("before it", format!(" {text}"), RecordError::Version),
        ("no MAC", parts[..4].join(":"), RecordError::Parts),
        ("no claims", parts[..3].join(":"), RecordError::Parts),
        ("six parts", format!("{text}:"), RecordError::Parts),
        ("no id", with(1, ""), RecordError::PepperId),
        ("a wrong id", with(1, "a b"), RecordError::PepperId),
        ("a long id", with(1, &"a".repeat(129)), RecordError::PepperId),
        ("no digest", with(2, ""), RecordError::Digest),
        ("a short digest", with(2, &short), RecordError::Digest),
        ("a long digest", with(2, &long), RecordError::Digest),
        ("padding", with(2, &format!("{}=", parts[2])), RecordError::Digest),
        ("bits behind the end", with(2, &loose(parts[2])), RecordError::Digest),
        ("standard base64", with(2, &"+".repeat(43)), RecordError::Digest),
        ("an empty MAC", with(4, ""), RecordError::Mac),
        ("a short MAC", with(4, &short), RecordError::Mac),
        ("a long MAC", with(4, &long), RecordError::Mac),
        ("a padded MAC", with(4, &format!("{}=", parts[4])), RecordError::Mac),
        ("a line feed", format!("{text}\n"), RecordError::Mac),
        ("a loose MAC", with(4, &loose(parts[4])), RecordError::Mac),
        ("a MAC of spaces", with(4, &" ".repeat(43)), RecordError::Mac),
        ("no base64", with(3, "a b"), RecordError::Claims),
        ("padded claims", with(3, &format!("{}=", parts[3])), RecordError::Claims),
        ("huge claims", with(3, &huge), RecordError::Claims),
        ("enormous claims", with(3, &enormous), RecordError::Claims),
    ];
    let mut messages = std::collections::BTreeSet::new();
    for (name, text, expected) in rows {
        let error = text.parse::<Record>().unwrap_err();
        assert_eq!(error, expected, "{name}");
        assert_eq!(Record::from_row(Some(text)).unwrap_err(), TokenError::Altered);
        messages.insert(error.to_string());
    }
    assert_eq!(messages.len(), 6);
    assert_eq!(Record::from_row(Some(&text)).unwrap(), record);
    assert_eq!(Record::from_row(None::<&str>).unwrap_err(), TokenError::Unknown);
    assert_eq!(text.parse::<Record>().unwrap().to_string(), text);
    assert_eq!(text.len(), 94 + "tokens-2026".len() + parts[3].len(), "as its documentation says");
    let largest = Base64UrlUnpadded::encode_string(&[7; 2444]);
    assert!(with(3, &largest).parse::<Record>().is_ok());
    assert!(!format!("{record:?}").contains(parts[2]));
}
