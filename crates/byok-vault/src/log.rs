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
use crate::formatting::shown;
use crate::key_text::Given;
use crate::names::name;
use crate::rotation::Mode;
use crate::store::{Store, Writer};

pub use opener::Opener;

use one_chain::OneChain;

/// The subject of what concerns the whole vault.
pub const VAULT: &str = "vault";

/// How the subject of a tenant begins, so that no tenant has the subject of the vault.
const TENANT: &str = "tenant ";

/// The longest name in an entry, in bytes. An entry has room for four of them, and for a reason.
const NAME_LIMIT: usize = 200;

/// Returns the subject of a tenant's entries.
///
/// No command accepts a name that breaks the rules. If somebody wrote one into the database, its entries are in the
/// chain of the vault, because a subject is bounded and has no control characters; their reason names it.
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
        Self { log, who: bounded(who(), NAME_LIMIT), action, reason: None }
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

    /// Records that a run over many rows begins.
    ///
    /// # Errors
    /// Returns an error if the entry cannot be written.
    pub fn begins(
        &self,
        store: &mut Store,
        keyring: &Keyring,
        mode: Mode,
    ) -> Result<(), VaultError> {
        self.append_of_the_vault(store, keyring, format!("{}start", dry(mode)), "started")
    }

    /// Records how such a run has ended, with its counts.
    ///
    /// # Errors
    /// Returns an error if the entry cannot be written.
    pub fn ended(
        &self,
        store: &mut Store,
        keyring: &Keyring,
        mode: Mode,
        counts: &str,
        is_complete: bool,
    ) -> Result<(), VaultError> {
        let outcome = if is_complete { "complete" } else { "partial" };
        self.append_of_the_vault(store, keyring, format!("{}end: {counts}", dry(mode)), outcome)
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
    /// A chain that takes no entry keeps no other chain from taking one: the results are in the order of the entries.
    fn append(
        &self,
        store: &mut Store,
        entries: impl IntoIterator<Item = New>,
    ) -> Result<Vec<Result<(), LogProblem>>, VaultError> {
        let writer = store.begin()?;
        let append = |new| match self.append_to_chain(&writer, new) {
            Err(VaultError::Log(problem)) => Ok(Err(problem)),
            appended => appended.map(Ok),
        };
        let appended = entries.into_iter().map(append).collect::<Result<_, _>>()?;
        writer.commit()?;
        Ok(appended)
    }

    /// Appends an entry to the chain of its subject, which stays under its audit key.
    fn append_to_chain(&self, writer: &Writer<'_>, new: New) -> Result<(), VaultError> {
        let New { subject, why, outcome, key_id, commitment, context } = new;
        let action = Action {
            key_id: key_id.as_ref(),
            commitment: commitment.as_ref(),
            context: context.as_ref(),
            ..Action::new(self.action, &self.who, &why, outcome)
        };
        // Nobody else writes during this transaction.
        self.log.sink().is_at(writer.last_entry(&subject)?);
        ready(self.log.append(&subject, action))?;
        self.write(writer)
    }

    /// Appends an entry about all rows and the keyring's primary.
    fn append_of_the_vault(
        &self,
        store: &mut Store,
        keyring: &Keyring,
        why: String,
        outcome: &'static str,
    ) -> Result<(), VaultError> {
        let key_id = keyring.primary().cloned();
        let new =
            New { subject: VAULT.into(), why, outcome, key_id, commitment: None, context: None };
        let writer = store.begin()?;
        self.append_to_chain(&writer, new)?;
        writer.commit()
    }

    /// Writes what was appended to the sink.
    fn write(&self, writer: &Writer<'_>) -> Result<(), VaultError> {
        let appended = self.log.sink().take();
        appended.iter().try_for_each(|(record, after)| writer.append_entry(record, after.as_ref()))
    }

    /// Returns why a credential is opened: its provider and label, and the reason that the operator gave.
    ///
    /// A name that breaks the rules is escaped, and cut off so that it leaves room for the others.
    fn why(&self, context: &EncryptionContext) -> String {
        let of = |name| context.get(name).map(|text| bounded(shown(text), NAME_LIMIT));
        let mut why = of("provider").unwrap_or_default();
        if let Some(label) = of("label") {
            why = format!("{why}/{label}");
        }
        if context.get("tenant").is_some_and(|tenant| subject(tenant) == VAULT) {
            why = format!("tenant {}: {why}", of("tenant").unwrap_or_default());
        }
        if let Some(reason) = &self.reason {
            why = format!("{why}: {reason}");
        }
        why
    }
}

/// Says so if a run writes nothing but the log.
const fn dry(mode: Mode) -> &'static str {
    match mode {
        Mode::Write => "",
        Mode::DryRun => "dry run, ",
    }
}

/// Returns the user who runs the program, as the operating system names them.
fn who() -> String {
    let name = whoami::username().map_or_else(|_| "unknown".to_owned(), |name| shown(&name));
    #[cfg(unix)]
    let name = format!("{name} (uid {})", rustix::process::geteuid().as_raw());
    name
}

/// Cuts off what is longer than this number of bytes.
fn bounded(mut text: String, limit: usize) -> String {
    while text.len() > limit {
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
