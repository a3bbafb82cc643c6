//! What each verb costs, by suite and by size: `cargo bench --bench verbs`.
//!
//! Ratios within one run are worth more than single figures: machines differ, and drift.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, Secret, Suite};

const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
/// An API key, a service-account file, and two sizes at which only the cipher counts.
const SIZES: [usize; 4] = [51, 2048, 64 * 1024, 1024 * 1024];

struct Fixture {
    keyring: Keyring,
    /// Another primary, with the key of `keyring` retired.
    next: Keyring,
    context: EncryptionContext,
    secret: Secret,
    envelope: Envelope,
}

impl Fixture {
    fn new(suite: Suite, size: usize) -> Self {
        let text = MasterKey::generate().unwrap().to_text();
        let key = || text.expose_str().unwrap().parse::<MasterKey>().unwrap();
        let keyring = Keyring::new("prod-2025".parse().unwrap(), key()).with_suite(suite);
        let next = Keyring::new("prod-2026".parse().unwrap(), MasterKey::generate().unwrap())
            .with_retired("prod-2025".parse().unwrap(), key())
            .unwrap();
        let context =
            EncryptionContext::new([("tenant", "acme"), ("provider", "openai"), ("row", "4711")])
                .unwrap();
        let secret = Secret::from(vec![b'k'; size]);
        let envelope = keyring.seal(&secret, &context).unwrap();
        Self { keyring, next, context, secret, envelope }
    }
}

fn by_size(criterion: &mut Criterion) {
    for size in SIZES {
        for (verb, run) in VERBS {
            let mut group = criterion.benchmark_group(*verb);
            group.throughput(Throughput::Bytes(size.try_into().unwrap()));
            for suite in SUITES {
                let fixture = Fixture::new(suite, size);
                let id = BenchmarkId::new(suite.as_str(), size);
                group.bench_function(id, |bencher| bencher.iter(|| run(&fixture)));
            }
            group.finish();
        }
    }
}

type Verb = (&'static str, fn(&Fixture));

/// Each asserts that it did what it is timed for.
const VERBS: &[Verb] = &[
    ("seal", |f| {
        let sealed = black_box(&f.keyring).seal(black_box(&f.secret), black_box(&f.context));
        assert_eq!(sealed.unwrap().ciphertext().len(), f.secret.len());
    }),
    ("open", |f| {
        let opened = black_box(&f.keyring).open(black_box(&f.envelope), black_box(&f.context));
        assert_eq!(opened.unwrap().len(), f.secret.len());
    }),
    ("verify", |f| assert!(f.keyring.verify(black_box(&f.envelope)).is_ok())),
    ("rewrap", |f| {
        let fresh = black_box(&f.next).rewrap(black_box(&f.envelope)).unwrap().unwrap();
        assert_eq!(fresh.tag(), f.envelope.tag());
    }),
    ("parse_binary", |f| {
        let parsed = Envelope::from_bytes(black_box(f.envelope.as_bytes())).unwrap();
        assert_eq!(parsed.ciphertext().len(), f.secret.len());
    }),
    ("encode_text", |f| assert!(!black_box(&f.envelope).to_string().is_empty())),
];

fn parse_text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse_text");
    for size in SIZES {
        let text = Fixture::new(Suite::default(), size).envelope.to_string();
        group.throughput(Throughput::Bytes(size.try_into().unwrap()));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| black_box(&text).parse::<Envelope>().unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, by_size, parse_text);
criterion_main!(benches);
