//! Prints the tables about the library, as Markdown: `cargo bench --bench summary`.
//!
//! With `-- flags`, it prints one line of the table about compiler flags. `tables.sh` combines
//! these tables with those about the peers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a benchmark may panic, and computes with small numbers"
)]

mod cases;
mod floor;
mod picture;
mod rate;
mod turns;

use std::hint::black_box;
use std::time::Duration;

use cases::{Case, SIZES, SUITES, VERBS};
use rate::{Work, one_and_two};
use sealwax::{Envelope, Suite};
use turns::{Contender, take_turns, thousands, time};

const BACKEND: &str = if cfg!(feature = "aws-lc") { "aws-lc" } else { "RustCrypto" };
const API_KEY: usize = SIZES[0];
const MIB: usize = SIZES[3];

fn main() {
    let said = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let quick = said("--test");
    let budget = Duration::from_millis(if quick { 1 } else { 600 });
    if said("flags") {
        return flags(budget);
    }
    verbs(budget);
    parts(budget);
    raw(budget);
    threads(quick);
    refused(budget);
}

/// Prints the time of each operation by size and its ratio to the floor, and a chart of the first.
fn verbs(budget: Duration) {
    let mut lines: Vec<picture::Line> = Vec::new();
    println!("### Each operation compared with its floor, {BACKEND}\n");
    println!("Nanoseconds, and the ratio to the floor.\n");
    println!("| operation | suite | 51 B | | 2 KiB | | 64 KiB | | 1 MiB | |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (verb, suites) in VERBS {
        for suite in suites {
            print!("| {verb} | {suite} |");
            let (mut ours, mut floors) = (Vec::new(), Vec::new());
            for size in SIZES {
                let case = Case::new(*suite, size);
                let found = take_turns(&mut case.contenders(verb), budget);
                print!(" {} | {:.2} |", time(found[0]), found[0] / found[1]);
                ours.push((size, found[0]));
                floors.push((size, found[1]));
            }
            println!();
            if verb == VERBS[0].0 {
                lines.push((format!("{verb}, {suite}"), ours));
                lines.push((format!("its floor, {suite}"), floors));
            }
        }
    }
    println!("\n{}\n", picture::svg(&format!("Sealing by size, {BACKEND}"), &lines));
}

/// Prints the times under the current compiler flags as bare numbers; the caller knows the flags.
fn flags(budget: Duration) {
    for (verb, suites) in &VERBS[..2] {
        for suite in *suites {
            for size in [API_KEY, 64 * 1024] {
                let case = Case::new(*suite, size);
                let found = take_turns(&mut case.contenders(verb), budget);
                print!("{:.0} ", found[0]);
            }
        }
    }
    let case = Case::new(SUITES[0], API_KEY);
    let mut derivation = case.parts();
    derivation.retain(|part| part.name.starts_with("payload key and commitment"));
    assert_eq!(derivation.len(), 1);
    println!("{:.0}", take_turns(&mut derivation, budget)[0]);
}

/// Prints the parts of sealing an API key, each timed alone.
fn parts(budget: Duration) {
    println!("### What sealing 51 bytes is made of, {BACKEND}\n");
    println!("Nanoseconds for each part alone; the last line is a whole seal.\n");
    println!("| part | a256gcm | c20p |");
    println!("|---|--:|--:|");
    let columns = SUITES.map(|suite| {
        let case = Case::new(suite, API_KEY);
        let mut contenders = case.parts();
        let [seal, _] = case.contenders("seal");
        contenders.push(seal);
        let names: Vec<String> = contenders.iter().map(|part| part.name.clone()).collect();
        (names, take_turns(&mut contenders, budget * 4))
    });
    let [(names, a256gcm), (_, c20p)] = columns;
    for ((name, one), other) in names.iter().zip(a256gcm).zip(c20p) {
        println!("| {name} | {} | {} |", time(one), time(other));
    }
    println!();
}

/// Prints the throughput for large payloads, compared with that of the bare cipher.
fn raw(budget: Duration) {
    println!("### 1 MiB compared with the bare cipher, {BACKEND}\n");
    println!(
        "GiB per second; the cipher has a fresh key, and writes into a buffer that is already allocated.\n"
    );
    println!("| suite | cipher | seal | ÷ cipher | open | ÷ cipher |");
    println!("|---|--:|--:|--:|--:|--:|");
    for suite in SUITES {
        let case = Case::new(suite, MIB);
        let [seal, _] = case.contenders("seal");
        let [open, _] = case.contenders("open");
        let found = take_turns(&mut [case.bare_cipher(), seal, open], budget);
        let [cipher, seal, open] = [0, 1, 2].map(|i| found[i]);
        let rate = |took: f64| MIB as f64 / took * 1e9 / f64::from(1 << 30);
        println!(
            "| {suite} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            rate(cipher),
            rate(seal),
            cipher / seal,
            rate(open),
            cipher / open
        );
    }
    println!();
}

fn threads(quick: bool) {
    println!("### Two threads compared with one, 51 bytes, {BACKEND}\n");
    println!("| operation | suite | per second, 1 thread | per second, 2 threads | ratio |");
    println!("|---|---|--:|--:|--:|");
    for suite in SUITES {
        let case = Case::new(suite, API_KEY);
        let names = ["seal", "open", "rewrap"];
        let work = names.map(|verb| {
            let case = &case;
            move || -> Box<dyn FnMut() + '_> {
                let [mut ours, _] = case.contenders(verb);
                Box::new(move || {
                    (ours.run)(1);
                })
            }
        });
        let work: Vec<&Work<'_>> = work.iter().map(|work| -> &Work<'_> { work }).collect();
        for (verb, [one, two]) in names.iter().zip(one_and_two(&work, quick)) {
            println!(
                "| {verb} | {suite} | {} | {} | {:.2} |",
                thousands(one),
                thousands(two),
                two / one
            );
        }
    }
    println!();
}

/// Prints the time to refuse texts of growing length. Per KiB, it does not grow.
fn refused(budget: Duration) {
    println!("### Parsing refused texts, by length\n");
    println!("Nanoseconds per KiB of text.\n");
    println!("| text | 64 KiB | 1 MiB | 16 MiB |");
    println!("|---|--:|--:|--:|");
    type Make = fn(&Case, usize) -> String;
    let texts: [(&str, Make); 2] = [
        ("an endless list of wraps", |case, len| {
            let wrap = [case.first_wrap(), ","].concat();
            ["sw1:a256gcm:", &wrap.repeat(len / wrap.len())].concat()
        }),
        ("a fault in the last character", |case, len| {
            [case.text(), &"A".repeat(len - case.text().len()), "!"].concat()
        }),
    ];
    for (name, make) in texts {
        print!("| {name} |");
        for len in [64 * 1024, MIB, 16 * MIB] {
            let text = make(&Case::new(Suite::Aes256Gcm, API_KEY), len);
            let parse = || assert!(black_box(&text).parse::<Envelope>().is_err());
            let found = take_turns(&mut [Contender::new(name, parse)], budget / 4);
            print!(" {:.1} |", found[0] / (text.len() as f64 / 1024.0));
        }
        println!();
    }
}
