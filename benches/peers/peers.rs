//! Compares sealwax with others that keep a credential in a column, as Markdown:
//! `cargo bench --bench peers`.

#[path = "../rate.rs"]
mod rate;
#[path = "../turns.rs"]
mod turns;

mod peer;
mod threads;

use std::time::Duration;

use peer::Peer;
use rate::Work;
use turns::{Contender, take_turns, time};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 4000 });
    let peers = peer::all();
    let seal = all_in_turns(&peers, |peer| &*peer.seal, budget);
    let open = all_in_turns(&peers, |peer| &*peer.open, budget);
    beside_each_other(&peers, &seal, &open);
    println!();
    threads::two_against_one(&peers, quick);
}

fn all_in_turns(peers: &[Peer], verb: fn(&Peer) -> &Work<'static>, budget: Duration) -> Vec<f64> {
    let contender = |peer: &Peer| Contender::new(peer.about.name, verb(peer)());
    take_turns(&mut peers.iter().map(contender).collect::<Vec<_>>(), budget)
}

fn beside_each_other(peers: &[Peer], seal: &[f64], open: &[f64]) {
    println!(
        "| peer | form | bytes | RNG | binds | commits to its key | seal, ns | open, ns | seal ÷ sealwax | open ÷ sealwax |"
    );
    println!("|---|---|--:|---|---|---|--:|--:|--:|--:|");
    for ((peer, seal_took), open_took) in peers.iter().zip(seal).zip(open) {
        let about = &peer.about;
        let like = |other: &Peer| other.is_sealwax() && other.about.is_like(about);
        let sealwax = peers.iter().position(like).unwrap();
        let (shortest, longest) = about.stored.clone().into_inner();
        let stored = if shortest == longest {
            shortest.to_string()
        } else {
            format!("{shortest} to {longest}")
        };
        println!(
            "| {} | {} | {stored} | {} | {} | {} | {} | {} | {:.2} | {:.2} |",
            about.name,
            about.form,
            about.rng,
            about.binds,
            about.commits,
            time(*seal_took),
            time(*open_took),
            seal_took / seal[sealwax],
            open_took / open[sealwax],
        );
    }
}
