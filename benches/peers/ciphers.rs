//! Times the ciphers by backend and by size: `cargo bench --bench ciphers`.
//!
//! The contenders of a group take turns.

#[path = "../turns.rs"]
mod turns;

mod aeads;

use std::time::Duration;

use aeads::{Aead, SIZES};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main,
};
use turns::{Contender, sample};

fn key_set_up(criterion: &mut Criterion) {
    let mut group = group(criterion, "key set-up");
    one_by_one(&mut group, |aead| (aead.set_up)(), |name| BenchmarkId::from_parameter(name));
    group.finish();
}

fn message(criterion: &mut Criterion) {
    by_size(group(criterion, "message"), |aead, size| (aead.message)(size));
}

fn fresh_key(criterion: &mut Criterion) {
    by_size(group(criterion, "fresh key"), |aead, size| (aead.fresh_key)(size));
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(30);
    group
}

fn by_size(
    mut group: BenchmarkGroup<'_, WallTime>,
    contender: fn(&Aead, usize) -> Contender<'static>,
) {
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let id = |name: &str| BenchmarkId::new(name, size);
        one_by_one(&mut group, |aead| contender(aead, size), id);
    }
    group.finish();
}

fn one_by_one(
    group: &mut BenchmarkGroup<'_, WallTime>,
    contender: impl Fn(&Aead) -> Contender<'static>,
    id: impl Fn(&str) -> BenchmarkId,
) {
    let mut contenders: Vec<_> = aeads::all().iter().map(contender).collect();
    for timed in 0..contenders.len() {
        let id = id(&contenders[timed].name);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| sample(&mut contenders, timed, iterations));
        });
    }
}

criterion_group!(benches, key_set_up, message, fresh_key);
criterion_main!(benches);
