//! When a token is valid: every combination of its start, its end, a rotation, a grace and a use of the new token.

use std::time::Duration;

use sealwax_tokens::{ChangeError, Previous, TokenError};

use crate::given::{NOW, SUBJECT, grant, issue, rotation, shown, tokens};

/// The last time that a grant may name.
const LAST: u64 = 100_000_000_000;

/// Every time around each of these, and the ends of the range. At the largest time, everything has expired.
fn around(times: &[u64]) -> Vec<u64> {
    let mut all = vec![0, 1, u64::MAX - 1, u64::MAX];
    all.extend(times.iter().flat_map(|t| [t.saturating_sub(1), *t, t.saturating_add(1)]));
    all.sort_unstable();
    all.dedup();
    all
}

/// The rule of the page: not before ≤ now < expires.
fn expected(now: u64, not_before: u64, expires: u64) -> Result<(), TokenError> {
    if now < not_before {
        return Err(TokenError::NotYet);
    }
    if now < expires { Ok(()) } else { Err(TokenError::Expired) }
}

#[test]
fn it_is_valid_from_its_start_until_before_its_end() {
    let tokens = tokens();
    let (mut valid, mut refused) = (0, 0);
    for not_before in [0, 1, NOW, NOW + 100, LAST] {
        for expires in [0, 1, NOW, NOW + 1, NOW + 100, LAST, u64::MAX] {
            let (token, record) = issue(&tokens, grant().not_before(not_before).expires(expires));
            for now in around(&[not_before, expires, NOW]) {
                let found = tokens.verify(&token, &record, now, "read").map(drop);
                assert_eq!(
                    found,
                    expected(now, not_before, expires),
                    "{not_before} {expires} {now}"
                );
                *(if found.is_ok() { &mut valid } else { &mut refused }) += 1;
            }
        }
    }
    assert!(valid > 40 && refused > 150, "{valid}, {refused}");
}

/// Before a scope, a time is told: a thief who tries scopes learns nothing, and an operator what to do first.
#[test]
fn the_first_reason_is_told() {
    let (token, record) = issue(&tokens(), grant().not_before(5).expires(9));
    let told = |now| tokens().verify(&token, &record, now, "admin").unwrap_err();
    assert_eq!(
        [4, 5, 8, 9].map(told),
        [TokenError::NotYet, TokenError::Scope, TokenError::Scope, TokenError::Expired]
    );
}

#[test]
fn a_rotated_token_ends_with_its_grace_or_its_own_expiry() {
    let tokens = tokens();
    let (mut valid, mut refused, mut dead) = (0, 0, 0);
    for not_before in [0, NOW - 10, NOW + 10] {
        for expires in [NOW - 5, NOW, NOW + 50, NOW + 100, NOW + 200, u64::MAX] {
            for grace in [0, 1, 100, LAST - NOW, u64::MAX] {
                for new_expiry in [None, Some(NOW + 150), Some(u64::MAX)] {
                    let grant = grant().not_before(not_before).expires(expires);
                    let (old, record) = issue(&tokens, grant.clone());
                    let grace = Duration::from_secs(grace);
                    let rotated = tokens.rotate(&record, SUBJECT, rotation(NOW, grace, new_expiry));
                    let old_ends = expires.min(NOW.saturating_add(grace.as_secs()));
                    let new_ends = new_expiry.unwrap_or(expires);
                    if new_ends <= NOW {
                        dead += 1;
                        assert_eq!(rotated.unwrap_err(), ChangeError::Token(TokenError::Expired));
                        continue;
                    }
                    let change = rotated.unwrap();
                    assert_eq!((&change.seen, change.expires), (&record, old_ends.max(new_ends)));
                    let Previous::Is(previous) = change.previous.clone() else {
                        panic!("{:?}", change.previous)
                    };
                    let successor = change.record.clone();
                    let new = shown(change.finish(true).unwrap().token);
                    for now in around(&[not_before, expires, NOW, old_ends, new_ends]) {
                        let of_old = tokens.verify(&old, &previous, now, "read");
                        let of_new = tokens.verify(&new, &successor, now, "read");
                        let told = |found: &Result<_, TokenError>| {
                            found.as_ref().map(drop).map_err(Clone::clone)
                        };
                        assert_eq!(told(&of_old), expected(now, not_before, old_ends));
                        assert_eq!(told(&of_new), expected(now, not_before, new_ends));
                        // The old one is left as it is; the first use of the new one ends it.
                        for (found, is_new) in [(of_old, false), (of_new, true)] {
                            let Ok(found) = found else {
                                refused += 1;
                                continue;
                            };
                            valid += 1;
                            assert_eq!(found.change.is_some(), is_new);
                            let Some(used) = found.change else { continue };
                            assert_eq!((&used.previous, &used.seen), (&Previous::Ends, &successor));
                            let again = tokens.verify(&new, &used.record, now, "read").unwrap();
                            assert!(again.change.is_none());
                            assert_eq!(again.claims.id, tokens.inspect(&record).unwrap().id);
                        }
                        // Neither is the other.
                        assert_eq!(
                            tokens.verify(&old, &successor, now, "read").unwrap_err(),
                            TokenError::Unknown
                        );
                    }
                    // The one that was rotated out cannot be rotated again, whatever the time.
                    let again = tokens
                        .rotate(&previous, SUBJECT, rotation(NOW, Duration::ZERO, None))
                        .unwrap_err();
                    assert_eq!(again, ChangeError::Replaced);
                }
            }
        }
    }
    assert!(valid > 1000 && refused > 1000, "{valid}, {refused}");
    assert_eq!(dead, 3 * 2 * 5, "of two expiries, without another one");
}
