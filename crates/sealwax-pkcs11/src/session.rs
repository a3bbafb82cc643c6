//! A thread's session: opened, logged in and repaired before each job.

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use cryptoki::context::{Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Limit, Slot, TokenInfo};
use cryptoki::types::Ulong;
use sealwax::{DataKey, ProviderErrorKind};
use zeroize::Zeroizing;

use crate::body::Body;
use crate::config::TokenConfig;
use crate::error::{TokenError, refused, refused_as};
use crate::login::Login;
use crate::module::{find_token, serial_of};
use crate::scheme::Scheme;
use crate::verdict::unwrapped;

/// What every key must be, and why another is refused.
const RULES: [(Attribute, &str); 5] = [
    (Attribute::KeyType(KeyType::AES), "it is not an AES key"),
    (Attribute::ValueLen(Ulong::new(32)), "it does not have 256 bits"),
    (Attribute::Sensitive(true), "CKA_SENSITIVE is false: the token would reveal it"),
    (Attribute::Extractable(false), "CKA_EXTRACTABLE is true: the token would export it"),
    (Attribute::Private(true), "CKA_PRIVATE is false: it can be used without the PIN"),
];

/// What the threads of a provider share.
pub(crate) struct Token {
    pub(crate) config: TokenConfig,
    pub(crate) scheme: Scheme,
    pub(crate) login: Login,
    /// The serial number of the first token that was found: another one may have other keys, and another PIN.
    serial: OnceLock<String>,
}

impl Token {
    pub(crate) fn new(config: TokenConfig, scheme: Scheme) -> Self {
        Self { config, scheme, login: Login::default(), serial: OnceLock::new() }
    }
}

fn has_no_try_to_spare(token: &TokenInfo) -> bool {
    token.user_pin_final_try() || token.user_pin_locked()
}

fn is_enough(limit: Limit, sessions: NonZeroUsize) -> bool {
    match limit {
        Limit::Max(limit) => u64::try_from(sessions.get()).is_ok_and(|sessions| sessions <= limit),
        Limit::Unavailable | Limit::Infinite => true,
    }
}

/// The state of a thread.
pub(crate) struct Worker {
    token: Arc<Token>,
    open: Option<Open>,
}

impl Worker {
    pub(crate) fn new(token: Arc<Token>) -> Self {
        Self { token, open: None }
    }

    /// Runs a job in a session that is logged in.
    ///
    /// If the token is unavailable, the session is closed, and the job runs once more in a new one: another part of the
    /// program may have closed the session or logged out. A key that is missing is looked for again too, because a logout
    /// hides it.
    pub(crate) fn run<T>(
        &mut self,
        job: impl Fn(&mut Open) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        match self.attempt(&job) {
            Err(error) if error.may_pass() => self.attempt(&job),
            result => result,
        }
    }

    fn attempt<T>(
        &mut self,
        job: impl Fn(&mut Open) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let result = self.ready().and_then(job);
        if result.as_ref().is_err_and(TokenError::may_be_the_sessions) {
            self.close();
        }
        result
    }

    fn ready(&mut self) -> Result<&mut Open, TokenError> {
        if self.open.as_ref().is_some_and(|open| open.is_of_its_token() != Some(true)) {
            self.close();
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.token)?,
        };
        let open = self.open.insert(open);
        open.log_in()?;
        Ok(open)
    }

    /// Closes the session, unless its handle has become somebody else's.
    ///
    /// That of a token that does not reply is closed too, or it would use up the token's sessions.
    fn close(&mut self) {
        if let Some(open) = self.open.take()
            && open.is_of_its_token() == Some(false)
        {
            std::mem::forget(open.session);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.close();
    }
}

/// A key on the token, for one job.
struct Key {
    handle: ObjectHandle,
    may_unwrap: bool,
}

impl Key {
    fn permitted_to_unwrap(self) -> Result<ObjectHandle, TokenError> {
        if self.may_unwrap { Ok(self.handle) } else { Err(TokenError::NotPermitted) }
    }
}

/// A session. It finds the key again for each job: a handle may soon be that of another key.
pub(crate) struct Open {
    token: Arc<Token>,
    library: Pkcs11,
    slot: Slot,
    session: Session,
    /// What the library says of a session of this slot: not all of them say the same number.
    session_slot: Slot,
}

impl Open {
    fn new(token: &Arc<Token>) -> Result<Self, TokenError> {
        let serial = token.serial.get().or(token.config.serial.as_ref());
        let found = find_token(&token.config, serial.map(String::as_str));
        let (library, slot, found) = found.map_err(|error| match error {
            TokenError::NoToken if token.serial.get().is_some() => TokenError::TokenGone,
            error => error,
        })?;
        token.serial.get_or_init(|| found);
        let session = library.open_ro_session(slot).map_err(refused)?;
        let session_slot = session.get_session_info().map_err(refused)?.slot_id();
        Ok(Self { token: Arc::clone(token), library, slot, session, session_slot })
    }

    /// Returns whether the handle is still that of a session with the token, or `None` if that cannot be told: it is
    /// nobody's, or the token does not reply. If another part of the program has finalized the library and initialized it
    /// again, it may be somebody else's now.
    fn is_of_its_token(&self) -> Option<bool> {
        let session = self.session.get_session_info().ok()?;
        if session.slot_id() != self.session_slot {
            return Some(false);
        }
        let token = self.library.get_token_info(self.slot).ok()?;
        Some(Some(&serial_of(&token)) == self.token.serial.get())
    }

    /// Logs in if nobody is: another part of the program may have logged out, which hides the keys.
    fn log_in(&self) -> Result<(), TokenError> {
        if self.is_logged_in()? {
            return Ok(());
        }
        let token = self.library.get_token_info(self.slot).map_err(refused)?;
        if has_no_try_to_spare(&token) {
            return Err(TokenError::LastTry);
        }
        let pin = self.token.config.pin.as_ref().ok_or(TokenError::NotAPin)?;
        self.token.login.attempt(|| self.session.login_with_raw(UserType::User, pin))
    }

    fn is_logged_in(&self) -> Result<bool, TokenError> {
        let state = self.session.get_session_info().map_err(refused)?.session_state();
        Ok(matches!(state, SessionState::RoUser | SessionState::RwUser))
    }

    /// Checks the token and the key that wraps, and returns its `CKA_ID`.
    pub(crate) fn check(&self, current: Option<&[u8]>) -> Result<Vec<u8>, TokenError> {
        let scheme = self.token.scheme;
        let offered = match self.library.get_mechanism_info(self.slot, scheme.mechanism()) {
            Ok(info) => scheme.is_offered(&info),
            Err(Error::Pkcs11(RvError::MechanismInvalid, _)) => false,
            Err(error) => return Err(refused(error)),
        };
        if !offered {
            return Err(TokenError::Unsuitable {
                reason: "the token does not offer the mechanism",
            });
        }
        let limit = self.library.get_token_info(self.slot).map_err(refused)?.max_session_count();
        if !is_enough(limit, self.token.config.sessions) {
            return Err(TokenError::Unsuitable {
                reason: "the token allows fewer sessions than there are threads",
            });
        }
        let current = match current {
            Some(current) => current.to_vec(),
            None => self.only_id()?,
        };
        if !(1..=255).contains(&current.len()) {
            return Err(TokenError::Unsuitable {
                reason: "its CKA_ID does not have 1 to 255 bytes",
            });
        }
        self.key(&current)?.permitted_to_unwrap()?;
        Ok(current)
    }

    /// Does the same, and tries the key.
    pub(crate) fn connect(&self, current: Option<&[u8]>) -> Result<Vec<u8>, TokenError> {
        let current = self.check(current)?;
        self.probe(self.key(&current)?.handle)?;
        Ok(current)
    }

    /// Wraps and unwraps random bytes.
    ///
    /// They are drawn each time, because AES key wrap binds nothing: with a known text and its wrap, anyone could write
    /// every row. A key that may no longer wrap passes, because the token has replied.
    fn probe(&self, key: ObjectHandle) -> Result<(), TokenError> {
        let (scheme, session) = (self.token.scheme, &self.session);
        let mut drawn = Zeroizing::new([0; 32]);
        session.generate_random_slice(&mut *drawn).map_err(refused)?;
        let sealed = match scheme.wrap(session, key, &[], &drawn) {
            Err(Error::Pkcs11(RvError::KeyFunctionNotPermitted, _)) => return Ok(()),
            sealed => sealed.map_err(refused)?,
        };
        let opened = scheme.unwrap(session, key, &[], &sealed).map_err(refused)?;
        if **opened == *drawn {
            return Ok(());
        }
        Err(TokenError::Unexpected { message: "it did not unwrap what it wrapped".into() })
    }

    pub(crate) fn wrap(
        &self,
        id: &[u8],
        associated_data: &[u8],
        data_key: &DataKey,
    ) -> Result<Vec<u8>, TokenError> {
        let (scheme, key) = (self.token.scheme, self.key(id)?.handle);
        let data_key = data_key.expose_secret();
        let sealed = scheme.wrap(&self.session, key, associated_data, data_key).map_err(refused)?;
        let unexpected =
            || TokenError::Unexpected { message: "its wrap has another length".into() };
        let fits = sealed.len() == scheme.sealed_len();
        Body { id, sealed: &sealed }.encode(scheme).filter(|_| fits).ok_or_else(unexpected)
    }

    pub(crate) fn unwrap(
        &self,
        associated_data: &[u8],
        body: &[u8],
    ) -> Result<DataKey, TokenError> {
        let body = Body::parse(self.token.scheme, body).ok_or(TokenError::NotAWrap)?;
        let mut opened = self.open(associated_data, &body)?;
        DataKey::from_bytes(&mut opened).map_err(|source| TokenError::NotADataKey { source })
    }

    fn open(
        &self,
        associated_data: &[u8],
        body: &Body<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let scheme = self.token.scheme;
        let key = self.key(body.id).map_err(|error| match error {
            TokenError::NoKey => TokenError::UnknownVersion,
            error => error,
        })?;
        // Before the token is asked: some have no clear value for a key that is disabled.
        let key = key.permitted_to_unwrap()?;
        let unwrap = || scheme.unwrap(&self.session, key, associated_data, body.sealed);
        unwrapped(unwrap, || self.probe(key))
    }

    /// Finds a key, and refuses one that can leave the token or be used without the PIN.
    fn key(&self, id: &[u8]) -> Result<Key, TokenError> {
        let named = self.template(Some(id));
        let handle = match *self.find(&named)? {
            [] => return Err(TokenError::NoKey),
            [key] => key,
            _ => return Err(TokenError::Unsuitable { reason: "another has the same CKA_ID" }),
        };
        let attributes = self.attributes(handle)?;
        if !named.iter().all(|attribute| attributes.contains(attribute)) {
            let message = "it finds a key that was not asked for".into();
            return Err(TokenError::Unexpected { message });
        }
        if let Some((_, reason)) = RULES.iter().find(|(rule, _)| !attributes.contains(rule)) {
            return Err(TokenError::Unsuitable { reason });
        }
        let may_unwrap = attributes.contains(&self.token.scheme.may_unwrap());
        Ok(Key { handle, may_unwrap })
    }

    /// Returns the `CKA_ID` of the only key that has the label.
    fn only_id(&self) -> Result<Vec<u8>, TokenError> {
        let key = match *self.find(&self.template(None))? {
            [] => return Err(TokenError::NoKey),
            [key] => key,
            _ => return Err(TokenError::SeveralKeys),
        };
        let id = self.session.get_attributes(key, &[AttributeType::Id]).map_err(refused)?.pop();
        Ok(if let Some(Attribute::Id(id)) = id { id } else { Vec::new() })
    }

    fn template(&self, id: Option<&[u8]>) -> Vec<Attribute> {
        let mut template = vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Token(true),
            Attribute::Label(self.token.config.key.clone().into_bytes()),
        ];
        template.extend(id.map(|id| Attribute::Id(id.to_vec())));
        template
    }

    fn find(&self, template: &[Attribute]) -> Result<Vec<ObjectHandle>, TokenError> {
        let logins = self.token.login.count();
        let found = self.session.find_objects(template).map_err(refused)?;
        // A logout hides the keys, also if another thread has logged in again since then.
        let was_logged_in = || Ok(self.is_logged_in()? && self.token.login.count() == logins);
        if found.is_empty() && !was_logged_in()? {
            let (code, function) = (RvError::UserNotLoggedIn, Function::FindObjects);
            return Err(refused_as(code, function, ProviderErrorKind::Unavailable));
        }
        Ok(found)
    }

    fn attributes(&self, key: ObjectHandle) -> Result<Vec<Attribute>, TokenError> {
        const WANTED: [AttributeType; 11] = [
            AttributeType::Class,
            AttributeType::Token,
            AttributeType::Label,
            AttributeType::Id,
            AttributeType::KeyType,
            AttributeType::ValueLen,
            AttributeType::Sensitive,
            AttributeType::Extractable,
            AttributeType::Private,
            AttributeType::Decrypt,
            AttributeType::Unwrap,
        ];
        self.session.get_attributes(key, &WANTED).map_err(refused)
    }
}
