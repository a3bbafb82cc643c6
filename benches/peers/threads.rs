//! Compares the throughput of each peer on one thread and on two.

use std::thread;

use crate::peer::Peer;
use crate::rate::{Work, one_and_two};
use crate::turns::thousands;

pub(crate) fn two_against_one(peers: &[Peer], quick: bool) {
    let rows: Vec<(&Peer, &str, &Work<'static>)> = peers
        .iter()
        .flat_map(|peer| [(peer, "seal", &*peer.seal), (peer, "open", &*peer.open)])
        .collect();
    let work: Vec<&Work<'static>> = rows.iter().map(|(_, _, work)| *work).collect();
    let rates = one_and_two(&work, quick);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("Cores: {cores}.\n");
    println!(
        "| peer | form | RNG | operation | per second, 1 thread | per second, 2 threads | ratio |"
    );
    println!("|---|---|---|---|--:|--:|--:|");
    for ((peer, verb, _), [one, two]) in rows.iter().zip(rates) {
        let about = &peer.about;
        println!(
            "| {} | {} | {} | {verb} | {} | {} | {:.2} |",
            about.name,
            about.form,
            about.rng,
            thousands(one),
            thousands(two),
            two / one
        );
    }
}
