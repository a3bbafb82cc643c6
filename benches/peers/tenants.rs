//! Times the opening of a row of a tenant whose keyring is kept, alongside a row under a local key, as Markdown:
//! `cargo bench --bench tenants`.

#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey};
use sealwax_tenants::{TenantKeys, TenantRecord, TenantState};
use turns::{Contender, take_turns, time};

/// How many tenants a service has that keeps all of them.
const MANY: usize = 10_000;

fn record(keys: &TenantKeys, tenant: usize) -> TenantRecord {
    let tenant: sealwax_tenants::TenantId = tenant.to_string().parse().unwrap();
    let none = TenantRecord::from_row(tenant.clone(), None);
    let created = keys.create(&none, TenantState::NeverHad).unwrap();
    TenantRecord::new(tenant, 1, 0, [(1, created.envelope().to_string())])
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 2000 });
    let context = EncryptionContext::new([("tenant", "42"), ("row", "7")]).unwrap();
    let secret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz".into();
    let master_key = || MasterKey::generate().unwrap();

    let local = Keyring::new("key/2026".parse().unwrap(), master_key()).unwrap();
    let plain = local.seal(&secret, &context).unwrap();
    let service = Keyring::new("epoch-1".parse().unwrap(), master_key()).unwrap();
    let keys = TenantKeys::new(service, []).with_capacity(NonZeroUsize::new(MANY).unwrap());
    let tenants: Vec<(TenantRecord, Envelope)> = (0..MANY)
        .map(|tenant| {
            let record = record(&keys, tenant);
            let envelope = keys.keyring(&record).unwrap().seal(&secret, &context).unwrap();
            (record, envelope)
        })
        .collect();
    assert_eq!(keys.kept(), MANY);
    let (hot, row) = &tenants[0];

    let open = |record: &TenantRecord, row: &Envelope| {
        black_box(keys.keyring(black_box(record)).unwrap().open(black_box(row), &context).unwrap());
    };
    let mut next = 0;
    let mut contenders = vec![
        Contender::new("a local key, `open`", || {
            black_box(local.open(black_box(&plain), &context).unwrap());
        }),
        Contender::new("a local key, `open_async`", || {
            black_box(pollster::block_on(local.open_async(black_box(&plain), &context)).unwrap());
        }),
        Contender::new("a tenant, `keyring` and `open`", || open(hot, row)),
        Contender::new("a tenant, `keyring_async` and `open_async`", || {
            let opened = async {
                let ring = keys.keyring_async(black_box(hot)).await.unwrap();
                ring.open_async(black_box(row), &context).await.unwrap()
            };
            black_box(pollster::block_on(opened));
        }),
        Contender::new("10,000 tenants in turn, `keyring` and `open`", || {
            next = (next + 1) % MANY;
            let (record, row) = &tenants[next];
            open(record, row);
        }),
    ];
    let found = take_turns(&mut contenders, budget);

    println!("| Opening a row under | ns | times the local key |");
    println!("|---|---:|---:|");
    for (contender, ns) in contenders.iter().zip(&found) {
        let local = found[usize::from(contender.name.contains("_async"))];
        println!("| {} | {} | {:.2} |", contender.name, time(*ns), ns / local);
    }
}
