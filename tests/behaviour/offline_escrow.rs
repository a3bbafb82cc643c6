//! An escrow key that every envelope is wrapped for, and that the keyring cannot open with: any `KeyWrapper`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pollster::block_on;
use sealwax::{
    ErrorClass, KeyState, KeyWrapper, Keyring, KeyringError, ProviderError, ProviderErrorKind,
    ProviderFuture, ReloadProblem, RewrapError, Secret, WrapKind, WrapRequest,
};

use crate::fixtures::{
    CREDENTIAL, Counting, SUITES, acme, key_id, master_key, opening, rewrap_outcome, sealed,
};

/// How a wrapper at a service behaves: it wraps and has no method that unwraps.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// The same body for the same request.
    Repeats,
    /// Another body each time.
    Draws,
    /// Fails at the second call.
    FailsThen(ProviderErrorKind),
    /// The bodies of a batch in reverse.
    Reverses,
    /// Has to be waited for.
    Waits,
}

struct Remote {
    manner: Manner,
    calls: AtomicUsize,
}

impl Remote {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { manner, calls: AtomicUsize::new(0) })
    }

    fn wrap(&self, request: WrapRequest<'_>) -> Result<Vec<u8>, ProviderError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.manner {
            Manner::FailsThen(kind) if call > 0 => Err(kind.into()),
            Manner::Draws => Ok(format!("body {call}").into_bytes()),
            _ => Ok([request.commitment().as_slice(), b"wrapped"].concat()),
        }
    }
}

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        if self.manner == Manner::Waits {
            return ProviderFuture::boxed(async move { self.wrap(request) });
        }
        ProviderFuture::ready(self.wrap(request))
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        let bodies = requests.iter().map(|request| self.wrap(*request));
        ProviderFuture::ready(match self.manner {
            Manner::Reverses => bodies.rev().collect(),
            _ => bodies.collect(),
        })
    }
}

fn ring(manner: Manner) -> Keyring {
    Keyring::new(key_id("next"), master_key(3))
        .unwrap()
        .with_retired(key_id("prod"), master_key(1))
        .unwrap()
        .with_offline_escrow(key_id("offline"), Remote::new(manner))
        .unwrap()
}

/// Returns the outcomes of a rewrap, its async form, and a batch of three rows.
fn rewraps(manner: Manner) -> [String; 5] {
    let rows = [1, 2, 3].map(|seed| sealed(SUITES[0], seed));
    let batch = block_on(ring(manner).rewrap_batch_async(rows.clone().map(|row| (0, row))));
    let mut of_batch = batch.changes.iter().map(|_| "done".to_owned()).collect::<Vec<_>>();
    of_batch.extend(batch.failures.into_iter().map(|(_, error)| match error {
        sealwax::RowError::Rewrap(error) => rewrap_outcome(&Err(error)),
        other => panic!("{other}"),
    }));
    let [one, two, three]: [String; 3] = of_batch.try_into().unwrap();
    [
        rewrap_outcome(&ring(manner).rewrap(&rows[0])),
        rewrap_outcome(&block_on(ring(manner).rewrap_async(&rows[0]))),
        one,
        two,
        three,
    ]
}

#[test]
fn every_envelope_is_wrapped_for_it_in_keyring_order() {
    for suite in SUITES {
        let ring = Keyring::new(key_id("prod"), master_key(1))
            .unwrap()
            .with_offline_escrow(key_id("a"), master_key(2))
            .unwrap()
            .with_escrow(key_id("b"), master_key(3))
            .unwrap()
            .with_offline_escrow(key_id("c"), Remote::new(Manner::Draws))
            .unwrap()
            .with_suite(suite);
        let states: Vec<_> = ring.keys().map(|(_, state)| state).collect();
        let offline = KeyState::OfflineEscrow;
        assert_eq!(states, [KeyState::Primary, offline, KeyState::Escrow, offline]);
        let row = ring.seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1)).unwrap();
        let ids: Vec<_> = row.key_ids().map(|id| id.to_string()).collect();
        assert_eq!(ids, ["prod", "a", "b", "c"]);
        assert!(ring.is_current(&row));
        assert!(ring.rewrap(&row).unwrap().is_none());
        assert_eq!(opening(&ring, &row, &acme()), "opened");
    }
}

/// A master key can be one too: it does not open then, also not what it wrapped itself.
#[test]
fn nothing_is_opened_with_it() {
    let row = Keyring::new(key_id("dr"), master_key(2))
        .unwrap()
        .seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1))
        .unwrap();
    let base = || Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let ring = base().with_offline_escrow(key_id("dr"), master_key(2)).unwrap();
    for told in crate::fixtures::verdicts(&ring, &row, &acme()) {
        assert_eq!(told, "unknown_key(dr)");
    }
    let batch = block_on(ring.rewrap_batch_async([(1, row.clone())]));
    assert_eq!(batch.failures[0].1.class(), ErrorClass::Misconfigured);
    assert_eq!(batch.failures[0].1.name(), "unknown_key");

    // What the keyring knows about another key of the row comes first.
    let two = |id: &str| {
        Keyring::new(key_id("dr"), master_key(2))
            .unwrap()
            .with_escrow(key_id(id), master_key(9))
            .unwrap()
            .seal_with_rng(&Secret::from(CREDENTIAL), &acme(), &mut Counting(1))
            .unwrap()
    };
    let offline = |ring: Keyring| ring.with_offline_escrow(key_id("dr"), master_key(2)).unwrap();
    let destroyed = offline(base().with_destroyed(key_id("gone")).unwrap());
    assert_eq!(opening(&destroyed, &two("gone"), &acme()), "key_destroyed(gone)");
    let leaked = offline(base().with_leaked(key_id("out")).unwrap());
    assert_eq!(opening(&leaked, &two("out"), &acme()), "key_leaked(out)");

    // The drill.
    let drill = Keyring::opening_only().with_escrow(key_id("dr"), master_key(2)).unwrap();
    assert_eq!(opening(&drill, &row, &acme()), "opened");
    let drill = Keyring::opening_only().with_offline_escrow(key_id("dr"), master_key(2)).unwrap();
    assert_eq!(opening(&drill, &row, &acme()), "unknown_key(dr)");
    assert!(matches!(drill.rewrap(&row), Err(RewrapError::NoPrimary)));
}

/// It cannot be unwrapped to check it, so it is made again.
#[test]
fn a_rewrap_makes_the_wrap_twice_and_compares() {
    let all = |told: &str| [told; 5].map(str::to_owned);
    assert_eq!(rewraps(Manner::Repeats), all("done"));
    assert_eq!(rewraps(Manner::Draws), all("unverified(offline)"));

    let remote = Remote::new(Manner::Repeats);
    let ring = Keyring::new(key_id("next"), master_key(3))
        .unwrap()
        .with_retired(key_id("prod"), master_key(1))
        .unwrap()
        .with_offline_escrow(key_id("offline"), Arc::clone(&remote))
        .unwrap();
    let row = sealed(SUITES[0], 1);
    let fresh = ring.rewrap(&row).unwrap().unwrap();
    assert_eq!(remote.calls.load(Ordering::Relaxed), 2);
    assert_eq!(fresh.key_ids().map(|id| id.to_string()).collect::<Vec<_>>(), ["next", "offline"]);
    assert!(ring.is_current(&fresh));
    assert_eq!(ring.rewrap(&row).unwrap().unwrap(), fresh);
    // A seal does not compare.
    remote.calls.store(0, Ordering::Relaxed);
    ring.seal(&Secret::from(CREDENTIAL), &acme()).unwrap();
    assert_eq!(remote.calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_failure_of_the_second_wrap_is_a_failure_to_wrap() {
    let told = rewraps(Manner::FailsThen(ProviderErrorKind::Throttled));
    assert_eq!(told[..2], ["wrap(offline) Throttled", "wrap(offline) Throttled"]);
    let told = rewraps(Manner::FailsThen(ProviderErrorKind::Rejected));
    assert_eq!(told[..2], ["unverified(offline)", "unverified(offline)"]);
}

/// Each row of a batch has its own wrap, also if the service mixes up the rows both times.
#[test]
fn a_batch_in_reverse_is_noticed() {
    let told = rewraps(Manner::Reverses);
    assert_eq!(told[..2], ["done", "done"]);
    assert_eq!(told[2..], ["unverified(offline)"; 3]);
    // Whichever of the rows comes first, also of an even number: none is done with another one's wrap.
    for count in 2..=4 {
        for first in 1..=20 {
            let rows = (first..first + count).map(|seed| (seed, sealed(SUITES[0], seed)));
            let batch = block_on(ring(Manner::Reverses).rewrap_batch_async(rows));
            assert!(batch.changes.is_empty() && batch.must_stop(), "{count} from {first}");
        }
    }
}

#[test]
fn a_sync_rewrap_does_not_wait_for_it() {
    let told = rewraps(Manner::Waits);
    assert_eq!(told, ["would_block(offline)", "done", "done", "done", "done"]);
}

#[test]
fn a_check_at_the_start_wraps_twice() {
    let outcome = |manner: Manner| {
        let results = block_on(ring(manner).check_async_with_rng(&mut Counting(1)));
        assert_eq!(results.len(), 3);
        let of_offline = results.into_iter().find(|(id, _)| id.as_ref() == "offline");
        of_offline.unwrap().1.err().map(|error| error.kind())
    };
    assert_eq!(outcome(Manner::Repeats), None);
    assert_eq!(outcome(Manner::Waits), None);
    assert_eq!(outcome(Manner::Draws), Some(ProviderErrorKind::Other));
    let denied = ProviderErrorKind::Denied;
    assert_eq!(outcome(Manner::FailsThen(denied)), Some(denied));
}

#[test]
fn it_counts_as_an_escrow_key_and_as_a_key() {
    let base = || Keyring::new(key_id("prod"), master_key(1)).unwrap();
    let full = (2..=8_u8).fold(base(), |ring, number| {
        let id = key_id(&format!("e{number}"));
        if number.is_multiple_of(2) {
            ring.with_offline_escrow(id, master_key(number)).unwrap()
        } else {
            ring.with_escrow(id, master_key(number)).unwrap()
        }
    });
    let more = full.clone().with_offline_escrow(key_id("more"), master_key(50));
    assert!(matches!(more, Err(KeyringError::TooManyEscrows)));
    assert!(matches!(
        full.with_escrow(key_id("more"), master_key(50)),
        Err(KeyringError::TooManyEscrows)
    ));
    let same = base().with_offline_escrow(key_id("again"), Box::new(master_key(1)));
    assert!(matches!(same, Err(KeyringError::DuplicateKey { .. })));
    let same = base().with_offline_escrow(key_id("PROD"), Remote::new(Manner::Repeats));
    assert!(matches!(same, Err(KeyringError::DuplicateKeyId { .. })));
    let ring = base().with_offline_escrow(key_id("remote"), Remote::new(Manner::Repeats)).unwrap();
    assert_eq!(
        (ring.check_value("remote"), ring.state("remote")),
        (None, Some(KeyState::OfflineEscrow))
    );
    // Its state is in the fingerprint.
    let ring = |offline: bool| {
        let (id, key) = (key_id("dr"), master_key(2));
        let ring =
            if offline { base().with_offline_escrow(id, key) } else { base().with_escrow(id, key) };
        ring.unwrap().fingerprint()
    };
    assert_ne!(ring(true), ring(false));
}

/// A word for logs and metrics, which is none in the text of a keyring.
#[test]
fn its_state_has_a_word() {
    assert_eq!("offline".parse(), Ok(KeyState::OfflineEscrow));
    assert_eq!(KeyState::OfflineEscrow.to_string(), "offline");
    let key = master_key(2).to_text();
    let primary = master_key(1).to_text();
    let text = format!(
        "primary prod {}\noffline dr {}",
        primary.expose_str().unwrap(),
        key.expose_str().unwrap()
    );
    assert!(text.parse::<Keyring>().is_err());
    assert_eq!(master_key(1).kind(), WrapKind::Local);
}

#[test]
fn a_reload_knows_what_it_can_and_cannot_do() {
    #[derive(Clone, Copy)]
    enum As {
        Primary,
        Retired,
        Escrow,
        Offline,
        Disabled,
        Leaked,
        Gone,
    }
    use As::{Disabled, Escrow, Gone, Leaked, Offline, Primary, Retired};
    let ring = |state: As| {
        let (id, key) = (|| key_id("k"), || master_key(2));
        let base = || Keyring::new(key_id("prod"), master_key(1)).unwrap();
        match state {
            Primary => Keyring::new(id(), key())
                .and_then(|r| r.with_retired(key_id("prod"), master_key(1))),
            Retired => base().with_retired(id(), key()),
            Escrow => base().with_escrow(id(), key()),
            Offline => base().with_offline_escrow(id(), key()),
            Disabled => base().with_disabled(id()),
            Leaked => base().with_leaked(id()),
            Gone => Ok(base()),
        }
        .unwrap()
    };
    let named = |problem: &ReloadProblem| problem.name();
    let mut tried = 0;
    for (old, new, expected) in [
        (Offline, Offline, &[][..]),
        // The escrow key comes back from the safe.
        (Offline, Escrow, &[]),
        (Gone, Offline, &[]),
        // Rows may be wrapped for this key alone, also if it is an escrow: a sealer's, or a former primary.
        (Escrow, Offline, &["dropped"]),
        (Retired, Offline, &["dropped"]),
        (Primary, Offline, &["dropped"]),
        (Offline, Gone, &["dropped", "escrow_lost"]),
        (Offline, Retired, &["escrow_lost"]),
        (Offline, Disabled, &["escrow_lost"]),
        (Offline, Leaked, &[]),
        // The old keyring cannot open what the new one seals.
        (Offline, Primary, &["primary_not_announced"]),
        (Escrow, Primary, &[]),
        (Disabled, Offline, &["revived"]),
        (Leaked, Offline, &["revived"]),
    ] {
        let problems = ring(new).can_replace(&ring(old)).err().unwrap_or_default();
        assert_eq!(problems.iter().map(named).collect::<Vec<_>>(), expected, "case {tried}");
        tried += 1;
    }
    assert_eq!(tried, 14);
    let other = Keyring::new(key_id("prod"), master_key(1))
        .unwrap()
        .with_offline_escrow(key_id("k"), master_key(9))
        .unwrap();
    let problems = other.can_replace(&ring(Offline)).unwrap_err();
    assert!(matches!(problems[..], [ReloadProblem::OtherMaterial { .. }]));
}
