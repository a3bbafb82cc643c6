//! The ciphers beside each other, as Markdown: `cargo bench --bench tables`.

#[path = "../turns.rs"]
mod turns;

mod aeads;

use std::time::Duration;

use aeads::{Aead, SIZES};
use turns::{Contender, take_turns, time};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 2000 });
    let aeads = aeads::all();
    let nanoseconds = |contender: &dyn Fn(&Aead) -> Contender<'static>| -> Vec<f64> {
        let mut contenders: Vec<_> = aeads.iter().map(contender).collect();
        take_turns(&mut contenders, budget).iter().map(|figures| figures.min).collect()
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

    println!("\nGiB a second, with the key set up before:\n");
    println!("| cipher | backend | 64 KiB | 1 MiB |");
    println!("|---|---|--:|--:|");
    for (i, Aead { cipher, backend, .. }) in aeads.iter().enumerate() {
        let rate = |size: usize, took: &[f64]| size as f64 / took[i] * 1e9 / f64::from(1 << 30);
        let [large, largest] = [rate(large, &by_size[0]), rate(largest, &by_size[1])];
        println!("| {cipher} | {backend} | {large:.2} | {largest:.2} |");
    }
}
