//! A keyring text parses or is refused; what parses has one primary, and no error echoes a word.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealwax::{KeyState, Keyring};

fuzz_target!(|text: &str| {
    match text.parse::<Keyring>() {
        Ok(keyring) => {
            let primaries = keyring.keys().filter(|(_, state)| *state == KeyState::Primary);
            assert_eq!(primaries.count(), 1);
        }
        Err(error) => {
            let message = error.to_string();
            let keys = text.split([' ', '\t', '\n', ';']).filter(|word| word.len() > 20);
            for key in keys {
                assert!(!message.contains(key));
            }
        }
    }
});
