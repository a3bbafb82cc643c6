//! The provider itself.

use std::fmt;
use std::sync::Arc;

use sealwax::{
    DataKey, KeyId, KeyWrapper, MasterKeyProvider, ProviderError, ProviderFuture, UnwrapRequest,
    WrapRequest,
};
use sealwax_branch::Rebound;

use crate::body::{Body, version_of};
use crate::config::TokenConfig;
use crate::error::TokenError;
use crate::scheme::Scheme;
use crate::session::{Open, Token, Worker};
use crate::threads::Threads;

/// A key on a PKCS#11 token.
///
/// - **It blocks nobody.** Its own threads, each with a session, call the token's library. The futures work on every
///   runtime, and without one.
/// - **It waits, but not forever.** If every thread is busy and the queue is full, a caller waits for a place, without
///   blocking. After the timeout, it fails with `Throttled` if it never had a place, and with `Unavailable` if the token
///   did not reply. A future that is dropped before its turn is not run.
/// - **It repairs its sessions.** Before each operation it looks whether another part of the program has logged out,
///   and logs in again. If the token is unavailable, it opens a new session and tries once more.
/// - **It logs in with a wrong PIN only once.** After a login has failed, for a reason that may be the PIN, every
///   operation that needs one fails with `Unauthenticated`, without another attempt, until you connect again: tokens lock
///   a PIN after a few failures. If the token says that one more failure locks it, there is no attempt.
///
/// A drop closes the sessions and waits for the threads, for up to a second. It leaves behind a thread that is still in
/// the token's library.
///
/// A batch of many rows is one operation for each row, one after the other; start several rewraps at once to use all
/// sessions.
pub struct TokenKey {
    token: Arc<Token>,
    threads: Threads<Worker>,
    /// The `CKA_ID` of the key that wraps.
    current: Arc<[u8]>,
}

impl TokenKey {
    /// Logs in, checks the key, and returns a provider that wraps with AES-GCM, bound to the row.
    ///
    /// The body of a wrap is 0x01 ‖ len8(CKA_ID) ‖ CKA_ID ‖ IV(12) ‖ ciphertext(32) ‖ tag(16). The IV is random, so one
    /// version of the key may wrap at most 2³² data keys (NIST SP 800-38D, 8.3): rotate long before.
    ///
    /// The key is an AES key of 256 bits with this label on the token (`CKA_TOKEN`) that is sensitive, private and not
    /// extractable. It wraps and unwraps random bytes, unless it may no longer encrypt: then it only opens rows.
    ///
    /// A future that is dropped may have spent one try of the PIN.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if there is no such token or key, `Unauthenticated` if the login fails, has no reply in time, or
    /// the PIN is not tried (it is empty, contains a line end or a byte order mark, or has one try left), `Disabled` if the
    /// key may not unwrap (`CKA_DECRYPT`), and `Other` if the library cannot be loaded, the key is not as above, the token
    /// does not offer the mechanism or allows fewer sessions than [`with_sessions`](TokenConfig::with_sessions) sets, or
    /// more than one token or key has the label. The source is a [`TokenError`].
    pub async fn connect(config: TokenConfig) -> Result<Self, ProviderError> {
        Ok(Self::start(config, Scheme::AesGcm).await?)
    }

    /// Does the same with AES key wrap (RFC 3394), for tokens that do not offer AES-GCM or that choose the IV.
    ///
    /// AES key wrap binds nothing, so such a provider exists only inside a [`Rebound`]. **The token's key must be a new
    /// one that nothing else uses**: see there.
    ///
    /// The body that the token makes is 0x02 ‖ len8(CKA_ID) ‖ CKA_ID ‖ wrap(40). Each operation makes an object on the
    /// token that lives only for that long, and the fresh key enters and leaves the token unencrypted; a token in FIPS
    /// mode usually refuses that.
    ///
    /// # Errors
    ///
    /// Returns those of [`connect`](Self::connect); the attribute is `CKA_UNWRAP`.
    pub async fn connect_key_wrap(config: TokenConfig) -> Result<Rebound<Self>, ProviderError> {
        Ok(Rebound::new(Self::start(config, Scheme::AesKeyWrap).await?))
    }

    async fn start(config: TokenConfig, scheme: Scheme) -> Result<Self, TokenError> {
        if config.pin.is_none() {
            return Err(TokenError::NotAPin);
        }
        if config.key.is_empty() {
            return Err(TokenError::Unsuitable { reason: "the label of the key is empty" });
        }
        let token = Arc::new(Token::new(config, scheme));
        let (sessions, timeout) = (token.config.sessions, token.config.timeout);
        let shared = Arc::clone(&token);
        let threads = Threads::start(sessions, timeout, move || Worker::new(Arc::clone(&shared)))
            .map_err(|source| TokenError::NoThread { source })?;
        let shared = Arc::clone(&token);
        let connect = move |open: &mut Open| open.connect(shared.config.current.as_deref());
        let connecting = Connecting(&token);
        let current = threads.run(move |worker| worker.run(connect)).await;
        let current = current.map_err(|error| match error {
            TokenError::Late if token.login.give_up() => {
                TokenError::Login { code: "no reply in time".into() }
            }
            error => error,
        })??;
        std::mem::forget(connecting);
        Ok(Self { token, threads, current: current.into() })
    }

    /// Returns the `CKA_ID` of the key that wraps.
    #[must_use]
    pub fn current(&self) -> &[u8] {
        &self.current
    }

    async fn ask<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Open) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        Ok(self.threads.run(move |worker| worker.run(job)).await??)
    }
}

/// Sees to it that a provider that did not come to be tries no PIN later, when its caller may be trying the next one.
struct Connecting<'a>(&'a Token);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.login.give_up();
    }
}

impl KeyWrapper for TokenKey {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            let (current, data_key) = (Arc::clone(&self.current), request.data_key().duplicate());
            let bound = request.associated_data();
            self.ask(move |open| open.wrap(&current, &bound, &data_key)).await
        })
    }

    /// Returns whether the body names the `CKA_ID` of the key that wraps now.
    fn is_current(&self, body: &[u8]) -> bool {
        version_of(body) == Some(self.current())
    }

    /// Logs in if need be, and looks whether the token still has the key and offers the mechanism, and whether the key
    /// may unwrap.
    fn check<'a>(&'a self, _: &'a KeyId) -> ProviderFuture<'a, Result<(), ProviderError>> {
        ProviderFuture::boxed(async move {
            let current = Arc::clone(&self.current);
            self.ask(move |open| open.check(Some(&current)).map(|_| ())).await
        })
    }
}

impl MasterKeyProvider for TokenKey {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            // Here too, so that no thread is asked about what the provider did not make.
            Body::parse(self.token.scheme, request.body()).ok_or(TokenError::NotAWrap)?;
            let (bound, body) = (request.associated_data(), request.body().to_vec());
            self.ask(move |open| open.unwrap(&bound, &body)).await
        })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("config", &self.token.config)
            .field("scheme", &self.token.scheme)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}
