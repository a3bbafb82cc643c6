//! What has to be so at the end.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use byok_gateway::config::Home;
use byok_gateway::files::{ANCHORS, AUDIT};
use byok_gateway::providers;
use byok_gateway::store::Store;
use byok_gateway::vault::Vault;
use reqwest::StatusCode;
use sealwax_audit::{Anchor, AuditKeys, Record, verify};
use sealwax_tenants::{TenantId, TenantState};
use tokio::time::sleep;

use super::customers::{Load, PROVIDERS, Use};
use crate::scene::{Scene, until};

/// How many requests a provider got, or how many openings were recorded, by tenant and reason.
pub(super) type Counts = BTreeMap<(String, String), usize>;

pub(super) async fn promises_are_kept(scene: &Scene, load: &Load, mut uses: Vec<Use>) {
    let home = Home::read(&scene.dir).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    scene.until_ready().await;
    until("the worker takes over", async || store.written_by_the_dashboard(1).await.unwrap().is_empty()).await;
    until("the worker deletes the tenant", async || store.leaving().await.unwrap().is_empty()).await;
    uses.extend(last_uses(load).await);
    let seen = seen(scene);
    let (reached, statuses) = uses_were_right(&uses, &seen.keys);
    println!("{} requests of programs: {statuses:?}", uses.len());
    assert!(reached > 0);

    assert!(!home.lines::<Anchor>(ANCHORS).unwrap().is_empty());
    let opened = openings(&home, &store).await;
    for (what, count) in &seen.counts {
        let entries = opened.get(what).copied().unwrap_or_default();
        assert!(entries >= *count, "{what:?}: {count} requests, and {entries} openings in the log");
    }
    nothing_is_left(&home, &store, scene, load).await;

    scene.move_into_safe();
    for command in ["drill", "doctor"] {
        let (ok, text) = scene.run(&[command]);
        assert!(ok, "{command}: {text}");
    }
}

/// Uses each key once more, until it is clear what is stored: one of those that may be.
async fn last_uses(load: &Load) -> Vec<Use> {
    let (end, mut uses) = (Instant::now() + Duration::from_secs(60), Vec::new());
    for account in &load.accounts {
        for provider in 0..PROVIDERS.len() {
            loop {
                let last = load.use_key(account, provider).await;
                let is_clear = last.status.is_some_and(|status| !status.is_server_error());
                uses.push(last);
                if is_clear {
                    break;
                }
                assert!(Instant::now() < end, "{:?}", uses.last());
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    uses
}

struct Seen {
    /// The key that came with each request of a program.
    keys: HashMap<String, String>,
    counts: Counts,
}

/// Returns what the providers got.
fn seen(scene: &Scene) -> Seen {
    let mut seen = Seen { keys: HashMap::new(), counts: Counts::new() };
    for request in scene.upstream.take() {
        let key = request.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let tenant = key.strip_prefix("sk-chaos-").unwrap().split_once('-').unwrap().0.to_owned();
        let provider = providers::all().find(|provider| provider.host == request.host).unwrap();
        let why = if request.path.starts_with("/chaos/") {
            let twice = seen.keys.insert(request.path, key);
            assert_eq!(twice, None, "no request is sent twice");
            format!("request to {}", provider.slug)
        } else {
            "the daily check of the key".into()
        };
        *seen.counts.entry((tenant, why)).or_default() += 1;
    }
    seen
}

/// Looks whether each request got a key that may have been stored then, or the answer that there is none. Returns how many
/// reached a provider, and counts the answers.
fn uses_were_right(uses: &[Use], seen: &HashMap<String, String>) -> (usize, BTreeMap<Option<u16>, usize>) {
    let (mut reached, mut statuses) = (0, BTreeMap::new());
    for request in uses {
        let key = seen.get(&request.path);
        reached += usize::from(key.is_some());
        *statuses.entry(request.status.map(|status| status.as_u16())).or_default() += 1;
        if let Some(key) = key {
            assert!(request.possible.contains(&Some(key.clone())), "{key} was not stored then: {request:?}");
            assert!(!request.is_gone, "the customer had left: {request:?}");
        }
        let is_right = match request.status {
            None | Some(StatusCode::SERVICE_UNAVAILABLE) => true,
            Some(StatusCode::OK) => key.is_some(),
            Some(StatusCode::NOT_FOUND) => request.possible.contains(&None) || request.may_be_gone,
            Some(StatusCode::UNAUTHORIZED | StatusCode::GONE) => request.may_be_gone,
            _ => false,
        };
        assert!(is_right, "{request:?}");
    }
    (reached, statuses)
}

/// Verifies every chain with its anchors, and counts the openings that are recorded.
pub(super) async fn openings(home: &Home, store: &Store) -> Counts {
    let keys: AuditKeys = home.parsed(AUDIT).unwrap();
    let anchors: Vec<Anchor> = home.lines(ANCHORS).unwrap();
    let mut opened = Counts::new();
    for subject in store.audit().subjects().await.unwrap() {
        let lines = store.audit().chain(&subject).await.unwrap();
        let records: Vec<Record> = lines.iter().map(|line| line.parse().unwrap()).collect();
        verify(&keys, &subject, &records, &anchors).unwrap();
        for record in records.into_iter().filter(|record| record.entry.outcome == "opened") {
            *opened.entry((subject.clone(), record.entry.why)).or_default() += 1;
        }
    }
    opened
}

/// Looks whether a tenant is gone from all tables, except for the tombstone, the log, and what was said of the log.
async fn nothing_is_left(home: &Home, store: &Store, scene: &Scene, load: &Load) {
    let gone = load.gone();
    let (tenant, email) = (&gone.tenant, &gone.email);
    for (table, column) in [
        ("accounts", "id"),
        ("credentials", "tenant"),
        ("sealwax_tenant_keys", "tenant"),
        ("sealwax_tokens", "subject"),
    ] {
        let sql = format!("SELECT {column} FROM {table} WHERE {column} LIKE '%{tenant}' OR {column} LIKE '%{email}'");
        assert_eq!(scene.rows(&sql).await, [""; 0], "{table}");
    }
    let vault = Vault::unlock(home, store).await.unwrap();
    let record = store.tenants().read(&tenant.parse::<TenantId>().unwrap()).await.unwrap();
    assert_eq!(vault.tenants().unwrap().state(&record).unwrap(), TenantState::Destroyed);
}
