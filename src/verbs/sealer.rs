//! A writer that cannot read.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use rand_core::TryCryptoRng;

use crate::format::context::EncryptionContext;
use crate::format::envelope::Envelope;
use crate::format::key_id::KeyId;
use crate::format::sizes::MAX_WRAPS;
use crate::format::suite::Suite;
use crate::format::wrapped_key::{WrapKind, WrappedKey};
use crate::keys::keyring::errors::KeyringError;
use crate::keys::keyring::lines::{LineKey, parse_key_lines};
use crate::keys::keyring::state::KeyState;
use crate::keys::pair::SealingKey;
use crate::secret::Secret;
use crate::verbs::errors::SealError;
use crate::verbs::two_phase::Draft;

/// Seals credentials, and has no method that opens: for a service that takes keys in and must not read them.
///
/// It has sealing keys only: a primary, whose [`OpeningKey`](crate::OpeningKey) is in the keyring of the service that
/// opens, and offline escrows. A program that only seals contains no code that decrypts an envelope.
///
/// ```
/// use sealwax::{EncryptionContext, OpeningKey, Sealer};
///
/// let sealing_key = OpeningKey::generate()?.sealing_key().to_text();
/// let text = format!("primary dashboard-2026 {}", sealing_key.expose_str()?);
///
/// let sealer: Sealer = text.parse()?;
/// let context = EncryptionContext::new([("tenant", "acme"), ("provider", "openai"), ("row", "42")])?;
/// let envelope = sealer.seal(&"the customer's API key".into(), &context)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0599
/// # fn f(sealer: &sealwax::Sealer, envelope: &sealwax::Envelope, context: &sealwax::EncryptionContext) {
/// let secret = sealer.open(envelope, context);
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn f(sealer: &sealwax::Sealer, envelope: &sealwax::Envelope) {
/// let fresh = sealer.rewrap(envelope);
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # fn f(key: sealwax::OpeningKey) {
/// let sealer = sealwax::Sealer::new("dashboard-2026".parse().unwrap(), key);
/// # }
/// ```
///
/// **Whoever sees its text can seal as this writer**, and as every other writer with one of its keys. So give each writer
/// a pair of its own. Its escrows must be pairs of the same writer, or pairs whose opening key no running service has.
pub struct Sealer {
    /// The primary, then the escrows.
    keys: Vec<(KeyId, SealingKey)>,
    suite: Suite,
}

impl Sealer {
    /// Creates a sealer with one key.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::KeyAsKeyId`] if the id is the text of a key without its prefix, and
    /// [`KeyringError::NotATestKey`] if it starts with `test/`.
    pub fn new(key_id: KeyId, key: SealingKey) -> Result<Self, KeyringError> {
        Self { keys: Vec::new(), suite: Suite::default() }.with(key_id, key)
    }

    /// Adds a key that every envelope is wrapped for too.
    ///
    /// The keyring that rewraps the rows needs the same escrow, or the rewrap drops this wrap.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`new`](Self::new), [`KeyringError::DuplicateKeyId`] if the sealer already has the id
    /// (ASCII case is ignored), [`KeyringError::DuplicateKey`] if it already has the public key or the psk, and
    /// [`KeyringError::TooManyEscrows`] if it already has seven escrow keys.
    pub fn with_offline_escrow(self, key_id: KeyId, key: SealingKey) -> Result<Self, KeyringError> {
        self.with(key_id, key)
    }

    fn with(mut self, key_id: KeyId, key: SealingKey) -> Result<Self, KeyringError> {
        key.check_id(&key_id)?;
        if self.keys.iter().any(|(other, _)| other.is_same(&key_id)) {
            return Err(KeyringError::DuplicateKeyId { key_id });
        }
        if let Some((other, _)) = self.keys.iter().find(|(_, other)| other.shares_with(&key)) {
            return Err(KeyringError::DuplicateKey { key_id, other: other.clone() });
        }
        if self.keys.len() >= MAX_WRAPS {
            return Err(KeyringError::TooManyEscrows);
        }
        self.keys.push((key_id, key));
        Ok(self)
    }

    /// Sets the suite that envelopes are sealed with.
    #[must_use]
    pub fn with_suite(self, suite: Suite) -> Self {
        Self { suite, ..self }
    }

    /// Seals a credential for a context, as [`Keyring::seal`](crate::Keyring::seal) does.
    ///
    /// Draws 44 bytes of the operating system's randomness, in one call.
    ///
    /// # Errors
    ///
    /// Returns [`SealError::TooLong`] if the credential is longer than 16 MiB, [`SealError::Random`] if the randomness
    /// source fails, and [`SealError::Wrap`] if the crate `hpke` draws other coins than the version that was tested.
    #[cfg(feature = "getrandom")]
    pub fn seal(
        &self,
        secret: &Secret,
        context: &EncryptionContext,
    ) -> Result<Envelope, SealError> {
        self.seal_with_rng(secret, context, &mut getrandom::SysRng)
    }

    /// Seals as [`seal`](Self::seal) does, with randomness from `rng`: 44 bytes in one call.
    ///
    /// # Errors
    ///
    /// Returns the same errors as `seal`.
    #[expect(clippy::expect_used, reason = "a default would lose the credential")]
    #[expect(clippy::missing_panics_doc, reason = "the wraps are always those of an envelope")]
    pub fn seal_with_rng(
        &self,
        secret: &Secret,
        context: &EncryptionContext,
        rng: &mut (impl TryCryptoRng + ?Sized),
    ) -> Result<Envelope, SealError> {
        let draft = Draft::new_with_rng(secret, context, self.suite, rng)?;
        let wrap = |(key_id, key): &(KeyId, SealingKey)| {
            let body = key
                .wrap(draft.wrap_request(key_id))
                .map_err(|kind| SealError::Wrap { key_id: key_id.clone(), source: kind.into() })?;
            let wrap = WrappedKey::from_vec(key_id.clone(), WrapKind::Hpke, body);
            Ok(wrap.expect("a sealing wrap has the length of its kind"))
        };
        let wraps = self.keys.iter().map(wrap).collect::<Result<_, SealError>>()?;
        Ok(draft.finish(wraps).expect("a sealer has 1 to 8 keys, each id once"))
    }
}

impl FromStr for Sealer {
    type Err = KeyringError;

    /// Parses the text of a sealer, which is like that of a [`Keyring`](crate::Keyring) and has sealing keys only.
    ///
    /// ```text
    /// primary dashboard-2026 sws1_…
    /// escrow  eu-dr          sws1_…
    /// ```
    ///
    /// Any other state, and any other key, is an error: with a master key, the writer could open.
    fn from_str(text: &str) -> Result<Self, KeyringError> {
        let lines = parse_key_lines::<SealingKey>(text, &[KeyState::Primary, KeyState::Escrow])?;
        let (primary, escrows): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.state == KeyState::Primary);
        let empty = Self { keys: Vec::new(), suite: Suite::default() };
        primary.into_iter().chain(escrows).try_fold(empty, |sealer, line| match line.key {
            Some(key) => sealer.with(line.key_id, key),
            None => Ok(sealer),
        })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, suite } = self;
        let ids = keys.iter().map(|(key_id, _)| key_id).collect::<Vec<_>>();
        f.debug_struct("Sealer").field("key_ids", &ids).field("suite", suite).finish()
    }
}
