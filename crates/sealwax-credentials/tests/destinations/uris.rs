//! Which URIs a credential goes to: a table of hostile ones, and the few that are allowed.

use std::collections::BTreeMap;

use http::Uri;
use sealwax_credentials::DestinationError;
use url::Url;

use crate::{HOST, KEY, bound};

/// A row of `hostile.txt`.
struct Row {
    url: String,
    as_uri: &'static str,
    as_url: &'static str,
    why: &'static str,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("hostile.txt").lines();
    let rows = lines.filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [url, as_uri, as_url, why] = columns[..] else { panic!("{line}") };
        // A space at the start is part of a URL.
        let url = unescaped(url.trim_end());
        Row { url, as_uri: as_uri.trim(), as_url: as_url.trim(), why }
    });
    rows.collect()
}

/// Undoes the escapes of Rust.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap().to_owned();
    while let Some(part) = parts.next() {
        let (character, rest) = match part.chars().next() {
            // Two of them: the next part begins behind the second one.
            None => ('\\', parts.next().unwrap()),
            Some('t') => ('\t', part.strip_prefix('t').unwrap()),
            Some('n') => ('\n', part.strip_prefix('n').unwrap()),
            Some('r') => ('\r', part.strip_prefix('r').unwrap()),
            Some('0') => ('\0', part.strip_prefix('0').unwrap()),
            Some(_) => {
                let (digits, rest) = part.strip_prefix("u{").unwrap().split_once('}').unwrap();
                (char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap(), rest)
            }
        };
        plain.push(character);
        plain.push_str(rest);
    }
    plain
}

/// Returns the column of the table that a URI belongs into.
fn verdict(uri: Option<Uri>) -> String {
    match uri.map(|uri| bound(KEY).check(&uri)) {
        None => "unparsable".to_owned(),
        Some(Ok(())) => "Ok".to_owned(),
        Some(Err(error)) => format!("{error:?}"),
    }
}

#[test]
fn hostile_urls_are_refused() {
    let (mut refused, mut same, mut reasons) = (0, 0, BTreeMap::new());
    for Row { url, as_uri, as_url, why } in rows() {
        let uri = verdict(url.parse().ok());
        assert_eq!(uri, as_uri, "{why}");
        assert_ne!(uri, "Ok", "{why}");
        // As services build it, and as reqwest writes it: its URLs are those of the crate `url`.
        let parsed = Url::parse(&url).ok();
        let normalised = verdict(parsed.as_ref().and_then(|url| url.as_str().parse().ok()));
        assert_eq!(normalised, as_url, "{why}");
        if normalised == "Ok" {
            let parsed = parsed.unwrap();
            assert_eq!((parsed.host_str(), parsed.port()), (Some(HOST), None), "{why}");
            assert_eq!((parsed.username(), parsed.password()), ("", None), "{why}");
            same += 1;
        } else {
            refused += 1;
        }
        *reasons.entry(uri).or_insert(0) += 1;
    }
    assert_eq!((refused, same), (129, 19));
    assert!(include_str!("../../README.md").contains(&format!("{} hostile", refused + same)));
    let reasons: Vec<_> = reasons.iter().map(|(reason, rows)| (reason.as_str(), *rows)).collect();
    let expected = [
        ("Host", 27),
        ("IpAddress", 26),
        ("Loopback", 4),
        ("NotAbsolute", 6),
        ("NotHttps", 10),
        ("Port", 13),
        ("UserInfo", 12),
        ("unparsable", 50),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn the_right_host_is_allowed() {
    for uri in [
        "https://api.openai.com",
        "https://api.openai.com/",
        "https://api.openai.com:443",
        "https://api.openai.com:443/v1/models?limit=1",
        "HTTPS://api.openai.com/",
        "https://api.openai.com?a",
        "https://api.openai.com/@evil.example",
        "https://api.openai.com/../..//evil.example",
        "https://api.openai.com#@evil.example",
    ] {
        assert_eq!(verdict(uri.parse().ok()), "Ok", "{uri}");
    }
}

/// A URI that is made of parts is not parsed again before it is written as a text.
#[test]
fn no_path_continues_the_host() {
    let mut made = Vec::new();
    for path in ["*", "@evil.example/", ".evil.example/", ":8443/", "%2e/"] {
        let uri = Uri::builder().scheme("https").authority(HOST).path_and_query(path).build();
        if let Ok(uri) = uri {
            assert_eq!(bound(KEY).check(&uri), Err(DestinationError::Path), "{path}");
            made.push(path);
        }
    }
    // Before 1.4.1, the crate `http` made one of each, and 1.4.1 itself of none.
    assert!(made == ["*"] || made.is_empty(), "{made:?}");
}

/// Every URI that differs from the right one in one byte of its authority, or by one byte more or less.
#[test]
fn an_authority_with_one_byte_changed_is_refused() {
    let (start, end) = ("https://", "/v1");
    let (mut parsed, mut tried) = (0, 0);
    let mut refuse = |authority: Vec<u8>| {
        tried += 1;
        let bytes = [start.as_bytes(), &authority, end.as_bytes()].concat();
        let Ok(uri) = Uri::try_from(bytes) else { return };
        parsed += 1;
        // A slash, a question mark or a hash ends the authority, so it is shorter.
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        assert_ne!(host.as_deref(), Some(HOST));
        bound(KEY).check(&uri).unwrap_err();
    };
    let host = HOST.as_bytes();
    for at in 0..host.len() {
        refuse([&host[..at], &host[at + 1..]].concat());
        for byte in (0..=u8::MAX).filter(|byte| *byte != host[at]) {
            refuse([&host[..at], &[byte], &host[at + 1..]].concat());
            refuse([&host[..at], &[byte], &host[at..]].concat());
        }
    }
    assert_eq!(tried, 14 * 511);
    assert!(parsed > 14 * 100, "{parsed}");
}

#[test]
fn every_reason_is_in_the_table() {
    let names = [
        DestinationError::NotAbsolute,
        DestinationError::NotHttps,
        DestinationError::UserInfo,
        DestinationError::IpAddress,
        DestinationError::Loopback,
        DestinationError::Host,
        DestinationError::Port,
    ];
    for name in names.map(|error| format!("{error:?}")) {
        assert!(rows().iter().any(|row| row.as_uri == name), "{name}");
    }
}
