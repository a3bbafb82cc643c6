//! Pairs: made, read, written and refused, wraps for them, sealers, and escrows that are offline.

use std::hint::black_box;
use std::panic::catch_unwind;

use residue::pipe::role;
use sealwax::{
    EncryptionContext, Envelope, KeyError, KeyWrapper, Keyring, MasterKeyProvider, OpeningKey,
    ProviderErrorKind, Sealer, SealingKey, Suite, UnwrapRequest, WrapRequest,
};

use crate::given::{
    DRAWN, Lent, Rng, bytes, context, data_key, id, master_key, pair, says, secret,
};
use crate::verbs::altered;
use crate::waiting::{TO_THE_END, polled};
use crate::{SOME, SUITES, step};

/// A commitment, when a key is called directly.
pub const COMMITMENT: [u8; 32] = [7; 32];
/// From the end of an envelope to the last bytes of its MAC and of its last wrap.
const TO_MAC: usize = SOME + 16 + 12 + 1;
const TO_WRAP: usize = TO_MAC + 16 + 32;

pub fn steps() {
    for suite in SUITES {
        made(suite);
        texts(suite);
        wraps(suite);
        for size in [0, SOME, 4096] {
            sealed_by_a_sealer(suite, size);
            escrowed(suite, size);
        }
        refused(suite);
    }
}

fn made(suite: Suite) {
    step("pair made", suite, 0, &mut || drop(black_box(pair(0))));
    step("pair made", suite, 0, &mut || {
        let pair = OpeningKey::generate_with_rng(&mut Rng::Of(role::PAIR, 0));
        drop(black_box(pair.expect("64 random bytes")));
    });
    step("pair made", suite, 0, &mut || drop(black_box(OpeningKey::generate().expect("drawn"))));
    // Moved, and with a sealing key that outlives it.
    step("pair made", suite, 0, &mut || {
        let moved = Box::new([black_box(pair(0)), black_box(pair(1))]);
        let sealing = moved[0].sealing_key();
        black_box(format!("{moved:?} {sealing:?}"));
        drop(moved);
        drop(black_box(sealing));
    });
    step("pair refused", suite, 0, &mut || {
        for mut rng in [Rng::Fails, Rng::RepeatsAByte] {
            let error = OpeningKey::generate_with_rng(&mut rng).expect_err("not drawn");
            assert_eq!(error, KeyError::Random);
        }
        let mut cut = bytes(role::PAIR, 0, 64);
        let error = OpeningKey::from_bytes(&mut cut[..63]).expect_err("63 bytes");
        black_box(format!("{error} {error:?}"));
        // The last byte was not passed.
        drop(OpeningKey::from_bytes(&mut cut[63..]));
    });
    step("pair refused", suite, 0, &mut || {
        let (mut twice, mut weak) = (bytes(role::PAIR, 0, 64), bytes(role::PAIR, 1, 64));
        twice.copy_within(..32, 32);
        weak[32..].fill(0x77);
        for bytes in [&mut twice, &mut weak] {
            assert_eq!(OpeningKey::from_bytes(bytes).expect_err("weak"), KeyError::Weak);
        }
    });
    step("pair refused", suite, 0, &mut || {
        assert!(catch_unwind(|| drop(OpeningKey::generate_with_rng(&mut Rng::Panics))).is_err());
    });
}

fn texts(suite: Suite) {
    step("opening key's text", suite, 0, &mut || {
        let lent = Lent::new(role::OPENING_TEXT, 0, 0);
        let key: OpeningKey = lent.text().parse().expect("a key as text");
        assert!(key.to_text().expose_secret() == lent.as_slice());
    });
    step("sealing key's text", suite, 0, &mut || {
        let lent = Lent::new(role::SEALING_TEXT, 0, 0);
        let key: SealingKey = lent.text().parse().expect("a key as text");
        assert!(key.to_text().expose_secret() == lent.as_slice());
    });
    step("opening key's text refused", suite, 0, &mut || {
        let lent = Lent::new(role::OPENING_TEXT, role::MISTYPED, 0);
        for text in [lent.text(), &lent.text()[..95], &lent.text()[5..]] {
            says(&text.parse::<OpeningKey>().expect_err("mistyped or cut"));
        }
    });
    step("sealing key's text refused", suite, 0, &mut || {
        let lent = Lent::new(role::SEALING_TEXT, role::MISTYPED, 0);
        for text in [lent.text(), &lent.text()[..1674], &lent.text()[5..]] {
            says(&text.parse::<SealingKey>().expect_err("mistyped or cut"));
        }
    });
    step("sealer from text", suite, 0, &mut || {
        let lent = Lent::new(role::SEALER_TEXT, 0, 0);
        black_box(format!("{:?}", lent.text().parse::<Sealer>().expect("a sealer")));
    });
    step("sealer's text refused", suite, 0, &mut || {
        for shape in 1..=3 {
            let lent = Lent::new(role::SEALER_TEXT, shape, 0);
            says(&lent.text().parse::<Sealer>().expect_err("a mistake"));
        }
    });
    step("keyring with pairs from text", suite, 0, &mut || {
        let lent = Lent::new(role::PAIRS_TEXT, 0, 0);
        let ring: Keyring = lent.text().parse().expect("a keyring");
        black_box(format!("{ring:?} {:?}", ring.fingerprint()));
    });
    step("keyring with pairs refused", suite, 0, &mut || {
        for shape in 1..=3 {
            let lent = Lent::new(role::PAIRS_TEXT, shape, 0);
            says(&lent.text().parse::<Keyring>().expect_err("a mistake"));
        }
    });
}

/// Runs both keys as providers, called directly.
fn wraps(suite: Suite) {
    let dash = id("dash");
    let wrapped = || {
        let (data_key, sealing) = (data_key(0), pair(0).sealing_key());
        let request = WrapRequest::new(&dash, suite, &COMMITMENT, &data_key);
        sealing.wrap_key(request).into_ready().expect("ready").expect("a wrap")
    };
    step("sealing key wraps", suite, 0, &mut || drop(black_box(wrapped())));
    step("opening key wraps and unwraps", suite, 0, &mut || {
        let (opening, data_key) = (pair(0), data_key(0));
        let request = WrapRequest::new(&dash, suite, &COMMITMENT, &data_key);
        let body = opening.wrap_key(request).into_ready().expect("ready").expect("a wrap");
        assert!(opening.is_current(&body));
        let request = UnwrapRequest::new(&dash, suite, &COMMITMENT, &body);
        let found = opening.unwrap_key(request).into_ready().expect("ready").expect("a data key");
        assert!(found.expose_secret() == data_key.expose_secret());
    });
    // The tag; an encapsulation that ML-KEM rejects implicitly; the check value; a point of small order.
    for wrong in 0..4 {
        step("opening key refuses", suite, 0, &mut || {
            let mut body = wrapped();
            match wrong {
                0 => body[1171] ^= 1,
                1 => body[4] ^= 1,
                2 => body[0] ^= 1,
                _ => body[4 + 1088..][..32].fill(0),
            }
            let request = UnwrapRequest::new(&dash, suite, &COMMITMENT, &body);
            let error = pair(0).unwrap_key(request).into_ready().expect("ready").expect_err("bad");
            let is_other = error.kind() == ProviderErrorKind::WrongKeyMaterial;
            assert_eq!(is_other, wrong == 2);
            says(&error);
        });
    }
}

fn sealer(suite: Suite) -> Sealer {
    let sealer = Sealer::new(id("dash"), pair(0).sealing_key()).expect("an id");
    let sealer = sealer.with_offline_escrow(id("safe"), pair(1).sealing_key());
    sealer.expect("two pairs").with_suite(suite)
}

fn written(suite: Suite, size: usize) -> Envelope {
    sealer(suite).seal_with_rng(&secret(size), &context(), &mut { DRAWN }).expect("sealed")
}

/// Returns the keyring of a worker: its primary seals, it opens what the sealer wrote, and it has the escrow.
fn worker(suite: Suite) -> Keyring {
    Keyring::new(id("prod"), master_key(0))
        .and_then(|ring| ring.with_retired(id("dash"), pair(0)))
        .and_then(|ring| ring.with_offline_escrow(id("safe"), pair(1).sealing_key()))
        .expect("three ids")
        .with_suite(suite)
}

/// Returns the keyring of the drill: the opening key from the safe.
fn drill() -> Keyring {
    Keyring::opening_only().with_retired(id("safe"), pair(1)).expect("an id")
}

fn sealed_by_a_sealer(suite: Suite, size: usize) {
    step("sealer seals", suite, size, &mut || drop(black_box(written(suite, size))));
    // With the system's randomness, the search knows only the pairs and the credential.
    step("sealer seals", suite, size, &mut || {
        drop(black_box(sealer(suite).seal(&secret(size), &context()).expect("sealed")));
    });
    step("open with an opening key", suite, size, &mut || {
        let ring = Keyring::new(id("dash"), pair(0)).expect("an id");
        let row = written(suite, size);
        ring.verify(&row).expect("its own row");
        drop(black_box(ring.open(&row, &context()).expect("its own row")));
        drop(black_box(drill().open(&row, &context()).expect("an escrow")));
    });
    step("rewrap of what a sealer wrote", suite, size, &mut || {
        let (ring, row) = (worker(suite), written(suite, size));
        let moved = ring.rewrap(&row).expect("its own row").expect("moved");
        assert!(ring.rewrap(&moved).expect("current").is_none());
    });
    step("opening key, waiting", suite, size, &mut || {
        let (ring, row, context) = (worker(suite), written(suite, size), context());
        let work = async {
            ring.verify_async(&row).await.expect("its own row");
            drop(ring.open_async(&row, &context).await.expect("its own row"));
            drop(ring.rewrap_async(&row).await.expect("its own row"));
            let batch = ring.rewrap_batch_async([(1, row.clone()), (2, row.clone())]).await;
            assert_eq!(batch.changes.len(), 2);
        };
        assert!(polled(work, TO_THE_END));
    });
}

fn escrowed(suite: Suite, size: usize) {
    step("seal for an offline escrow", suite, size, &mut || {
        let (ring, context) = (worker(suite), context());
        let row = ring.seal_with_rng(&secret(size), &context, &mut { DRAWN }).expect("sealed");
        drop(ring.open(&row, &context).expect("its own row"));
        drop(black_box(drill().open(&row, &context).expect("the opening key of the escrow")));
    });
    step("seal for an offline escrow", suite, size, &mut || {
        let (ring, secret, context) = (worker(suite), secret(size), context());
        let sealing = ring.seal_async_with_rng(&secret, &context, &mut { DRAWN });
        assert!(polled(sealing, TO_THE_END));
    });
}

fn refused(suite: Suite) {
    step("sealer refuses", suite, SOME, &mut || {
        for mut rng in [Rng::Fails, Rng::RepeatsAByte] {
            let sealed = sealer(suite).seal_with_rng(&secret(SOME), &context(), &mut rng);
            says(&sealed.expect_err("not drawn"));
        }
        let twice = sealer(suite).with_offline_escrow(id("again"), pair(0).sealing_key());
        says(&twice.expect_err("one key, two ids"));
    });
    step("open with an opening key refused", suite, SOME, &mut || {
        let (ring, row) = (worker(suite), written(suite, SOME));
        says(&ring.open(&row, &EncryptionContext::empty()).expect_err("moved"));
        says(&ring.open(&altered(&row, TO_MAC), &context()).expect_err("altered"));
        says(&drill().open(&altered(&row, TO_WRAP), &context()).expect_err("altered"));
        let ring = Keyring::new(id("dash"), pair(1)).expect("an id");
        says(&ring.open(&row, &context()).expect_err("another pair"));
    });
    step("rewrap of what a sealer wrote refused", suite, SOME, &mut || {
        let row = altered(&written(suite, SOME), TO_MAC);
        says(&worker(suite).rewrap(&row).expect_err("altered"));
    });
}
