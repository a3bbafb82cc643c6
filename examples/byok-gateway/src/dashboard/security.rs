//! What happened to a customer's keys, what the service promises, and whom to tell of a weakness.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use maud::html;

use super::Dashboard;
use super::pages::{Failure, page, time};
use super::visiting::Visitor;
use crate::clock;

/// How many entries of the log are shown.
const ENTRIES: i64 = 200;
const PROMISES: [&str; 6] = [
    "Each key is encrypted with a data key of its own. Within seconds, the worker puts that under a master key of yours alone.",
    "These pages cannot decrypt a key. Only the proxy and the worker can.",
    "A key is decrypted for one request, sent to its provider's own host only, and wiped.",
    "Nothing is decrypted that is not in this log first.",
    "Tokens, links and sessions are stored as digests: whoever reads our database cannot use one.",
    "When you delete your account, your master key is destroyed. Copies in backups end with the root key of this epoch.",
];

pub(super) async fn show(visitor: Visitor) -> Result<Html<String>, Failure> {
    let (store, tenant) = (&visitor.dashboard.store, visitor.tenant.as_ref());
    let verdict = store.verdict(tenant).await?;
    let entries = store.last_entries(tenant, ENTRIES).await?;
    let content = html! {
        h2 { "Who opened your keys" }
        p {
            @if let Some((count, verdict, checked)) = verdict {
                "The worker verified " (count) " entries " (time(checked)) ": " strong { (verdict) } "."
            } @else {
                "The worker has not verified this log yet."
            }
            " Each entry is chained to the one before it, under a key that these pages do not have."
        }
        @if entries.is_empty() { p { "Nobody opened a key yet." } }
        ol .log reversed {
            @for record in &entries {
                @let entry = &record.entry;
                li value=(record.number) {
                    (time(i64::try_from(entry.time / 1000).unwrap_or(i64::MAX))) " "
                    strong { (entry.action) " – " (entry.outcome) }
                    span { (entry.why) ", by " (entry.who) }
                }
            }
        }
        p .note { "The last " (ENTRIES) " entries are shown." }
        h2 { "What we promise" }
        ul { @for promise in PROMISES { li { (promise) } } }
    };
    Ok(page("Security", Some(&visitor), &content))
}

/// Answers whoever has found a weakness (RFC 9116). A file must not be valid for more than a year.
pub(super) async fn contact(State(dashboard): State<Arc<Dashboard>>) -> impl IntoResponse {
    let config = &dashboard.home.config;
    let expires = clock::shown(clock::column().saturating_add(360 * 24 * 3600)).replace(' ', "T");
    let text = format!(
        "Contact: {}\nExpires: {expires}:00Z\nPreferred-Languages: en\nCanonical: {}/.well-known/security.txt\n",
        config.contact, config.origin
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}
