//! Shows a gateway: sets one up in a temporary directory, and runs its three processes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::config::Home;
use crate::{init, web};

/// Runs it until Ctrl-C, and deletes everything then.
pub async fn run() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("byok-gateway-{}", std::process::id()));
    // Not one that somebody else has made.
    fs::create_dir(&dir)?;
    let shown = show(&dir).await;
    fs::remove_dir_all(&dir)?;
    shown
}

async fn show(dir: &Path) -> Result<()> {
    let (dashboard, proxy) = (free_port(8080)?, free_port(8081)?);
    let config = format!(
        "dashboard = \"127.0.0.1:{dashboard}\"\nproxy = \"127.0.0.1:{proxy}\"\norigin = \"http://127.0.0.1:{dashboard}\"\n\
         api = \"http://127.0.0.1:{proxy}\"\n"
    );
    fs::write(dir.join("gateway.toml"), config)?;
    let home = Home::read(dir)?;
    init::init(&home).await?;
    let mut processes =
        ["dashboard", "proxy", "worker"].map(|process| start(dir, process)).into_iter().collect::<Result<Vec<_>>>()?;
    println!("Sign in with any address: the link appears here. Ctrl-C ends it, and deletes {}.", dir.display());
    let ended = tokio::select! {
        () = web::stopped() => Ok(()),
        failed = watch(&home, &mut processes) => failed,
    };
    for process in &mut processes {
        // A Ctrl-C at the terminal has reached it already.
        if let Some(pid) = process.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        process.wait().await?;
    }
    ended
}

fn start(dir: &Path, process: &str) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--home").arg(dir).arg(process).stdin(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start the {process}"))
}

/// Prints the links that a program would send, and returns if a process ends.
async fn watch(home: &Home, processes: &mut [Child]) -> Result<()> {
    loop {
        for entry in fs::read_dir(home.path(&home.config.outbox)).into_iter().flatten() {
            let path = entry?.path();
            // Another one is being written.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            println!("mail: {}", fs::read_to_string(&path)?.trim_end());
            fs::remove_file(path)?;
        }
        for process in &mut *processes {
            if let Some(status) = process.try_wait()? {
                bail!("a process ended: {status}");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns this port, or another one if somebody has it.
fn free_port(port: u16) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    Ok(listener.local_addr()?.port())
}
