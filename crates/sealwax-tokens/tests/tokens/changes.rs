//! Narrowing, rotating, revoking and redeeming.

use std::time::Duration;

use sealwax::ErrorClass;
use sealwax_tokens::{
    Change, ChangeError, Grant, GrantError, Previous, Raced, Record, State, TokenError, Tokens,
};

use crate::given::{
    NOW, Parts, SUBJECT, Scripted, grant, issue, line, rotation, shown, tokens, under,
};

const HOUR: Duration = Duration::from_secs(3600);

fn state(tokens: &Tokens, record: &Record) -> State {
    tokens.inspect(record).unwrap().state
}

/// A change of anything else than a rotation replaces the record, and ends the token before.
fn replaces<T>(change: &Change<T>, seen: &Record) -> Record {
    assert_eq!((&change.seen, &change.previous), (seen, &Previous::Ends));
    change.record.clone()
}

fn is_refused(error: ChangeError, why: TokenError) {
    assert_eq!(error, ChangeError::Token(why));
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
        let change = tokens.narrow(&record, SUBJECT, grant.clone()).unwrap();
        let claims = tokens.inspect(&replaces(&change, &record)).unwrap();
        assert_eq!((&claims.grant, claims.id), (&grant, change.id));
        // It is still the same token, and the older record would still be accepted: the table decides which it has.
        assert_eq!(change.record.lookup_key(), record.lookup_key());
        assert!(tokens.verify(&token, &record, NOW, "write").is_ok());
        assert_eq!(change.finish(true).unwrap(), claims);
    }
    let reader = full.clone().with_scopes(["read"]).unwrap();
    let narrowed = tokens.narrow(&record, SUBJECT, reader).unwrap().record;
    assert!(tokens.verify(&token, &narrowed, NOW, "read").is_ok());
    assert_eq!(tokens.verify(&token, &narrowed, NOW, "write").unwrap_err(), TokenError::Scope);

    let single = tokens.narrow(&record, SUBJECT, full.clone().single_use()).unwrap().record;
    let other = Grant::new("tenant/43", ["read"]).unwrap();
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
        assert_eq!(tokens.narrow(record, SUBJECT, grant).unwrap_err(), ChangeError::Wider);
    }
}

#[test]
fn a_token_that_was_revoked_stays_so() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant());
    let change = tokens.revoke(&record, SUBJECT).unwrap();
    let revoked = replaces(&change, &record);
    assert_eq!(change.finish(true).unwrap(), tokens.inspect(&revoked).unwrap());
    assert_eq!(state(&tokens, &revoked), State::Revoked);
    assert_eq!(tokens.verify(&token, &revoked, NOW, "read").unwrap_err(), TokenError::Revoked);
    is_refused(tokens.narrow(&revoked, SUBJECT, grant()).unwrap_err(), TokenError::Revoked);
    let again = tokens.rotate(&revoked, SUBJECT, rotation(NOW, HOUR, None)).unwrap_err();
    is_refused(again, TokenError::Revoked);
    // Again, which changes nothing; and one that is not valid yet, has expired, was rotated in, is for one use, or spent.
    assert_eq!(tokens.revoke(&revoked, SUBJECT).unwrap().record, revoked);
    let single = issue(&tokens, grant().single_use());
    let others = [
        issue(&tokens, grant().not_before(NOW + 1)).1,
        issue(&tokens, grant().expires(0)).1,
        tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap().record,
        tokens.redeem(&single.0, &single.1, NOW, "read").unwrap().record,
        single.1,
    ];
    for record in others {
        let revoked = replaces(&tokens.revoke(&record, SUBJECT).unwrap(), &record);
        assert_eq!(state(&tokens, &revoked), State::Revoked);
    }
}

/// A row that somebody put into another subject's list stays what it is.
#[test]
fn a_token_is_changed_for_its_own_subject_alone() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant());
    for subject in ["tenant/43", "tenant/4", "tenant/42\n", "", "TENANT/42", "tenant/42\nread"] {
        let refused = [
            tokens.revoke(&record, subject).unwrap_err(),
            tokens.narrow(&record, subject, grant()).unwrap_err(),
            tokens.rotate(&record, subject, rotation(NOW, HOUR, None)).unwrap_err(),
        ];
        assert_eq!(refused, [(); 3].map(|()| ChangeError::OtherSubject), "{subject}");
    }
    assert!(tokens.revoke(&record, SUBJECT).is_ok());
}

/// The row's own record is changed, since no statement would find the other one.
#[test]
fn one_that_was_rotated_out_is_not_changed_itself() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant());
    let rotated = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
    let Previous::Is(previous) = &rotated.previous else { panic!("{:?}", rotated.previous) };
    let refused = [
        tokens.revoke(previous, SUBJECT).unwrap_err(),
        tokens.narrow(previous, SUBJECT, grant()).unwrap_err(),
        tokens.rotate(previous, SUBJECT, rotation(NOW, HOUR, None)).unwrap_err(),
    ];
    assert_eq!(refused, [(); 3].map(|()| ChangeError::Replaced));
    assert_eq!(tokens.inspect(previous).unwrap().id, rotated.id);
}

#[test]
fn a_change_counts_when_it_is_written() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant());
    let raced = "somebody else changed the token first";
    let of_revoke = tokens.revoke(&record, SUBJECT).unwrap().finish(false).unwrap_err();
    let of_narrow = tokens.narrow(&record, SUBJECT, grant()).unwrap().finish(false).unwrap_err();
    let rotated = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
    let of_rotate = rotated.finish(false).unwrap_err();
    for error in [of_revoke, of_narrow, of_rotate] {
        assert_eq!(error.to_string(), raced);
        assert_eq!(ChangeError::from(error), ChangeError::Raced(error));
        assert_eq!(ChangeError::from(error).to_string(), raced);
    }
    let rotated = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
    let new = rotated.record.clone();
    let rotated = rotated.finish(true).unwrap();
    assert_eq!(rotated.claims, tokens.inspect(&new).unwrap());
    assert!(tokens.verify(&shown(rotated.token), &new, NOW, "read").is_ok());
    assert!(tokens.verify(&token, &record, NOW, "read").unwrap().change.is_none());
}

#[test]
fn a_token_for_one_use_is_redeemed_by_whoever_writes_first() {
    let tokens = tokens();
    let (token, record) = issue(&tokens, grant().single_use());
    assert_eq!(tokens.verify(&token, &record, NOW, "read").unwrap_err(), TokenError::WrongUse);
    let [first, second] = [(); 2].map(|()| tokens.redeem(&token, &record, NOW, "read").unwrap());
    let spent = replaces(&first, &record);
    assert_eq!(state(&tokens, &spent), State::Spent);
    assert_eq!(first.finish(true).unwrap().grant, grant().single_use());
    let raced: Raced = second.finish(false).unwrap_err();
    assert_eq!(TokenError::from(raced), TokenError::Spent);
    assert_eq!(tokens.redeem(&token, &spent, NOW, "read").unwrap_err(), TokenError::Spent);
    assert_eq!(tokens.verify(&token, &spent, NOW, "read").unwrap_err(), TokenError::Spent);
    let narrowed = tokens.narrow(&spent, SUBJECT, grant().single_use());
    is_refused(narrowed.unwrap_err(), TokenError::Spent);

    // One for many uses is not redeemed, one for one use is not rotated, and every other reason holds for both.
    let (other, of_other) = issue(&tokens, grant());
    assert_eq!(tokens.redeem(&other, &of_other, NOW, "read").unwrap_err(), TokenError::WrongUse);
    assert_eq!(tokens.redeem(&other, &record, NOW, "read").unwrap_err(), TokenError::Unknown);
    assert_eq!(tokens.redeem(&token, &record, NOW, "admin").unwrap_err(), TokenError::Scope);
    let wrong = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap_err();
    is_refused(wrong, TokenError::WrongUse);
    let (late, expired) = issue(&tokens, grant().single_use().expires(NOW));
    assert_eq!(tokens.redeem(&late, &expired, NOW, "read").unwrap_err(), TokenError::Expired);
    // Under an older pepper, what is written is under the primary.
    let (token, record) = issue(&under(&line("primary", "tokens-2025", 9)), grant().single_use());
    let both =
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat());
    let redemption = both.redeem(&token, &record, NOW, "read").unwrap();
    assert_eq!(state(&tokens, &redemption.record), State::Spent);
}

#[test]
fn a_rotated_token_keeps_its_id_and_what_it_is_for() {
    let tokens = tokens();
    let (old, record) = issue(&tokens, grant().expires(NOW + 7));
    let before = tokens.inspect(&record).unwrap();
    let change = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, Some(NOW + 70))).unwrap();
    let after = tokens.inspect(&change.record).unwrap();
    assert_eq!((after.id, change.id), (before.id, before.id));
    assert_eq!(
        (&after.grant, after.state),
        (&before.grant.clone().expires(NOW + 70), State::Successor)
    );
    let Previous::Is(previous) = &change.previous else { panic!("{:?}", change.previous) };
    assert_eq!(previous.lookup_key(), record.lookup_key());
    let ending = tokens.inspect(previous).unwrap();
    assert_eq!(
        (&ending.grant, ending.state, ending.hint()),
        (&before.grant, State::Replaced, before.hint())
    );
    let lookup_key = change.record.lookup_key();
    // A new token is narrowed with the old one, which ends then.
    let narrowed = tokens.narrow(&change.record, SUBJECT, after.grant.clone()).unwrap();
    assert_eq!(state(&tokens, &replaces(&narrowed, &change.record)), State::Active);
    let rotated = change.finish(true).unwrap();
    assert_eq!(after, rotated.claims);
    let new = shown(rotated.token);
    assert_ne!((&new, lookup_key), (&old, record.lookup_key()));
    assert!(new.ends_with(after.hint()) && after.hint().len() == 4);
}

#[test]
fn a_token_that_nobody_received_is_rotated_again_and_the_one_before_keeps_its_grace() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant());
    let lost = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
    let second = Duration::from_secs(1);
    let again = tokens.rotate(&lost.record, SUBJECT, rotation(NOW + 60, second, None)).unwrap();
    assert_eq!((&again.previous, &again.seen), (&Previous::Stays, &lost.record));
    assert_eq!(state(&tokens, &again.record), State::Successor);
    // Without a grace, both end: one of them leaked.
    for grace in [Duration::ZERO, Duration::from_millis(999)] {
        let ended = tokens.rotate(&lost.record, SUBJECT, rotation(NOW + 60, grace, None));
        assert_eq!(ended.unwrap().previous, Previous::Ends);
    }
    // Once it was used, it is the one before.
    let seen = again.record.clone();
    let token = shown(again.finish(true).unwrap().token);
    let used = tokens.verify(&token, &seen, NOW + 60, "read").unwrap().change.unwrap();
    let third = tokens.rotate(&used.record, SUBJECT, rotation(NOW + 60, HOUR, None)).unwrap();
    let Previous::Is(previous) = third.previous else { panic!("{:?}", third.previous) };
    assert_eq!(previous.lookup_key(), used.record.lookup_key());
}

/// The column with which a table deletes rows is never earlier than the end of a token in the row.
#[test]
fn a_row_expires_with_the_last_of_its_tokens() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant().expires(NOW + 50));
    let rotate = |grace, expires| {
        let rotation = rotation(NOW, Duration::from_secs(grace), expires);
        tokens.rotate(&record, SUBJECT, rotation).unwrap()
    };
    let ends = [(9, None), (9, Some(NOW + 5)), (99, Some(NOW + 5)), (9, Some(u64::MAX))]
        .map(|(grace, expires)| rotate(grace, expires).expires);
    assert_eq!(ends, [NOW + 50, NOW + 9, NOW + 50, u64::MAX]);
    // One that stays is in the row alone.
    let rotation = rotation(NOW, HOUR, Some(NOW + 5));
    let stays = tokens.rotate(&rotate(99, None).record, SUBJECT, rotation).unwrap();
    assert_eq!((stays.expires, &stays.previous), (NOW + 5, &Previous::Stays));
    assert_eq!(stays.parameters()[7].as_deref(), Some("stays"));
    let column = |change: &Change<_>| change.parameters()[4].clone();
    assert_eq!(column(&rotate(9, None)), Some((NOW + 50).to_string()));
    assert_eq!(column(&rotate(9, Some(u64::MAX))), Some(i64::MAX.to_string()));
    let narrowed = tokens.narrow(&record, SUBJECT, grant().expires(NOW + 3)).unwrap();
    assert_eq!(narrowed.expires, NOW + 3);
}

/// A token that would be dead when it is shown is not issued; one that expired is renewed with an expiry of its own.
#[test]
fn a_new_token_has_not_expired() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant().expires(NOW));
    for expires in [None, Some(0), Some(NOW)] {
        let dead = tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, expires)).unwrap_err();
        is_refused(dead, TokenError::Expired);
    }
    assert!(tokens.rotate(&record, SUBJECT, rotation(NOW, HOUR, Some(NOW + 1))).is_ok());
    assert!(tokens.rotate(&record, SUBJECT, rotation(NOW - 1, HOUR, None)).is_ok());
}

#[test]
fn times_are_seconds() {
    let tokens = tokens();
    let last = 100_000_000_000;
    let time = ChangeError::Grant(GrantError::Time);
    for wrong in [grant().expires(last + 1), grant().not_before(last + 1)] {
        assert_eq!(tokens.issue(wrong.clone()).unwrap_err(), time);
        let old = sealwax_tokens::Existing::Plaintext("tok_1");
        assert_eq!(tokens.convert(&old, wrong).unwrap_err(), time);
    }
    let millis = NOW * 1000;
    let (_, record) = issue(&tokens, grant());
    assert_eq!(tokens.narrow(&record, SUBJECT, grant().expires(millis)).unwrap_err(), time);
    for rotation in [rotation(NOW, HOUR, Some(millis)), rotation(millis, HOUR, None)] {
        assert_eq!(tokens.rotate(&record, SUBJECT, rotation).unwrap_err(), time);
    }
    for right in [grant().expires(last), grant().not_before(last), grant().expires(u64::MAX)] {
        assert!(tokens.issue(right).is_ok());
    }
}

#[test]
fn what_was_altered_is_not_changed_into_something_intact() {
    let tokens = tokens();
    let (_, record) = issue(&tokens, grant());
    let mut parts = Parts::of(&record);
    parts.claims[36] ^= 1;
    let altered = parts.record();
    let narrowed = tokens.narrow(&altered, SUBJECT, grant().expires(1));
    is_refused(narrowed.unwrap_err(), TokenError::Altered);
    is_refused(tokens.revoke(&altered, SUBJECT).unwrap_err(), TokenError::Altered);
    let rotated = tokens.rotate(&altered, SUBJECT, rotation(NOW, HOUR, None));
    is_refused(rotated.unwrap_err(), TokenError::Altered);
    // Nor under a pepper that is gone.
    let other = under(&line("primary", "p", 40));
    let error = other.revoke(&record, SUBJECT).unwrap_err();
    assert!(matches!(&error, ChangeError::Token(TokenError::Pepper { .. })));
    assert_eq!(error.to_string(), "pepper tokens-2026 is not among the usable peppers");
    // Without randomness, nothing is rotated.
    let mut rng = Scripted(vec![]);
    let failed = tokens.rotate_with_rng(&record, SUBJECT, rotation(NOW, HOUR, None), &mut rng);
    assert_eq!(failed.unwrap_err(), ChangeError::Random);
}

#[test]
fn a_change_without_the_token_stays_under_its_pepper() {
    let old = under(&line("primary", "tokens-2025", 9));
    let both =
        under(&[line("primary", "tokens-2026", 0), line("retired", "tokens-2025", 9)].concat());
    let (token, record) = issue(&old, grant());
    let narrower = grant().expires(NOW + 1);
    for change in [both.revoke(&record, SUBJECT), both.narrow(&record, SUBJECT, narrower)] {
        let change = change.unwrap();
        assert_eq!(change.record.pepper_id(), record.pepper_id());
        assert_eq!(change.record.lookup_key(), record.lookup_key());
    }
    // A rotation makes the new token under the primary, and leaves the old one under its own.
    let rotated = both.rotate(&record, SUBJECT, rotation(NOW, HOUR, None)).unwrap();
    assert_eq!(rotated.record.pepper_id().as_ref(), "tokens-2026");
    let Previous::Is(previous) = rotated.previous else { panic!("{:?}", rotated.previous) };
    assert_eq!(previous.pepper_id(), record.pepper_id());
    assert!(both.verify(&token, &previous, NOW, "read").unwrap().change.is_none());
}

#[test]
fn every_error_has_a_name_and_a_class() {
    let refused = ErrorClass::Refused;
    let raced = tokens().revoke(&issue(&tokens(), grant()).1, SUBJECT).unwrap().finish(false);
    let all = [
        (ChangeError::Token(TokenError::Spent), "spent", refused),
        (ChangeError::Token(TokenError::Altered), "altered", ErrorClass::Altered),
        (ChangeError::OtherSubject, "other_subject", refused),
        (ChangeError::Replaced, "replaced", refused),
        (ChangeError::Raced(raced.unwrap_err()), "raced", ErrorClass::Transient),
        (ChangeError::Wider, "wider", refused),
        (ChangeError::Grant(GrantError::Time), "grant", refused),
        (ChangeError::Existing, "existing", refused),
        (ChangeError::Random, "random", ErrorClass::Transient),
    ];
    let readme = include_str!("../../README.md");
    for (error, name, class) in &all {
        assert_eq!((error.name(), error.class()), (*name, *class));
        assert!(readme.contains(&format!("| `{name}` | {class} |")), "{name}");
    }
}
