//! The program of the gateway: see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use byok_gateway::config::Home;
use byok_gateway::store::Store;
use byok_gateway::{dashboard, init, proxy, worker};
use lexopt::prelude::{Long, ValueExt};

/// Wipes what is freed, so that the buffers of HTTP and TLS keep no key.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

const HELP: &str = "\
Usage: byok-gateway [--home DIR] [COMMAND]

Without a command, it shows a gateway in a temporary directory, until you press Ctrl-C.

The home has `gateway.toml` and the keys.

Commands:
    init       makes the keys, the tables and the first epoch
    dashboard  runs the dashboard
    proxy      runs the proxy
    worker     runs the worker
";

fn main() -> ExitCode {
    // No key reaches a file of a crash.
    if let Err(error) = rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit { current: Some(0), maximum: Some(0) },
    ) {
        eprintln!("byok-gateway: core dumps are not forbidden: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("byok-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    // The one that sqlx uses, too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut home, mut command) = (PathBuf::from("."), None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            Long("home") => home = arguments.value()?.into(),
            lexopt::Arg::Value(value) if command.is_none() => command = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let home = Home::read(&home)?;
    let open = async || Store::open(&home.database()).await;
    match command.as_deref() {
        Some("init") => init::init(&home).await,
        Some("dashboard") => dashboard::run(&home, &open().await?).await,
        Some("proxy") => proxy::run(&home, &open().await?).await,
        Some("worker") => worker::run(&home, &open().await?).await,
        Some(other) => bail!("there is no command {other}: see --help"),
        None => bail!("no demo yet"),
    }
}
