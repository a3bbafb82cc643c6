//! Peppers and tokens of `sealwax-tokens`.

use std::hint::black_box;

use sealwax_tokens::{
    Existing, Grant, Issued, Mode, OldDigest, Pepper, Peppers, Record, Rotation, Salt, TokenError,
    Tokens,
};

use crate::given::{Draws, bytes, credential, id, text};
use crate::memcheck::{public, published, secret};
use crate::operation;

const NOW: u64 = 1_800_000_000;
/// Long enough to be one of ours with a prefix in front.
const OLD: &str = "tok.2f9e8d7c6b5a49382716051423324150617283940a1b2c3d4e5f60718";

/// Draws a public id, and then what a token is drawn from: bytes that are all accepted, and start with this one.
fn draws(first: u8) -> Draws<impl FnMut(&mut [u8])> {
    Draws(move |buffer: &mut [u8]| {
        let bytes = (first..248).chain(0..first).cycle().step_by(5);
        buffer.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        if buffer.len() == 64 {
            secret(buffer);
        }
    })
}

fn peppers(key_id: &str, first: u8) -> Peppers {
    let pepper = Pepper::from_bytes(&mut bytes(first)).expect("not a weak key");
    Peppers::new(id(key_id), pepper).expect("an id")
}

fn tokens(peppers: Peppers) -> Tokens {
    Tokens::new(peppers, Mode::Live, "acme_live_".parse().expect("a prefix"))
}

fn accepting() -> Tokens {
    tokens(peppers("new", 1)).accept_existing([salt()])
}

fn salt() -> Salt {
    Salt::new(b"shared by all rows").expect("a salt")
}

fn grant() -> Grant {
    Grant::new("tenant/42", ["read", "write"]).expect("a subject and scopes")
}

fn issued(tokens: &Tokens, grant: Grant) -> Issued {
    tokens.issue_with_rng(grant, &mut draws(0)).expect("issued")
}

/// Returns a record as a table has it, which is public.
fn stored(record: &Record) -> Record {
    let text = record.to_string();
    public(text.as_bytes());
    text.parse().expect("a record")
}

/// Returns a token as its owner presents it: all of it is secret except the prefix.
fn presented(issued: Issued) -> (String, Record) {
    let record = stored(&issued.record);
    let token = issued.token.into_secret().expect("not shown");
    public(token.expose_secret());
    let token = token.expose_str().expect("text").to_owned();
    secret(&token.as_bytes()["acme_live_".len()..]);
    (token, record)
}

fn issued_to_owner() -> (String, Record) {
    presented(issued(&tokens(peppers("new", 1)), grant()))
}

/// Returns a token with one character exchanged for another one.
fn mistyped(mut token: String, at: usize) -> String {
    public(token.as_bytes());
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    token.replace_range(at..=at, other);
    secret(&token.as_bytes()["acme_live_".len()..]);
    token
}

/// Returns a record with one character of a field changed.
fn altered(record: &Record, field: usize) -> Record {
    let text = record.to_string();
    let mut fields: Vec<String> = text.split(':').map(str::to_owned).collect();
    let first = if fields[field].starts_with('A') { "B" } else { "A" };
    fields[field].replace_range(..1, first);
    fields.join(":").parse().expect("the layout is unchanged")
}

pub fn operations() {
    operation("token drawn and issued", || {
        drop(black_box(stored(&issued(&tokens(peppers("new", 1)), grant()).record)));
    });
    operation("token's lookup keys", || {
        let (token, _) = issued_to_owner();
        black_box(tokens(peppers("new", 1)).lookup_keys(&token).expect("a token"));
    });
    operation("token verified", || {
        let (token, record) = issued_to_owner();
        let verified = tokens(peppers("new", 1)).verify(&token, &record, NOW, "read");
        assert!(verified.expect("verified").change.is_none());
    });
    operation("token rotated, and the new one verified", || {
        let tokens = tokens(peppers("new", 1));
        let record = stored(&issued(&tokens, grant()).record);
        let rotation = Rotation { now: NOW, grace: std::time::Duration::ZERO, expires: None };
        let change = tokens.rotate_with_rng(&record, "tenant/42", rotation, &mut draws(1));
        let change = change.expect("rotated");
        let record = stored(&change.record);
        let token = change.finish(true).expect("nobody else is here").token;
        let token = token.into_secret().expect("not shown");
        public(token.expose_secret());
        let token = text(token.expose_str().expect("text"));
        public(&token.as_bytes()[..10]);
        let verified = tokens.verify(&token, &record, NOW, "read").expect("verified");
        drop(black_box(stored(&verified.change.expect("a first use").record)));
    });
    operation("token redeemed", || {
        let tokens = tokens(peppers("new", 1));
        let (token, record) = presented(issued(&tokens, grant().single_use()));
        let change = tokens.redeem(&token, &record, NOW, "read").expect("redeemed");
        drop(black_box(stored(&change.record)));
    });
    for (what, field) in [("digest", 2), ("claims", 3), ("MAC", 4)] {
        operation(&format!("token refused, {what} of its record altered"), || {
            let (token, record) = issued_to_owner();
            let refused =
                tokens(peppers("new", 1)).verify(&token, &altered(&record, field), NOW, "read");
            assert!(matches!(refused, Err(TokenError::Altered)));
        });
    }
    operation("token refused, with another token's record", || {
        let tokens = tokens(peppers("new", 1));
        let (_, record) = issued_to_owner();
        let other = tokens.issue_with_rng(grant(), &mut draws(1)).expect("issued");
        let refused = tokens.verify(&presented(other).0, &record, NOW, "read");
        assert!(matches!(refused, Err(TokenError::Unknown)));
    });
    // The first and the last of the random characters, and of the checksum.
    for at in [10, 52, 53, 58] {
        operation(&format!("token refused, mistyped at {at}"), || {
            let (token, record) = issued_to_owner();
            let typo = mistyped(token, at);
            let tokens = tokens(peppers("new", 1));
            assert!(matches!(tokens.lookup_keys(&typo), Err(TokenError::Malformed)));
            let refused = tokens.verify(&typo, &record, NOW, "read");
            assert!(matches!(refused, Err(TokenError::Malformed)));
        });
    }
    existing();
    for len in crate::LENS {
        operation(&format!("credential's fingerprint {len}"), || {
            black_box(peppers("new", 1).fingerprint(&credential(len)));
        });
    }
}

fn existing() {
    operation("existing token's lookup keys", || {
        black_box(accepting().lookup_keys(&text(OLD)).expect("four schemes"));
    });
    operation("existing token converted and verified", || {
        let tokens = accepting();
        let converted = tokens.convert(&Existing::Plaintext(&text(OLD)), grant());
        let record = stored(&converted.expect("converted").record);
        let verified = tokens.verify(&text(OLD), &record, NOW, "read");
        assert!(verified.expect("verified").change.is_none());
    });
    let digest = || {
        let digest: [u8; 32] = bytes(9).try_into().expect("32 bytes");
        OldDigest::from(digest)
    };
    type Of = fn(OldDigest) -> Existing<'static>;
    let of_digest: [(&str, Of); 3] = [
        ("SHA-256", Existing::Sha256),
        ("salt before", |digest| Existing::SaltBefore(salt(), digest)),
        ("salt after", |digest| Existing::SaltAfter(salt(), digest)),
    ];
    for (scheme, existing) in of_digest {
        operation(&format!("existing token of scheme {scheme}"), || {
            let tokens = accepting();
            let converted = tokens.convert(&existing(digest()), grant()).expect("converted");
            let record = stored(&converted.record);
            let refused = tokens.verify(&text(OLD), &record, NOW, "read");
            assert!(matches!(published(refused), Err(TokenError::Unknown)));
        });
    }
}
