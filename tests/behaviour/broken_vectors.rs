//! Checks the tests in [`crate::vectors`]: a vector with one damaged field does not pass, and
//! neither does a refused vector that is repaired or given another class.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::vectors::{
    check_encodings, check_opened, check_refused, check_sealed, refused, text, vectors,
};

/// The classes of refused vectors.
const CLASSES: [&str; 9] = [
    "format",
    "newer_version",
    "unknown_key",
    "wrong_wrap_kind",
    "wrong_key_material",
    "wrap_altered",
    "envelope_altered",
    "context_mismatch",
    "payload_altered",
];

type Check = fn(&Value) -> Result<(), String>;

/// The checks for fields that only describe a vector.
const TOLD: &[Check] = &[check_encodings];
/// The checks for fields that are used in sealing and opening.
const USED: &[Check] = &[check_sealed, check_opened];
/// The checks for fields that are both: a context, which is encoded, and a master key, which has a
/// check value.
const ALL: &[Check] = &[check_encodings, check_sealed, check_opened];

/// Returns every damage to a vector: the damaged field, and the checks that have to notice it.
fn damages(vector: &Value) -> Vec<(&'static str, &'static [Check], Value)> {
    let mut damages = Vec::new();
    let mut damage = |name, checks, change: &dyn Fn(&mut Value)| {
        let mut damaged = vector.clone();
        change(&mut damaged);
        assert_ne!(damaged, *vector, "{name}: nothing was damaged");
        damages.push((name, checks, damaged));
    };

    damage("suite", USED, &|vector| {
        let other = if vector["suite"] == "a256gcm" { "c20p" } else { "a256gcm" };
        vector["suite"] = json!(other);
    });
    damage("context_encoded", TOLD, &|vector| turn(&mut vector["context_encoded"]));
    for field in ["data_key", "iv", "binary", "text"] {
        damage(field, USED, &|vector| turn(&mut vector[field]));
    }
    damage("plaintext", USED, &|vector| match text(vector, "plaintext") {
        "" => vector["plaintext"] = json!("00"),
        _ => turn(&mut vector["plaintext"]),
    });

    for pair in 0..len(&vector["context"]) {
        damage("name in the context", ALL, &|vector| turn(&mut vector["context"][pair][0]));
        damage("value in the context", ALL, &|vector| turn(&mut vector["context"][pair][1]));
        damage("pair missing", ALL, &|vector| remove(&mut vector["context"], pair));
    }
    damage("pair added", ALL, &|vector| {
        vector["context"].as_array_mut().unwrap().push(json!(["~", ""]));
    });

    for key in 0..len(&vector["master_keys"]) {
        damage("id", USED, &|vector| turn(&mut vector["master_keys"][key]["id"]));
        damage("key", ALL, &|vector| turn(&mut vector["master_keys"][key]["key"]));
        damage("check", TOLD, &|vector| turn(&mut vector["master_keys"][key]["check"]));
    }
    for key in 1..len(&vector["master_keys"]) {
        damage("key missing", USED, &|vector| {
            remove(&mut vector["master_keys"], key);
        });
        damage("keys exchanged", USED, &|vector| {
            vector["master_keys"].as_array_mut().unwrap().swap(key - 1, key);
        });
    }
    for key in 0..len(&vector["opaque"]) {
        damage("opaque id", USED, &|vector| turn(&mut vector["opaque"][key]["id"]));
        damage("opaque body", USED, &|vector| turn(&mut vector["opaque"][key]["body"]));
        damage("opaque missing", USED, &|vector| remove(&mut vector["opaque"], key));
    }
    damages
}

fn len(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

fn remove(list: &mut Value, place: usize) {
    list.as_array_mut().unwrap().remove(place);
}

/// Changes the last character to another one that is both a hex digit and a base64url character.
/// Adds one to an empty text.
fn turn(value: &mut Value) {
    let mut text = value.as_str().unwrap().to_owned();
    match text.pop() {
        // An envelope with an empty ciphertext.
        Some(':') => text.push_str(":AAAA"),
        Some('f') => text.push('e'),
        _ => text.push('f'),
    }
    *value = json!(text);
}

#[test]
fn a_vector_with_one_damage_passes_no_check_that_it_concerns() {
    let mut counts = BTreeMap::new();
    for (number, vector) in vectors().iter().enumerate() {
        for (name, checks, damaged) in damages(vector) {
            for check in checks {
                assert!(check(&damaged).is_err(), "vector {number}: {name} is not noticed");
            }
            *counts.entry(name).or_insert(0) += 1;
        }
    }
    let all: usize = counts.values().sum();
    println!("{all} damages noticed: {counts:?}");
    for field in ["suite", "context_encoded", "plaintext", "data_key", "iv", "binary", "text"] {
        assert_eq!(counts[field], 16, "{field}");
    }
    assert_eq!((all, counts.len()), (548, 19));
}

/// Giving the pairs of a context in another order is not damage.
#[test]
fn a_vector_with_its_pairs_in_another_order_passes() {
    for mut vector in vectors() {
        vector["context"].as_array_mut().unwrap().reverse();
        for check in ALL {
            assert_eq!(check(&vector), Ok(()));
        }
    }
}

/// Returns what each refused vector was made from: the correct text, keys and context of its suite.
fn undamaged(vectors: &[Value], suite: &str) -> Value {
    let named =
        |name: &str| vectors.iter().find(|it| text(it, "name") == format!("{suite}: {name}"));
    let (row, context) = (named("context: empty").unwrap(), named("mac flipped").unwrap());
    json!({ "text": row["text"], "keys": row["keys"], "context": context["context"] })
}

/// Each refused vector opens once one of its fields is corrected, and there is exactly one such
/// field.
#[test]
fn a_refused_vector_has_one_fault_and_opens_without_it() {
    let vectors = refused();
    let mut mended = BTreeMap::new();
    for vector in &vectors {
        let (suite, _) = text(vector, "name").split_once(": ").unwrap();
        let right = undamaged(&vectors, suite);
        let mends = ["text", "keys", "context"].into_iter().filter(|field| {
            let mut vector = vector.clone();
            vector[field] = right[field].clone();
            // The check also notices a vector that opens.
            check_refused(&vector) == Err("opened".to_owned())
        });
        let mends: Vec<_> = mends.collect();
        assert_eq!(mends.len(), 1, "{}: {mends:?}", vector["name"]);
        *mended.entry(mends[0]).or_insert(0) += 1;
    }
    println!("refused vectors mended: {mended:?}");
    assert_eq!(mended, BTreeMap::from([("text", 166), ("keys", 6), ("context", 16)]));
}

#[test]
fn a_refused_vector_of_another_class_is_noticed() {
    let mut noticed = 0;
    for mut vector in refused() {
        let right = vector["class"].clone();
        assert!(CLASSES.contains(&right.as_str().unwrap()), "{right}");
        for class in CLASSES.iter().filter(|class| right != **class) {
            vector["class"] = json!(class);
            assert_eq!(check_refused(&vector), Err(right.as_str().unwrap().to_owned()));
            noticed += 1;
        }
    }
    assert_eq!(noticed, 188 * 8);
}
