//! Times every operation and its floor, by suite and by size: `cargo bench --bench verbs`.
//!
//! The statistics are criterion's; `summary` prints the tables.

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
mod turns;

use std::time::Duration;

use cases::{Case, SIZES, VERBS};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn verbs(criterion: &mut Criterion) {
    for (verb, suites) in VERBS {
        for suite in suites {
            let mut group = criterion.benchmark_group(format!("{verb}, {suite}"));
            group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
            group.sample_size(30);
            for size in SIZES {
                let case = Case::new(*suite, size);
                let mut contenders = case.contenders(verb);
                group.throughput(Throughput::Bytes(size as u64));
                for timed in 0..contenders.len() {
                    let id = BenchmarkId::new(contenders[timed].name.clone(), size);
                    group.bench_function(id, |bencher| {
                        bencher.iter_custom(|n| turns::sample(&mut contenders, timed, n));
                    });
                }
            }
            group.finish();
        }
    }
}

criterion_group!(benches, verbs);
criterion_main!(benches);
