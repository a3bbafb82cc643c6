//! Narrowing, rotating, revoking and redeeming.

use std::time::Duration;

use sealwax_tokens::{Change, ChangeError, Record, State, TokenError, Tokens};

use crate::given::{NOW, Parts, Scripted, grant, issue, line, shown, tokens, under};

const HOUR: Duration = Duration::from_secs(3600);

fn state(tokens: &Tokens, record: &Record) -> State {
    tokens.inspect(record).unwrap().state
}

/// A change of anything else than a rotation replaces the record, and ends the token before.
fn replaces(change: &Change, seen: &Record) -> Record {
    assert_eq!((&change.seen, &change.previous, change.keeps_previous), (seen, &None, false));
    change.record.clone()
}

#[test]
fn a_token_can_be_narrowed_and_never_widened() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant().not_before(10).expires(NOW + 10));
    let full = tokens.inspect(&record).unwrap().grant;
    let narrower = [
        full.clone(),
        full.clone().with_scopes(["read"]).unwrap(),
        full.clone().not_before(11),
        full.clone().expires(NOW + 9),
        full.clone().single_use(),
    ];
    for grant in narrower {
        let change = tokens.narrow(&record, grant.clone()).unwrap();
        let claims = tokens.inspect(&replaces(&change, &record)).unwrap();
        assert_eq!((claims.grant, claims.id), (grant, change.id));
        // It is still the same token, and the older record would still be accepted: the table decides which it has.
        assert_eq!(change.record.lookup_key(), record.lookup_key());
        assert!(tokens.verify(&token, &record, NOW, "write").is_ok());
    }
    let reader = full.clone().with_scopes(["read"]).unwrap();
    let narrowed = tokens.narrow(&record, reader).unwrap().record;
    assert!(tokens.verify(&token, &narrowed, NOW, "read").is_ok());
    assert_eq!(tokens.verify(&token, &narrowed, NOW, "write").unwrap_err(), TokenError::Scope);

    let single = tokens.narrow(&record, full.clone().single_use()).unwrap().record;
    let other = sealwax_tokens::Grant::new("tenant/43", ["read"]).unwrap();
    let wider = [
        (&record, full.clone().with_scopes(["admin", "read"]).unwrap()),
        (&narrowed, full.clone()),
        (&record, full.clone().not_before(9)),
        (&record, full.clone().expires(NOW + 11)),
        (&record, full.clone().expires(u64::MAX)),
        (&record, other.not_before(10).expires(NOW + 10)),
        (&single, full),
    ];
    for (record, grant) in wider {
        assert_eq!(tokens.narrow(record, grant).unwrap_err(), ChangeError::Wider);
    }
}

#[test]
fn a_token_that_was_revoked_stays_so() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant());
    let revoked = replaces(&tokens.revoke(&record).unwrap(), &record);
    assert_eq!(state(&tokens, &revoked), State::Revoked);
    assert_eq!(tokens.verify(&token, &revoked, NOW, "read").unwrap_err(), TokenError::Revoked);
    let is_revoked =
        |error| matches!(error, ChangeError::Token { source: TokenError::Revoked, .. });
    assert!(is_revoked(tokens.narrow(&revoked, grant()).unwrap_err()));
    assert!(is_revoked(tokens.rotate(&revoked, NOW, HOUR, None).unwrap_err()));
    // Again, which changes nothing; and one that is not valid yet, has expired, was rotated out, or is for one use.
    assert_eq!(tokens.revoke(&revoked).unwrap().record, revoked);
    let rotated = tokens.rotate(&record, NOW, HOUR, None).unwrap().change;
    let others = [
        issue(&tokens, grant().not_before(u64::MAX)).1,
        issue(&tokens, grant().expires(0)).1,
        issue(&tokens, grant().single_use()).1,
        rotated.previous.unwrap(),
        rotated.record,
    ];
    for record in others {
        let revoked = replaces(&tokens.revoke(&record).unwrap(), &record);
        assert_eq!(state(&tokens, &revoked), State::Revoked);
    }
}

#[test]
fn a_token_for_one_use_is_redeemed_by_whoever_writes_first() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant().single_use());
    assert_eq!(tokens.verify(&token, &record, NOW, "read").unwrap_err(), TokenError::WrongUse);
    let [first, second] = [(); 2].map(|()| tokens.redeem(&token, &record, NOW, "read").unwrap());
    let spent = replaces(first.change(), &record);
    assert_eq!(state(&tokens, &spent), State::Spent);
    assert_eq!(first.finish(1).unwrap().grant, grant().single_use());
    assert_eq!(second.finish(0).unwrap_err(), TokenError::Spent);
    assert_eq!(tokens.redeem(&token, &spent, NOW, "read").unwrap_err(), TokenError::Spent);
    assert_eq!(tokens.verify(&token, &spent, NOW, "read").unwrap_err(), TokenError::Spent);
    let is_spent = |error| matches!(error, ChangeError::Token { source: TokenError::Spent, .. });
    assert!(is_spent(tokens.narrow(&spent, grant().single_use()).unwrap_err()));

    // One for many uses is not redeemed, one for one use is not rotated, and every other reason holds for both.
    let (other, of_other) = issue(&tokens, grant());
    assert_eq!(tokens.redeem(&other, &of_other, NOW, "read").unwrap_err(), TokenError::WrongUse);
    assert_eq!(tokens.redeem(&other, &record, NOW, "read").unwrap_err(), TokenError::Unknown);
    assert_eq!(tokens.redeem(&token, &record, NOW, "admin").unwrap_err(), TokenError::Scope);
    let wrong = tokens.rotate(&record, NOW, HOUR, None).unwrap_err();
    assert!(matches!(wrong, ChangeError::Token { source: TokenError::WrongUse, .. }));
    let (late, expired) = issue(&tokens, grant().single_use().expires(NOW));
    assert_eq!(tokens.redeem(&late, &expired, NOW, "read").unwrap_err(), TokenError::Expired);
    // Under an older pepper, what is written is under the primary.
    let (token, record) = issue(&under(&line("primary", "tokens-2025", 9)), grant().single_use());
    let both =
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat());
    let redemption = both.redeem(&token, &record, NOW, "read").unwrap();
    assert_eq!(state(&tokens, &redemption.change().record), State::Spent);
}

#[test]
fn a_rotated_token_keeps_its_id_and_what_it_is_for() {
    let tokens = tokens();
    let (old, record) = issue(&tokens, grant().expires(NOW + 7));
    let before = tokens.inspect(&record).unwrap();
    let rotated = tokens.rotate(&record, NOW, HOUR, Some(NOW + 70)).unwrap();
    let change = rotated.change;
    let after = tokens.inspect(&change.record).unwrap();
    assert_eq!(after, rotated.claims);
    assert_eq!((after.id, change.id), (before.id, before.id));
    assert_eq!(
        (&after.grant, after.state),
        (&before.grant.clone().expires(NOW + 70), State::Successor)
    );
    let previous = change.previous.unwrap();
    assert_eq!(previous.lookup_key(), record.lookup_key());
    let ending = tokens.inspect(&previous).unwrap();
    assert_eq!(
        (ending.grant, ending.state, ending.hint),
        (before.grant, State::Replaced, before.hint)
    );
    let new = shown(rotated.token);
    assert_ne!((&new, change.record.lookup_key()), (&old, record.lookup_key()));
    assert!(new.ends_with(&after.hint));
    // A new token is narrowed with the old one, which ends then.
    let narrowed = tokens.narrow(&change.record, after.grant).unwrap();
    assert_eq!(state(&tokens, &replaces(&narrowed, &change.record)), State::Active);
    let is_replaced = tokens.narrow(&previous, grant().expires(1)).unwrap_err();
    assert_eq!(is_replaced, ChangeError::Replaced);
}

#[test]
fn a_token_that_nobody_received_is_rotated_again_and_the_one_before_keeps_its_grace() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant());
    let lost = tokens.rotate(&record, NOW, HOUR, None).unwrap();
    let again = tokens.rotate(&lost.change.record, NOW + 60, Duration::ZERO, None).unwrap();
    assert_eq!((again.change.keeps_previous, &again.change.previous), (true, &None));
    assert_eq!(again.change.seen, lost.change.record);
    assert_eq!(state(&tokens, &again.change.record), State::Successor);
    // Once it was used, it is the one before.
    let token = shown(again.token);
    let used =
        tokens.verify(&token, &again.change.record, NOW + 60, "read").unwrap().change.unwrap();
    let third = tokens.rotate(&used.record, NOW + 60, HOUR, None).unwrap().change;
    assert_eq!(third.previous.unwrap().lookup_key(), used.record.lookup_key());
    assert!(!third.keeps_previous);
}

#[test]
fn what_was_altered_is_not_changed_into_something_intact() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant());
    let mut parts = Parts::of(&record);
    parts.claims[36] ^= 1;
    let altered = parts.record();
    let is_altered =
        |error| matches!(error, ChangeError::Token { source: TokenError::Altered, .. });
    assert!(is_altered(tokens.narrow(&altered, grant().expires(1)).unwrap_err()));
    assert!(is_altered(tokens.revoke(&altered).unwrap_err()));
    assert!(is_altered(tokens.rotate(&altered, NOW, HOUR, None).unwrap_err()));
    // Nor under a pepper that is gone.
    let other = under(&line("primary", "p", 40));
    let of_pepper =
        |error| matches!(error, ChangeError::Token { source: TokenError::Pepper { .. }, .. });
    assert!(of_pepper(other.revoke(&record).unwrap_err()));
    // Without randomness, nothing is rotated.
    let failed = tokens.rotate_with_rng(&record, NOW, HOUR, None, &mut Scripted(vec![]));
    assert_eq!(failed.unwrap_err(), ChangeError::Random);
}

#[test]
fn a_change_without_the_token_stays_under_its_pepper() {
    let old = under(&line("primary", "tokens-2025", 9));
    let both =
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat());
    let (token, record) = issue(&old, grant());
    for change in [both.revoke(&record), both.narrow(&record, grant().expires(NOW + 1))] {
        let change = change.unwrap();
        assert_eq!(change.record.pepper_id(), record.pepper_id());
        assert_eq!(change.record.lookup_key(), record.lookup_key());
    }
    let rotated = both.rotate(&record, NOW, HOUR, None).unwrap().change;
    assert_eq!(rotated.record.pepper_id().as_ref(), "tokens-2026");
    let previous = rotated.previous.unwrap();
    assert_eq!(previous.pepper_id(), record.pepper_id());
    assert_eq!(both.verify(&token, &previous, NOW, "read").unwrap().change, None);
}
