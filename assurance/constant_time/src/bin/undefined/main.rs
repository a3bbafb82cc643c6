//! Runs every operation under Valgrind with secrets that are marked as undefined: no branch and no
//! address may depend on one.
//!
//! Results that everybody may see are marked as public when the library returns them. Where the
//! library itself branches on a verdict, `verdicts.supp` names the function and says why it may.

mod given;
mod keys;
mod memcheck;
mod pairs;
mod rows;
mod tokens;
mod verbs;

use std::cell::Cell;
use std::hint::black_box;
use std::process::ExitCode;

use sealwax::{KeyWrapper, MasterKeyProvider, Suite, UnwrapRequest, WrapRequest};

pub const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];
/// Lengths below, at and above what the ciphers process at once.
pub const LENS: [usize; 5] = [0, 1, 51, 256, 4099];

thread_local! {
    static OPERATIONS: Cell<usize> = const { Cell::new(0) };
    static KNOWN: Cell<usize> = const { Cell::new(0) };
    static REPORTS: Cell<usize> = const { Cell::new(0) };
}

/// Runs an operation, and prints how many reports it caused, if any.
pub fn operation(name: &str, work: impl FnOnce()) {
    // In Valgrind's log, the reports follow this line.
    eprintln!("operation: {name}");
    let before = memcheck::reports();
    work();
    let reports = memcheck::reports() - before;
    OPERATIONS.set(OPERATIONS.get() + 1);
    REPORTS.set(REPORTS.get() + reports);
    if reports > 0 {
        println!("WRONG: {name}: {reports} reports");
    }
}

/// Runs an operation that by its nature looks at each character of a secret.
///
/// It must take the same path for all secrets of a kind: each branch that is reported for one secret
/// is reported for the others, and as often.
pub fn known(name: &str, secrets: usize, work: impl Fn(usize)) {
    eprintln!("known: {name}");
    let reports = |secret| {
        let before = memcheck::reports();
        work(secret);
        memcheck::reports() - before
    };
    // The first run also does what is done only once.
    reports(0);
    let first = reports(0);
    let alike = (1..secrets).all(|secret| reports(secret) == first);
    KNOWN.set(KNOWN.get() + 1);
    println!(
        "known: {name}: {first} reports, {}",
        if alike { "as many for another secret" } else { "WRONG" }
    );
    REPORTS.set(REPORTS.get() + usize::from(!alike || first == 0));
}

/// Runs a control, and returns whether it was caught if, and only if, that is expected.
fn control(name: &str, expected: bool, work: impl FnOnce()) -> bool {
    eprintln!("control: {name}");
    let before = memcheck::reports();
    work();
    let caught = memcheck::reports() > before;
    if caught != expected {
        println!("WRONG: control {name}: caught is {caught}");
    }
    caught == expected
}

/// Compares as a comparison must not: it ends at the first difference.
#[inline(never)]
fn ends_early(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(a, b)| a == b)
}

/// Decodes as a decoder must not: it uses a secret as an index.
#[inline(never)]
fn looks_up(table: &[u8; 256], digits: &[u8]) -> u8 {
    digits.iter().fold(0, |sum, digit| sum ^ table[usize::from(*digit)])
}

/// Tests the test: returns for each control whether it behaved as expected.
fn controls() -> Vec<bool> {
    let table: [u8; 256] = std::array::from_fn(|i| u8::try_from(i).unwrap_or(0) ^ 0x5a);
    let table = black_box(table);
    let mut caught = vec![
        control("a comparison that ends early", true, || {
            black_box(ends_early(&given::bytes(1), &given::public_bytes(1)));
        }),
        control("a table that is indexed by a secret", true, || {
            black_box(looks_up(&table, &given::bytes(1)));
        }),
        control("a secret that was made public", false, || {
            let bytes = given::bytes(1);
            memcheck::public(&bytes);
            black_box(ends_early(&bytes, &given::public_bytes(1)));
        }),
        control("a verdict that was made public", false, || {
            let (one, other) = (given::credential(9), given::credential(9));
            assert!(memcheck::public_verdict(one == other));
        }),
    ];
    caught.extend(SUITES.map(what_a_secret_enters_is_secret));
    caught
}

/// Returns whether the output of the ciphers counts as secret until it is made public.
///
/// An absence of reports would mean little if Valgrind lost track of a secret in the ciphers' instructions.
fn what_a_secret_enters_is_secret(suite: Suite) -> bool {
    let (context, zeros) = (given::context(), [0; 64]);
    let sealed = given::sealed(suite, 51);
    let encrypts = control(&format!("a ciphertext of {suite}"), true, || {
        let ring = given::keyring(suite);
        let envelope = ring.seal_with_rng(&given::credential(51), &context, &mut given::drawn());
        black_box(ends_early(envelope.expect("sealed").ciphertext(), &zeros));
    });
    let decrypts = control(&format!("a plaintext of {suite}"), true, || {
        let opened = given::keyring(suite).open(&sealed, &context).expect("opened");
        black_box(ends_early(opened.expose_secret(), &zeros));
    });
    let encodes = control("a key as text", true, || {
        black_box(ends_early(&given::master_key(1).to_text().expose_secret()[5..], &zeros));
    });
    encrypts && decrypts && encodes && hashes(suite)
}

/// Returns the same for HMAC: compares a salt byte by byte, and branches on an unwrapped data key.
fn hashes(suite: Suite) -> bool {
    let (prod, commitment) = (given::id("prod"), [7; 32]);
    let (master, data_key) = (given::master_key(1), given::data_key(99));
    let wrapped = || {
        let request = WrapRequest::new(&prod, suite, &commitment, &data_key);
        master.wrap_key(request).into_ready().expect("ready").expect("a wrap")
    };
    let salt = control(
        &format!("the salt of a wrap in {suite}, compared up to the first difference"),
        true,
        || {
            black_box(ends_early(&wrapped()[4..28], &[0; 24]));
        },
    );
    let unwrapped = control(&format!("a branch on a data key unwrapped in {suite}"), true, || {
        let body = wrapped();
        memcheck::public(&body);
        let request = UnwrapRequest::new(&prod, suite, &commitment, &body);
        let unwrapped =
            master.unwrap_key(request).into_ready().expect("ready").expect("a data key");
        black_box(ends_early(&unwrapped.expose_secret()[31..], &[0]));
    });
    salt && unwrapped
}

/// Returns the features by which the ciphers and the hash choose their backends.
fn processor() -> String {
    let features = [
        ("aes", is_x86_feature_detected!("aes")),
        ("vaes", is_x86_feature_detected!("vaes")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("sha", is_x86_feature_detected!("sha")),
    ];
    features.map(|(name, there)| format!("{}{name}", if there { "" } else { "no " })).join(", ")
}

/// The counts that are expected. The documentation has the same figures.
const ALL_OPERATIONS: [(&str, usize, fn()); 6] = [
    ("envelopes, in both suites", 122, verbs::operations),
    ("comparisons", 5, verbs::compared),
    ("keys", 23, keys::operations),
    ("pairs", 27, pairs::operations),
    ("rows", 37, rows::operations),
    ("tokens", 23, tokens::operations),
];
const ALL_KNOWN: usize = 3;

/// Runs every operation, and returns how many there were of each sort, in words.
fn operations() -> String {
    let sorts = ALL_OPERATIONS.map(|(sort, expected, operations)| {
        let before = OPERATIONS.get();
        operations();
        let count = OPERATIONS.get() - before;
        assert_eq!(count, expected, "{sort}: the number of operations has changed");
        format!("{sort} {count}")
    });
    sorts.join(", ")
}

/// Runs the operations that are known to look at each character.
fn all_known() -> ExitCode {
    keys::known();
    rows::known();
    let (known, wrong) = (KNOWN.get(), REPORTS.get());
    println!("known: {known} operations look at each character; {wrong} depend on the secret");
    assert_eq!(known, ALL_KNOWN, "the number of known operations has changed");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    if !memcheck::is_watching() {
        eprintln!("this needs Valgrind: run.sh runs it");
        return ExitCode::from(2);
    }
    match std::env::args().nth(1).as_deref() {
        Some("known") => return all_known(),
        // For callgrind, which sees what runs but reports nothing.
        Some("run") => {
            operations();
            return ExitCode::SUCCESS;
        }
        _ => (),
    }
    println!("processor, as seen under Valgrind: {}", processor());
    let controls = controls();
    let sorts = operations();
    let caught = controls.iter().filter(|caught| **caught).count();
    let (operations, reports) = (OPERATIONS.get(), REPORTS.get());
    // Each suite counts as an operation of its own, and so does each length of the plaintext.
    println!("operations: {operations} ({sorts}): {reports} reports");
    println!("controls: {caught} of {} as expected", controls.len());
    if reports == 0 && caught == controls.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
