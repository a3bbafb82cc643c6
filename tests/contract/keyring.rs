//! Keyrings: an immutable value, its operations, and batches.

use std::{convert::Infallible, fmt};

use rand_core::TryCryptoRng;
use sealwax::{
    Batch, Change, EncryptionContext, Envelope, FormatError, KeyId, KeyState, Keyring,
    KeyringError, OpenError, ProviderError, ProviderErrorKind, ReloadProblem, RewrapError,
    RowError, SealError, Secret, Suite, UnwrapError,
};

use crate::{
    Dry, Lies, Refuses, Remote, Service, Steps, at, context, cut, flipped, id, key, key_ids,
    key_text, ring, rotated, sealed, sealed_by, secret,
};

/// Polls a future on another thread, as a runtime would.
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
    std::thread::spawn(move || pollster::block_on(task)).join().unwrap()
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

fn remote_ring() -> Keyring {
    Keyring::new(id("kms"), Remote(Service { mask: 1 })).unwrap()
}

/// Returns an envelope with two wraps: under `a` by `key(0)`, and under `b` by `key(1)`.
fn sealed_for_two() -> Envelope {
    sealed_by(&Keyring::new(id("a"), key(0)).unwrap().with_escrow(id("b"), key(1)).unwrap())
}

// Building a keyring

#[test]
fn a_ring_is_built_by_value() {
    let ring: Result<Keyring, KeyringError> = Keyring::new(id("primary"), key(0));
    let ring: Result<Keyring, KeyringError> = ring.unwrap().with_retired(id("retired"), key(1));
    let ring: Result<Keyring, KeyringError> = ring.unwrap().with_escrow(id("escrow"), key(2));
    let ring: Result<Keyring, KeyringError> = ring.unwrap().with_disabled(id("disabled"));
    let ring: Result<Keyring, KeyringError> = ring.unwrap().with_leaked(id("leaked"));
    let ring: Result<Keyring, KeyringError> = ring.unwrap().with_destroyed(id("destroyed"));
    let ring: Keyring = ring.unwrap().with_suite(Suite::ChaCha20Poly1305);

    let primary: Option<&KeyId> = ring.primary();
    assert_eq!(primary, Some(&id("primary")));
    let states: [Option<KeyState>; 7] =
        ["primary", "retired", "escrow", "disabled", "leaked", "destroyed", "other"]
            .map(|key_id| ring.state(key_id));
    assert_eq!(
        states,
        [
            Some(KeyState::Primary),
            Some(KeyState::Retired),
            Some(KeyState::Escrow),
            Some(KeyState::Disabled),
            Some(KeyState::Leaked),
            Some(KeyState::Destroyed),
            None
        ]
    );
}

#[test]
fn a_ring_lists_its_keys() {
    let ring = rotated().with_disabled(id("prod-2025")).unwrap();
    let mut listed = Vec::new();
    for (key_id, state) in ring.keys() {
        let key_id: &KeyId = key_id;
        let state: KeyState = state;
        listed.push((key_id.to_string(), state));
    }

    assert_eq!(
        listed,
        [
            ("prod-2027".to_owned(), KeyState::Primary),
            ("prod-2026".to_owned(), KeyState::Retired),
            ("prod-2025".to_owned(), KeyState::Disabled)
        ]
    );
}

#[test]
fn a_ring_is_read_from_text() {
    let text = format!(
        "# keys\r\n\tprimary prod-2026 {}\r\n\nretired prod-2025 {}; escrow eu-dr {};\n\
         disabled prod-2023\nleaked prod-2024 {}\ndestroyed prod-2022",
        key_text(0),
        key_text(1),
        key_text(2),
        key_text(3),
    );
    let parsed: Result<Keyring, KeyringError> = text.parse();
    let parsed = parsed.unwrap();
    let built = ring()
        .with_retired(id("prod-2025"), key(1))
        .unwrap()
        .with_escrow(id("eu-dr"), key(2))
        .unwrap()
        .with_disabled(id("prod-2023"))
        .unwrap()
        .with_leaked(id("prod-2024"))
        .unwrap()
        .with_destroyed(id("prod-2022"))
        .unwrap();

    assert_eq!(parsed.keys().count(), 6);
    assert_eq!(parsed.state("prod-2024"), Some(KeyState::Leaked));
    assert_eq!(parsed.fingerprint(), built.fingerprint());
    assert_eq!(built.open(&sealed_by(&parsed), &context()).unwrap(), secret());
}

#[test]
fn a_ring_is_cloned_and_shares_its_keys() {
    let ring = ring();
    let clone: Keyring = ring.clone();

    assert_eq!(clone.open(&sealed_by(&ring), &context()).unwrap(), secret());
    assert_eq!(clone.fingerprint(), ring.fingerprint());
}

#[test]
fn a_ring_prints_ids_and_states_only() {
    let printed = format!("{:?}", ring().with_leaked(id("prod-2024")).unwrap());
    let text = key_text(0);
    let (_, encoded) = text.split_at_checked(5).unwrap();

    assert!(printed.contains("prod-2026"));
    assert!(printed.contains("prod-2024"));
    assert!(!printed.contains("swk1_"));
    assert!(!printed.contains(encoded));
}

#[test]
fn a_check_value_is_known_of_local_keys() {
    let ring = ring()
        .with_retired(id("kms"), Service { mask: 1 })
        .unwrap()
        .with_disabled(id("old"))
        .unwrap();
    let check: Option<[u8; 4]> = ring.check_value("prod-2026");

    assert_eq!(check, Some(key(0).check_value()));
    assert_eq!(ring.check_value("kms"), None);
    assert_eq!(ring.check_value("old"), None);
    assert_eq!(ring.check_value("other"), None);
}

#[test]
fn a_fingerprint_is_the_format_pages() {
    let ring = ring().with_disabled(id("prod-2023")).unwrap();
    let fingerprint: [u8; 8] = ring.fingerprint();

    assert_eq!(fingerprint, [0xb7, 0xe0, 0xc1, 0x2a, 0x3e, 0x0b, 0xb3, 0x79]);
}

#[test]
fn a_fingerprint_shows_every_difference_between_two_texts() {
    let with = |ring: Result<Keyring, KeyringError>| ring.unwrap().fingerprint();
    let all = [
        ring().fingerprint(),
        ring().with_suite(Suite::ChaCha20Poly1305).fingerprint(),
        with(Keyring::new(id("prod-2026"), key(1))),
        with(Keyring::new(id("prod-2026"), Service { mask: 1 })),
        with(Keyring::opening_only().with_retired(id("prod-2026"), key(0))),
        with(ring().with_retired(id("b"), key(1))),
        with(ring().with_escrow(id("b"), key(1))),
        with(ring().with_escrow(id("c"), key(1))),
        with(ring().with_disabled(id("b"))),
        with(ring().with_leaked(id("b"))),
        with(ring().with_destroyed(id("b"))),
        with(ring().with_disabled(id("b")).unwrap().with_disabled(id("c"))),
        with(ring().with_disabled(id("c")).unwrap().with_disabled(id("b"))),
    ];

    for (n, one) in all.iter().enumerate() {
        assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{n}");
    }
}

#[test]
fn an_id_stands_once() {
    for taken in ["prod-2026", "PROD-2026"] {
        let results = [
            ring().with_retired(id(taken), key(1)),
            ring().with_escrow(id(taken), key(1)),
            ring().with_disabled(id(taken)),
            ring().with_leaked(id(taken)),
            ring().with_destroyed(id(taken)),
        ];
        for result in results {
            let error: KeyringError = result.unwrap_err();
            assert!(matches!(
                &error,
                KeyringError::DuplicateKeyId { key_id, .. }
                    if key_id.to_string().eq_ignore_ascii_case(taken)
            ));
        }
    }
}

#[test]
fn a_key_stands_once() {
    for result in [ring().with_retired(id("b"), key(0)), ring().with_escrow(id("b"), key(0))] {
        assert!(matches!(
            &result.unwrap_err(),
            KeyringError::DuplicateKey { key_id, other, .. }
                if *key_id == id("b") && *other == id("prod-2026")
        ));
    }

    let text = format!("primary a {}\nleaked b {}", key_text(0), key_text(0));
    assert!(text.parse::<Keyring>().is_err());
}

#[test]
fn a_text_has_exactly_one_primary() {
    let none = format!("retired a {}", key_text(0));
    let two = format!("primary a {}\nprimary b {}", key_text(0), key_text(1));

    assert!(matches!(none.parse::<Keyring>(), Err(KeyringError::NoPrimary)));
    assert!(matches!(two.parse::<Keyring>(), Err(KeyringError::TwoPrimaries)));
}

#[test]
fn a_line_is_named_by_its_number_and_never_echoed() {
    let text = key_text(1);
    let mistyped = text.replacen("swk1_A", "swk1_B", 1);
    for line in [
        format!("retried b {text}"),
        format!("retired {text} b"),
        format!("retired b {mistyped}"),
        format!("retired b {text} # comment"),
        "retired b".to_owned(),
        "retired b nonsense".to_owned(),
    ] {
        let error = format!("primary a {}\n{line}", key_text(0)).parse::<Keyring>().unwrap_err();

        assert!(matches!(&error, KeyringError::Line { line: 2, problem: _, .. }), "{error}");
        for encoded in [&text, &mistyped] {
            let (_, encoded) = encoded.split_at_checked(5).unwrap();
            assert!(!format!("{error} {error:?}").contains(encoded));
        }
    }
}

#[test]
fn at_most_seven_escrows() {
    let mut ring = ring();
    for n in 1..=7_u8 {
        ring = ring.with_escrow(id(&format!("escrow-{n}")), key(n)).unwrap();
    }

    assert_eq!(key_ids(&sealed_by(&ring)).len(), 8);
    assert!(matches!(ring.with_escrow(id("escrow-8"), key(8)), Err(KeyringError::TooManyEscrows)));
}

// Replacing a keyring

#[test]
fn an_announced_primary_may_take_over() {
    let old = ring().with_retired(id("prod-2027"), key(1)).unwrap();
    let verdict: Result<(), Vec<ReloadProblem>> = rotated().can_replace(&old);

    assert!(verdict.is_ok());
    assert!(ring().can_replace(&ring()).is_ok());
}

#[test]
fn a_primary_has_to_be_announced() {
    let problems = rotated().can_replace(&ring()).unwrap_err();

    assert!(problems.iter().any(|problem| matches!(
        problem,
        ReloadProblem::PrimaryNotAnnounced { key_id, .. } if *key_id == id("prod-2027")
    )));
}

#[test]
fn a_dropped_key_is_a_problem() {
    let problems = ring().can_replace(&ring().with_retired(id("b"), key(1)).unwrap()).unwrap_err();

    assert!(problems.iter().any(|problem| matches!(
        problem,
        ReloadProblem::Dropped { key_id, .. } if *key_id == id("b")
    )));
}

#[test]
fn a_lost_escrow_is_a_problem() {
    let old = ring().with_escrow(id("b"), key(1)).unwrap();
    let new = ring().with_retired(id("b"), key(1)).unwrap();
    let problems = new.can_replace(&old).unwrap_err();

    assert!(problems.iter().any(|problem| matches!(
        problem,
        ReloadProblem::EscrowLost { key_id, .. } if *key_id == id("b")
    )));
}

#[test]
fn a_revived_key_is_a_problem() {
    let new = ring().with_retired(id("b"), key(1)).unwrap();
    for old in [ring().with_disabled(id("b")), ring().with_destroyed(id("b"))] {
        let problems = new.can_replace(&old.unwrap()).unwrap_err();

        assert!(problems.iter().any(|problem| matches!(
            problem,
            ReloadProblem::Revived { key_id, .. } if *key_id == id("b")
        )));
    }
}

#[test]
fn other_material_under_an_id_is_a_problem() {
    let new = Keyring::new(id("prod-2026"), key(1)).unwrap();
    let problems = new.can_replace(&ring()).unwrap_err();

    assert!(problems.iter().any(|problem| matches!(
        problem,
        ReloadProblem::OtherMaterial { key_id, .. } if *key_id == id("prod-2026")
    )));
}

#[test]
fn every_problem_is_told_at_once() {
    let old = ring().with_retired(id("b"), key(2)).unwrap();
    let problems = Keyring::new(id("c"), key(3)).unwrap().can_replace(&old).unwrap_err();

    assert!(problems.len() >= 3);
}

// The operations

#[test]
fn the_verbs_seal_open_verify_and_rewrap() {
    let sealed: Result<Envelope, SealError> = ring().seal(&secret(), &context());
    let envelope = sealed.unwrap();
    let opened: Result<Secret, OpenError> = ring().open(&envelope, &context());
    let verified: Result<(), UnwrapError> = ring().verify(&envelope);
    let rewrapped: Result<Option<Envelope>, RewrapError> = ring().rewrap(&envelope);
    let current: bool = ring().is_current(&envelope);

    assert_eq!(opened.unwrap(), secret());
    assert!(verified.is_ok());
    assert_eq!(rewrapped.unwrap(), None);
    assert!(current);
}

#[test]
fn an_empty_secret_and_an_empty_context_are_sealed() {
    let envelope = ring().seal(&Secret::from(""), &EncryptionContext::empty()).unwrap();

    assert!(envelope.ciphertext().is_empty());
    assert!(ring().open(&envelope, &EncryptionContext::empty()).unwrap().is_empty());
}

#[test]
fn a_secret_of_more_than_16_mebibytes_is_too_long() {
    let secret = Secret::from(vec![0_u8; 16_777_217]);

    assert!(matches!(ring().seal(&secret, &context()), Err(SealError::TooLong)));
}

#[test]
fn opening_tells_the_faults_of_a_row_apart() {
    let envelope = sealed();
    let open = |envelope: &Envelope| ring().open(envelope, &context()).unwrap_err();

    assert!(matches!(
        ring().open(&envelope, &EncryptionContext::empty()),
        Err(OpenError::ContextMismatch)
    ));
    assert!(matches!(open(&flipped(&envelope, at::CIPHERTEXT)), OpenError::PayloadAltered));
    assert!(matches!(
        &open(&flipped(&envelope, at::SALT)),
        OpenError::Unwrap(UnwrapError::WrapAltered { key_id, .. }) if *key_id == id("prod-2026")
    ));
    assert!(matches!(
        &open(&flipped(&envelope, at::CHECK)),
        OpenError::Unwrap(UnwrapError::WrongKeyMaterial { key_id, source: None, .. })
            if *key_id == id("prod-2026")
    ));
    for altered in [flipped(&envelope, at::MAC), flipped(&envelope, at::TAG), cut(&envelope)] {
        assert!(matches!(open(&altered), OpenError::Unwrap(UnwrapError::EnvelopeAltered)));
    }
    assert!(matches!(
        &open(&flipped(&envelope, at::COMMITMENT)),
        OpenError::Unwrap(UnwrapError::WrapAltered { key_id, .. }) if *key_id == id("prod-2026")
    ));
}

#[test]
fn verifying_needs_no_context_and_reads_no_payload_byte() {
    let envelope = sealed();

    assert!(ring().verify(&flipped(&envelope, at::CIPHERTEXT)).is_ok());
    for altered in [flipped(&envelope, at::MAC), flipped(&envelope, at::TAG), cut(&envelope)] {
        assert!(matches!(ring().verify(&altered), Err(UnwrapError::EnvelopeAltered)));
    }
}

#[test]
fn a_rewrap_replaces_the_wraps_and_no_byte_of_the_payload() {
    let envelope = sealed();
    let ring = rotated().with_escrow(id("eu-dr"), key(2)).unwrap();
    let fresh = ring.rewrap(&envelope).unwrap().unwrap();

    assert_eq!(key_ids(&fresh), ["prod-2027", "eu-dr"]);
    assert_eq!(fresh.commitment(), envelope.commitment());
    assert_eq!(fresh.iv(), envelope.iv());
    assert_eq!(fresh.tag(), envelope.tag());
    assert_eq!(fresh.ciphertext(), envelope.ciphertext());
    assert_ne!(fresh.mac(), envelope.mac());
    assert_eq!(ring.open(&fresh, &context()).unwrap(), secret());
    assert_eq!(ring.rewrap(&fresh).unwrap(), None);
}

#[test]
fn a_rewrap_repeats_to_the_byte() {
    let envelope = sealed();

    assert_eq!(
        rotated().rewrap(&envelope).unwrap().unwrap(),
        rotated().rewrap(&envelope).unwrap().unwrap()
    );
}

#[test]
fn a_worker_without_the_escrow_drops_its_wrap() {
    let envelope = sealed_by(&ring().with_escrow(id("eu-dr"), key(2)).unwrap());
    let fresh = ring().rewrap(&envelope).unwrap().unwrap();

    assert_eq!(key_ids(&fresh), ["prod-2026"]);
}

#[test]
fn escrows_out_of_order_are_not_current() {
    let one = ring().with_escrow(id("a"), key(1)).unwrap().with_escrow(id("b"), key(2)).unwrap();
    let other = ring().with_escrow(id("b"), key(2)).unwrap().with_escrow(id("a"), key(1)).unwrap();
    let envelope = sealed_by(&one);

    assert!(one.is_current(&envelope));
    assert!(!other.is_current(&envelope));
    assert_eq!(key_ids(&other.rewrap(&envelope).unwrap().unwrap()), ["prod-2026", "b", "a"]);
}

#[test]
fn a_wrap_of_another_kind_or_check_value_is_not_current() {
    let envelope = sealed();

    assert!(!Keyring::new(id("prod-2026"), key(1)).unwrap().is_current(&envelope));
    assert!(!Keyring::new(id("prod-2026"), Service { mask: 1 }).unwrap().is_current(&envelope));
}

#[test]
fn is_current_is_the_exact_negation_of_what_rewrap_does() {
    let rings = [
        ring(),
        rotated(),
        ring().with_escrow(id("eu-dr"), key(2)).unwrap(),
        ring().with_leaked(id("prod-2027")).unwrap(),
        Keyring::new(id("prod-2026"), key(3)).unwrap(),
        Keyring::new(id("prod-2026"), Service { mask: 1 }).unwrap(),
        Keyring::new(id("prod-2026"), Remote(Service { mask: 1 })).unwrap(),
        Keyring::opening_only().with_retired(id("prod-2026"), key(0)).unwrap(),
        Keyring::opening_only(),
    ];
    for sealer in rings.iter().filter(|ring| sealed_ok(ring)) {
        let envelope = sealed_by(sealer);
        let last = envelope.as_bytes().len().saturating_sub(1);
        for row in [
            flipped(&envelope, at::CHECK),
            flipped(&envelope, at::SALT),
            flipped(&envelope, last),
            cut(&envelope),
            envelope,
        ] {
            for ring in &rings {
                let current = matches!(ring.rewrap(&row), Ok(None));
                assert_eq!(ring.is_current(&row), current, "{ring:?}");
            }
        }
    }
}

fn sealed_ok(ring: &Keyring) -> bool {
    ring.seal(&secret(), &context()).is_ok()
}

#[test]
fn a_ring_without_a_primary_opens_and_never_seals() {
    let ring: Keyring = Keyring::opening_only();
    let ring = ring.with_retired(id("prod-2026"), key(0)).unwrap();
    let envelope = sealed();

    assert_eq!(ring.primary(), None);
    assert_eq!(ring.open(&envelope, &context()).unwrap(), secret());
    assert!(ring.verify(&envelope).is_ok());
    assert!(matches!(ring.seal(&secret(), &context()), Err(SealError::NoPrimary)));
    assert!(matches!(ring.rewrap(&envelope), Err(RewrapError::NoPrimary)));
    assert!(!ring.is_current(&envelope));
}

// Which wrap is used, and which failure is reported

#[test]
fn any_wrap_that_verifies_opens() {
    let envelope = sealed_for_two();
    let by_escrow = Keyring::opening_only().with_escrow(id("b"), key(1)).unwrap();
    let past_a_wrong_key = by_escrow.clone().with_retired(id("a"), key(7)).unwrap();
    let past_a_disabled_key = by_escrow.clone().with_disabled(id("a")).unwrap();
    let past_a_destroyed_key = by_escrow.clone().with_destroyed(id("a")).unwrap();

    for ring in [by_escrow, past_a_wrong_key, past_a_disabled_key, past_a_destroyed_key] {
        assert_eq!(ring.open(&envelope, &context()).unwrap(), secret(), "{ring:?}");
    }
}

#[test]
fn a_leaked_key_is_refused_before_any_usable_wrap() {
    let envelope = sealed_for_two();
    let ring = Keyring::new(id("a"), key(0)).unwrap().with_leaked(id("b")).unwrap();

    assert!(matches!(
        &ring.verify(&envelope).unwrap_err(),
        UnwrapError::KeyLeaked { key_id, .. } if *key_id == id("b")
    ));
    assert!(matches!(
        &ring.open(&envelope, &context()).unwrap_err(),
        OpenError::Unwrap(UnwrapError::KeyLeaked { key_id, .. }) if *key_id == id("b")
    ));
    assert!(matches!(
        &ring.rewrap(&envelope).unwrap_err(),
        RewrapError::Unwrap(UnwrapError::KeyLeaked { key_id, .. }) if *key_id == id("b")
    ));
}

#[test]
fn destroyed_is_named_before_leaked_before_disabled_before_unknown() {
    let envelope = sealed_for_two();
    let verify = |ring: Result<Keyring, KeyringError>| ring.unwrap().verify(&envelope).unwrap_err();
    let none = Keyring::opening_only;

    for ring in [
        none().with_destroyed(id("b")).unwrap().with_leaked(id("a")),
        none().with_destroyed(id("b")).unwrap().with_disabled(id("a")),
        none().with_destroyed(id("b")),
    ] {
        assert!(matches!(
            &verify(ring),
            UnwrapError::KeyDestroyed { key_id, .. } if *key_id == id("b")
        ));
    }
    for ring in
        [none().with_leaked(id("b")).unwrap().with_disabled(id("a")), none().with_leaked(id("b"))]
    {
        assert!(matches!(
            &verify(ring),
            UnwrapError::KeyLeaked { key_id, .. } if *key_id == id("b")
        ));
    }
    assert!(matches!(
        &verify(none().with_disabled(id("b"))),
        UnwrapError::KeyDisabled { key_id, source: None, .. } if *key_id == id("b")
    ));
}

#[test]
fn unknown_keys_are_all_named() {
    let error = ring().verify(&sealed_for_two()).unwrap_err();

    assert!(matches!(
        &error,
        UnwrapError::UnknownKey { key_ids, .. }
            if key_ids.len() == 2 && key_ids.contains(&id("a")) && key_ids.contains(&id("b"))
    ));
}

#[test]
fn a_failure_that_may_pass_is_told_before_a_final_one() {
    let envelope = sealed_by(
        &Keyring::new(id("a"), Service { mask: 1 })
            .unwrap()
            .with_escrow(id("b"), Service { mask: 2 })
            .unwrap(),
    );
    let refuses = |kind: ProviderErrorKind| Refuses(ProviderError::from(kind));
    let verify = |a: ProviderErrorKind, b: ProviderErrorKind| {
        Keyring::opening_only()
            .with_retired(id("a"), refuses(a))
            .unwrap()
            .with_retired(id("b"), refuses(b))
            .unwrap()
            .verify(&envelope)
            .unwrap_err()
    };

    assert!(matches!(
        &verify(ProviderErrorKind::Rejected, ProviderErrorKind::Throttled),
        UnwrapError::Provider { key_id, .. } if *key_id == id("b")
    ));
    assert!(matches!(
        &verify(ProviderErrorKind::Unavailable, ProviderErrorKind::Rejected),
        UnwrapError::Provider { key_id, .. } if *key_id == id("a")
    ));
    assert!(matches!(
        &verify(ProviderErrorKind::Rejected, ProviderErrorKind::NotFound),
        UnwrapError::WrapAltered { key_id, source: Some(_), .. } if *key_id == id("a")
    ));
}

// Remote keys

#[test]
fn a_synchronous_verb_never_waits_for_a_remote_key() {
    let ring = remote_ring();
    let envelope = pollster::block_on(ring.seal_async(&secret(), &context())).unwrap();

    assert!(matches!(
        &ring.seal(&secret(), &context()).unwrap_err(),
        SealError::WouldBlock { key_id, .. } if *key_id == id("kms")
    ));
    assert!(matches!(
        &ring.open(&envelope, &context()).unwrap_err(),
        OpenError::Unwrap(UnwrapError::WouldBlock { key_id, .. }) if *key_id == id("kms")
    ));
    assert!(matches!(
        &ring.verify(&envelope).unwrap_err(),
        UnwrapError::WouldBlock { key_id, .. } if *key_id == id("kms")
    ));
    assert!(matches!(
        &ring.rewrap(&sealed()).unwrap_err(),
        RewrapError::Unwrap(UnwrapError::UnknownKey { .. })
    ));

    let onto_remote = ring.with_retired(id("prod-2026"), key(0)).unwrap();
    assert!(matches!(
        &onto_remote.rewrap(&sealed()).unwrap_err(),
        RewrapError::WouldBlock { key_id, .. } if *key_id == id("kms")
    ));
    let off_remote = rotated().with_retired(id("kms"), Remote(Service { mask: 1 })).unwrap();
    let error = off_remote.rewrap(&envelope).unwrap_err();
    assert_eq!(error.key_id(), Some(&id("kms")));
}

#[test]
fn a_wrap_left_untried_is_told_before_any_other_failure() {
    let local = Keyring::new(id("a"), key(0)).unwrap();
    let sealer = local.with_escrow(id("b"), Remote(Service { mask: 1 })).unwrap();
    let envelope = pollster::block_on(sealer.seal_async(&secret(), &context())).unwrap();
    let opener = Keyring::opening_only()
        .with_retired(id("a"), key(7))
        .unwrap()
        .with_retired(id("b"), Remote(Service { mask: 1 }))
        .unwrap();

    assert!(matches!(
        &opener.verify(&envelope).unwrap_err(),
        UnwrapError::WouldBlock { key_id, .. } if *key_id == id("b")
    ));
    assert!(pollster::block_on(opener.verify_async(&envelope)).is_ok());
}

#[test]
fn a_local_wrap_beside_a_remote_one_opens_at_once() {
    let ring = ring().with_escrow(id("kms"), Remote(Service { mask: 1 })).unwrap();
    let envelope = pollster::block_on(ring.seal_async(&secret(), &context())).unwrap();

    assert_eq!(ring.open(&envelope, &context()).unwrap(), secret());
    assert!(ring.is_current(&envelope));
}

#[test]
fn the_async_verbs_wait_and_their_futures_are_send() {
    let ring = remote_ring();
    let (secret, context) = (secret(), context());

    let sealed: Result<Envelope, SealError> =
        pollster::block_on(assert_send(ring.seal_async(&secret, &context)));
    let envelope = sealed.unwrap();
    let opened: Result<Secret, OpenError> =
        pollster::block_on(assert_send(ring.open_async(&envelope, &context)));
    let verified: Result<(), UnwrapError> =
        pollster::block_on(assert_send(ring.verify_async(&envelope)));
    let rewrapped: Result<Option<Envelope>, RewrapError> =
        pollster::block_on(assert_send(ring.rewrap_async(&envelope)));

    assert_eq!(opened.unwrap(), secret);
    assert!(verified.is_ok());
    assert_eq!(rewrapped.unwrap(), None);
    assert!(ring.is_current(&envelope));
}

#[test]
fn owned_rows_are_rewrapped_in_spawned_tasks() {
    let ring = rotated();
    for (row, envelope) in [(1, sealed()), (2, sealed())] {
        let task = {
            let ring = ring.clone();
            async move { (row, ring.rewrap_async(&envelope).await) }
        };
        let (done, fresh) = spawn(task);

        assert_eq!(done, row);
        assert_eq!(key_ids(&fresh.unwrap().unwrap()), ["prod-2027"]);
    }
}

#[test]
fn a_whole_service_call_may_be_spawned() {
    let ring = remote_ring();
    let opened = spawn(async move {
        let envelope = ring.seal_async(&secret(), &context()).await.unwrap();
        ring.verify_async(&envelope).await.unwrap();
        ring.open_async(&envelope, &context()).await.unwrap()
    });

    assert_eq!(opened, secret());
}

// Randomness

#[test]
fn a_seal_draws_a_data_key_and_an_iv_at_once() {
    let mut rng = Steps::default();
    let envelope: Result<Envelope, SealError> =
        ring().seal_with_rng(&secret(), &context(), &mut rng);
    let envelope = envelope.unwrap();

    assert_eq!(rng.draws, [44]);
    assert_eq!(envelope.iv(), &[32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43]);
    assert_eq!(ring().open(&envelope, &context()).unwrap(), secret());
}

#[test]
fn a_seal_with_the_same_randomness_is_the_same_envelope() {
    let seal = || ring().seal_with_rng(&secret(), &context(), &mut Steps::default()).unwrap();

    assert_eq!(seal(), seal());
}

#[test]
fn an_unsized_source_of_randomness_is_taken() {
    let mut steps = Steps::default();
    let rng: &mut dyn TryCryptoRng<Error = Infallible> = &mut steps;
    assert!(ring().seal_with_rng(&secret(), &context(), rng).is_ok());

    let mut dry = Dry;
    let rng: &mut dyn TryCryptoRng<Error = fmt::Error> = &mut dry;
    assert!(ring().seal_with_rng(&secret(), &context(), rng).is_err());
}

#[test]
fn an_async_seal_is_not_tied_to_its_randomness() {
    let ring = remote_ring();
    let (secret, context) = (secret(), context());
    let mut rng = Steps::default();

    // `Steps` is not `Send`, and the same one is passed to two futures that are alive at the same
    // time.
    let first = assert_send(ring.seal_async_with_rng(&secret, &context, &mut rng));
    let second = assert_send(ring.seal_async_with_rng(&secret, &context, &mut rng));
    assert_eq!(rng.draws, [44, 44]);
    drop(rng);

    let second: Result<Envelope, SealError> = pollster::block_on(second);
    let first: Result<Envelope, SealError> = pollster::block_on(first);
    assert_ne!(first.unwrap(), second.unwrap());
}

#[test]
fn a_failing_source_of_randomness_is_an_error() {
    let (ring, secret, context) = (ring(), secret(), context());

    assert!(matches!(ring.seal_with_rng(&secret, &context, &mut Dry), Err(SealError::Random)));
    assert!(matches!(
        pollster::block_on(ring.seal_async_with_rng(&secret, &context, &mut Dry)),
        Err(SealError::Random)
    ));
}

// Batches

#[test]
fn a_batch_takes_rows_of_every_form() {
    let envelope = sealed();
    let text = envelope.to_string();
    let ring = rotated();

    let batches: [Batch<u32>; 5] = [
        ring.rewrap_batch([(1, text.clone())]),
        ring.rewrap_batch([(1, text.as_str())]),
        ring.rewrap_batch([(1, envelope.as_bytes().to_vec())]),
        ring.rewrap_batch([(1, envelope.as_bytes())]),
        ring.rewrap_batch([(1, envelope.clone())]),
    ];
    for batch in batches {
        assert_eq!(batch.changes.len(), 1);
        assert_eq!(batch.current, 0);
        assert!(batch.failures.is_empty());
    }
}

#[test]
fn a_batch_counts_and_one_rows_failure_is_that_rows() {
    let ring = rotated();
    let (outdated, current, unknown) = (sealed(), sealed_by(&ring), sealed_for_two());
    let batch: Batch<&str> = ring.rewrap_batch(vec![
        ("outdated", outdated.to_string()),
        ("nonsense", "nonsense".to_owned()),
        ("current", current.to_string()),
        ("unknown", unknown.to_string()),
    ]);

    let count: usize = batch.current;
    assert_eq!(count, 1);
    assert!(!batch.must_stop());

    let changes: &Vec<Change<&str>> = &batch.changes;
    assert_eq!(changes.len(), 1);
    for Change { id, old, fresh, .. } in changes {
        assert_eq!(*id, "outdated");
        assert_eq!(*old, outdated);
        assert_eq!(*fresh, ring.rewrap(&outdated).unwrap().unwrap());
    }

    let failures: Vec<(&str, RowError)> = batch.failures;
    let failed: Vec<&str> = failures.iter().map(|(id, _)| *id).collect();
    assert_eq!(failed, ["nonsense", "unknown"]);
}

#[test]
fn an_envelope_is_converted_without_a_failure() {
    fn converts<E: TryInto<Envelope>>()
    where
        FormatError: From<E::Error>,
    {
    }
    converts::<Envelope>();
    converts::<String>();
    converts::<&str>();
    converts::<Vec<u8>>();
    converts::<&[u8]>();
    fn is_from<T: From<Infallible>>() {}
    is_from::<FormatError>();
}

#[test]
fn a_batch_must_stop_where_every_row_is_the_same_misconfiguration() {
    let unknown = sealed_for_two().to_string();

    let all = ring().rewrap_batch([(1, unknown.clone()), (2, unknown.clone())]);
    assert_eq!(all.failures.len(), 2);
    assert!(all.must_stop());

    let some = ring().rewrap_batch([(1, unknown), (2, sealed().to_string())]);
    assert_eq!(some.current, 1);
    assert!(!some.must_stop());
}

#[test]
fn a_batch_must_stop_where_a_fresh_wrap_does_not_open() {
    let ring =
        Keyring::new(id("kms"), Lies).unwrap().with_retired(id("prod-2026"), key(0)).unwrap();

    assert!(matches!(
        &ring.rewrap(&sealed()).unwrap_err(),
        RewrapError::Unverified { key_id, .. } if *key_id == id("kms")
    ));
    let batch = ring.rewrap_batch([(1, sealed().to_string()), (2, "nonsense".to_owned())]);
    assert_eq!(batch.failures.len(), 2);
    assert!(batch.must_stop());
}
