//! The crates of the KEM alone, without the wipe that the library does after each call: what they would leave.

use std::hint::black_box;

use hpke::aead::{AeadTag, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, PskBundle, single_shot_open_inout_detached,
    single_shot_seal_inout_detached_with_rng,
};
use rand_core::UnwrapErr;
use residue::pipe::role;
use sealwax::{KeyWrapper, Suite, WrapRequest};

use crate::given::{Lent, Rng, bytes, data_key, id, pair};
use crate::pairs::COMMITMENT;
use crate::step;

const SUITE: Suite = Suite::Aes256Gcm;
const ID: &str = "dash";

fn info() -> Vec<u8> {
    [b"sw1/hpke", &[1, SUITE.id(), 4][..], ID.as_bytes(), &COMMITMENT].concat()
}

/// Boxed where it is made, and so copied from the stack.
fn private(pair: &Lent) -> Box<<XWing as Kem>::PrivateKey> {
    Box::new(<XWing as Kem>::PrivateKey::from_bytes(&pair[..32]).expect("a seed"))
}

pub fn steps() {
    step("known: hpke expands a seed", SUITE, 0, &mut || {
        drop(black_box(private(&Lent::new(role::PAIR, 0, 64))));
    });
    step("known: hpke seals", SUITE, 0, &mut || {
        let (pair, mut key) = (Lent::new(role::PAIR, 0, 64), Lent::new(role::DATA_KEY, 0, 32));
        let public = bytes(role::PUBLIC_KEY, 0, 1216);
        let public = Box::new(<XWing as Kem>::PublicKey::from_bytes(&public).expect("a key"));
        let psk = PskBundle::new(&pair[32..], ID.as_bytes()).expect("a psk");
        let sealed = single_shot_seal_inout_detached_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Psk(psk),
            &public,
            &info(),
            key.as_mut_slice().into(),
            &[],
            &mut UnwrapErr(Rng::Of(role::COINS, SUITE.id())),
        );
        assert!(sealed.is_ok());
    });
    step("known: hpke opens", SUITE, 0, &mut || {
        let (dash, data_key, sealing) = (id(ID), data_key(0), pair(0).sealing_key());
        let request = WrapRequest::new(&dash, SUITE, &COMMITMENT, &data_key);
        let body = sealing.wrap_key(request).into_ready().expect("ready").expect("a wrap");
        let (pair, mut key) = (Lent::new(role::PAIR, 0, 64), Lent::new(role::DATA_KEY, 0, 32));
        key.copy_from_slice(&body[1124..1156]);
        let private = private(&pair);
        let opened = single_shot_open_inout_detached::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Psk(PskBundle::new(&pair[32..], ID.as_bytes()).expect("a psk")),
            &private,
            &<XWing as Kem>::EncappedKey::from_bytes(&body[4..1124]).expect("its length"),
            &info(),
            key.as_mut_slice().into(),
            &[],
            &AeadTag::<AesGcm256>::from_bytes(&body[1156..]).expect("its length"),
        );
        assert!(opened.is_ok() && key.as_slice() == data_key.expose_secret());
    });
}
