//! The text of a token: how it is drawn, and what is no token.

use std::collections::BTreeMap;

use sealwax_tokens::{ChangeError, Prefix, TokenError, TokenId};

use crate::given::{NOW, SUBJECT, Scripted, grant, issue, shown, tokens};

#[test]
fn it_has_the_prefix_and_letters_and_digits() {
    for _ in 0..200 {
        let (token, _) = issue(&tokens(), grant());
        let body = token.strip_prefix("acme_live_").unwrap();
        assert!(body.len() == 49 && body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    assert_eq!("a_".parse::<Prefix>().unwrap().pattern(), r"\ba_[0-9A-Za-z]{49}\b");
}

/// Of all bytes, each character has four, and eight bytes have none.
#[test]
fn every_character_is_equally_likely() {
    let mut drawn: BTreeMap<char, u32> = BTreeMap::new();
    // 43 of each 64 bytes are used: the first ones. With every byte in each place, all are seen equally often.
    for first in 0..=255_u8 {
        let random: Vec<u8> = (0..64).map(|n| first.wrapping_add(n)).collect();
        let mut rng = Scripted([vec![1; 16], random.clone()].concat());
        let issued = tokens().issue_with_rng(grant(), &mut rng).unwrap();
        let token = shown(issued.token);
        let first_accepted = random.iter().find(|byte| **byte < 248).unwrap();
        let alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let expected = alphabet.as_bytes()[usize::from(first_accepted % 62)];
        assert_eq!(token.as_bytes()[10], expected);
        if first < 248 {
            *drawn.entry(char::from(expected)).or_default() += 1;
        }
    }
    // The first byte that is rejected would be a fifth for the first character.
    let mut rng = Scripted([vec![1; 16], vec![248], (5..68).collect()].concat());
    let token = shown(tokens().issue_with_rng(grant(), &mut rng).unwrap().token);
    assert_eq!(token.as_bytes()[10], b'5');
    assert_eq!(drawn.len(), 62);
    assert!(drawn.values().all(|count| *count == 4));
}

#[test]
fn randomness_that_fails_or_does_not_vary_is_refused() {
    let id = vec![1; 16];
    let scripts: [(&str, Vec<u8>, bool); 6] = [
        ("nothing", vec![], false),
        ("only an id", id.clone(), false),
        ("one byte repeated", [id.clone(), vec![7; 64]].concat(), false),
        ("only what is rejected", [id.clone(), vec![250; 64 * 20]].concat(), false),
        ("a second draw", [id.clone(), vec![250; 64], (1..65).collect()].concat(), true),
        ("in two draws", [id, vec![250; 44], (1..85).collect()].concat(), true),
    ];
    for (name, script, is_enough) in scripts {
        let issued = tokens().issue_with_rng(grant(), &mut Scripted(script));
        assert_eq!(issued.is_ok(), is_enough, "{name}");
        assert!(issued.is_ok() || issued.unwrap_err() == ChangeError::Random, "{name}");
    }
}

#[test]
fn every_typo_is_found_without_a_table() {
    let (token, record) = issue(&tokens(), grant());
    let refuse = |text: &str| {
        let error = tokens().lookup_keys(text).unwrap_err();
        assert_eq!(tokens().verify(text, &record, NOW, "read").unwrap_err(), error);
        error
    };
    let mut typos = 0;
    for at in 0..token.len() {
        for other in ['0', 'Z', 'a', '_', '-', 'é'] {
            let mut text: Vec<char> = token.chars().collect();
            if std::mem::replace(&mut text[at], other) != other {
                assert_eq!(refuse(&String::from_iter(text)), TokenError::Malformed, "{at} {other}");
                typos += 1;
            }
        }
        // Two neighbours are exchanged, one is missing, one is there twice.
        let mut text = token.as_bytes().to_vec();
        text.swap(at, (at + 1) % token.len());
        if text != token.as_bytes() {
            assert_eq!(refuse(str::from_utf8(&text).unwrap()), TokenError::Malformed);
        }
        assert_eq!(refuse(&[&token[..at], &token[at + 1..]].concat()), TokenError::Malformed);
        assert_eq!(refuse(&[&token[..=at], &token[at..]].concat()), TokenError::Malformed);
        assert_eq!(refuse(&token[..at]), TokenError::Malformed);
    }
    assert!(typos > 300, "{typos}");
    for text in ["", " ", "Bearer ", "acme_live_", &token[10..], &format!("{token}\n")] {
        assert_eq!(refuse(text), TokenError::Malformed);
    }
    assert_eq!(refuse(&"a".repeat(100_000)), TokenError::Malformed);
    assert_eq!(tokens().lookup_keys(&token).unwrap().len(), 1);
}

/// With the checksum that a forger can compute, another character than a letter or digit is still refused.
#[test]
fn a_checksum_over_other_characters_helps_nobody() {
    let crc = |text: &str| {
        let mut crc = u32::MAX;
        for byte in text.bytes() {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            }
        }
        !crc
    };
    assert_eq!(crc("123456789"), 0xcbf4_3926, "the check value of CRC-32");
    let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let checked = |text: &str| {
        let digit = |n: u32| char::from(alphabet[(crc(text) / 62_u32.pow(n) % 62) as usize]);
        format!("{text}{}", (0..6).rev().map(digit).collect::<String>())
    };
    let good = format!("acme_live_{}", "k".repeat(43));
    assert!(tokens().lookup_keys(&checked(&good)).is_ok());
    for other in ['-', '_', '/', ':', '@', '[', '`', '{', ' ', '\u{7f}'] {
        let text = checked(&good.replacen('k', &other.to_string(), 1));
        assert_eq!(tokens().lookup_keys(&text).unwrap_err(), TokenError::Malformed, "{other:?}");
    }
    // A well-formed token that has another prefix is for another mode.
    for prefix in ["acme_test_", "acme_live_live_", "other_", "a_"] {
        let text = checked(&format!("{prefix}{}", "k".repeat(43)));
        assert_eq!(tokens().lookup_keys(&text).unwrap_err(), TokenError::WrongMode, "{prefix}");
    }
    // What no prefix is, is no token's.
    for prefix in ["", "a", "1a_", "9a_", "a-b_"] {
        let text = checked(&format!("{prefix}{}", "k".repeat(43)));
        assert_eq!(tokens().lookup_keys(&text).unwrap_err(), TokenError::Malformed, "{prefix}");
    }
}

#[test]
fn prefixes_and_ids_have_one_form() {
    let longest = format!("{}_", "a".repeat(31));
    for good in ["a_", "acme_live_", "A1_", "a__", &longest] {
        let prefix: Prefix = good.parse().unwrap();
        assert_eq!((prefix.as_ref(), prefix.to_string().as_str()), (good, good));
    }
    let too_long = format!("{}_", "a".repeat(32));
    for bad in ["", "_", "a", "acme", "1a_", "9a_", "_a_", "a-b_", "a b_", "é_", "a_\n", &too_long]
    {
        assert!(bad.parse::<Prefix>().is_err(), "{bad:?}");
    }
    let id = "808182838485868788898a8b8c8d8e8f";
    assert_eq!(id.parse::<TokenId>().unwrap().to_string(), id);
    for bad in
        ["", &id[1..], &id[2..], &id.to_uppercase(), &format!("{id}00"), &format!(" {}", &id[1..])]
    {
        assert!(bad.parse::<TokenId>().is_err(), "{bad:?}");
    }
}

/// What a log shows: all of the claims, except for characters of the token and the salt of a table.
#[test]
fn claims_are_shown_without_the_hint() {
    let (_, record) = issue(&tokens(), grant());
    let claims = tokens().inspect(&record).unwrap();
    let (id, shown) = (format!("{:?}", claims.id), format!("{claims:?}"));
    assert_eq!(id, format!("TokenId({})", claims.id));
    for part in [&id[..], SUBJECT, "read", "write", "Live", "Active"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains(claims.hint()) && !shown.contains("hint") && !shown.contains("salt"));
}

#[test]
fn a_grant_says_what_it_grants() {
    let always = grant();
    assert_eq!(
        (always.valid_from(), always.valid_until(), always.is_single_use()),
        (0, None, false)
    );
    let once = grant().not_before(NOW).expires(NOW + 60).single_use();
    let shown = (once.valid_from(), once.valid_until(), once.is_single_use());
    assert_eq!(shown, (NOW, Some(NOW + 60), true));
    // The scopes alone change.
    let narrow = once.clone().with_scopes(["read"]).unwrap();
    assert_eq!(
        (narrow.subject(), narrow.valid_from(), narrow.valid_until()),
        (SUBJECT, NOW, Some(NOW + 60))
    );
    assert!(narrow.scopes().eq(["read"]) && narrow.is_single_use());
    assert!(once.scopes().eq(["read", "write"]));
}
