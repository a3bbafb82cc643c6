//! Keys: made, read, written and rejected, and the text of a keyring.

use std::hint::black_box;
use std::panic::catch_unwind;

use residue::pipe::role;
use sealwax::{
    DataKey, KeyError, KeyWrapper, Keyring, KeyringError, MasterKey, MasterKeyProvider,
    ProviderErrorKind, UnwrapRequest, WrapRequest,
};

use crate::given::{Lent, Rng, bytes, data_key, id, keyring, master_key, next_keyring};
use crate::{SUITES, step};

/// A weak key. The random bytes of a step never are one.
const REPEATED: [u8; 32] = [0x77; 32];

pub fn steps() {
    for suite in SUITES {
        master_keys(suite);
        data_keys(suite);
        wraps(suite);
        keyrings(suite);
    }
}

fn master_keys(suite: sealwax::Suite) {
    let made = "master key made";
    step(made, suite, 0, &mut || drop(black_box(master_key(0))));
    step(made, suite, 0, &mut || {
        let mut rng = Rng::Of(role::MASTER_KEY, 0);
        drop(black_box(MasterKey::generate_with_rng(&mut rng).expect("32 random bytes")));
    });
    step(made, suite, 0, &mut || drop(black_box(MasterKey::generate().expect("randomness"))));
    // Moved, as it would be into a keyring or a thread.
    step(made, suite, 0, &mut || {
        let moved = Box::new([black_box(master_key(0)), black_box(master_key(1))]);
        black_box(format!("{moved:?} {:?}", moved[0].check_value()));
    });
    let refused = "master key refused";
    step(refused, suite, 0, &mut || {
        let error = MasterKey::generate_with_rng(&mut Rng::Fails).expect_err("fails");
        assert_eq!(error, KeyError::Random);
        let error = MasterKey::generate_with_rng(&mut Rng::RepeatsAByte).expect_err("weak");
        assert_eq!(error, KeyError::Random);
    });
    step(refused, suite, 0, &mut || {
        let panicked = catch_unwind(|| drop(MasterKey::generate_with_rng(&mut Rng::Panics)));
        assert!(panicked.is_err());
    });
    step(refused, suite, 0, &mut || {
        assert_eq!(MasterKey::from_bytes(&mut REPEATED.clone()).expect_err("weak"), KeyError::Weak);
        let mut long = bytes(role::DRAWN, 0, 44);
        let error = MasterKey::from_bytes(&mut long).expect_err("44 bytes");
        black_box(format!("{error} {error:?}"));
    });
    step("master key to text", suite, 0, &mut || drop(black_box(master_key(0).to_text())));
    step("master key from text", suite, 0, &mut || {
        let lent = Lent::new(role::MASTER_TEXT, 0, 0);
        let key: MasterKey = lent.text().parse().expect("a key as text");
        assert!(key.to_text().expose_secret() == lent.as_slice());
    });
    for wrong in 0..3 {
        step("master key's text refused", suite, 0, &mut || {
            let mistyped = Lent::new(role::MISTYPED_TEXT, 0, 0);
            let text = match wrong {
                0 => mistyped.text(),
                1 => &mistyped.text()[..52],
                _ => &mistyped.text()[5..],
            };
            let error = text.parse::<MasterKey>().expect_err("mistyped or cut");
            assert_eq!(error == KeyError::Checksum, wrong == 0);
            black_box(format!("{error} {error:?}"));
        });
    }
}

fn data_keys(suite: sealwax::Suite) {
    let made = "data key made";
    step(made, suite, 0, &mut || drop(black_box(data_key(0))));
    step(made, suite, 0, &mut || {
        let mut rng = Rng::Of(role::DATA_KEY, 0);
        let key = DataKey::generate_with_rng(&mut rng).expect("32 random bytes");
        let second = black_box(key.duplicate());
        assert!(second.expose_secret() == key.expose_secret());
        black_box(format!("{key:?}"));
    });
    step(made, suite, 0, &mut || drop(black_box(DataKey::generate().expect("randomness"))));
    step("data key refused", suite, 0, &mut || {
        assert_eq!(
            DataKey::generate_with_rng(&mut Rng::Fails).expect_err("fails"),
            KeyError::Random
        );
        let error = DataKey::generate_with_rng(&mut Rng::RepeatsAByte).expect_err("weak");
        assert_eq!(error, KeyError::Random);
    });
    step("data key refused", suite, 0, &mut || {
        let panicked = catch_unwind(|| drop(DataKey::generate_with_rng(&mut Rng::Panics)));
        assert!(panicked.is_err());
    });
    step("data key refused", suite, 0, &mut || {
        assert_eq!(DataKey::from_bytes(&mut REPEATED.clone()).expect_err("weak"), KeyError::Weak);
        let mut long = bytes(role::DRAWN, 0, 44);
        black_box(DataKey::from_bytes(&mut long).expect_err("44 bytes").to_string());
    });
}

/// Runs a master key as a provider, called directly.
fn wraps(suite: sealwax::Suite) {
    let commitment = [7; 32];
    step("wrap and unwrap", suite, 0, &mut || {
        let (prod, master, data_key) = (id("prod"), master_key(0), data_key(0));
        let request = WrapRequest::new(&prod, suite, &commitment, &data_key);
        black_box(format!("{request:?} {:?}", request.associated_data()));
        let body = master.wrap_key(request).into_ready().expect("ready").expect("a wrap");
        assert!(master.is_current(&body));
        let request = UnwrapRequest::new(&prod, suite, &commitment, &body);
        let found = master.unwrap_key(request).into_ready().expect("ready").expect("a data key");
        assert!(found.expose_secret() == data_key.expose_secret());
    });
    step("unwrap refused", suite, 0, &mut || {
        let (prod, master, data_key) = (id("prod"), master_key(0), data_key(0));
        let request = WrapRequest::new(&prod, suite, &commitment, &data_key);
        let mut body = master.wrap_key(request).into_ready().expect("ready").expect("a wrap");
        let kind = |key: &MasterKey, body: &[u8]| {
            let request = UnwrapRequest::new(&prod, suite, &commitment, body);
            let error = key.unwrap_key(request).into_ready().expect("ready").expect_err("refused");
            black_box(format!("{error} {error:?}"));
            error.kind()
        };
        assert_eq!(kind(&master_key(1), &body), ProviderErrorKind::WrongKeyMaterial);
        assert_eq!(kind(&master, &body[1..]), ProviderErrorKind::Rejected);
        body[59] ^= 1;
        assert_eq!(kind(&master, &body), ProviderErrorKind::Rejected);
    });
}

fn keyrings(suite: sealwax::Suite) {
    step("keyring from text", suite, 0, &mut || {
        let lent = Lent::new(role::KEYRING_TEXT, 0, 0);
        let ring: Keyring = lent.text().parse().expect("a keyring");
        assert_eq!(ring.keys().count(), 6);
        let clone = black_box(ring.clone());
        black_box(format!("{ring:?}"));
        drop((ring, clone));
    });
    let refusals = [
        |error: &KeyringError| matches!(error, KeyringError::Line { line: 4, .. }),
        |error: &KeyringError| matches!(error, KeyringError::Line { line: 6, .. }),
        |error: &KeyringError| matches!(error, KeyringError::DuplicateKeyId { .. }),
        |error: &KeyringError| *error == KeyringError::TwoPrimaries,
        |error: &KeyringError| *error == KeyringError::NoPrimary,
        |error: &KeyringError| matches!(error, KeyringError::DuplicateKey { .. }),
        |error: &KeyringError| matches!(error, KeyringError::Line { line: 6, .. }),
        |error: &KeyringError| matches!(error, KeyringError::DuplicateKey { .. }),
    ];
    for (number, is_expected) in (1..).zip(refusals) {
        step("keyring's text refused", suite, 0, &mut || {
            let lent = Lent::new(role::KEYRING_TEXT, number, 0);
            let error = lent.text().parse::<Keyring>().expect_err("a mistake");
            assert!(is_expected(&error), "{number}: {error}");
            black_box(format!("{error} {error:?}"));
        });
    }
    step("keyrings compared", suite, 0, &mut || {
        let (old, new) = (keyring(suite), next_keyring(suite));
        black_box((new.fingerprint(), new.check_value("prod"), new.state("prod")));
        black_box(format!("{:?}", new.can_replace(&old)));
        let other = Keyring::opening_only().with_retired(id("prod"), master_key(1));
        black_box(format!("{:?}", other.expect("a key").can_replace(&old)));
    });
    step("keyring refused", suite, 0, &mut || {
        let ring = Keyring::new(id("prod"), master_key(0)).unwrap();
        let error = ring.with_escrow(id("PROD"), master_key(1)).expect_err("twice");
        assert!(matches!(error, KeyringError::DuplicateKeyId { .. }));
        let ring = Keyring::new(id("prod"), master_key(0)).unwrap();
        let error = ring.with_retired(id("again"), master_key(0)).expect_err("one key, two ids");
        assert!(matches!(error, KeyringError::DuplicateKey { .. }));
        let ring = Keyring::new(id("prod"), master_key(0))
            .unwrap()
            .with_disabled(id("gone"))
            .expect("ids");
        let ring = ring.with_leaked(id("stolen")).expect("ids");
        drop(black_box(ring.with_destroyed(id("lost")).expect("ids")));
    });
}
