use std::env::{args, var};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use services::audit::audit_log;
use services::credentials::{App, Reply, router};
use services::reload::{read_keyring, read_keys, reload_on};
use services::rotation::rotate;
use services::start::{AnyError, unknown_keys};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = serve().await else { return ExitCode::SUCCESS };
    eprintln!("{error}"); // If `main` returned it, its `Debug` would be printed.
    ExitCode::FAILURE
}

async fn serve() -> Result<(), AnyError> {
    let path = PathBuf::from(var("SEALWAX_KEYS_FILE").map_err(|_| "no SEALWAX_KEYS_FILE")?);
    let ring = read_keyring(&path)?;
    let db = PgPool::connect(&var("DATABASE_URL").map_err(|_| "no DATABASE_URL")?).await?;
    let unknown = unknown_keys(&db, &ring).await?;
    let rows: i64 = unknown.iter().map(|(_, rows)| rows).sum();
    // Anyone who can write rows can invent any number of key ids.
    let first: Vec<_> = unknown.iter().take(100).collect();
    let report = format!("rows need keys that the keyring lacks: {rows} in all; by key ids: {first:?}");
    // A few damaged rows must not keep every process from starting.
    let most = var("MAX_UNKNOWN_ROWS").map_or(Ok(10), |most| most.parse()).map_err(|_| "bad MAX_UNKNOWN_ROWS")?;
    if rows > most {
        return Err(report.into());
    } else if rows > 0 {
        eprintln!("{report}"); // Raise an alert too.
    }
    if args().nth(1).as_deref() == Some("rotate") {
        let failures = rotate(&db, &ArcSwap::from_pointee(ring), 0).await?;
        failures.iter().for_each(|(id, error)| eprintln!("row {id}: {} ({})", error.name(), error.class()));
        return if failures.is_empty() { Ok(()) } else { Err("these rows were not rewrapped".into()) };
    }
    let ring = Arc::new(ArcSwap::from_pointee(ring));
    let audit_keys = PathBuf::from(var("SEALWAX_AUDIT_KEYS_FILE").map_err(|_| "no SEALWAX_AUDIT_KEYS_FILE")?);
    let log = Arc::new(audit_log(read_keys(&audit_keys)?, db.clone()));
    // Before anything is served, because a SIGHUP without a handler ends the process.
    tokio::spawn(reload_on(signal(SignalKind::hangup())?, ring.clone(), path));

    let listener = TcpListener::bind(var("LISTEN").map_err(|_| "no LISTEN")?).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let app = App { ring, log, db, send: your_http_client };
    Ok(axum::serve(listener, router(app)).await?)
}

fn your_http_client(_: Request) -> Reply {
    Box::pin(async { StatusCode::NOT_IMPLEMENTED.into_response() })
}
