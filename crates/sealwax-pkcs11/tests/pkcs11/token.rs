//! A token for each test, and what its operator does with it.

use std::env;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use pollster::block_on;
use sealwax::{DataKey, KeyId, KeyWrapper, MasterKeyProvider};
use sealwax::{ProviderError, Secret, Suite, UnwrapRequest, WrapRequest};
use sealwax_branch::Rebound;
use sealwax_pkcs11::{TokenConfig, TokenError, TokenKey};

const TESTS: [&str; 10] = [
    include_str!("conformance.rs"),
    include_str!("connecting.rs"),
    include_str!("example.rs"),
    include_str!("known.rs"),
    include_str!("logins.rs"),
    include_str!("replaced.rs"),
    include_str!("residue.rs"),
    include_str!("rows.rs"),
    include_str!("sharing.rs"),
    include_str!("versions.rs"),
];

fn count() -> usize {
    let matches = |text: &str, what| text.matches(what).count();
    let count = |text: &str| matches(text, "\n#[test]\n") - matches(text, "\n#[ignore");
    TESTS.map(count).iter().sum()
}

/// A test that is alone in its process has two at most.
fn needed() -> usize {
    if env::args().any(|argument| argument == "--ignored") { 2 } else { count() }
}

/// The harness would swallow what `println!` says in a test that passes.
#[test]
fn tests_that_are_skipped_are_counted() {
    let tests = count();
    assert!(tests >= 30, "{tests}");
    let skipped = if library().is_none() { tests } else { 0 };
    let line = format!("sealwax-pkcs11: {skipped} of {tests} tests with a token are skipped\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

pub(crate) const PIN: &str = "1234 5678";
pub(crate) const SO_PIN: &str = "8765 4321";

pub(crate) fn library() -> Option<String> {
    env::var("SEALWAX_TEST_PKCS11").ok()
}

pub(crate) struct Token {
    pub(crate) library: Pkcs11,
    pub(crate) slot: Slot,
    pub(crate) label: String,
}

/// Runs a test with a token that no other test uses, if there is a library.
pub(crate) fn with_token(test: impl FnOnce(Token)) {
    static TOKENS: OnceLock<Mutex<Vec<Token>>> = OnceLock::new();
    let Some(library) = library() else { return };
    // All of them before the first test connects, because SoftHSM changes its list of slots unsafely.
    let tokens = TOKENS.get_or_init(|| Mutex::new(create_tokens(&library, needed())));
    let token = tokens.lock().unwrap().pop().unwrap();
    test(token);
}

fn create_tokens(library: &str, count: usize) -> Vec<Token> {
    let library = Pkcs11::new(library).unwrap();
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let create = |n| {
        // An error may come from a token that a test in another process is writing.
        let token = |slot: &Slot| library.get_token_info(*slot);
        let is_new = |slot: &Slot| token(slot).is_ok_and(|token| !token.token_initialized());
        let slot = library.get_slots_with_token().unwrap().into_iter().find(is_new).unwrap();
        let label = format!("{now:x}-{n}");
        let token = Token { library: library.clone(), slot, label };
        token.initialize(&token.label);
        token
    };
    let tokens: Vec<_> = (0..count).map(create).collect();
    assert_eq!(tokens.len(), count);
    tokens
}

impl Token {
    /// Makes it a new token, without a key, and sets its PIN. Nobody may have a session with it.
    pub(crate) fn initialize(&self, label: &str) {
        let so_pin = AuthPin::from(SO_PIN);
        self.library.init_token(self.slot, &so_pin, label).unwrap();
        let session = self.library.open_rw_session(self.slot).unwrap();
        session.login(UserType::So, Some(&so_pin)).unwrap();
        session.init_pin(&AuthPin::from(PIN)).unwrap();
    }

    /// Opens a session of another part of the program, and logs in.
    pub(crate) fn user(&self) -> Session {
        let session = self.library.open_rw_session(self.slot).unwrap();
        match session.login(UserType::User, Some(&AuthPin::from(PIN))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => session,
            Err(error) => panic!("{error}"),
        }
    }

    /// Creates an AES key of 256 bits, with other attributes than the usual ones if need be.
    pub(crate) fn create(&self, label: &str, id: &[u8], other: &[Attribute]) {
        let mut template = usual(label, id);
        template.push(Attribute::ValueLen(32.into()));
        let kind = |attribute: &Attribute| attribute.attribute_type();
        template.retain(|usual| other.iter().all(|other| kind(other) != kind(usual)));
        template.extend_from_slice(other);
        self.user().generate_key(&Mechanism::AesKeyGen, &template).unwrap();
    }

    /// Imports the key with the label `byok` and the id 01, which a ceremony may do too.
    pub(crate) fn import(&self, value: Vec<u8>) {
        let mut template = usual("byok", &[1]);
        template.push(Attribute::Class(ObjectClass::SECRET_KEY));
        template.push(Attribute::KeyType(KeyType::AES));
        template.push(Attribute::Value(value));
        self.user().create_object(&template).unwrap();
    }

    /// Finds the only key of a label, in a session that must be logged in for as long as the handle is used.
    pub(crate) fn find(&self, session: &Session, label: &str) -> ObjectHandle {
        let found = session.find_objects(&[Attribute::Label(label.into())]).unwrap();
        assert_eq!(found.len(), 1);
        found[0]
    }

    /// Names the key with the label `byok`, and the right PIN.
    pub(crate) fn config(&self) -> TokenConfig {
        self.config_of("byok", PIN)
    }

    pub(crate) fn config_of(&self, key: &str, pin: &str) -> TokenConfig {
        let two = NonZeroUsize::new(2).unwrap();
        TokenConfig::new(library().unwrap(), &self.label, key, &Secret::from(pin))
            .with_sessions(two)
    }

    pub(crate) fn connect(&self) -> TokenKey {
        block_on(TokenKey::connect(self.config())).unwrap()
    }

    /// Creates the key with the label `byok` and the id 01, and returns a provider with it.
    pub(crate) fn key(&self) -> TokenKey {
        self.create("byok", &[1], &[]);
        self.connect()
    }

    pub(crate) fn rebound(&self) -> Rebound<TokenKey> {
        self.create("byok", &[1], &[]);
        block_on(TokenKey::connect_key_wrap(self.config())).unwrap()
    }
}

fn usual(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(true),
        Attribute::Unwrap(true),
        Attribute::Label(label.into()),
        Attribute::Id(id.into()),
    ]
}

/// A data key, and the row that it belongs to.
pub(crate) struct Row {
    pub(crate) key_id: KeyId,
    pub(crate) commitment: [u8; 32],
    pub(crate) data_key: DataKey,
}

impl Row {
    pub(crate) fn new(number: u8) -> Self {
        let data_key = DataKey::generate().unwrap();
        Self { key_id: "hsm/test".parse().unwrap(), commitment: [number; 32], data_key }
    }

    pub(crate) async fn wrap_async(&self, key: &impl KeyWrapper) -> Result<Vec<u8>, ProviderError> {
        let suite = Suite::default();
        key.wrap_key(WrapRequest::new(&self.key_id, suite, &self.commitment, &self.data_key)).await
    }

    pub(crate) fn wrap(&self, key: &impl KeyWrapper) -> Result<Vec<u8>, ProviderError> {
        block_on(self.wrap_async(key))
    }

    /// Unwraps a body, and compares what comes back.
    pub(crate) async fn unwrap_async(
        &self,
        key: &impl MasterKeyProvider,
        body: &[u8],
    ) -> Result<(), ProviderError> {
        let request = UnwrapRequest::new(&self.key_id, Suite::default(), &self.commitment, body);
        let unwrapped = key.unwrap_key(request).await?;
        assert!(unwrapped.expose_secret() == self.data_key.expose_secret(), "another key");
        Ok(())
    }

    pub(crate) fn unwrap(
        &self,
        key: &impl MasterKeyProvider,
        body: &[u8],
    ) -> Result<(), ProviderError> {
        block_on(self.unwrap_async(key, body))
    }
}

/// Returns the source of an error.
pub(crate) fn source(error: &ProviderError) -> &TokenError {
    std::error::Error::source(error).unwrap().downcast_ref().unwrap()
}
