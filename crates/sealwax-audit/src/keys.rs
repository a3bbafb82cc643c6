//! The audit keys of a service: the primary begins chains, and all of them continue and verify chains.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::str::FromStr;

use sealwax::companion::{LineKey as _, parse_key_lines};
use sealwax::{EncryptionContext, KeyId, KeyState, KeyringError};
use thiserror::Error;

use crate::key::{AuditKey, ratcheted};

/// The last step of a key: ten years of one a day.
///
/// A record names a step before anything proves it. This limits what looking at it costs: 3660 HMACs, about a
/// millisecond.
const LAST_STEP: u16 = 3660;

/// The audit keys of a service, each with an id.
///
/// The *primary* begins the chains of new subjects. The other keys are *retired*: they continue the chains that are
/// still under them, and verify entries. [`AuditLog::hand_over`](crate::AuditLog::hand_over) moves a chain to the
/// primary.
///
/// An id may end with `@` and a number from 1 to 3660, the *step* of the key: `audit-2026@3` is what three ratchets make
/// of `audit-2026`. A key stands in for all of its later steps, which are derived from it, and for no earlier one. So do
/// not end the id of a new key like this: `audit@2026` is step 2026 of `audit`, and `audit-2026` is a key of its own.
///
/// ```
/// use sealwax_audit::{AuditKey, AuditKeys};
///
/// let key = AuditKey::generate()?.to_text();
/// let keys: AuditKeys = format!("primary audit-2026 {}", key.expose_str()?).parse()?;
/// assert_eq!(keys.primary().0.as_ref(), "audit-2026");
/// assert_eq!(keys.ratcheted()?.primary().0.as_ref(), "audit-2026@1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AuditKeys {
    primary: Named,
    retired: Vec<Named>,
}

/// A key and its id. It is shared, so that a key is handed out without a copy of its bytes.
pub(crate) type Named = (KeyId, Arc<AuditKey>);

impl AuditKeys {
    /// Creates the keys of a service with one key, the primary.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::KeyAsKeyId`] if the id is the text of a key without its prefix.
    pub fn new(primary: KeyId, key: AuditKey) -> Result<Self, AuditKeysError> {
        key.check_id(&primary)?;
        Ok(Self { primary: (primary, Arc::new(key)), retired: Vec::new() })
    }

    /// Adds a retired key.
    ///
    /// # Errors
    ///
    /// Returns [`AuditKeysError::DuplicateKeyId`] if there is a key with this id (ASCII case is ignored),
    /// [`AuditKeysError::DuplicateKey`] if there is the same key under another id, and [`AuditKeysError::OtherStep`] if
    /// the id says that it is a step of one of the keys, or the other way round, and it is not. It also returns the error
    /// of [`new`](Self::new).
    pub fn with_retired(mut self, key_id: KeyId, key: AuditKey) -> Result<Self, AuditKeysError> {
        key.check_id(&key_id)?;
        let named = (key_id, Arc::new(key));
        self.check_new(&named)?;
        self.retired.push(named);
        self.check_steps()?;
        Ok(self)
    }

    /// Checks that each key is what the ratchet makes of the nearest earlier step of it.
    ///
    /// Otherwise, a process that has both keys would go on under another key than one that derives the later step.
    fn check_steps(&self) -> Result<(), AuditKeysError> {
        for (key_id, key) in self.all() {
            let others = self.all().filter(|(other, _)| other != key_id);
            if let Some((earlier, derived)) = derive(key_id, others)
                && !derived.is_same(key)
            {
                let (key_id, earlier) = (key_id.clone(), earlier.clone());
                return Err(AuditKeysError::OtherStep { key_id, earlier });
            }
        }
        Ok(())
    }

    /// Checks that there is neither the id nor the key.
    fn check_new(&self, (key_id, key): &Named) -> Result<(), AuditKeysError> {
        for (known, other) in self.all() {
            if known.as_ref().eq_ignore_ascii_case(key_id.as_ref()) {
                return Err(AuditKeysError::DuplicateKeyId { key_id: key_id.clone() });
            }
            if other.is_same(key) {
                let (key_id, other) = (key_id.clone(), known.clone());
                return Err(AuditKeysError::DuplicateKey { key_id, other });
            }
        }
        Ok(())
    }

    /// Ratchets the primary: the key of its next step becomes the primary, and the old primary a retired key.
    ///
    /// # Errors
    ///
    /// Returns [`AuditKeysError::LastStep`] if there is no next step, or its id is too long. Returns
    /// [`AuditKeysError::DuplicateKeyId`] if another key has its id, and [`AuditKeysError::DuplicateKey`] if it has
    /// another id.
    pub fn ratcheted(mut self) -> Result<Self, AuditKeysError> {
        let (key_id, key) = &self.primary;
        let (base, step) = base_and_step(key_id.as_ref());
        let step = step.checked_add(1).filter(|step| *step <= LAST_STEP);
        let step = step.ok_or(AuditKeysError::LastStep)?;
        let next_id = format!("{base}@{step}").parse().map_err(|_| AuditKeysError::LastStep)?;
        let next = (next_id, Arc::new(ratcheted(key)));
        // It may be there already, as a retired key.
        self.retired.retain(|(key_id, key)| *key_id != next.0 || !key.is_same(&next.1));
        self.check_new(&next)?;
        self.retired.insert(0, mem::replace(&mut self.primary, next));
        Ok(self)
    }

    /// Returns the primary and its id.
    #[must_use]
    pub fn primary(&self) -> (&KeyId, &AuditKey) {
        (&self.primary.0, &self.primary.1)
    }

    /// Returns the ids of the retired keys.
    pub fn retired(&self) -> impl Iterator<Item = &KeyId> {
        self.retired.iter().map(|(key_id, _)| key_id)
    }

    /// Returns the digest of a context that entries under this audit key have, or `None` if there is no such key.
    ///
    /// With it, an auditor finds the entries about one credential. Without the key, nobody can guess contexts.
    #[must_use]
    pub fn context_digest(
        &self,
        audit_key: &KeyId,
        context: &EncryptionContext,
    ) -> Option<[u8; 32]> {
        self.find(audit_key, None).map(|key| context_digest(&key, context))
    }

    fn all(&self) -> impl Iterator<Item = &Named> {
        [&self.primary].into_iter().chain(&self.retired)
    }

    /// Returns the key with this id.
    ///
    /// If it is none of the keys, it is derived from the nearest earlier step, which can be one that the caller has
    /// derived before.
    pub(crate) fn find(&self, key_id: &KeyId, derived: Option<&Named>) -> Option<Arc<AuditKey>> {
        derive(key_id, self.all().chain(derived)).map(|(_, key)| key)
    }
}

/// Derives a key from the nearest of the known ones that is the same step of it or an earlier one, and returns the id of
/// that one, too.
fn derive<'a>(
    key_id: &KeyId,
    known: impl Iterator<Item = &'a Named>,
) -> Option<(&'a KeyId, Arc<AuditKey>)> {
    let (base, step) = base_and_step(key_id.as_ref());
    let steps_from = |known: &KeyId| {
        let (known, from) = base_and_step(known.as_ref());
        if known == base { step.checked_sub(from) } else { None }
    };
    let earlier = known.filter_map(|named| Some((steps_from(&named.0)?, named)));
    let (steps, (known, key)) = earlier.min_by_key(|(steps, _)| *steps)?;
    Some((known, (0..steps).fold(Arc::clone(key), |key, _| Arc::new(ratcheted(&key)))))
}

/// context digest = expand(k, "swa1/context" ‖ context, 32)
pub(crate) fn context_digest(key: &AuditKey, context: &EncryptionContext) -> [u8; 32] {
    key.expand(&[b"swa1/context", context.encoded()])
}

/// Splits a key id into the id of the first step and the number of the step, which is 0 if the id has none.
fn base_and_step(key_id: &str) -> (&str, u16) {
    let split = key_id.rsplit_once('@').and_then(|(base, digits)| {
        // So that a step has one id.
        let is_canonical =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let step = digits.parse().ok().filter(|step| is_canonical && *step <= LAST_STEP)?;
        Some((base, step))
    });
    split.unwrap_or((key_id, 0))
}

/// Returns whether a chain may go from one key to another: not to the same one, and not back to an earlier step.
pub(crate) fn is_onward(from: &KeyId, to: &KeyId) -> bool {
    let (base, step) = base_and_step(from.as_ref());
    let (next_base, next_step) = base_and_step(to.as_ref());
    base != next_base || next_step > step
}

impl FromStr for AuditKeys {
    type Err = AuditKeysError;

    /// Parses the text of a service's audit keys.
    ///
    /// ```text
    /// primary audit-2026@3 swa1_…   begins chains; exactly one
    /// retired audit-2025   swa1_…   continues and verifies chains
    /// ```
    ///
    /// It is the grammar of a keyring's text: [`parse_key_lines`] has the details. Of two steps of one key, the later one
    /// must be derived from the earlier one.
    fn from_str(text: &str) -> Result<Self, AuditKeysError> {
        let (mut primary, mut retired) = (None, Vec::new());
        for line in parse_key_lines::<AuditKey>(text, &[KeyState::Primary, KeyState::Retired])? {
            let named = line.key.map(|key| (line.key_id, Arc::new(key)));
            if line.state == KeyState::Primary {
                primary = named;
            } else {
                retired.extend(named);
            }
        }
        let primary = primary.ok_or(KeyringError::NoPrimary)?;
        let keys = Self { primary, retired };
        keys.check_steps()?;
        Ok(keys)
    }
}

impl fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { primary: (primary, _), retired: _ } = self;
        let retired: Vec<_> = self.retired().collect();
        f.debug_struct("AuditKeys").field("primary", primary).field("retired", &retired).finish()
    }
}

/// An error in the audit keys of a service, or in their text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuditKeysError {
    /// The text is not one of audit keys, or an id is a key.
    #[error(transparent)]
    Text(#[from] KeyringError),
    /// Two keys have the same id.
    #[error("the audit keys have two keys with the id {key_id}")]
    #[non_exhaustive]
    DuplicateKeyId {
        /// The id.
        key_id: KeyId,
    },
    /// Two ids have the same key.
    #[error("the audit keys {other} and {key_id} are the same key")]
    #[non_exhaustive]
    DuplicateKey {
        /// The id that was added.
        key_id: KeyId,
        /// The id that the key already has.
        other: KeyId,
    },
    /// By their ids, two keys are steps of one, but the ratchet makes another key of the earlier step.
    #[error(
        "the audit keys {earlier} and {key_id} are not steps of one key: one of them needs another id"
    )]
    #[non_exhaustive]
    OtherStep {
        /// The id of the later step.
        key_id: KeyId,
        /// The id of the earlier step.
        earlier: KeyId,
    },
    /// The primary cannot be ratcheted: it is at step 3660, or the id of its next step is too long.
    #[error("the primary has no next step: hand over to a new audit key")]
    LastStep,
}
