//! What the crate does with the heap: how often it allocates, and that nothing it frees still holds
//! a secret.
//!
//! The allocator counts, and searches each block for known secrets when the block is freed or
//! moved.

#![expect(
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "an allocator is unsafe by nature, and tests fail by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rand_core::{TryCryptoRng, TryRng};
use sealwax::triplet::{Encoding, IvLen, Triplet, TripletError, TripletKey};
use sealwax::{
    DataKey, Draft, EncryptionContext, Envelope, KeyError, KeyWrapper, Keyring, KeyringError,
    MasterKey, MasterKeyProvider, OpenError, OpenEvent, OpenRecorder, ProviderError,
    ProviderFuture, RecorderError, RewrapError, Secret, Suite, UnwrapError, UnwrapRequest,
    WrapRequest,
};

/// The shortest fragment that counts as left behind.
const FRAGMENT: usize = 8;
const CREDENTIAL: &str = "sk-CANARY-0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
/// The data key that [`Drawn`] yields: 32 bytes that count up from here.
const DATA_KEY: u8 = 0xa0;
/// The master key of [`keyring`]: 32 bytes that count up from here, and the start of its text.
const MASTER_KEY: u8 = 0xd0;
const MASTER_KEY_TEXT: &str = "swk1_0NHS09TV1tfY2drb3N3e3-Dh4uPk5ebn6Onq6-zt7u";
/// The same bytes in hex and in base64, as the key of rows from other programs, and the hash of
/// [`CREDENTIAL`], which is such a key as well.
const KEY_HEX: &str = "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef";
const KEY_BASE64: &str = "0NHS09TV1tfY2drb3N3e3+Dh4uPk5ebn6Onq6+zt7u8=";
const HASH: [u8; 32] = [
    0x29, 0x13, 0xdb, 0x6b, 0x3f, 0xeb, 0xec, 0x8d, 0xf2, 0xa5, 0x8a, 0xae, 0x2b, 0xdb, 0xe7, 0x5a,
    0x1c, 0xbf, 0x77, 0xc0, 0xa1, 0x38, 0xbb, 0x4f, 0x79, 0xbb, 0x6d, 0x32, 0xc5, 0x83, 0xce, 0xee,
];

struct Watching;

thread_local! {
    // Per thread, because the test harness has its own threads.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static FREED_SECRETS: Cell<usize> = const { Cell::new(0) };
}

/// Returns whether eight bytes are a fragment of one of the secrets in these tests.
fn is_secret(fragment: &[u8]) -> bool {
    let counts_up = || fragment.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
    let of_text = |text: &str| text.as_bytes().windows(FRAGMENT).any(|part| part == fragment);
    if HASH.contains(&fragment[0]) && HASH.windows(FRAGMENT).any(|part| part == fragment) {
        return true;
    }
    match fragment[0] {
        DATA_KEY..=0xb8 | MASTER_KEY..=0xe8 => counts_up(),
        first if first.is_ascii_graphic() => {
            [CREDENTIAL, MASTER_KEY_TEXT, KEY_HEX, KEY_BASE64].into_iter().any(of_text)
        }
        _ => false,
    }
}

impl Watching {
    fn count() {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }

    /// # Safety
    ///
    /// `block` was allocated with this layout. Bytes that were never written have arbitrary values;
    /// this test runs where reading them is harmless.
    unsafe fn search(block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let block = unsafe { std::slice::from_raw_parts(block.cast_const(), layout.size()) };
        if block.windows(FRAGMENT).any(is_secret) {
            let _ = FREED_SECRETS.try_with(|count| count.set(count.get() + 1));
        }
    }
}

// SAFETY: the system allocator does the work.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's guarantees are passed on. Zeroed, so that `search` reads only
        // initialised bytes.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's guarantees are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's guarantees are passed on, and the block is still allocated.
        unsafe {
            Self::search(block, layout);
            System.realloc(block, layout, new_size)
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's guarantees are passed on, and the block is still allocated.
        unsafe {
            Self::search(block, layout);
            System.dealloc(block, layout);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// An RNG that counts up from [`DATA_KEY`].
struct Drawn;

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(4)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(4)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for (byte, value) in bytes.iter_mut().zip(DATA_KEY..) {
            *byte = value;
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

/// An RNG that yields zeros and reports success.
struct Zeros;

impl TryRng for Zeros {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}

/// Returns 32 bytes that count up.
fn counting(first: u8) -> Vec<u8> {
    (0..32).map(|i| first.wrapping_add(i)).collect()
}

fn master_key(first: u8) -> MasterKey {
    MasterKey::from_bytes(&mut counting(first)).unwrap()
}

fn keyring(suite: Suite) -> Keyring {
    Keyring::new("prod".parse().unwrap(), master_key(MASTER_KEY)).unwrap().with_suite(suite)
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme"), ("provider", "openai"), ("row", "1")]).unwrap()
}

/// Runs `work`. Returns its result, and how often it allocated.
fn allocations<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let done = work();
    (done, ALLOCATIONS.get() - before)
}

/// Runs `work` and drops its result. Returns how many freed blocks still held a secret.
fn freed_secrets<T>(work: impl FnOnce() -> T) -> usize {
    let before = FREED_SECRETS.get();
    drop(work());
    FREED_SECRETS.get() - before
}

#[test]
fn each_verb_allocates_what_it_returns_and_little_more() {
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let (ring, context, secret) = (keyring(suite), context(), Secret::from(CREDENTIAL));
        // One allocation, for the envelope.
        let (envelope, count) = allocations(|| ring.seal(&secret, &context).unwrap());
        assert_eq!(count, 1, "seal");
        let (_, count) = allocations(|| ring.open(&envelope, &context).unwrap());
        // One allocation, for the plaintext.
        assert_eq!(count, 1, "open");
        let ((), count) = allocations(|| ring.verify(&envelope).unwrap());
        assert_eq!(count, 0, "verify");
        let (_, count) = allocations(|| Envelope::from_bytes(envelope.as_bytes()).unwrap());
        assert_eq!(count, 1, "parse the binary form");
        let text = envelope.to_string();
        let (_, count) = allocations(|| text.parse::<Envelope>().unwrap());
        assert_eq!(count, 1, "parse the text form");
        let parsed = Vec::from(text.parse::<Envelope>().unwrap());
        assert_eq!(parsed.capacity(), parsed.len(), "no spare capacity");
        let (_, count) = allocations(|| String::from(envelope.clone()));
        assert_eq!(count, 2, "clone and encode as text");
        let next = Keyring::new("next".parse().unwrap(), master_key(1))
            .unwrap()
            .with_retired("prod".parse().unwrap(), master_key(MASTER_KEY))
            .unwrap();
        let (rewrapped, count) = allocations(|| next.rewrap(&envelope).unwrap());
        // One allocation, for the envelope.
        assert_eq!((rewrapped.is_some(), count), (true, 1), "rewrap");
        let (_, count) = allocations(|| ring.rewrap(&envelope).unwrap());
        assert_eq!(count, 0, "rewrap of a current envelope");
        // Local keys are recognised by concrete type, even behind a shared pointer.
        let shared =
            Keyring::new("prod".parse().unwrap(), Arc::new(master_key(MASTER_KEY))).unwrap();
        let (_, count) = allocations(|| shared.open(&envelope, &context).unwrap());
        assert_eq!(count, 1, "open with a shared key");
    }
}

/// From a row's values to the text in its column, and back to the credential.
#[test]
fn the_paved_path_allocates_little_more_than_it_returns() {
    let (ring, secret) = (keyring(Suite::Aes256Gcm), Secret::from(CREDENTIAL));
    let context =
        || EncryptionContext::new([("tenant", "acme"), ("provider", "openai"), ("row", "4711")]);
    let (_, of_context) = allocations(|| context().unwrap());
    assert_eq!(of_context, 4, "the pairs, their texts, the texts in order, and the encoding");
    let (column, count) =
        allocations(|| ring.seal(&secret, &context().unwrap()).unwrap().to_string());
    assert_eq!(count, of_context + 3, "seal: the envelope, its text, and what `to_string` copies");
    let (_, count) = allocations(|| {
        let envelope: Envelope = column.parse().unwrap();
        ring.open(&envelope, &context().unwrap()).unwrap()
    });
    assert_eq!(count, of_context + 2, "open: the envelope and the plaintext");
}

#[test]
fn a_row_is_encoded_into_one_allocation_of_its_length() {
    let encodings = [
        Encoding::HexLower,
        Encoding::HexAnyCase,
        Encoding::Base64,
        Encoding::Base64Url,
        Encoding::Base64UrlPadded,
    ];
    for len in [1, 2, 3, 16, 191, 192, 193, 1000] {
        let bytes = vec![0x5a; len];
        for encoding in encodings {
            let (text, count) = allocations(|| encoding.encode(&bytes));
            assert_eq!((count, text.capacity()), (1, text.len()), "{encoding:?}, {len} bytes");
        }
    }
}

#[test]
fn no_parser_allocates_more_than_its_input() {
    let envelope = keyring(Suite::default()).seal(&Secret::from(CREDENTIAL), &context()).unwrap();
    let text = envelope.to_string();
    // An input that does not parse is rejected before anything is allocated for it, or costs one
    // buffer.
    let mut refused = 0;
    for cut in 0..text.len() {
        let (parsed, count) = allocations(|| text[..cut].parse::<Envelope>());
        // A text that is cut off inside the ciphertext, at a whole number of bytes, still parses.
        refused += usize::from(parsed.is_err());
        assert!(count <= 1, "{count} allocations for {cut} bytes");
    }
    assert!(refused > 200);
    let (parsed, count) = allocations(|| ":".repeat(1 << 16).parse::<Envelope>());
    assert_eq!((parsed.is_err(), count), (true, 1), "the one allocation is the text itself");
}

/// A keyring text with too many keys is rejected at the first key over the limit, not after all of
/// them are read.
#[test]
fn the_keys_after_the_last_that_is_allowed_cost_nothing() {
    let parsed = |keys: usize| {
        let lines: Vec<String> = (0..keys).map(|n| format!("disabled k{n}")).collect();
        let text = lines.join("\n");
        let (parsed, count) = allocations(|| text.parse::<Keyring>());
        assert!(matches!(parsed, Err(KeyringError::TooManyKeys)), "{keys} keys");
        count
    };
    assert_eq!(parsed(1_100), parsed(20_000));
}

#[test]
fn the_search_finds_a_secret_that_is_freed() {
    assert_eq!(freed_secrets(|| CREDENTIAL.to_owned()), 1);
    assert_eq!(freed_secrets(|| counting(DATA_KEY)), 1);
    assert_eq!(freed_secrets(|| counting(MASTER_KEY)), 1);
    assert_eq!(
        freed_secrets(|| (DATA_KEY + 24..DATA_KEY + 32).collect::<Vec<_>>()),
        1,
        "its last fragment"
    );
    assert_eq!(freed_secrets(|| MASTER_KEY_TEXT.to_owned()), 1);
    let text = master_key(MASTER_KEY).to_text();
    assert!(text.expose_str().unwrap().starts_with(MASTER_KEY_TEXT));
    assert_eq!(freed_secrets(|| KEY_HEX.to_owned()), 1);
    assert_eq!(freed_secrets(|| KEY_BASE64.to_owned()), 1);
    assert_eq!(freed_secrets(|| HASH.to_vec()), 1);
    assert_eq!(freed_secrets(|| vec![0_u8; 64]), 0);
}

#[test]
fn a_secret_made_from_an_owned_source_leaves_nothing_behind() {
    let exact = || CREDENTIAL.to_owned();
    let roomy = || {
        let mut text = String::with_capacity(200);
        text.push_str(CREDENTIAL);
        text
    };
    assert_eq!(freed_secrets(|| Secret::from(exact())), 0, "a string of exact size");
    assert_eq!(freed_secrets(|| Secret::from(roomy())), 0, "a string with spare capacity");
    assert_eq!(freed_secrets(|| Secret::from(roomy().into_bytes())), 0, "bytes");
    // Truncated bytes are still in the spare capacity.
    let truncated = || {
        let mut text = roomy();
        text.truncate(4);
        text
    };
    assert_eq!(freed_secrets(|| Secret::from(truncated())), 0, "truncated bytes");
    let secrecy = || secrecy::SecretString::from(exact());
    assert_eq!(freed_secrets(|| Secret::from(secrecy())), 0, "from secrecy");
    let into = || secrecy::SecretString::try_from(Secret::from(exact())).unwrap();
    assert_eq!(freed_secrets(into), 0, "into secrecy");
}

#[test]
fn no_verb_frees_a_block_that_holds_a_secret() {
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let context = context();
        let secret = Secret::from(CREDENTIAL);
        let envelope = keyring(suite).seal_with_rng(&secret, &context, &mut Drawn).unwrap();
        let mut altered = Vec::from(envelope.clone());
        *altered.last_mut().unwrap() ^= 1;
        let altered = Envelope::try_from(altered).unwrap();
        let next = || {
            Keyring::new("next".parse().unwrap(), master_key(1))
                .unwrap()
                .with_retired("prod".parse().unwrap(), master_key(MASTER_KEY))
                .unwrap()
        };
        let seal = || keyring(suite).seal_with_rng(&secret, &context, &mut Drawn).unwrap();
        assert_eq!(freed_secrets(seal), 0, "seal");
        let open = || keyring(suite).open(&envelope, &context).unwrap();
        assert_eq!(freed_secrets(open), 0, "open");
        let open = || keyring(suite).with_recorder(Recorder).open(&envelope, &context).unwrap();
        assert_eq!(freed_secrets(open), 0, "open, recorded");
        let refuse = || {
            let error = keyring(suite).open(&altered, &context).unwrap_err();
            assert!(matches!(error, OpenError::PayloadAltered));
        };
        assert_eq!(freed_secrets(refuse), 0, "open an altered envelope");
        // A wrap that differs only in its last bit yields the data key except for that bit.
        let wrap = envelope.wrapped_keys().next().unwrap();
        let wrap_at = envelope.as_bytes().windows(60).position(|part| part == wrap.body());
        let mut altered = Vec::from(envelope.clone());
        altered[wrap_at.unwrap() + 59] ^= 1;
        let altered = Envelope::try_from(altered).unwrap();
        let is_told =
            |error: &OpenError| matches!(error, OpenError::Unwrap(UnwrapError::WrapAltered { .. }));
        for waits in [false, true] {
            let refuse = || {
                let (ring, next) = (keyring(suite), next());
                let rewrapped = if waits {
                    let opened = pollster::block_on(ring.open_async(&altered, &context));
                    assert!(is_told(&opened.unwrap_err()));
                    pollster::block_on(next.rewrap_async(&altered))
                } else {
                    assert!(is_told(&ring.open(&altered, &context).unwrap_err()));
                    assert!(is_told(&ring.verify(&altered).unwrap_err().into()));
                    next.rewrap(&altered)
                };
                assert!(matches!(
                    rewrapped,
                    Err(RewrapError::Unwrap(UnwrapError::WrapAltered { .. }))
                ));
            };
            assert_eq!(freed_secrets(refuse), 0, "use an altered wrap, waits: {waits}");
        }
        let refuse = || {
            let wrap = altered.wrapped_keys().next().unwrap();
            let commitment = altered.commitment();
            let request = UnwrapRequest::new(wrap.key_id(), suite, commitment, wrap.body());
            master_key(MASTER_KEY).unwrap_key(request).into_ready().unwrap().unwrap_err()
        };
        assert_eq!(freed_secrets(refuse), 0, "unwrap an altered wrap");
        assert_eq!(freed_secrets(|| next().rewrap(&envelope).unwrap().unwrap()), 0, "rewrap");
        let draft = || Draft::new_with_rng(&secret, &context, suite, &mut Drawn).unwrap();
        assert_eq!(freed_secrets(draft), 0, "draft");
        let data_key = || DataKey::generate_with_rng(&mut Drawn).unwrap();
        assert_eq!(freed_secrets(|| Box::new(data_key())), 0, "data key");
        let two_phases = || draft().finish(envelope.wrapped_keys().collect()).unwrap();
        assert_eq!(freed_secrets(two_phases), 0, "two phases");
        let master_key = || master_key(MASTER_KEY).to_text();
        assert_eq!(freed_secrets(master_key), 0, "a master key, from bytes and as text");
    }
}

#[test]
fn no_verb_of_a_triplet_key_frees_a_block_that_holds_a_secret() {
    let mut tried = 0;
    let mut check = |name: &str, succeeds: bool, verb: &dyn Fn() -> bool| {
        let mut succeeded = false;
        assert_eq!(freed_secrets(|| succeeded = verb()), 0, "{name}");
        assert_eq!(succeeded, succeeds, "{name}");
        tried += 1;
    };

    let bytes = counting(MASTER_KEY).repeat(2);
    for len in [0, 16, 31, 32, 33, 64] {
        // The copy is freed here, and must have been wiped.
        let from_bytes = || TripletKey::from_bytes(&mut bytes[..len].to_vec()).is_ok();
        check("from bytes", len == 32, &from_bytes);
    }
    type Reader = fn(&str) -> Result<TripletKey, KeyError>;
    let readers: [(&str, Reader); 2] =
        [(KEY_HEX, TripletKey::from_hex), (KEY_BASE64, TripletKey::from_base64)];
    for (text, read) in readers {
        check("from text", true, &|| read(text).is_ok());
        let cut = |len: usize| &text[..len];
        // The last two have the full length, and are decoded up to their fault.
        for faulty in [
            cut(0).to_owned(),
            cut(text.len() - 1).to_owned(),
            format!("{text}\n"),
            text.repeat(2),
            format!("{}!", cut(text.len() - 1)),
            format!("{}!{}", cut(text.len() - 3), &text[text.len() - 2..]),
        ] {
            check("from invalid text", false, &|| read(&faulty).is_ok());
        }
    }

    let key = || TripletKey::from_bytes(&mut counting(MASTER_KEY)).unwrap();
    let hashed = || TripletKey::insecure_sha256_of(CREDENTIAL);
    // This is the hash that the search looks for.
    let known = TripletKey::from_bytes(&mut HASH.clone()).unwrap();
    let row = known.encrypt(&"s".into(), IvLen::Twelve).unwrap();
    check("a hash", true, &|| hashed().decrypt(&row).is_ok());
    for iv_len in [IvLen::Twelve, IvLen::Sixteen] {
        let secret = Secret::from(CREDENTIAL);
        let wrap = |bytes: &[u8]| key().encrypt(&Secret::from(bytes), iv_len).unwrap();
        let row = wrap(CREDENTIAL.as_bytes());
        check("encrypt", true, &|| key().encrypt(&secret, iv_len).is_ok());
        check("encrypt, hashed", true, &|| hashed().encrypt(&secret, iv_len).is_ok());
        check("encrypt from zeros", false, &|| {
            key().encrypt_with_rng(&secret, iv_len, &mut Zeros).is_ok()
        });
        check("decrypt", true, &|| key().decrypt(&row).is_ok());
        check("decrypt with another key", false, &|| hashed().decrypt(&row).is_ok());
        check("decrypt with unexpected associated data", false, &|| {
            key().decrypt_with_associated_data(&row, b"row").is_ok()
        });
        let mut tag = *row.tag();
        tag[15] ^= 1;
        let altered = Triplet::from_parts(row.iv(), &tag, row.ciphertext()).unwrap();
        check("decrypt an altered row", false, &|| key().decrypt(&altered).is_ok());

        let bytes = counting(DATA_KEY);
        let wrapped = wrap(&bytes);
        check("unwrap", true, &|| key().unwrap_key(&wrapped).is_ok());
        check("unwrap with another key", false, &|| hashed().unwrap_key(&wrapped).is_ok());
        for no_key in [&bytes[..31], &bytes[..16], &bytes.repeat(2), &[DATA_KEY; 32]] {
            let wrapped = wrap(no_key);
            let told = |error: &TripletError| match no_key.len() {
                32 => matches!(error, TripletError::Key { .. }),
                _ => matches!(error, TripletError::Malformed { .. }),
            };
            check("unwrap a row that holds no key", true, &|| {
                key().unwrap_key(&wrapped).is_err_and(|error| told(&error))
            });
        }
    }
    assert_eq!(tried, 6 + 2 * 7 + 1 + 2 * 13);
}

/// A recorder that is ready.
struct Recorder;

impl OpenRecorder for Recorder {
    fn record<'a>(
        &'a self,
        event: &'a OpenEvent<'a>,
    ) -> ProviderFuture<'a, Result<(), RecorderError>> {
        // Has room for more than it holds.
        let mut line = String::with_capacity(1024);
        line.push_str(event.outcome().name());
        drop(line);
        ProviderFuture::ready(Ok(()))
    }
}

/// A master key behind a network. It replies now or after a few polls, or it panics.
struct Remote {
    key: MasterKey,
    polls: usize,
    wrong: bool,
    panics: bool,
}

impl Remote {
    async fn network_trip(&self) {
        let mut left = self.polls;
        poll_fn(|context| {
            left = left.saturating_sub(1);
            if left == 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        if self.panics {
            // Panics without a message, because the panic is part of the test.
            resume_unwind(Box::new(()));
        }
    }
}

impl KeyWrapper for Remote {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.network_trip().await;
            self.key.wrap_key(request).await
        })
    }
}

impl MasterKeyProvider for Remote {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        ProviderFuture::boxed(async move {
            self.network_trip().await;
            let mut data_key = self.key.unwrap_key(request).await?;
            if self.wrong {
                data_key = DataKey::from_bytes(&mut counting(1))?;
            }
            self.network_trip().await;
            Ok(data_key)
        })
    }
}

/// Polls a number of times, then drops the future. A result that is ready by then is dropped too.
fn polled<T>(mut future: impl Future<Output = T> + Unpin, times: usize) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match Pin::new(&mut future).poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    })
}

#[test]
fn no_async_verb_frees_a_block_that_holds_a_secret() {
    let context = context();
    let secret = Secret::from(CREDENTIAL);
    let mut ready = 0;
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        for (remote, polls) in [(false, 1), (true, 1), (true, 3)] {
            for wrong in [false, true] {
                let prod = |panics| -> Keyring {
                    let (id, key) = ("prod".parse().unwrap(), master_key(MASTER_KEY));
                    let ring = if remote {
                        Keyring::new(id, Remote { key, polls, wrong, panics }).unwrap()
                    } else {
                        Keyring::new(id, key).unwrap()
                    };
                    ring.with_suite(suite)
                };
                let next = |panics| {
                    let ring = Keyring::new("next".parse().unwrap(), master_key(1)).unwrap();
                    let (id, key) = ("prod".parse().unwrap(), master_key(MASTER_KEY));
                    if remote {
                        ring.with_retired(id, Remote { key, polls, wrong, panics }).unwrap()
                    } else {
                        ring.with_retired(id, key).unwrap()
                    }
                };
                let ring = prod(false);
                let sealed = ring.seal_async_with_rng(&secret, &context, &mut Drawn);
                let envelope = pollster::block_on(sealed).unwrap();
                for panics in [false, true] {
                    // Cancelled after each poll, and polled to the end.
                    for times in 0..24 {
                        let row = format!(
                            "{suite} remote {remote} {polls} wrong {wrong} {panics} {times}"
                        );
                        let quietly = |verb: &mut dyn FnMut() -> bool| {
                            catch_unwind(AssertUnwindSafe(verb)).unwrap_or_default()
                        };
                        let mut check = |name: &str, verb: &mut dyn FnMut() -> bool| {
                            let before = FREED_SECRETS.get();
                            ready += usize::from(quietly(verb));
                            assert_eq!(FREED_SECRETS.get() - before, 0, "{name}: {row}");
                        };
                        check("seal", &mut || {
                            let ring = prod(panics);
                            polled(ring.seal_async_with_rng(&secret, &context, &mut Drawn), times)
                                .is_some()
                        });
                        check("open", &mut || {
                            polled(prod(panics).open_async(&envelope, &context), times).is_some()
                        });
                        check("verify", &mut || {
                            polled(prod(panics).verify_async(&envelope), times).is_some()
                        });
                        check("rewrap", &mut || {
                            polled(next(panics).rewrap_async(&envelope), times).is_some()
                        });
                    }
                }
            }
        }
    }
    assert!(ready > 1000, "only {ready} calls finished");
}
