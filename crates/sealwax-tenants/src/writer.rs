//! The pair of a writer that cannot read, for one epoch.

use sealwax::{
    DataKey, EncryptionContext, Envelope, ErrorClass, Held, KeyError, KeyId, KeyState, Keyring,
    KeyringError, OpenError, OpeningKey, SealError, Sealer, SealingKey, Secret,
};

/// The pair of a writer that cannot read, made for one epoch: the opening key is nowhere but in an envelope under the
/// epoch's root.
///
/// The writer, such as a dashboard, seals for all tenants with a [`Sealer`](sealwax::Sealer) over the sealing key. A worker
/// [opens](Self::open) the pair, and rewraps each row to its tenant's key. So what a writer sealed for a tenant is under the
/// root until then, and is gone with the root, as the tenant's key is.
///
/// **It opens under the roots that it was made with**: the primary of the service's keyring, and its escrows, which are roots as
/// well. If it was rewrapped for any other one, it does not open at all. At the end of an epoch, do not rewrap it: make
/// a new pair, give it to the writer, rewrap what is left under the old pair, and delete that one. A rewrapped pair would
/// take the rows of deleted tenants along.
///
/// ```
/// use std::sync::Arc;
///
/// use sealwax::{EncryptionContext, Keyring, MasterKey, Sealer};
/// use sealwax_tenants::{TenantId, TenantKeys, TenantRecord, TenantState, WriterPair};
///
/// let service = Keyring::new("epoch-2026-11".parse()?, MasterKey::generate()?)?;
/// let (pair, sealing_key) = WriterPair::create("dashboard-2026-11".parse()?, &service)?;
///
/// // The dashboard, which cannot read.
/// let sealer = Sealer::new(pair.key_id().clone(), sealing_key)?;
/// let context = EncryptionContext::new([("tenant", "42"), ("row", "7")])?;
/// let written = sealer.seal(&"the customer's API key".into(), &context)?;
///
/// // The worker.
/// # let keys = TenantKeys::new(service.clone(), []);
/// # let tenant: TenantId = "42".parse()?;
/// # let created = keys.create(&TenantRecord::from_row(tenant.clone(), None), TenantState::NeverHad)?;
/// # let record = TenantRecord::new(tenant, 1, 0, [(1, created.envelope().to_string())]);
/// let opening_key = Arc::new(pair.open(&service)?);
/// let keyring = keys.keyring(&record)?.with_retired(pair.key_id().clone(), opening_key)?;
/// let row = keyring.rewrap(&written)?.ok_or("it was under the pair")?;
/// assert!(row.key_ids().eq(["tenant/42@1".parse()?]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WriterPair {
    key_id: KeyId,
    envelope: Envelope,
}

/// Why a pair was not made or not opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriterPairError {
    /// No sealer takes the id, such as that of a test key.
    #[error(transparent)]
    Id(#[from] KeyringError),
    /// The service's keyring has no primary.
    #[error("the service's keyring has no primary, which is the root of a pair")]
    NoRoot,
    /// No pair was drawn.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The service's keyring did not seal the opening key.
    #[error("the service's keyring did not seal the opening key of pair {key_id}")]
    #[non_exhaustive]
    Seal {
        /// The pair.
        key_id: KeyId,
        /// Why.
        source: SealError,
    },
    /// The service's keyring did not open the pair.
    #[error("pair {key_id} was not opened")]
    #[non_exhaustive]
    Open {
        /// The pair.
        key_id: KeyId,
        /// Why. `ContextMismatch` says that something else was put in its place, or that it was rewrapped to another root.
        source: OpenError,
    },
    /// What the service's keyring opened is no opening key: another program sealed it.
    #[error("the envelope of pair {key_id} holds no opening key")]
    #[non_exhaustive]
    NotAKey {
        /// The pair.
        key_id: KeyId,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl WriterPairError {
    fn as_data(&self) -> (&'static str, ErrorClass) {
        match self {
            Self::Id(error) => (error.name(), error.class()),
            Self::NoRoot => ("no_root", ErrorClass::Misconfigured),
            Self::Key(error) => (error.name(), error.class()),
            Self::Seal { source, .. } => ("seal", source.class()),
            Self::Open { source, .. } => ("open", source.class()),
            Self::NotAKey { .. } => ("not_a_key", ErrorClass::Altered),
        }
    }

    /// Returns what the error requires of the operator.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.as_data().1
    }

    /// Returns the name of the variant in snake case, for metrics and audits. For `Id` and `Key`, it is that of the error
    /// inside.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.as_data().0
    }

    /// Returns whether the same call may succeed later: the key service is throttling or unavailable.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

impl WriterPair {
    /// Makes a pair, and seals its opening key under the primary of the service's keyring, the root of this epoch.
    ///
    /// Store the [envelope](Self::envelope), but not in a table that is rewrapped. Give the sealing key to the writer.
    ///
    /// # Errors
    ///
    /// Returns a [`WriterPairError`].
    pub fn create(key_id: KeyId, service: &Keyring) -> Result<(Self, SealingKey), WriterPairError> {
        let (drawn, sealing_key, context) = draw(&key_id, service)?;
        Self::of_sealed(key_id, sealing_key, service.seal(&drawn, &context))
    }

    /// Makes a pair like [`create`](Self::create), and waits for the service's key.
    ///
    /// # Errors
    ///
    /// Returns a [`WriterPairError`].
    pub async fn create_async(
        key_id: KeyId,
        service: &Keyring,
    ) -> Result<(Self, SealingKey), WriterPairError> {
        let (drawn, sealing_key, context) = draw(&key_id, service)?;
        Self::of_sealed(key_id, sealing_key, service.seal_async(&drawn, &context).await)
    }

    fn of_sealed(
        key_id: KeyId,
        sealing_key: SealingKey,
        sealed: Result<Envelope, SealError>,
    ) -> Result<(Self, SealingKey), WriterPairError> {
        match sealed {
            Ok(envelope) => Ok((Self { key_id, envelope }, sealing_key)),
            Err(source) => Err(WriterPairError::Seal { key_id, source }),
        }
    }

    /// Takes what was stored.
    #[must_use]
    pub const fn from_row(key_id: KeyId, envelope: Envelope) -> Self {
        Self { key_id, envelope }
    }

    /// Returns the id of the pair, under which the writer seals.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Returns the envelope that the opening key is in.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Opens the pair with the service's keyring.
    ///
    /// Add the key as `retired` to a tenant's keyring, and use that for `rewrap` alone. A deleted tenant's rows are not
    /// rewrapped (`NoPrimary`), but they would open.
    ///
    /// # Errors
    ///
    /// Returns a [`WriterPairError`].
    pub fn open(&self, service: &Keyring) -> Result<OpeningKey, WriterPairError> {
        self.opened(service.open(&self.envelope, &self.context()))
    }

    /// Opens the pair like [`open`](Self::open), and waits for the service's key.
    ///
    /// # Errors
    ///
    /// Returns a [`WriterPairError`].
    pub async fn open_async(&self, service: &Keyring) -> Result<OpeningKey, WriterPairError> {
        self.opened(service.open_async(&self.envelope, &self.context()).await)
    }

    /// The context of a pair that is wrapped for these roots and no others.
    fn context(&self) -> EncryptionContext {
        context(&self.key_id, &self.envelope.key_ids().collect::<Vec<_>>())
    }

    fn opened(&self, opened: Result<Secret, OpenError>) -> Result<OpeningKey, WriterPairError> {
        let key_id = || self.key_id.clone();
        let secret = opened.map_err(|source| WriterPairError::Open { key_id: key_id(), source })?;
        opening_key(&secret).map_err(|source| WriterPairError::NotAKey { key_id: key_id(), source })
    }
}

/// Draws a pair, whose id a sealer takes, and returns the context that it is sealed in.
fn draw(
    key_id: &KeyId,
    service: &Keyring,
) -> Result<(Secret, SealingKey, EncryptionContext), WriterPairError> {
    if service.primary().is_none() {
        return Err(WriterPairError::NoRoot);
    }
    // What a new envelope is wrapped for, in this order.
    let is_root =
        |state| matches!(state, KeyState::Primary | KeyState::Escrow | KeyState::OfflineEscrow);
    let roots: Vec<_> = service.keys().filter(|(_, state)| is_root(*state)).collect();
    let roots: Vec<_> = roots.into_iter().map(|(root, _)| root.clone()).collect();
    // 64 bytes. (`DataKey` is drawn and checked like each half.)
    let (seed, psk) = (DataKey::generate()?, DataKey::generate()?);
    let drawn = Secret::from([seed.expose_secret().as_slice(), psk.expose_secret()].concat());
    let sealing_key = opening_key(&drawn)?.sealing_key();
    Sealer::new(key_id.clone(), opening_key(&drawn)?.sealing_key())?;
    Ok((drawn, sealing_key, context(key_id, &roots)))
}

/// Returns the context that an opening key is sealed in, so that nothing else is ever opened in its place.
#[expect(clippy::expect_used, reason = "an envelope has at most 8 key ids of 64 bytes")]
fn context(pair: &KeyId, roots: &[KeyId]) -> EncryptionContext {
    let roots: Vec<_> = roots.iter().map(AsRef::as_ref).collect();
    EncryptionContext::new([("pair", pair.as_ref()), ("root", &roots.join(" "))])
        .and_then(|context| context.holding(Held::OpeningKey))
        .expect("a context takes nine key ids")
}

fn opening_key(secret: &Secret) -> Result<OpeningKey, KeyError> {
    // Wipes the copy.
    OpeningKey::from_bytes(&mut secret.expose_secret().to_vec())
}
