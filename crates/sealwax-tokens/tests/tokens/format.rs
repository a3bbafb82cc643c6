//! The known answers of the page.

use std::collections::BTreeMap;

use sealwax::Secret;
use sealwax_tokens::{Claims, Existing, Grant, Mode, OldDigest, Record, Salt, State};

use crate::given::{Fields, NOW, Parts, Scripted, pepper, shown, tokens};

const PAGE: &str = include_str!("../../FORMAT.md");
pub(crate) const OLD: &str = "tok_9f3b61c2d7";

pub(crate) fn known() -> BTreeMap<&'static str, &'static str> {
    let (_, section) = PAGE.split_once("## Known answers").unwrap();
    let block = section.split_once("```text\n").unwrap().1.split_once("```").unwrap().0;
    let known: BTreeMap<_, _> = block.lines().map(|line| line.split_once(" = ").unwrap()).collect();
    assert_eq!(known.len(), 14);
    known
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id() -> Vec<u8> {
    (0x80..0x90).collect()
}

#[test]
fn a_token_is_issued_as_the_page_says() {
    let known = known();
    assert_eq!(pepper(0).to_text().expose_str().unwrap(), known["text of tokens-2026"]);
    let grant = Grant::new("tenant/42", ["write", "read", "write"]).unwrap();
    let grant = grant.not_before(NOW).expires(1_800_000_000);
    let mut rng = Scripted([id(), (0xc0..=0xff).collect()].concat());
    let issued = tokens().issue_with_rng(grant.clone(), &mut rng).unwrap();
    assert_eq!(issued.record.to_string(), known["record"]);
    let parts = Parts::of(&issued.record);
    let shown_parts = [&parts.digest, &parts.claims, &parts.mac].map(|part| hex(part));
    assert_eq!(shown_parts, [known["digest"], known["claims"], known["mac"]]);
    assert_eq!(Fields::of(&parts.claims).encode(), parts.claims);
    let token = shown(issued.token);
    assert_eq!(token, known["token"]);

    let record: Record = known["record"].parse().unwrap();
    assert_eq!(record, issued.record);
    let verified = tokens().verify(&token, &record, NOW, "read").unwrap();
    assert!(verified.change.is_none());
    let hint = verified.claims.hint().to_owned();
    let Claims { id, grant: found, mode, state, .. } = verified.claims;
    assert_eq!(id.to_string(), "808182838485868788898a8b8c8d8e8f");
    assert_eq!(found, grant);
    assert_eq!((mode, state, hint.as_str()), (Mode::Live, State::Active, &token[55..]));
    let key = known["record"][5..].splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
    assert_eq!(record.lookup_key().as_ref(), key);
    assert_eq!(*tokens().lookup_keys(&token).unwrap(), [record.lookup_key()]);
}

/// The four kinds of rows that existing tables have.
pub(crate) fn existing() -> [(&'static str, Existing<'static>); 4] {
    let known = known();
    let digest = |kind: &str| known[format!("old digest, {kind}").as_str()].parse().unwrap();
    let upper = known["old digest, salt before"].to_uppercase().parse().unwrap();
    [
        ("plaintext", Existing::Plaintext(OLD)),
        ("sha256", Existing::Sha256(digest("sha256"))),
        ("salt before", Existing::SaltBefore(Salt::from_hex("00fF10").unwrap(), upper)),
        ("salt after", Existing::SaltAfter(Salt::new(b"00FF10").unwrap(), digest("salt after"))),
    ]
}

#[test]
fn existing_tokens_are_converted_as_the_page_says() {
    let tokens = tokens().accept_existing([]);
    for (kind, existing) in existing() {
        let grant = Grant::new("tenant/42", ["read"]).unwrap();
        let converted = tokens.convert_with_rng(&existing, grant, &mut Scripted(id())).unwrap();
        let expected = known()[format!("record, {kind}").as_str()];
        assert_eq!(converted.record.to_string(), expected, "{kind}");
        assert!(tokens.verify(OLD, &expected.parse().unwrap(), 0, "read").is_ok(), "{kind}");
    }
}

#[test]
fn a_credential_has_the_digest_of_the_page() {
    let print = tokens().peppers().fingerprint(&Secret::from("sk-1"));
    assert_eq!(print.to_string(), known()["print of sk-1"]);
}

#[test]
fn hex_of_existing_tables_is_read_in_either_case_and_in_full() {
    for text in ["", "00f", "zz", &"00".repeat(65)] {
        assert!(Salt::from_hex(text).is_err(), "{text}");
    }
    assert!(Salt::new(&[]).is_err() && Salt::new(&[0; 65]).is_err() && Salt::new(&[0; 64]).is_ok());
    for text in ["", &"0".repeat(63), &"0".repeat(62), &"0".repeat(66), &"g".repeat(64)] {
        assert!(text.parse::<OldDigest>().is_err(), "{text}");
    }
}
