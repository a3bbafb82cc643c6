//! A PostgreSQL server of a test's own, which it restarts.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime};
use std::{fs, iter};

use sqlx::postgres::PgConnectOptions;

pub(crate) const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// Its data is on disk after each commit, as in production.
pub(crate) struct Cluster {
    directory: PathBuf,
    port: u16,
    server: Child,
}

/// Returns a command as the user that may run the server: PostgreSQL refuses to run as root.
fn command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=QUIT", program]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(directory: &Path, port: u16) -> Child {
    let mut server = command(&format!("{PROGRAMS}/postgres"));
    server.arg("-D").arg(directory.join("data")).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on"] {
        server.args(["-c", setting]);
    }
    server.spawn().unwrap()
}

impl Cluster {
    /// Starts a server, or returns `None` if this process is not root or there is no PostgreSQL 15 of Debian.
    pub(crate) fn new() -> Option<Self> {
        env::var_os("SEALWAX_TEST_POSTGRES")?;
        let id = Command::new("id").arg("-u").output().unwrap().stdout;
        if !Path::new(PROGRAMS).exists() || id != b"0\n" {
            println!("skipped: it takes root and PostgreSQL 15");
            return None;
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let directory = env::temp_dir().join(format!("sealwax-cluster-{now}"));
        fs::create_dir(&directory).unwrap();
        own(&directory);
        let mut init = command(&format!("{PROGRAMS}/initdb"));
        init.arg("-D").arg(directory.join("data")).args(["--username=sealwax", "--auth=trust", "--locale=C"]);
        assert!(init.args(["--encoding=UTF8", "--no-sync"]).status().unwrap().success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = start(&directory, port);
        let cluster = Self { directory, port, server };
        cluster.wait();
        Some(cluster)
    }

    /// Returns where the tables and the write-ahead log are.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("sealwax")
            .database("postgres")
    }

    fn wait(&self) {
        let is_ready = || {
            let mut ready = command(&format!("{PROGRAMS}/pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status().unwrap().success()
        };
        let mut tries = iter::repeat_with(|| sleep(Duration::from_millis(50))).take(600);
        assert!(tries.any(|()| is_ready()), "PostgreSQL does not start");
    }

    /// Sends a signal: `-QUIT` ends the server at once, without a checkpoint, `-INT` ends all sessions first.
    pub(crate) fn restart(&mut self, signal: &str) {
        kill(signal, &self.server);
        self.server.wait().unwrap();
        self.server = start(&self.directory, self.port);
        self.wait();
    }

    /// Mounts a file system of its own size in a directory that the server can write to, or returns `None` if this
    /// process may not.
    pub(crate) fn mount(&self, kilobytes: u64) -> Option<Disk> {
        let directory = self.directory.join("disk");
        fs::create_dir(&directory).unwrap();
        let size = format!("size={kilobytes}k,mode=700");
        let mut mount = Command::new("mount");
        if !mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&directory).status().unwrap().success() {
            println!("skipped: this process may not mount a file system");
            return None;
        }
        own(&directory);
        Some(Disk(directory))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        kill("-QUIT", &self.server);
        let _status = self.server.wait();
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

/// A mounted file system. Drop it after the cluster.
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    pub(crate) fn resize(&self, kilobytes: u64) {
        let size = format!("remount,size={kilobytes}k");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _status = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn own(directory: &Path) {
    assert!(Command::new("chown").arg("postgres:postgres").arg(directory).status().unwrap().success());
}

fn kill(signal: &str, process: &Child) {
    let _status = Command::new("kill").args([signal, &process.id().to_string()]).status();
}
