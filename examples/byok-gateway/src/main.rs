//! The program of the gateway: see `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use byok_gateway::config::Home;
use byok_gateway::store::{Proofs, Store};
use byok_gateway::vault::Vault;
use byok_gateway::{dashboard, demo, doctor, drill, epoch, files, import, init, proxy, worker};
use lexopt::prelude::{Long, ValueExt};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Wipes what is freed, so that the buffers of HTTP and TLS keep no key.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

const HELP: &str = include_str!("help.txt");

fn main() -> ExitCode {
    // Nobody else reads what is written here: databases, backups, keys.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
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
    // Warnings, unless RUST_LOG says otherwise: they say why a process will soon be locked.
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // The one that sqlx uses, too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut home, mut command) = (PathBuf::from("."), Vec::new());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            Long("home") => home = arguments.value()?.into(),
            lexopt::Arg::Value(value) => command.push(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if command.is_empty() {
        ensure!(home == Path::new("."), "--home needs a command: see --help");
        return demo::run().await;
    }
    let home = Home::read(&home)?;
    let open = async || Store::open(&home.database()).await;
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    match *command {
        ["init"] => {
            init::init(&home).await?;
            println!(
                "move {} into a safe: it opens the root, if the keyring is lost",
                home.path(files::SAFE).display()
            );
            Ok(())
        }
        [process @ ("dashboard" | "proxy" | "worker")] => {
            let store = open().await?;
            let ended = match process {
                "dashboard" => dashboard::run(&home, &store).await,
                "proxy" => proxy::run(&home, &store).await,
                _ => worker::run(&home, &store).await,
            };
            ended.and(store.ended(process).await.map_err(Into::into))
        }
        ["epoch"] => epoch::turn(&home, &open().await?, |step| println!("{step}")).await,
        ["recover"] => {
            let (deleted, lost) = epoch::recover(&home, &open().await?).await?;
            println!(
                "{deleted} tenants were deleted since the backup; {lost} keys are lost, which no worker had taken over"
            );
            Ok(())
        }
        ["rotate", address] => {
            // An epoch does not wait for this process.
            let _lock = home.lock()?;
            let vault = Vault::unlock(&home, &open().await?).await?;
            let email = dashboard::address(address).context("this is no address")?;
            let tenant = vault.store.account_of(&Proofs::read(&home)?, &email).await?;
            let tenant = tenant.context("there is no such account")?;
            println!("{} keys moved", worker::rotate(&vault, &tenant).await?);
            Ok(())
        }
        ["import", declaration, key, rows] => {
            println!("{} keys stored", import::keys(&home, &open().await?, declaration, key, rows).await?);
            Ok(())
        }
        ["import-tokens", rows] => {
            println!("{} tokens accepted", import::tokens(&home, &open().await?, rows).await?);
            println!("delete {rows}: if it is accepted again, tokens come back that were revoked meanwhile");
            Ok(())
        }
        ["drill"] => {
            let report = drill::run(&home, &open().await?).await?;
            println!("{}", serde_json::to_string(&report)?);
            if report.passed() { Ok(()) } else { bail!("the drill failed") }
        }
        ["doctor"] => {
            let findings = doctor::examine(&home, &open().await?).await?;
            for (is_well, text) in &findings {
                println!("{} {text}", if *is_well { "ok  " } else { "BAD " });
            }
            if findings.iter().all(|(is_well, _)| *is_well) { Ok(()) } else { bail!("not everything is well") }
        }
        _ => bail!("there is no such command, or it takes other arguments: see --help"),
    }
}
