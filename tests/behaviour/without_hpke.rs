//! A build without the feature `hpke`: it lists envelopes with sealing wraps, and names the feature that it lacks.

use sealwax::{Envelope, KeyError, Keyring, KeyringError, LineProblem, WrapKind};
use serde_json::Value;

use crate::fixtures::{acme, key_id, master_key, opening};

fn file() -> Value {
    serde_json::from_str(include_str!("../vectors/sealing.json")).unwrap()
}

#[test]
fn an_envelope_with_a_sealing_wrap_parses_and_lists() {
    let file = file();
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let envelope: Envelope = vector["text"].as_str().unwrap().parse().unwrap();
        assert_eq!(envelope.to_string(), vector["text"].as_str().unwrap());
        let wrap = envelope.wrapped_keys().last().unwrap();
        let id = vector["key_id"].as_str().unwrap();
        assert_eq!((wrap.key_id().as_ref(), wrap.kind()), (id, WrapKind::Hpke));
        let ring = Keyring::new(key_id("unrelated"), master_key(1)).unwrap();
        let ids: Vec<_> = envelope.key_ids().map(|id| id.to_string()).collect();
        let told = opening(&ring, &envelope, &acme());
        assert_eq!(told, format!("unknown_key({})", ids.join(",")));
        let ring = ring.with_retired(key_id(id), master_key(2)).unwrap();
        assert_eq!(opening(&ring, &envelope, &acme()), format!("wrong_wrap_kind({id})"));
    }
    assert_eq!(vectors.len(), 6);
}

#[test]
fn a_line_with_a_pairs_key_names_the_feature() {
    let one = &file()["one_pair"];
    let primary = format!("primary prod {}", master_key(1).to_text().expose_str().unwrap());
    let mut tried = 0;
    for key in ["opening_key", "sealing_key"].map(|name| one[name].as_str().unwrap()) {
        for state in ["retired", "escrow", "disabled", "leaked", "destroyed"] {
            for key in [key.to_owned(), format!("\"{key}\"")] {
                let error = format!("{primary}\n{state} dashboard {key}").parse::<Keyring>();
                let KeyringError::Line {
                    line: 2, problem: LineProblem::Key { source, .. }, ..
                } = error.unwrap_err()
                else {
                    panic!("another error");
                };
                assert!(matches!(source, KeyError::NeedsFeature { feature: "hpke", .. }));
                assert!(source.to_string().contains("hpke"));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 2 * 5 * 2);
}
