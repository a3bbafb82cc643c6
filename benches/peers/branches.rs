//! Times the opening of a row of a branch that is known, alongside a row under a local key, as Markdown:
//! `cargo bench --bench branches`.

#[path = "../turns.rs"]
mod turns;

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use sealwax::{
    DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    ProviderError, ProviderFuture, UnwrapRequest, WrapKind, WrapRequest,
};
use sealwax_branch::BranchKeys;
use turns::{Contender, take_turns, time};

/// What AWS KMS adds to a wrap of 32 bytes with an encryption context, about.
const PADDING: usize = 124;

/// A key service in memory.
struct Service(MasterKey);

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        let wrapped = self.0.wrap_key(request).into_ready();
        let wrapped = wrapped.unwrap_or_else(|_| unreachable!("a master key is ready"));
        ProviderFuture::ready(wrapped.map(|mut body| {
            body.resize(body.len() + PADDING, 0);
            body
        }))
    }

    fn kind(&self) -> WrapKind {
        WrapKind::Provider
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let body = &request.body()[..request.body().len() - PADDING];
        let (key_id, suite) = (request.key_id(), request.suite());
        self.0.unwrap_key(UnwrapRequest::new(key_id, suite, request.commitment(), body))
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let budget = Duration::from_millis(if quick { 1 } else { 2000 });
    let context = EncryptionContext::new([("tenant", "acme"), ("row", "42")]).unwrap();
    let secret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz".into();
    let master_key = || MasterKey::generate().unwrap();

    let local = Keyring::new("key/2026".parse().unwrap(), master_key()).unwrap();
    let alone = Keyring::new("key/2026".parse().unwrap(), Service(master_key())).unwrap();
    let branches = BranchKeys::new(Service(master_key()), NonZeroU32::new(1000).unwrap());
    let branches = Keyring::new("key/2026".parse().unwrap(), branches).unwrap();
    let rows: Vec<(&str, &Keyring, Envelope)> =
        [("a local key", &local), ("a provider in memory", &alone), ("a branch", &branches)]
            .map(|(name, ring)| {
                (name, ring, pollster::block_on(ring.seal_async(&secret, &context)).unwrap())
            })
            .into();

    let mut contenders = Vec::new();
    for (name, ring, row) in &rows {
        contenders.push(Contender::new(format!("{name}, `open`"), || {
            black_box(ring.open(black_box(row), &context).unwrap());
        }));
        contenders.push(Contender::new(format!("{name}, `open_async`"), || {
            black_box(pollster::block_on(ring.open_async(black_box(row), &context)).unwrap());
        }));
    }
    let found = take_turns(&mut contenders, budget);

    println!("| Opening a row under | ns | times the local key |");
    println!("|---|---:|---:|");
    for (at, (contender, ns)) in contenders.iter().zip(&found).enumerate() {
        println!("| {} | {} | {:.2} |", contender.name, time(*ns), ns / found[at % 2]);
    }
}
