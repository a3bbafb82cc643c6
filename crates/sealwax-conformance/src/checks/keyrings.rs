//! Keyrings that have the provider as one of their keys.

use std::error::Error;
use std::iter::successors;
use std::sync::Arc;

use sealwax::{
    Draft, EncryptionContext, Envelope, KeyId, Keyring, MasterKey, OpenError, ProviderError,
    RewrapError, RowError, SealError, Secret, Suite, UnwrapError, WrapKind, WrappedKey,
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

/// What is done to a body.
type Change = fn(&[u8]) -> Vec<u8>;

const TEXT: &str = "not a credential";

/// Returns the value, or fails the check with what was being done.
macro_rules! or_fail {
    ($doing:literal, $result:expr) => {
        $result.map_err(|error| failed($doing, &error))?
    };
}

/// Returns what went wrong: the error and its sources, down to the provider's error, but not the source of that.
fn failed(doing: &str, error: &(dyn Error + 'static)) -> Problem {
    let chain =
        successors(
            Some(error),
            |&error| {
                if error.is::<ProviderError>() { None } else { error.source() }
            },
        );
    Problem::Failed(chain.fold(doing.to_owned(), |text, error| format!("{text}: {error}")))
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

    /// Returns a keyring that moves rows from the local key to the provider.
    fn onto_provider(&self) -> Result<Keyring, Problem> {
        let (id, key) = (self.local_id.clone(), Arc::clone(&self.local));
        let ring = self.provider_alone()?.with_retired(id, key);
        Ok(or_fail!("a keyring that retires the local key", ring))
    }

    /// Returns a keyring that moves rows from the provider to the local key.
    fn away_from_provider(&self) -> Result<Keyring, Problem> {
        let (id, key) = (self.subject.key_id.clone(), Arc::clone(&self.subject.provider));
        let ring = self.local_alone()?.with_retired(id, key);
        Ok(or_fail!("a keyring that retires the provider", ring))
    }

    fn draft(&self) -> Result<Draft, Problem> {
        let draft = Draft::new(&Secret::from(TEXT), &self.context, Suite::default());
        Ok(or_fail!("a draft", draft))
    }

    /// Returns an envelope with a wrap that was not made for it.
    async fn with_foreign_wrap(&self, change: Change) -> Result<Envelope, Problem> {
        let Subject { key_id, provider, calls, .. } = self.subject;
        let theirs = self.draft()?;
        let body = calls.wait(|| provider.wrap_key(theirs.wrap_request(key_id))).await;
        let body = body.and_then(|body| Ok(body?)).map_err(|trouble| trouble.to_string())?;
        let wrap = WrappedKey::new(key_id.clone(), provider.kind(), &change(&body));
        Ok(or_fail!("an envelope", self.draft()?.finish(vec![or_fail!("a wrap", wrap)])))
    }

    /// Returns whether this is the right error for a wrap that was moved or altered.
    fn is_refusal(&self, error: &UnwrapError) -> bool {
        match error {
            UnwrapError::WrapAltered { .. } | UnwrapError::WrongKeyMaterial { .. } => true,
            // The provider does not bind, and returned the data key of another row.
            UnwrapError::EnvelopeAltered => !self.subject.expect.binds,
            _ => false,
        }
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
    let (onto, away) = (rings.onto_provider()?, rings.away_from_provider()?);

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

/// How many rows a batch has, of which the one in the middle has a wrap that was not made for it.
const ROWS: usize = 5;

pub(super) async fn batch(s: &Subject) -> Verdict {
    let rings = Rings::new(s)?;
    let (local, onto, away) =
        (rings.local_alone()?, rings.onto_provider()?, rings.away_from_provider()?);
    let (mut rows, bad) = (Vec::new(), ROWS / 2);
    for _ in 0..ROWS {
        rows.push((rows.len(), rings.seal(&local).await?));
    }
    let batch = rings.wait(onto.rewrap_batch_async(rows)).await?;
    ensure(batch.failures.is_empty() && batch.changes.len() == ROWS, || {
        let reason = batch.failures.first().map(|(_, error)| error.name()).unwrap_or_default();
        format!("of {ROWS} rows, only {} were moved to the key: {reason}", batch.changes.len())
    })?;

    let mut rows = Vec::new();
    for change in batch.changes {
        rings.opens(&rings.provider_alone()?, &change.fresh).await?;
        rows.push((change.id, change.fresh));
    }
    let foreign = rings.with_foreign_wrap(altered).await?;
    rows.iter_mut().skip(bad).take(1).for_each(|(_, row)| *row = foreign.clone());
    let batch = rings.wait(away.rewrap_batch_async(rows)).await?;
    let is_right = match batch.failures.as_slice() {
        [(id, RowError::Rewrap(RewrapError::Unwrap(error)))] => {
            *id == bad && rings.is_refusal(error)
        }
        _ => false,
    };
    ensure(is_right, || {
        let found = batch.failures.iter().map(|(id, error)| format!("{id} ({})", error.name()));
        let found = found.collect::<Vec<_>>().join(", ");
        format!(
            "of {ROWS} rows, row {bad} has an altered wrap: it alone must fail, as wrap_altered, but these failed: {found}"
        )
    })?;
    for change in batch.changes {
        rings.opens(&local, &change.fresh).await?;
    }
    Ok(())
}

pub(super) async fn check(s: &Subject) -> Verdict {
    let (rings, ring) = (Rings::new(s)?, Rings::new(s)?.provider_alone()?);
    for (_, usable) in rings.wait(ring.check_async()).await? {
        or_fail!("check_async", usable);
    }
    Ok(())
}

pub(super) async fn errors(s: &Subject) -> Verdict {
    let (rings, ring) = (Rings::new(s)?, Rings::new(s)?.provider_alone()?);
    let changes: [(_, Change); 2] = [("moved", <[u8]>::to_vec), ("altered", altered)];
    for (what, change) in changes {
        let envelope = rings.with_foreign_wrap(change).await?;
        let opened = rings.wait(ring.open_async(&envelope, &rings.context)).await?;
        let Err(error) = opened else {
            return Err(format!("a row with a {what} wrap opened").into());
        };
        let is_right = matches!(&error, OpenError::Unwrap(error) if rings.is_refusal(error));
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
    let moved = rings.onto_provider()?.rewrap(&rings.seal(&rings.local_alone()?).await?);
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
            let found = [
                sealed.err().map(|error| error.name()),
                opened.err().map(|error| error.name()),
                moved.err().map(|error| error.name()),
            ];
            let [sealed, opened, moved] = found.map(|error| error.unwrap_or("ok"));
            // A key of a branch is there at once only if it is kept already.
            let keeps_keys = s.provider.kind() == WrapKind::Branch;
            let is_late = |name| matches!(name, "ok" | "would_block");
            ensure(keeps_keys && [sealed, opened, moved].into_iter().all(is_late), || {
                format!(
                    "the synchronous methods gave seal {sealed}, open {opened}, rewrap {moved}; they must all work if the \
                     provider's futures are ready, or all be would_block"
                )
            })
        }
    }
}
