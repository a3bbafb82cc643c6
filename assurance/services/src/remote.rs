use sealwax::{Envelope, Keyring, RewrapError};
use tokio::task::{JoinError, JoinSet};

pub type Rewrapped = (i64, Envelope, Result<Option<Envelope>, RewrapError>);

/// Rewraps a page with keys at a service, `at_once` rows at a time, and returns it in any order.
pub async fn rewrap_remote(
    ring: &Keyring,
    rows: Vec<(i64, Envelope)>,
    at_once: usize,
) -> Result<Vec<Rewrapped>, JoinError> {
    let (mut running, mut done) = (JoinSet::new(), Vec::with_capacity(rows.len()));
    for (id, envelope) in rows {
        if running.len() >= at_once {
            done.extend(running.join_next().await.transpose()?);
        }
        // The task owns everything that it uses. A clone of a keyring shares its keys.
        let ring = ring.clone();
        running.spawn(async move {
            let fresh = ring.rewrap_async(&envelope).await;
            (id, envelope, fresh)
        });
    }
    while let Some(row) = running.join_next().await {
        done.push(row?);
    }
    Ok(done)
}
