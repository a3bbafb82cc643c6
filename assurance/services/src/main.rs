use std::env::var;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use services::credentials::{App, Reply, router};
use services::reload::reload_on;
use services::start::{AnyError, read_keyring, unknown_keys};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let path = PathBuf::from(var("SEALWAX_KEYS_FILE").map_err(|_| "no SEALWAX_KEYS_FILE")?);
    let ring = read_keyring(&path)?;
    let db = PgPool::connect(&var("DATABASE_URL").map_err(|_| "no DATABASE_URL")?).await?;
    let unknown = unknown_keys(&db, &ring).await?;
    if !unknown.is_empty() {
        return Err(format!("rows need keys that the keyring lacks: {}", unknown.join(" or ")).into());
    }
    let ring = Arc::new(ArcSwap::from_pointee(ring));
    // Before anything is served, because a SIGHUP without a handler ends the process.
    tokio::spawn(reload_on(signal(SignalKind::hangup())?, ring.clone(), path));

    let listener = TcpListener::bind(var("LISTEN").map_err(|_| "no LISTEN")?).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let app = App { ring, db, send: your_http_client };
    Ok(axum::serve(listener, router(app)).await?)
}

fn your_http_client(_: Request) -> Reply {
    Box::pin(async { StatusCode::NOT_IMPLEMENTED.into_response() })
}
