//! The file `gateway.toml`. It has no secret, unless you write a password into the address of the database: other users of this
//! machine see it while a drill runs. Write it into `~/.pgpass`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use reqwest::Url;
use serde::Deserialize;

/// What is configured, and the directory that it is in.
#[derive(Clone, Debug)]
pub struct Home {
    pub dir: PathBuf,
    pub config: Config,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:gateway.db`, or `postgres://user@host/database`.
    pub database: String,
    /// Where the dashboard listens.
    pub dashboard: SocketAddr,
    /// Where the proxy listens.
    pub proxy: SocketAddr,
    /// What customers' browsers have in the address bar. Forms from elsewhere are refused.
    pub origin: String,
    /// What customers' programs send their requests to, for the page of tokens.
    pub api: String,
    /// For the file `security.txt` (RFC 9116): a URI.
    pub contact: String,
    /// The directory that sign-in links are written to, a file each, for a program that sends them.
    pub outbox: PathBuf,
    /// The header in which a server in front says a customer's address, such as `x-real-ip`. It must overwrite what a customer
    /// sends there. Without such a server, leave this out: otherwise, customers choose their addresses.
    pub front: Option<String>,
    pub egress: Egress,
    pub limits: Limits,
    pub policy: Policy,
    /// If it is there, the keyring is sealed under this key.
    pub openbao: Option<OpenBao>,
}

/// How the proxy reaches the providers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// An HTTP proxy, which tunnels: it sees no key.
    pub proxy: Option<String>,
    /// A file with further root certificates, as PEM.
    pub roots: Option<PathBuf>,
}

/// How many requests are let through.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of one token, in a minute.
    pub token: u32,
    /// From one address, in a minute.
    pub address: u32,
    /// Attempts to sign in, from one address, in an hour.
    pub sign_in: u32,
    /// Sign-in links to one address of mail, in an hour.
    pub links: u32,
    /// Unknown tokens of other programs, from one address, in a minute: each is compared to all that were imported with salts.
    pub unknown: u32,
    /// Connections to one process, at once.
    pub connections: u16,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// For how many seconds a process may use the keyring after it was last read.
    pub max_age: u64,
    /// After how many days the root should be replaced.
    pub epoch_days: u32,
    /// After how many days the last drill is too long ago.
    pub drill_days: u32,
    /// After how many hours each key is checked at its provider.
    pub check_hours: u32,
}

/// A key of OpenBao's or Vault's engine `transit`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenBao {
    pub address: String,
    pub key: String,
    /// Where the engine is mounted, if it is not at `transit`.
    pub mount: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: "sqlite:gateway.db".into(),
            dashboard: SocketAddr::from(([127, 0, 0, 1], 8080)),
            proxy: SocketAddr::from(([127, 0, 0, 1], 8081)),
            origin: "http://127.0.0.1:8080".into(),
            api: "http://127.0.0.1:8081".into(),
            contact: "mailto:security@localhost".into(),
            outbox: "outbox".into(),
            front: None,
            egress: Egress::default(),
            limits: Limits::default(),
            policy: Policy::default(),
            openbao: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { token: 600, address: 1200, sign_in: 20, links: 5, unknown: 30, connections: 1024 }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { max_age: 60, epoch_days: 30, drill_days: 7, check_hours: 24 }
    }
}

impl Home {
    /// Reads `gateway.toml` in a directory.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("gateway.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}: create it, it may be empty, or say --home", path.display()))?;
        let config: Config = toml::from_str(&text).with_context(|| format!("{} is malformed", path.display()))?;
        // As browsers send it.
        let is_origin = Url::parse(&config.origin).is_ok_and(|url| url.origin().ascii_serialization() == config.origin);
        ensure!(is_origin, "{}: `origin` has to be like https://keys.example.com", path.display());
        Ok(Self { dir: dir.into(), config })
    }

    /// Returns a path of the configuration, which is relative to its directory.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.join(path)
    }

    /// Returns the address of the database: a file of SQLite is relative to the directory, too.
    #[must_use]
    pub fn database(&self) -> String {
        let database = &self.config.database;
        let file = database.strip_prefix("sqlite:").map(|file| self.path(file));
        file.map_or_else(|| database.clone(), |file| format!("sqlite:{}", file.display()))
    }
}
