//! The worker: what happens without a request.

mod checking;
mod deleting;
mod taking_over;
mod verifying;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

pub(crate) use deleting::{delete_leaving, note_all, waiting};
pub(crate) use taking_over::PAGE;
pub use taking_over::{rotate, take_over};

use crate::config::Home;
use crate::store::Store;
use crate::vault::Vault;
use crate::{drill, proxy, web};

/// How often the worker looks for work.
const PAUSE: Duration = Duration::from_secs(1);
/// How many rounds are between two looks at what is due.
const ROUNDS: u64 = 10;
/// The pause between two verifications of the log.
const VERIFICATION: Duration = Duration::from_secs(10);

/// Runs the worker until the process is told to stop.
pub async fn run(home: &Home, store: &Store) -> Result<()> {
    let vault = Arc::new(Vault::unlock(home, store).await?);
    let client = proxy::client(home, &home.config.egress)?;
    let fresh = tokio::spawn(Arc::clone(&vault).keep_fresh("worker"));
    println!("worker runs");
    let mut verifying = verifying::Verifying::read(home)?;
    let work = async {
        for round in 0_u64.. {
            log("deletion", delete_leaving(home, &vault).await);
            log("taking over", take_over(&vault).await);
            if round.is_multiple_of(ROUNDS) {
                log("purge", store.purge().await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    // Neither a provider that does not answer nor a restore must keep the rest waiting.
    let checks = async {
        loop {
            log("drill", drill::if_due(home, store).await);
            log("checks", checking::check_due(home, &vault, &client).await);
            tokio::time::sleep(PAUSE).await;
        }
    };
    // Nor must a long log.
    let verification = async {
        loop {
            log("verification", verifying.verify(home, &vault).await);
            tokio::time::sleep(VERIFICATION).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = checks => {}
        () = verification => {}
        () = web::stopped() => {}
    }
    // So that whoever writes the database cuts off nothing before the next start.
    log("anchors", verifying.write_anchors(home));
    fresh.abort();
    Ok(())
}

/// What fails is tried again in the next round.
fn log<T>(what: &str, result: Result<T>) {
    if let Err(error) = result {
        tracing::error!("{what}: {error:#}");
    }
}
