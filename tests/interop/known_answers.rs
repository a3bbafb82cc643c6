//! Checks the programs against the committed vectors.

use serde_json::{Value, json};

use crate::language::Language;
use crate::rows::{Key, unhex};

const VECTORS: &str = include_str!("../vectors/v1.json");
const REFUSED: &str = include_str!("../vectors/refused.json");
const SEALING: &str = include_str!("../vectors/sealing.json");

fn list(file: &str, name: &str, expected: usize) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).unwrap();
    assert_eq!(file["format"], "sealwax/v1");
    let list = file[name].as_array().unwrap().clone();
    assert_eq!(list.len(), expected, "{name}");
    list
}

/// Returns a keyring with the first key as primary and the others as escrow keys.
fn keyring_of(keys: &Value) -> String {
    let mut text = String::new();
    for (place, key) in keys.as_array().unwrap().iter().enumerate() {
        let state = if place == 0 { "primary" } else { "escrow" };
        let key = Key::of(key["id"].as_str().unwrap(), &unhex(key["key"].as_str().unwrap()));
        text += &format!("{state} {} {}\n", key.id, key.text);
    }
    text
}

/// Asserts that each vector is sealed to the byte and that both its forms open. Returns the number
/// of replies.
pub(crate) fn met(language: &Language) -> usize {
    let vectors = list(VECTORS, "vectors", 16);
    let (mut to_seal, mut to_open, mut plaintexts) = (Vec::new(), Vec::new(), Vec::new());
    for vector in &vectors {
        let keyring = keyring_of(&vector["master_keys"]);
        let drawn = [&vector["data_key"], &vector["iv"]].map(|part| part.as_str().unwrap());
        let question = json!({
            "suite": vector["suite"],
            "keyring": keyring,
            "context": vector["context"],
            "plaintext": vector["plaintext"],
            "random": drawn.concat(),
            "opaque": vector["opaque"],
        });
        to_seal.push(question.to_string());
        for form in ["text", "binary"] {
            let question = json!({
                form: vector[form], "keyring": keyring, "context": vector["context"],
            });
            to_open.push(question.to_string());
            plaintexts.push(json!({ "plaintext": vector["plaintext"] }));
        }
    }
    let sealed = language.answers("seal", &to_seal);
    for (number, (answer, vector)) in sealed.iter().zip(&vectors).enumerate() {
        let expected = json!({
            "text": vector["text"],
            "binary": vector["binary"],
            "context": vector["context_encoded"],
        });
        assert_eq!(*answer, expected, "vector {number}");
    }
    assert_eq!(language.answers("open", &to_open), plaintexts);
    to_seal.len() + to_open.len()
}

/// Asserts that each envelope with a sealing wrap opens with the pair,
/// and that each text that the pair must refuse gets its class. Returns how many there are.
pub(crate) fn sealing_wraps(language: &Language) -> (usize, usize) {
    let file: Value = serde_json::from_str(SEALING).unwrap();
    assert_eq!(file["format"], "sealwax/v1 sealing wraps");
    let (mut questions, mut expected) = (Vec::new(), Vec::new());
    let mut ask = |envelope: (&str, &Value), pair: &Value, id: &Value, context: &Value, answer| {
        let [key, id] = [pair, id].map(|field| field.as_str().unwrap());
        let keyring = format!("primary {id} {key}");
        let (form, envelope) = envelope;
        let question = json!({ form: envelope, "keyring": keyring, "context": context });
        questions.push(question.to_string());
        expected.push(answer);
    };
    for vector in file["vectors"].as_array().unwrap() {
        for form in ["text", "binary"] {
            let (pair, id) = (&vector["opening_key"], &vector["key_id"]);
            let opened = json!({ "plaintext": vector["plaintext"] });
            ask((form, &vector[form]), pair, id, &vector["context"], opened);
        }
    }
    let one = &file["one_pair"];
    let mut of_one = |text: &Value, answer| {
        ask(("text", text), &one["opening_key"], &one["key_id"], &one["context"], answer);
    };
    of_one(&one["other_coins"], json!({ "plaintext": one["plaintext"] }));
    let refused = one["refused"].as_array().unwrap();
    for vector in refused {
        of_one(&vector["text"], json!({ "error": vector["class"] }));
    }
    let answers = language.answers("open", &questions);
    for (number, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        assert_eq!(answer, expected, "question {number}");
    }
    (answers.len() - refused.len(), refused.len())
}

/// Asserts that each refused text gets its class. Returns how many there are.
pub(crate) fn refused(language: &Language) -> usize {
    let refused = list(REFUSED, "refused", 188);
    let questions: Vec<_> = refused
        .iter()
        .map(|vector| {
            let keyring = keyring_of(&vector["keys"]);
            json!({ "text": vector["text"], "keyring": keyring, "context": vector["context"] })
                .to_string()
        })
        .collect();
    for (answer, vector) in language.answers("open", &questions).iter().zip(&refused) {
        assert_eq!(*answer, json!({ "error": vector["class"] }), "{}", vector["name"]);
    }
    questions.len()
}
