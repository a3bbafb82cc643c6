//! Compares the crate with readers and writers in other languages, which were written from the
//! format page alone.
//!
//! Rows go both ways, and every reader gives the same result for a row: the same plaintext, or the
//! same class of error. If a language is not installed, its tests say so and pass, unless
//! `SEALWAX_REQUIRE_INTEROP` is set. `SEALWAX_INTEROP_ROWS` sets how many rows go each way, at
//! least 2,000. `SEALWAX_INTEROP_SEED` repeats the rows of a run that failed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use sealwax::{EncryptionContext, Envelope};
use serde_json::{Value, json};

mod edges;
mod faults;
mod known_answers;
mod language;
mod outcome;
mod rows;

use language::{Language, NODE, PYTHON};
use outcome::{Question, tally};
use rows::{Form, Row, Seeded, hex, unhex};

/// Returns how many rows go each way.
fn count() -> usize {
    let rows = env::var("SEALWAX_INTEROP_ROWS").map_or(10_000, |rows| rows.parse().unwrap());
    assert!(rows >= 2_000, "too few for every class of fault");
    rows
}

/// A different seed in every run. It is printed, so that a failing test shows it.
static SEED: LazyLock<u64> = LazyLock::new(|| match env::var("SEALWAX_INTEROP_SEED") {
    Ok(seed) => seed.parse().unwrap(),
    Err(_) => RandomState::new().hash_one("sealwax"),
});

fn seeded() -> Seeded {
    println!("SEALWAX_INTEROP_SEED={}", *SEED);
    Seeded(*SEED)
}

/// The crate seals, in both suites and for one to four keys. The other language opens both forms,
/// with the whole keyring or with one of its keys.
fn opens(language: &Language) {
    if !language.is_here() {
        return;
    }
    let mut random = seeded();
    let (mut lines, mut plaintexts) = (Vec::new(), Vec::new());
    for number in 0..count() {
        let row = Row::draw(&mut random);
        let sealed = row.sealed(&mut random);
        assert_eq!((sealed.suite(), sealed.key_ids().count()), (row.suite, row.keys.len()));
        let envelope = if number % 2 == 0 {
            Form::Text(sealed.to_string())
        } else {
            Form::Binary(sealed.as_bytes().to_vec())
        };
        let keyring = if random.once_in(2) { row.keyring.clone() } else { row.opener(&mut random) };
        lines.push(Question { envelope, keyring, pairs: row.pairs }.line());
        plaintexts.push(row.plaintext);
    }
    let answers = language.answers("open", &lines);
    for (number, (answer, plaintext)) in answers.iter().zip(&plaintexts).enumerate() {
        assert_eq!(*answer, json!({ "plaintext": hex(plaintext) }), "{}", lines[number]);
    }
    println!("{}: {} rows of the crate opened", language.name, answers.len());
}

/// The other language seals. The crate opens both forms, with the whole keyring and with each of
/// its keys.
fn seals(language: &Language) {
    if !language.is_here() {
        return;
    }
    let mut random = seeded();
    let rows: Vec<Row> = (0..count()).map(|_| Row::draw(&mut random)).collect();
    let lines: Vec<String> = rows.iter().map(Row::to_seal).collect();
    let answers = language.answers("seal", &lines);
    let mut opened = 0;
    for (row, answer) in rows.iter().zip(&answers) {
        assert!(answer["error"].is_null(), "{answer}: {}", row.to_seal());
        let context = row.context();
        let [text, binary, encoded] =
            ["text", "binary", "context"].map(|field| answer[field].as_str().unwrap());
        assert_eq!(encoded, hex(context.encoded()), "{:?}", row.pairs);

        let envelope: Envelope = text.parse().unwrap();
        assert_eq!(envelope.as_bytes(), unhex(binary));
        assert_eq!(envelope.suite(), row.suite);
        assert!(
            row.ring().is_current(&envelope),
            "the wraps differ from those that the crate makes: {text}"
        );
        for ring in row.rings() {
            let secret = ring.open(&envelope, &context).unwrap();
            assert!(secret.expose_secret() == row.plaintext, "wrong plaintext: {text}");
            opened += 1;
        }
    }
    println!("{}: {} rows sealed, and opened by {opened} keyrings", language.name, rows.len());
    assert!(opened >= 2 * rows.len());

    // One byte over the maximum.
    let too_long = json!({
        "suite": "c20p", "keyring": rows[0].keyring, "context": [], "plaintext": "00".repeat(16_777_217),
    });
    let answers = language.answers("seal", &[too_long.to_string()]);
    assert_eq!(answers, [json!({ "error": "too_long" })]);
}

/// For damaged rows, other keyrings and other contexts, both give the same result.
fn agrees_on_faults(language: &Language) {
    if !language.is_here() {
        return;
    }
    let mut random = seeded();
    let questions: Vec<Question> = (0..count()).map(|_| faults::draw(&mut random)).collect();
    let answers = agreed(language, &questions);
    let tally = tally(&answers);
    println!("{}: {} faults, with these results: {tally:?}", language.name, answers.len());
    // Every class of error occurs, and so do rows that open.
    assert_eq!(tally.len(), 15, "{tally:?}");
}

fn agrees_on_edges(language: &Language) {
    if !language.is_here() {
        return;
    }
    let answers = agreed(language, &edges::all());
    let tally = tally(&answers);
    println!("{}: {} edge cases, with these results: {tally:?}", language.name, answers.len());
    assert_eq!((answers.len(), tally["opened"]), (785, 259), "{tally:?}");
}

/// Asserts that the other language and the crate give the same results, and returns them.
fn agreed(language: &Language, questions: &[Question]) -> Vec<Value> {
    let lines: Vec<String> = questions.iter().map(Question::line).collect();
    let answers = language.answers("open", &lines);
    for ((question, line), answer) in questions.iter().zip(&lines).zip(&answers) {
        let shown = line.get(..4_000).unwrap_or(line);
        assert_eq!(*answer, question.answer(), "{} gives another result: {shown}", language.name);
    }
    answers
}

/// The crate cannot be given text that is not Unicode. JSON and the other languages can represent
/// it.
fn refuses_lone_surrogates(language: &Language) {
    if !language.is_here() {
        return;
    }
    let mut lines = Vec::new();
    let row = Row::draw(&mut seeded());
    let text = row.sealed(&mut seeded()).to_string();
    for pair in [r#"["\ud800","v"]"#, r#"["n","v\udfff"]"#, r#"["\udc00\ud800",""]"#] {
        let keyring = json!(row.keyring);
        lines.push(format!(r#"{{"text":"{text}","keyring":{keyring},"context":[{pair}]}}"#));
    }
    let refused = json!({ "error": "context" });
    assert_eq!(language.answers("open", &lines), vec![refused; 3]);
}

/// A writer sets the format's own pairs itself, so it accepts none from its caller.
fn refuses_names_of_the_format(language: &Language) {
    if !language.is_here() {
        return;
    }
    let row = Row::draw(&mut seeded());
    let mut lines = Vec::new();
    for name in ["sw1/holds", "sw1/hosts", "sw1/", "sw1/anything"] {
        assert!(EncryptionContext::new([(name, "swk1")]).is_err(), "{name}");
        lines.push(
            Row { pairs: vec![(name.to_owned(), "swk1".to_owned())], ..row.clone() }.to_seal(),
        );
    }
    let refused = json!({ "error": "context" });
    assert_eq!(language.answers("seal", &lines), vec![refused; 4]);
}

fn meets_the_vectors(language: &Language) {
    if !language.is_here() {
        return;
    }
    let met = known_answers::met(language);
    let refused = known_answers::refused(language);
    println!("{}: {met} known answers, {refused} refused texts", language.name);
    assert_eq!((met, refused), (16 * 3, 188));
}

/// Python has ML-KEM in the same package; Node has none.
#[test]
fn python_opens_the_known_sealing_wraps() {
    if !PYTHON.is_here() {
        return;
    }
    let (opened, refused) = known_answers::sealing_wraps(&PYTHON);
    println!("{}: {opened} sealing wraps opened, {refused} refused", PYTHON.name);
    assert_eq!((opened, refused), (6 * 2 + 1, 15));
}

/// With other seeds, keys and contexts than the known answers have.
#[cfg(feature = "hpke")]
#[test]
fn python_opens_what_a_sealer_seals() {
    if !PYTHON.is_here() {
        return;
    }
    let mut random = seeded();
    let (mut lines, mut plaintexts) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let row = Row::draw(&mut random);
        let [own, escrow] =
            [(); 2].map(|()| sealwax::OpeningKey::generate_with_rng(&mut random).unwrap());
        let (id, dr) = (format!("writer-{number}"), "eu-dr");
        let sealer = sealwax::Sealer::new(id.parse().unwrap(), own.sealing_key())
            .unwrap()
            .with_offline_escrow(dr.parse().unwrap(), escrow.sealing_key())
            .unwrap()
            .with_suite(row.suite);
        let secret = sealwax::Secret::from(row.plaintext.as_slice());
        let sealed = sealer.seal_with_rng(&secret, &row.context(), &mut random).unwrap();
        let text = |secret: sealwax::Secret| secret.expose_str().unwrap().to_owned();
        let (own_text, offline) = (text(own.to_text()), text(escrow.sealing_key().to_text()));
        for (keyring, answer) in [
            (format!("primary {id} {own_text}"), json!({ "plaintext": hex(&row.plaintext) })),
            (
                format!("primary {id} {own_text}\nescrow {dr} {offline}"),
                json!({ "plaintext": hex(&row.plaintext) }),
            ),
            (
                format!("primary {dr} {}", text(escrow.to_text())),
                json!({ "plaintext": hex(&row.plaintext) }),
            ),
            (
                format!("primary other {own_text}\nescrow {dr} {offline}"),
                json!({ "error": "unknown_key" }),
            ),
        ] {
            let envelope = Form::Text(sealed.to_string());
            lines.push(Question { envelope, keyring, pairs: row.pairs.clone() }.line());
            plaintexts.push(answer);
        }
    }
    let answers = PYTHON.answers("open", &lines);
    for (number, (answer, expected)) in answers.iter().zip(&plaintexts).enumerate() {
        assert_eq!(answer, expected, "question {number}");
    }
    println!("{}: {} questions about rows of a sealer", PYTHON.name, answers.len());
}

/// Runs every test above once for each language.
macro_rules! tests {
    ($($test:ident),*) => {
        mod node { $(#[test] fn $test() { crate::$test(&crate::NODE); })* }
        mod python { $(#[test] fn $test() { crate::$test(&crate::PYTHON); })* }
    };
}

tests!(
    opens,
    seals,
    agrees_on_faults,
    agrees_on_edges,
    refuses_lone_surrogates,
    refuses_names_of_the_format,
    meets_the_vectors
);
