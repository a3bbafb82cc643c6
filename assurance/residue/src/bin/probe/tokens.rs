//! Peppers and tokens of `sealwax-tokens`: read, issued, shown, verified, changed, converted and refused.

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use residue::pipe::role;
use sealwax::Suite;
use sealwax_tokens::{
    ChangeError, Existing, Grant, Issued, Mode, OldDigest, Pepper, Peppers, Rotated, Rotation,
    Salt, ShowOnce, TokenError, Tokens,
};

use crate::given::{Lent, Rng, bytes, id, says, secret};
use crate::step;

/// Peppers know no suite.
const SUITE: Suite = Suite::Aes256Gcm;
const NOW: u64 = 1_800_000_000;
/// The salt of existing tables, which the search knows.
const SALT: &[u8] = b"shared by all rows";

fn peppers(key_id: &str, number: u8) -> Peppers {
    let pepper = Pepper::from_bytes(&mut bytes(role::PEPPER, number, 32));
    Peppers::new(id(key_id), pepper.expect("32 random bytes")).expect("an id")
}

/// Returns peppers of which number 0 is the primary, and number 1, `old`, is retired.
fn both_peppers() -> Peppers {
    Lent::new(role::PEPPERS_TEXT, 0, 0).text().parse().expect("peppers")
}

fn tokens(peppers: Peppers, prefix_len: usize) -> Tokens {
    let prefix = format!("{}_", "a".repeat(prefix_len - 1));
    Tokens::new(peppers, Mode::Live, prefix.parse().expect("a prefix"))
}

fn grant() -> Grant {
    Grant::new("tenant/42", ["read", "write"]).expect("a subject and scopes")
}

fn issued(tokens: &Tokens, grant: Grant) -> Issued {
    tokens.issue_with_rng(grant, &mut Rng::Of(role::TOKEN_DRAW, 0)).expect("issued")
}

const ROTATION: Rotation = Rotation { now: NOW, grace: Duration::from_secs(60), expires: None };

/// Returns the token that was issued, or the one that replaces it, as its owner presents it.
fn presented(number: u8, prefix_len: usize) -> Lent {
    Lent::new(role::TOKEN, number, prefix_len)
}

/// Asserts that the token is the one that the search knows.
fn assert_is(token: ShowOnce, number: u8, prefix_len: usize) {
    let token = token.into_secret().expect("not shown yet");
    assert!(token.expose_secret() == presented(number, prefix_len).as_slice());
}

pub fn steps(sizes: &[usize], prefix_lens: RangeInclusive<usize>) {
    rings();
    for prefix_len in prefix_lens {
        made(prefix_len);
        verified(prefix_len);
        changed(prefix_len);
        refused(prefix_len);
    }
    for &size in sizes {
        step("credential's fingerprint", SUITE, size, &mut || {
            let (peppers, credential) = (both_peppers(), secret(size));
            black_box(peppers.fingerprint(&credential));
            assert_eq!(black_box(peppers.fingerprints(&credential).count()), 2);
        });
    }
    for &size in sizes.iter().filter(|size| (1..=1024).contains(*size)) {
        existing(size);
    }
}

fn rings() {
    step("peppers from text", SUITE, 0, &mut || {
        let peppers = both_peppers();
        let clone = black_box(peppers.clone());
        black_box(format!("{peppers:?}"));
        drop((peppers, clone));
    });
    for shape in 1..=3 {
        step("peppers' text refused", SUITE, 0, &mut || {
            let lent = Lent::new(role::PEPPERS_TEXT, shape, 0);
            says(&lent.text().parse::<Peppers>().expect_err("a mistake"));
        });
    }
}

fn made(prefix_len: usize) {
    step("token issued", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let issued = issued(&tokens, grant());
        black_box(format!("{tokens:?} {issued:?} {:?}", issued.parameters()));
        assert_is(issued.token, 0, prefix_len);
    });
    step("token issued", SUITE, prefix_len, &mut || {
        let issued = tokens(peppers("new", 0), prefix_len).issue(grant()).expect("issued");
        drop(black_box(issued));
    });
    step("token shown", SUITE, prefix_len, &mut || {
        let token = issued(&tokens(peppers("new", 0), prefix_len), grant()).token;
        // The buffer is the caller's.
        let mut answer = serde_json::to_vec(&token).expect("shown");
        assert!(answer[1..answer.len() - 1] == **presented(0, prefix_len));
        for byte in &mut answer {
            // SAFETY: a byte that we own. Not wiped with zeroize, which the control switches off.
            unsafe { std::ptr::from_mut(byte).write_volatile(0) };
        }
        says(&serde_json::to_vec(&token).expect_err("shown before"));
        assert!(token.into_secret().is_none());
    });
    step("token not drawn", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant()).record;
        for mut rng in [Rng::Fails, Rng::RepeatsAByte] {
            let rotated = tokens.rotate_with_rng(&record, "tenant/42", ROTATION, &mut rng);
            assert!(matches!(rotated, Err(ChangeError::Random)));
        }
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            drop(tokens.rotate_with_rng(&record, "tenant/42", ROTATION, &mut Rng::Panics));
        }));
        assert!(panicked.is_err());
    });
}

fn verified(prefix_len: usize) {
    step("token's lookup keys", SUITE, prefix_len, &mut || {
        let tokens = tokens(both_peppers(), prefix_len).accept_existing([]);
        let keys = tokens.lookup_keys(presented(0, prefix_len).text()).expect("a token");
        black_box(format!("{keys:?} {:?}", keys.parameters(NOW)));
    });
    step("token verified", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant()).record;
        let token = presented(0, prefix_len);
        let verified = tokens.verify(token.text(), &record, NOW, "read").expect("verified");
        assert!(black_box(verified).change.is_none());
    });
    step("token verified, under an older pepper", SUITE, prefix_len, &mut || {
        let record = issued(&tokens(peppers("old", 1), prefix_len), grant()).record;
        let (tokens, token) = (tokens(both_peppers(), prefix_len), presented(0, prefix_len));
        let verified = tokens.verify(token.text(), &record, NOW, "read").expect("verified");
        let change = verified.change.expect("another primary");
        let again = tokens.verify(token.text(), &change.record, NOW, "read").expect("verified");
        assert!(again.change.is_none());
    });
    step("token redeemed", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant().single_use()).record;
        let token = presented(0, prefix_len);
        let change = tokens.redeem(token.text(), &record, NOW, "read").expect("redeemed");
        let spent = tokens.redeem(token.text(), &change.record, NOW, "read");
        assert!(matches!(spent, Err(TokenError::Spent)));
    });
}

fn changed(prefix_len: usize) {
    step("token rotated", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant()).record;
        let mut rng = Rng::Of(role::TOKEN_DRAW, 1);
        let change = tokens.rotate_with_rng(&record, "tenant/42", ROTATION, &mut rng);
        let change = change.expect("rotated");
        black_box(format!("{change:?} {:?}", change.parameters()));
        let Rotated { token, .. } = change.finish(true).expect("nobody else is here");
        assert_is(token, 1, prefix_len);
    });
    step("token verified, as a successor", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant()).record;
        let mut rng = Rng::Of(role::TOKEN_DRAW, 1);
        let change = tokens.rotate_with_rng(&record, "tenant/42", ROTATION, &mut rng);
        let record = change.expect("rotated").record;
        let token = presented(1, prefix_len);
        let verified = tokens.verify(token.text(), &record, NOW, "read").expect("verified");
        drop(black_box(verified.change.expect("a first use")));
    });
    step("token narrowed and revoked", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant()).record;
        let narrower = grant().with_scopes(["read"]).expect("a scope");
        let change = tokens.narrow(&record, "tenant/42", narrower).expect("narrower");
        drop(black_box(tokens.revoke(&change.record, "tenant/42").expect("revoked")));
    });
}

fn refused(prefix_len: usize) {
    step("token refused", SUITE, prefix_len, &mut || {
        let tokens = tokens(peppers("new", 0), prefix_len);
        let record = issued(&tokens, grant()).record;
        let (token, other) = (presented(0, prefix_len), presented(1, prefix_len));
        let text = token.text();
        for malformed in [&text[1..], &text[..text.len() - 1], "", &text[text.len() - 1..]] {
            says(&tokens.lookup_keys(malformed).expect_err("malformed"));
            says(&tokens.verify(malformed, &record, NOW, "read").expect_err("malformed"));
        }
        let unknown = tokens.verify(other.text(), &record, NOW, "read");
        assert!(matches!(unknown, Err(TokenError::Unknown)));
        let scope = tokens.verify(text, &record, NOW, "admin");
        assert!(matches!(scope, Err(TokenError::Scope)));
        let mut altered = record.to_string();
        altered.replace_range(12..13, if &altered[12..13] == "A" { "B" } else { "A" });
        let altered = altered.parse().expect("still a record");
        says(&tokens.verify(text, &altered, NOW, "read").expect_err("altered"));
    });
    step("token refused", SUITE, prefix_len, &mut || {
        let record = issued(&tokens(peppers("gone", 1), prefix_len), grant()).record;
        let tokens = tokens(peppers("new", 0), prefix_len);
        let token = presented(0, prefix_len);
        says(&tokens.verify(token.text(), &record, NOW, "read").expect_err("no pepper"));
    });
}

fn existing(size: usize) {
    let salt = || Salt::new(SALT).expect("a salt");
    let tokens = || tokens(peppers("new", 0), 10).accept_existing([salt()]);
    let convert = |tokens: &Tokens, existing: &Existing<'_>| {
        tokens.convert(existing, grant()).expect("converted").record
    };
    step("existing token converted", SUITE, size, &mut || {
        let token = Lent::new(role::OLD_TOKEN, 0, size);
        black_box(convert(&tokens(), &Existing::Plaintext(token.text())));
    });
    let of_digest = |digest| {
        let digest = OldDigest::from(digest);
        [
            Existing::Sha256(digest),
            Existing::SaltBefore(salt(), digest),
            Existing::SaltAfter(salt(), digest),
        ]
    };
    step("existing token looked up", SUITE, size, &mut || {
        let (tokens, token) = (tokens(), Lent::new(role::OLD_TOKEN, 0, size));
        black_box(tokens.lookup_keys(token.text()).expect("four schemes"));
        // Rows of other tokens, so that a digest of this one can only be the crate's.
        for existing in of_digest([9; 32]) {
            let record = convert(&tokens, &existing);
            let found = tokens.search(token.text(), [record.to_string()]);
            assert!(matches!(found, Err(TokenError::Unknown)));
            let verified = tokens.verify(token.text(), &record, NOW, "read");
            assert!(matches!(verified, Err(TokenError::Unknown)));
        }
    });
    for (scheme, at) in (1..).zip(0..3) {
        step("existing token verified", SUITE, size, &mut || {
            let (tokens, token) = (tokens(), Lent::new(role::OLD_TOKEN, 0, size));
            // What its table had, which is not the crate's to wipe.
            let digest = Lent::new(role::OLD_DIGEST, scheme, size);
            let digest: [u8; 32] = digest.as_slice().try_into().expect("32 bytes");
            let record = convert(&tokens, &of_digest(digest)[at]);
            let found = tokens.search(token.text(), [record.to_string()]).expect("its row");
            let verified = tokens.verify(token.text(), &found, NOW, "read").expect("verified");
            assert!(black_box(verified).change.is_some());
        });
    }
}
