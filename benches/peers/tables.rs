//! Compares the ciphers with each other, and HMAC, as Markdown: `cargo bench --bench tables`.

#[path = "../turns.rs"]
mod turns;

mod aeads;

use std::hint::black_box;
use std::time::Duration;

use ::hmac::{Hmac, KeyInit, Mac};
use aeads::{Aead, SIZES};
use aws_lc_rs::hmac;
use sha2::Sha256;
use turns::{Contender, take_turns, time};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 2000 });
    let aeads = aeads::all();
    let nanoseconds = |contender: &dyn Fn(&Aead) -> Contender<'static>| -> Vec<f64> {
        let mut contenders: Vec<_> = aeads.iter().map(contender).collect();
        take_turns(&mut contenders, budget)
    };
    let [api_key, _, large, largest] = SIZES;
    let set_up = nanoseconds(&|aead| (aead.set_up)());
    let message = nanoseconds(&|aead| (aead.message)(api_key));
    let fresh_key = nanoseconds(&|aead| (aead.fresh_key)(api_key));
    let by_size = [large, largest].map(|size| nanoseconds(&|aead| (aead.message)(size)));

    println!("Nanoseconds, for {api_key} bytes:\n");
    println!("| cipher | backend | key set-up | message | fresh key |");
    println!("|---|---|--:|--:|--:|");
    for (i, Aead { cipher, backend, .. }) in aeads.iter().enumerate() {
        let [set_up, message, fresh_key] = [&set_up, &message, &fresh_key].map(|of| time(of[i]));
        println!("| {cipher} | {backend} | {set_up} | {message} | {fresh_key} |");
    }

    println!("\nGiB per second, with the key set up before:\n");
    println!("| cipher | backend | 64 KiB | 1 MiB |");
    println!("|---|---|--:|--:|");
    for (i, Aead { cipher, backend, .. }) in aeads.iter().enumerate() {
        let rate = |size: usize, took: &[f64]| size as f64 / took[i] * 1e9 / f64::from(1 << 30);
        let [large, largest] = [rate(large, &by_size[0]), rate(largest, &by_size[1])];
        println!("| {cipher} | {backend} | {large:.2} | {largest:.2} |");
    }
    hmac(budget);
}

/// Prints HMAC-SHA-256 over a short and a longer message of an envelope, with the key set up.
fn hmac(budget: Duration) {
    const LENS: [usize; 2] = [33, 149];
    let key = [7; 32];
    let rust_crypto = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let aws_lc = hmac::Key::new(hmac::HMAC_SHA256, &key);
    println!("\nHMAC-SHA-256, nanoseconds, with the key set up before:\n");
    println!("| backend | {} bytes | {} bytes |", LENS[0], LENS[1]);
    println!("|---|--:|--:|");
    let found = LENS.map(|len| {
        let message = vec![9; len];
        let expected = hmac::sign(&aws_lc, &message);
        let rust_crypto = Contender::new("RustCrypto", || {
            let mut mac = rust_crypto.clone();
            mac.update(black_box(&message));
            assert_eq!(mac.finalize().into_bytes()[..], *expected.as_ref());
        });
        let aws_lc = Contender::new("aws-lc-rs", || {
            let tag = hmac::sign(black_box(&aws_lc), black_box(&message));
            assert_eq!(tag.as_ref(), expected.as_ref());
        });
        take_turns(&mut [rust_crypto, aws_lc], budget / 4)
    });
    for (i, name) in ["RustCrypto", "aws-lc-rs"].iter().enumerate() {
        println!("| {name} | {} | {} |", time(found[0][i]), time(found[1][i]));
    }
}
