//! Keyrings that have the provider as one of their keys.

use std::error::Error;
use std::sync::Arc;

use sealwax::{
    Draft, EncryptionContext, Envelope, KeyId, Keyring, MasterKey, OpenError, RewrapError,
    SealError, Secret, Suite, UnwrapError, WrappedKey,
};

use crate::checks::batches::altered;
use crate::subject::{Problem, Subject, Verdict, ensure};

/// What a keyring does with the provider, and the local keys next to it.
struct Rings<'a> {
    subject: &'a Subject,
    context: EncryptionContext,
    local_id: KeyId,
    local: Arc<MasterKey>,
}

const TEXT: &str = "not a credential";

/// Returns the value, or fails the check with what was being done.
macro_rules! or_fail {
    ($doing:literal, $result:expr) => {
        $result.map_err(|error| failed($doing, &error))?
    };
}

/// Returns what went wrong: the error, and the provider's, but not the source of that.
fn failed(doing: &str, error: &dyn Error) -> Problem {
    let cause = error.source().map(|cause| format!(": {cause}"));
    Problem::Failed(format!("{doing}: {error}{}", cause.unwrap_or_default()))
}

impl<'a> Rings<'a> {
    fn new(subject: &'a Subject) -> Result<Self, Problem> {
        let context = EncryptionContext::new([("checked-by", "sealwax-conformance")]);
        Ok(Self {
            subject,
            context: or_fail!("a context", context),
            local_id: or_fail!("an id", KeyId::try_from("sealwax-conformance-local")),
            local: Arc::new(MasterKey::generate()?),
        })
    }

    fn provider_alone(&self) -> Result<Keyring, Problem> {
        let (id, key) = (self.subject.key_id.clone(), Arc::clone(&self.subject.provider));
        Ok(or_fail!("a keyring with the provider", Keyring::new(id, key)))
    }

    fn local_alone(&self) -> Result<Keyring, Problem> {
        let ring = Keyring::new(self.local_id.clone(), Arc::clone(&self.local));
        Ok(or_fail!("a keyring with a local key", ring))
    }

    async fn seal(&self, ring: &Keyring) -> Result<Envelope, Problem> {
        let sealed = ring.seal_async(&Secret::from(TEXT), &self.context);
        Ok(or_fail!("seal_async", self.wait(sealed).await?))
    }

    async fn opens(&self, ring: &Keyring, envelope: &Envelope) -> Verdict {
        let opened =
            or_fail!("open_async", self.wait(ring.open_async(envelope, &self.context)).await?);
        ensure(opened == Secret::from(TEXT), || "open_async gave another text".into())
    }

    async fn wait<T>(&self, call: impl Future<Output = T> + Send) -> Result<T, Problem> {
        let call = sealwax::ProviderFuture::boxed(call);
        Ok(self
            .subject
            .calls
            .wait_for(call)
            .await
            .map_err(|trouble| format!("in a keyring, {trouble}"))?)
    }
}

pub(super) async fn primary(s: &Subject) -> Verdict {
    let rings = Rings::new(s)?;
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let ring = rings.provider_alone()?.with_suite(suite);
        let envelope = rings.seal(&ring).await?;
        rings.opens(&ring, &envelope).await?;
        or_fail!("verify_async", rings.wait(ring.verify_async(&envelope)).await?);
        // The check `fresh_is_current` reports a provider whose fresh wraps are not.
        if ring.is_current(&envelope) {
            let again = or_fail!("rewrap_async", rings.wait(ring.rewrap_async(&envelope)).await?);
            ensure(again.is_none(), || "rewrap_async replaced a wrap that is current".into())?;
        }
    }
    Ok(())
}

pub(super) async fn escrow(s: &Subject) -> Verdict {
    let rings = Rings::new(s)?;
    let provider = || Arc::clone(&s.provider);
    let ring = rings.local_alone()?.with_escrow(s.key_id.clone(), provider());
    let ring = or_fail!("a keyring with the provider as its escrow", ring);
    let envelope = rings.seal(&ring).await?;
    ensure(envelope.key_ids().count() == 2, || "the envelope has not two wraps".into())?;
    rings.opens(&rings.local_alone()?, &envelope).await?;
    let drill = Keyring::opening_only().with_escrow(s.key_id.clone(), provider());
    rings.opens(&or_fail!("a keyring with the escrow alone", drill), &envelope).await
}

pub(super) async fn rewrap(s: &Subject) -> Verdict {
    let rings = Rings::new(s)?;
    let local = rings.local_alone()?;
    let onto =
        rings.provider_alone()?.with_retired(rings.local_id.clone(), Arc::clone(&rings.local));
    let onto = or_fail!("a keyring that retires the local key", onto);
    let away = rings.local_alone()?.with_retired(s.key_id.clone(), Arc::clone(&s.provider));
    let away = or_fail!("a keyring that retires the provider", away);

    let sealed = rings.seal(&local).await?;
    let moved =
        or_fail!("rewrap_async to the provider", rings.wait(onto.rewrap_async(&sealed)).await?);
    let moved =
        moved.ok_or_else(|| String::from("rewrap_async to the provider changed nothing"))?;
    rings.opens(&rings.provider_alone()?, &moved).await?;

    let back = or_fail!(
        "rewrap_async away from the provider",
        rings.wait(away.rewrap_async(&moved)).await?
    );
    let back =
        back.ok_or_else(|| String::from("rewrap_async away from the provider changed nothing"))?;
    ensure(local.is_current(&back), || "after a rewrap, the envelope is not current".into())?;
    rings.opens(&local, &back).await
}

pub(super) async fn errors(s: &Subject) -> Verdict {
    let (rings, ring) = (Rings::new(s)?, Rings::new(s)?.provider_alone()?);
    let kind = s.provider.kind();
    let draft = || {
        let drafted = Draft::new(&Secret::from(TEXT), &rings.context, Suite::default());
        drafted.map_err(|error| Problem::Failed(format!("a draft: {error}")))
    };
    // The wrap of a row that was never stored, in another row: moved, and moved and altered.
    let first = draft()?;
    let body = s.calls.wait(|| s.provider.wrap_key(first.wrap_request(&s.key_id))).await;
    let body = body.and_then(|body| Ok(body?)).map_err(|trouble| trouble.to_string())?;
    let altered = altered(&body);
    for (what, body) in [("moved", &body), ("altered", &altered)] {
        let wrap = or_fail!("a wrap", WrappedKey::new(s.key_id.clone(), kind, body));
        let envelope = or_fail!("an envelope", draft()?.finish(vec![wrap]));
        let opened = rings.wait(ring.open_async(&envelope, &rings.context)).await?;
        let Err(error) = opened else {
            return Err(format!("a row with a {what} wrap opened").into());
        };
        let is_right = match &error {
            OpenError::Unwrap(
                UnwrapError::WrapAltered { .. } | UnwrapError::WrongKeyMaterial { .. },
            ) => true,
            // The data key of another row.
            OpenError::Unwrap(UnwrapError::EnvelopeAltered) => !s.expect.binds,
            _ => false,
        };
        ensure(is_right, || {
            let (name, class) = (error.name(), error.class());
            format!(
                "opening a row with a {what} wrap gave {name} of class {class:?}, not wrap_altered"
            )
        })?;
    }
    Ok(())
}

pub(super) async fn sync(s: &Subject) -> Verdict {
    let (rings, ring) = (Rings::new(s)?, Rings::new(s)?.provider_alone()?);
    let envelope = rings.seal(&ring).await?;
    let sealed = ring.seal(&Secret::from(TEXT), &rings.context);
    let opened = ring.open(&envelope, &rings.context);
    let onto = ring.with_retired(rings.local_id.clone(), Arc::clone(&rings.local));
    let onto = or_fail!("a keyring that retires the local key", onto);
    let moved = onto.rewrap(&rings.seal(&rings.local_alone()?).await?);
    match (sealed, opened, moved) {
        (Ok(sealed), Ok(opened), Ok(Some(moved))) => {
            ensure(opened == Secret::from(TEXT), || "open gave another text".into())?;
            rings.opens(&rings.provider_alone()?, &sealed).await?;
            rings.opens(&rings.provider_alone()?, &moved).await
        }
        (
            Err(SealError::WouldBlock { .. }),
            Err(OpenError::Unwrap(UnwrapError::WouldBlock { .. })),
            Err(RewrapError::WouldBlock { .. }),
        ) => Ok(()),
        (sealed, opened, moved) => {
            let name = |error: Option<&'static str>| error.unwrap_or("ok");
            Err(Problem::Failed(format!(
                "the synchronous methods gave seal {}, open {}, rewrap {}; they must all work if the provider's futures \
                 are ready, or all be would_block",
                name(sealed.err().map(|error| error.name())),
                name(opened.err().map(|error| error.name())),
                name(moved.err().map(|error| error.name())),
            )))
        }
    }
}
