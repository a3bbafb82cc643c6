//! The log: who opened which credential, and why, recorded before it is opened.
//!
//! Each tenant has a chain of entries, and what concerns the whole vault has one. `sealwax-audit` makes the entries and
//! verifies the chains; the tables of the store hold them.

mod one_chain;
mod opener;

use std::borrow::Cow;

use sealwax::{EncryptionContext, KeyId, Keyring, ProviderFuture, RecorderError};
use sealwax_audit::{Action, AppendError, AuditKeys, AuditLog};

use crate::audit_keys::LogKeys;
use crate::cli::Cli;
use crate::clock::now_in_milliseconds;
use crate::error::{LogProblem, VaultError};
use crate::formatting::{rows, shown};
use crate::key_text::Given;
use crate::names::name;
use crate::rotation::Outcome;
use crate::store::{Store, Writer};

pub use opener::Opener;

use one_chain::OneChain;

/// The subject of what concerns the whole vault.
pub const VAULT: &str = "vault";

/// How the subject of a tenant begins, so that no tenant has the subject of the vault.
const TENANT: &str = "tenant ";

/// The longest text of an entry, in bytes.
const TEXT_LIMIT: usize = 1024;

/// Returns the subject of a tenant's entries.
///
/// No command accepts a name that breaks the rules. If somebody wrote one into the database, its entries are in the
/// chain of the vault, because a subject is bounded and has no control characters.
#[must_use]
pub fn subject(tenant: &str) -> Cow<'static, str> {
    if name(tenant).is_ok() { format!("{TENANT}{tenant}").into() } else { VAULT.into() }
}

/// Returns the tenant of a subject, or `None` if it is that of the vault.
#[must_use]
pub fn tenant(subject: &str) -> Option<&str> {
    subject.strip_prefix(TENANT)
}

/// The log of the vault, for one run of a command.
#[derive(Debug)]
pub struct Log {
    log: AuditLog<OneChain>,
    who: String,
    action: &'static str,
    reason: Option<String>,
}

/// What is written into the log, without its place in a chain.
struct New {
    subject: Cow<'static, str>,
    why: String,
    outcome: &'static str,
    key_id: Option<KeyId>,
    commitment: Option<[u8; 32]>,
    context: Option<EncryptionContext>,
}

impl Log {
    /// Returns the log for this command, with the audit keys from the file or the environment.
    ///
    /// # Errors
    /// Returns [`VaultError::NoKeys`] if there are none, and other errors if they cannot be read or parsed.
    pub fn of(cli: &Cli, action: &'static str) -> Result<Self, VaultError> {
        LogKeys::load(cli.file(Given::AuditKeys)).map(|given| Self::new(given.keys, action))
    }

    /// Returns the log for a command, with these keys.
    #[must_use]
    pub fn new(keys: AuditKeys, action: &'static str) -> Self {
        let log = AuditLog::new(keys, OneChain::default(), now_in_milliseconds);
        Self { log, who: bounded(who()), action, reason: None }
    }

    /// Adds what the credential is opened for.
    #[must_use]
    pub fn because(self, reason: Option<&str>) -> Self {
        Self { reason: reason.map(str::to_owned), ..self }
    }

    /// Returns what opens rows with this keyring.
    #[must_use]
    pub fn opener(self, keyring: &Keyring) -> Opener {
        Opener::new(self, keyring)
    }

    /// Records that a rotation begins.
    ///
    /// # Errors
    /// Returns an error if the entry cannot be written.
    pub fn rotation_begins(&self, store: &mut Store, keyring: &Keyring) -> Result<(), VaultError> {
        self.append(store, [of_the_vault("start".to_owned(), "started", keyring)])
    }

    /// Records how a rotation has ended.
    ///
    /// # Errors
    /// Returns an error if the entry cannot be written.
    pub fn rotation_ended(
        &self,
        store: &mut Store,
        keyring: &Keyring,
        outcome: &Outcome,
    ) -> Result<(), VaultError> {
        let Outcome { rewritten, current, failed, overtaken } = outcome;
        let why = format!(
            "end: {} rewrapped, {current} already current, {} failed, {overtaken} overtaken",
            rows(*rewritten),
            failed.len(),
        );
        let ended = if outcome.is_complete() { "complete" } else { "partial" };
        self.append(store, [of_the_vault(why, ended, keyring)])
    }

    /// Hands the chain of a subject over to the primary, in a transaction of its own.
    ///
    /// Returns `false` if there is nothing to hand over.
    ///
    /// # Errors
    /// Returns [`VaultError::Log`] if the chain takes no entry, and other errors if the database fails.
    pub fn hand_over(&self, store: &mut Store, subject: &str) -> Result<bool, VaultError> {
        let writer = store.begin()?;
        self.log.sink().is_at(writer.last_entry(subject)?);
        let handed_over = ready(self.log.hand_over(subject, &self.who, "a new audit key"))?;
        self.write(&writer)?;
        writer.commit()?;
        Ok(handed_over.is_some())
    }

    /// Appends entries in one transaction, and returns when they would survive a power cut.
    ///
    /// A chain stays under its audit key. The first entry of a subject is under the primary.
    fn append(
        &self,
        store: &mut Store,
        entries: impl IntoIterator<Item = New>,
    ) -> Result<(), VaultError> {
        let writer = store.begin()?;
        for New { subject, why, outcome, key_id, commitment, context } in entries {
            let action = Action {
                key_id: key_id.as_ref(),
                commitment: commitment.as_ref(),
                context: context.as_ref(),
                ..Action::new(self.action, &self.who, &why, outcome)
            };
            // Nobody else writes during this transaction.
            self.log.sink().is_at(writer.last_entry(&subject)?);
            ready(self.log.append(&subject, action))?;
            self.write(&writer)?;
        }
        writer.commit()
    }

    /// Writes what was appended to the sink.
    fn write(&self, writer: &Writer<'_>) -> Result<(), VaultError> {
        let appended = self.log.sink().take();
        appended.iter().try_for_each(|(record, after)| writer.append_entry(record, after.as_ref()))
    }

    /// Returns why a credential is opened: its provider and label, and the reason that the operator gave.
    fn why(&self, context: &EncryptionContext) -> String {
        let of = |name| context.get(name).map(shown);
        let mut why = of("provider").unwrap_or_default();
        if let Some(label) = of("label") {
            why = format!("{why}/{label}");
        }
        if let Some(reason) = &self.reason {
            why = format!("{why}: {reason}");
        }
        bounded(why)
    }
}

/// Returns an entry about the keyring's primary and all rows.
fn of_the_vault(why: String, outcome: &'static str, keyring: &Keyring) -> New {
    let key_id = keyring.primary().cloned();
    New { subject: VAULT.into(), why, outcome, key_id, commitment: None, context: None }
}

/// Returns the user who runs the program, as the operating system names them.
fn who() -> String {
    let name = whoami::username().map_or_else(|_| "unknown".to_owned(), |name| shown(&name));
    #[cfg(unix)]
    let name = format!("{name} (uid {})", rustix::process::geteuid().as_raw());
    name
}

/// Cuts off what an entry has no room for.
fn bounded(mut text: String) -> String {
    while text.len() > TEXT_LIMIT {
        text.pop();
    }
    text
}

/// Returns the result of a log whose sink is ready.
fn ready<T>(result: ProviderFuture<'_, Result<T, AppendError>>) -> Result<T, VaultError> {
    let waits = || RecorderError::new("it has to be waited for").into();
    result
        .into_ready()
        .unwrap_or_else(|_| Err(waits()))
        .map_err(|source| LogProblem::Append { source }.into())
}
