//! Compares the page *operations* with the code: every variant of every error has one row, and its class is the one
//! that the error returns. The variants are read from the source, and the test provokes a value of each.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;

use rand_core::{TryCryptoRng, TryRng};
use sealwax::triplet::{IvLen, Layout, Triplet, TripletError, TripletKey};
use sealwax::{
    ContextError, DataKey, Draft, EncryptionContext, Envelope, ErrorClass, FormatError, KeyError,
    KeyId, KeyWrapper, Keyring, KeyringError, LineProblem, MasterKey, MasterKeyProvider, OpenError,
    OpenEvent, OpenRecorder, ProviderError, ProviderErrorKind, ProviderFuture, RecorderError,
    RewrapError, SealError, Secret, Suite, UnwrapError, UnwrapRequest, WrapKind, WrapRequest,
    WrappedKey,
};

const PAGE: &str = include_str!("../src/docs/operations.md");
const PROVIDERS_PAGE: &str = include_str!("../src/docs/providers.md");

const VERBS: &str = include_str!("../src/verbs/errors.rs");
const FORMAT: &str = include_str!("../src/format/error.rs");
const CLASSES: &str = include_str!("../src/format/error_class.rs");
const CONTEXT: &str = include_str!("../src/format/context.rs");
const SURROUNDING: &str = include_str!("../src/format/surrounding.rs");
const KEYS: &str = include_str!("../src/secret/key_bytes.rs");
const KEYRINGS: &str = include_str!("../src/keys/keyring/errors.rs");
const RELOADS: &str = include_str!("../src/keys/keyring/replacing.rs");
const PROVIDERS: &str = include_str!("../src/keys/provider_error.rs");
const TRIPLETS: &str = include_str!("../src/triplet.rs");

// What the pages and the source say.

fn first_word(text: &str) -> String {
    text.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Returns the variants of an enum in its source.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source.split_once(&format!("\npub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let members = body.lines().filter_map(|line| line.strip_prefix("    "));
    let named = members.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    named.map(first_word).collect()
}

/// Returns the text between the heading with this ending and the next heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let mut headings = page.split("\n#").filter(|section| {
        section.lines().next().is_some_and(|first| first.trim_start_matches('#').ends_with(heading))
    });
    let found = headings.next();
    assert!(headings.next().is_none(), "two headings end with {heading}");
    found.unwrap_or_else(|| panic!("no heading ends with {heading}"))
}

/// Finds the table in a section whose first column has this name. Returns the cells of another column by the names in
/// the first.
fn column(section: &str, first: &str, wanted: &str) -> BTreeMap<String, String> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = section.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
    let header = cells(lines.next().unwrap_or_else(|| panic!("no table: {first}")));
    let place = header.iter().position(|name| name == wanted).unwrap();
    let mut found = BTreeMap::new();
    for row in lines.skip(1).take_while(|line| line.starts_with('|')).map(cells) {
        for name in row[0].split(", ").map(|name| name.trim_matches('`')) {
            let before = found.insert(name.to_owned(), row[place].clone());
            assert!(before.is_none(), "two rows: {name}");
        }
    }
    found
}

fn names(column: &BTreeMap<String, String>) -> BTreeSet<String> {
    column.keys().cloned().collect()
}

// What the errors return.

trait Data: fmt::Debug {
    fn class_and_name(&self) -> (ErrorClass, &'static str);

    /// If the class is that of another error: how the page says so, and the class of that error.
    fn inner(&self) -> Option<(&'static str, ErrorClass)>;

    fn variant(&self) -> String {
        first_word(&format!("{self:?}"))
    }
}

const OF_SOURCE: &str = "that of `source`";
const OF_UNWRAP: &str = "that of the `UnwrapError`";

macro_rules! data {
    ($($error:ident { $($pattern:pat => $inner:expr),* })+) => {$(
        impl Data for $error {
            fn class_and_name(&self) -> (ErrorClass, &'static str) {
                (self.class(), self.name())
            }

            fn inner(&self) -> Option<(&'static str, ErrorClass)> {
                match self {
                    $($pattern => Some($inner),)*
                    _ => None,
                }
            }
        }
    )+};
}

data!(
    UnwrapError { Self::Provider { source, .. } => (OF_SOURCE, source.class()) }
    OpenError {
        Self::Unwrap(error) => (OF_UNWRAP, error.class()),
        Self::NotRecorded { source, .. } => (OF_SOURCE, source.class())
    }
    SealError { Self::Wrap { source, .. } => (OF_SOURCE, source.class()) }
    RewrapError {
        Self::Unwrap(error) => (OF_UNWRAP, error.class()),
        Self::Wrap { source, .. } => (OF_SOURCE, source.class())
    }
    FormatError {}
    ContextError {}
    KeyError {}
    KeyringError {}
    TripletError {}
);

impl Data for ProviderErrorKind {
    fn class_and_name(&self) -> (ErrorClass, &'static str) {
        let error = ProviderError::from(*self);
        (error.class(), error.name())
    }

    fn inner(&self) -> Option<(&'static str, ErrorClass)> {
        None
    }
}

fn snake_case(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Compares the rows of a table with the variants of an enum and a value of each. Returns the number of variants.
fn compare(
    rows: &BTreeMap<String, String>,
    expected: &BTreeSet<String>,
    errors: &[&dyn Data],
) -> usize {
    assert_eq!(&names(rows), expected, "the rows differ from the variants in the source");
    let mut provoked = BTreeSet::new();
    for error in errors {
        let (variant, (class, name)) = (error.variant(), error.class_and_name());
        let cell = &rows[&variant];
        match error.inner() {
            Some((words, inner)) => {
                assert_eq!(cell, words, "{error:?}");
                assert_eq!(class, inner, "{error:?}");
            }
            None => assert_eq!(cell, &format!("{class:?}"), "{error:?}"),
        }
        if variant != "Unwrap" {
            assert_eq!(name, snake_case(&variant));
        }
        provoked.insert(variant);
    }
    // It is the error of a build without the feature.
    let unprovoked = if cfg!(feature = "hpke") { "NeedsFeature" } else { "" };
    provoked.extend(expected.get(unprovoked).cloned());
    assert_eq!(&provoked, expected, "the provoked variants differ from those in the source");
    provoked.len()
}

// How the test provokes each error.

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

/// Returns 32 bytes that count up from `first`.
fn counting(first: u8) -> [u8; 32] {
    std::array::from_fn(|n| first.wrapping_add(u8::try_from(n).unwrap()))
}

fn key(first: u8) -> MasterKey {
    MasterKey::from_bytes(&mut counting(first)).unwrap()
}

fn key_text(first: u8) -> String {
    key(first).to_text().expose_str().unwrap().to_owned()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("tenant", "acme")]).unwrap()
}

fn ring() -> Keyring {
    Keyring::new(id("prod-2026"), key(0)).unwrap()
}

/// Returns a keyring without the key of `sealed()`.
fn other_ring() -> Keyring {
    Keyring::new(id("prod-2027"), key(1)).unwrap()
}

fn sealed() -> Envelope {
    ring().seal_with_rng(&Secret::from("sk-1"), &context(), &mut Steps(1)).unwrap()
}

fn of_a_test() -> Envelope {
    let ring = Keyring::new(id("test/a"), MasterKey::generate_for_tests(1)).unwrap();
    ring.seal_with_rng(&Secret::from("sk-1"), &context(), &mut Steps(1)).unwrap()
}

/// Returns an envelope that a service's key wraps, and its data key.
fn of_service() -> (Envelope, DataKey) {
    let secret = Secret::from("sk-1");
    let draft = Draft::new_with_rng(&secret, &context(), Suite::default(), &mut Steps(1)).unwrap();
    let data_key = draft.data_key().duplicate();
    let wrap = WrappedKey::new(id("kms"), WrapKind::Provider, b"body").unwrap();
    (draft.finish(vec![wrap]).unwrap(), data_key)
}

/// Returns the same envelope with one bit flipped, at this offset.
fn flipped(envelope: &Envelope, offset: usize) -> Envelope {
    let mut bytes = envelope.as_bytes().to_vec();
    bytes[offset] ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

/// Offsets in `sealed()`, which has one local wrap under an id of nine characters.
const SALT: usize = 22;
const MAC: usize = 110;
const CIPHERTEXT: usize = 154;

/// The behaviour of a key service.
#[derive(Clone, Copy)]
enum Service {
    Refuses(ProviderErrorKind),
    Waits,
    UnwrapsAnother,
}

impl Service {
    fn does<'a, T: Send + 'a>(
        self,
        otherwise: Result<T, ProviderError>,
    ) -> ProviderFuture<'a, Result<T, ProviderError>> {
        match self {
            Self::Refuses(kind) => ProviderFuture::ready(Err(kind.into())),
            Self::Waits => ProviderFuture::boxed(async { otherwise }),
            Self::UnwrapsAnother => ProviderFuture::ready(otherwise),
        }
    }
}

impl KeyWrapper for Service {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.does(Ok(b"body".to_vec()))
    }
}

impl MasterKeyProvider for Service {
    fn unwrap_key<'a>(
        &'a self,
        _: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.does(Ok(DataKey::from_bytes(&mut counting(0x80)).unwrap()))
    }
}

/// Returns a keyring that opens through a service.
fn opens_by(service: Service) -> Keyring {
    other_ring().with_retired(id("kms"), service).unwrap()
}

/// Returns a keyring that wraps through a service, and opens `sealed()`.
fn wraps_by(service: Service) -> Keyring {
    Keyring::new(id("kms"), service).unwrap().with_retired(id("prod-2026"), key(0)).unwrap()
}

/// A recorder that fails.
struct Fails(RecorderError);

impl OpenRecorder for Fails {
    fn record<'a>(&'a self, _: &'a OpenEvent<'a>) -> ProviderFuture<'a, Result<(), RecorderError>> {
        ProviderFuture::ready(Err(self.0.clone()))
    }
}

/// An RNG that counts up.
struct Steps(u8);

/// An RNG that fails.
struct Dry;

macro_rules! rng {
    ($rng:ty, $error:ty, $fill:expr) => {
        impl TryRng for $rng {
            type Error = $error;

            fn try_next_u32(&mut self) -> Result<u32, $error> {
                let mut bytes = [0; 4];
                self.try_fill_bytes(&mut bytes)?;
                Ok(u32::from_le_bytes(bytes))
            }

            fn try_next_u64(&mut self) -> Result<u64, $error> {
                let mut bytes = [0; 8];
                self.try_fill_bytes(&mut bytes)?;
                Ok(u64::from_le_bytes(bytes))
            }

            fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), $error> {
                let fill: fn(&mut Self, &mut [u8]) -> Result<(), $error> = $fill;
                fill(self, target)
            }
        }

        impl TryCryptoRng for $rng {}
    };
}

rng!(Steps, Infallible, |steps, target| {
    for byte in target {
        *byte = steps.0;
        steps.0 = steps.0.wrapping_add(1);
    }
    Ok(())
});
rng!(Dry, fmt::Error, |_, _| Err(fmt::Error));

const KINDS: [ProviderErrorKind; 9] = [
    ProviderErrorKind::NotFound,
    ProviderErrorKind::Denied,
    ProviderErrorKind::Unauthenticated,
    ProviderErrorKind::Disabled,
    ProviderErrorKind::Throttled,
    ProviderErrorKind::Unavailable,
    ProviderErrorKind::WrongKeyMaterial,
    ProviderErrorKind::Rejected,
    ProviderErrorKind::Other,
];

fn unwrap_errors() -> Vec<UnwrapError> {
    let (by_service, sealed) = (of_service().0, sealed());
    let prod = || id("prod-2026");
    let local = [
        (other_ring(), sealed.clone()),
        (other_ring().with_disabled(prod()).unwrap(), sealed.clone()),
        (other_ring().with_leaked(prod()).unwrap(), sealed.clone()),
        (other_ring().with_destroyed(prod()).unwrap(), sealed.clone()),
        (other_ring().with_retired(prod(), key(2)).unwrap(), sealed.clone()),
        (other_ring().with_retired(prod(), Service::Waits).unwrap(), sealed.clone()),
        (ring(), flipped(&sealed, SALT)),
        (ring(), flipped(&sealed, MAC)),
        (opens_by(Service::UnwrapsAnother), by_service.clone()),
        (opens_by(Service::Waits), by_service.clone()),
        (ring(), of_a_test()),
    ];
    let refused = KINDS.map(|kind| (opens_by(Service::Refuses(kind)), by_service.clone()));
    let all = local.into_iter().chain(refused);
    all.map(|(ring, row)| ring.verify(&row).unwrap_err()).collect()
}

fn open_errors() -> Vec<OpenError> {
    let (ring, sealed, empty) = (ring(), sealed(), EncryptionContext::empty());
    let fails = |error| ring.clone().with_recorder(Fails(error)).open(&sealed, &context());
    let own = [
        fails(RecorderError::new("full")).unwrap_err(),
        fails(RecorderError::transient("locked")).unwrap_err(),
        ring.open(&sealed, &empty).unwrap_err(),
        ring.open(&flipped(&sealed, CIPHERTEXT), &context()).unwrap_err(),
    ];
    own.into_iter().chain(unwrap_errors().into_iter().map(OpenError::from)).collect()
}

fn seal_errors() -> Vec<SealError> {
    let secret = Secret::from("sk-1");
    let by = |ring: &Keyring| ring.seal_with_rng(&secret, &context(), &mut Steps(1)).unwrap_err();
    let long = Secret::from(vec![0; 16_777_217]);
    let own = [
        ring().seal_with_rng(&secret, &context(), &mut Dry).unwrap_err(),
        ring().seal_with_rng(&long, &context(), &mut Steps(1)).unwrap_err(),
        by(&Keyring::opening_only()),
        by(&wraps_by(Service::Waits)),
    ];
    let refused = KINDS.map(|kind| by(&wraps_by(Service::Refuses(kind))));
    own.into_iter().chain(refused).collect()
}

fn rewrap_errors() -> Vec<RewrapError> {
    let (by_service, data_key) = of_service();
    let own = [
        Keyring::opening_only().rewrap(&sealed()).unwrap_err(),
        wraps_by(Service::Waits).rewrap(&sealed()).unwrap_err(),
        wraps_by(Service::UnwrapsAnother).rewrap(&sealed()).unwrap_err(),
        by_service.rewrap_with(&data_key, Vec::new()).unwrap_err(),
    ];
    let refused = KINDS.map(|kind| wraps_by(Service::Refuses(kind)).rewrap(&sealed()).unwrap_err());
    let unwraps = unwrap_errors().into_iter().map(RewrapError::from);
    own.into_iter().chain(refused).chain(unwraps).collect()
}

fn key_errors() -> Vec<KeyError> {
    let (text, mistyped) = (key_text(0), key_text(0).replacen("swk1_A", "swk1_B", 1));
    let keys = [
        MasterKey::from_bytes(&mut [7; 31]),
        MasterKey::from_bytes(&mut [7; 32]),
        "nonsense".parse(),
        text.replacen("swk1_", "swa1_", 1).parse(),
        mistyped.parse(),
        format!("{text}\n").parse(),
        format!("KEY={text}").parse(),
        MasterKey::generate_with_rng(&mut Dry),
    ];
    let own = keys.map(|key| key.err().unwrap());
    let of_line = format!("primary a {}", text.replacen("swk1_", "swo1_", 1)).parse::<Keyring>();
    let needs_feature = match of_line {
        Err(KeyringError::Line { problem: LineProblem::Key { source, .. }, .. }) => Some(source),
        _ => None,
    };
    let others = TripletKey::from_hex("nonsense").err().into_iter().chain(needs_feature);
    own.into_iter().chain(others).collect()
}

fn keyring_errors() -> Vec<KeyringError> {
    let [first, second] = [key_text(0), key_text(1)];
    let escrows = (1..9).map(|n| format!("escrow e{n} {}\n", key_text(n)));
    let disabled = (0..1024).map(|n| format!("disabled d{n}\n"));
    let primary = format!("primary a {first}\n");
    let texts = [
        String::new(),
        format!("{primary}primary b {second}"),
        format!("{primary}retired A {second}"),
        format!("{primary}retired b {first}"),
        format!("\"{primary}\""),
        format!("{primary}retired b nonsense"),
        escrows.fold(primary.clone(), |text, line| text + &line),
        disabled.fold(primary.clone(), |text, line| text + &line),
    ];
    let (_, bare) = first.split_once("swk1_").unwrap();
    let parsed = texts.map(|text| text.parse::<Keyring>().unwrap_err());
    let built = [
        Keyring::new(id(bare), key(1)),
        Keyring::new(id("prod-2026"), MasterKey::generate_for_tests(1)),
        Keyring::new(id("test/a"), key(1)),
    ];
    parsed.into_iter().chain(built.into_iter().filter_map(Result::err)).collect()
}

fn triplet_errors() -> Vec<TripletError> {
    let key = TripletKey::insecure_sha256_of("abc");
    let encrypt = |secret: Secret| key.encrypt_with_rng(&secret, IvLen::Twelve, &mut Steps(1));
    let triplet = encrypt(Secret::from("sk-1")).unwrap();
    let weak = encrypt(Secret::from([7_u8; 32].as_slice())).unwrap();
    vec![
        Triplet::parse("nonsense", Layout::HEX_IV12_TAG_CIPHERTEXT).unwrap_err(),
        triplet.encode(Layout::HEX_IV16_TAG_CIPHERTEXT).unwrap_err(),
        TripletKey::insecure_sha256_of("another").decrypt(&triplet).unwrap_err(),
        key.unwrap_key(&weak).err().unwrap(),
        encrypt(Secret::from(vec![0; 16_777_217])).unwrap_err(),
        key.encrypt_with_rng(&Secret::from("sk-1"), IvLen::Twelve, &mut Dry).unwrap_err(),
    ]
}

fn context_errors() -> Vec<ContextError> {
    let many = (0..33).map(|n| (n.to_string(), "")).collect();
    let pair = |name: &str, value: String| EncryptionContext::new([(name.to_owned(), value)]);
    let twice = EncryptionContext::new([("a", ""), ("a", "")]);
    let many: Vec<(String, &str)> = many;
    let hosts = |hosts: &[&str]| EncryptionContext::empty().with_hosts(hosts);
    let contexts = [
        EncryptionContext::new(many),
        pair("", String::new()),
        pair("a", "x".repeat(1025)),
        twice,
        pair("sw1/holds", String::new()),
        hosts(&[]),
        hosts(&["A"]),
        hosts(&["a", "a"]),
    ];
    contexts.map(|context| context.unwrap_err()).into()
}

fn as_data<E: Data>(errors: &[E]) -> Vec<&dyn Data> {
    errors.iter().map(|error| -> &dyn Data { error }).collect()
}

#[test]
fn every_error_has_one_row_and_its_class_is_the_codes() {
    let of = |name: &str, source: &str, errors: &[&dyn Data]| {
        let rows = column(section(PAGE, &format!("`{name}`")), "Error", "Class");
        compare(&rows, &variants(source, name), errors)
    };
    let formats = ["nonsense", "sw2:x"].map(|text| text.parse::<Envelope>().unwrap_err());
    let compared = [
        of("UnwrapError", VERBS, &as_data(&unwrap_errors())),
        of("OpenError", VERBS, &as_data(&open_errors())),
        of("SealError", VERBS, &as_data(&seal_errors())),
        of("RewrapError", VERBS, &as_data(&rewrap_errors())),
        of("ProviderErrorKind", PROVIDERS, &as_data(&KINDS)),
        of("FormatError", FORMAT, &as_data(&formats)),
        of("ContextError", CONTEXT, &as_data(&context_errors())),
        of("KeyError", KEYS, &as_data(&key_errors())),
        of("KeyringError", KEYRINGS, &as_data(&keyring_errors())),
        of("TripletError", TRIPLETS, &as_data(&triplet_errors())),
    ];
    assert_eq!(compared, [11, 4, 5, 6, 9, 2, 8, 9, 10, 6]);
}

#[test]
fn the_page_for_authors_of_providers_says_the_same_of_each_kind() {
    let section = section(PROVIDERS_PAGE, " Error kinds");
    let expected = variants(PROVIDERS, "ProviderErrorKind");
    assert_eq!(compare(&column(section, "Kind", "Class"), &expected, &as_data(&KINDS)), 9);
    // The errors that each kind becomes when an envelope is opened.
    let rows = column(section, "Kind", "`UnwrapError`");
    for kind in KINDS {
        let error = opens_by(Service::Refuses(kind)).verify(&of_service().0).unwrap_err();
        assert_eq!(rows[&kind.variant()], format!("`{}`", error.variant()));
    }
}

#[test]
fn every_class_problem_and_surrounding_has_one_row() {
    for (heading, first, second, source, name, count) in [
        (" From error to action", "Class", "Meaning", CLASSES, "ErrorClass", 7),
        (" Reloading keys", "Problem", "Meaning", RELOADS, "ReloadProblem", 7),
        (" What surrounds a text", "`Surrounding`", "Comes from", SURROUNDING, "Surrounding", 15),
    ] {
        let (rows, expected) =
            (column(section(PAGE, heading), first, second), variants(source, name));
        assert_eq!(names(&rows), expected);
        assert_eq!(rows.len(), count);
    }
}
