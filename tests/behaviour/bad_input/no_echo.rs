//! No error about an invalid row repeats any of it.

use sealwax::{Envelope, FormatError, Keyring, Secret};

use crate::bad_input::{TEXT_FIELDS, Text};
use crate::fixtures::{CREDENTIAL, Counting, acme, key_id, master_key};

#[test]
fn no_error_about_a_faulty_row_holds_four_bytes_of_it() {
    let secret = Secret::from(CREDENTIAL);
    let row = Keyring::new(key_id("QZXJKVWB"), master_key(1))
        .unwrap()
        .seal_with_rng(&secret, &acme(), &mut Counting(9))
        .unwrap();
    let text = Text::of(&row);
    let mut windows = 0;
    let mut says_nothing = |error: FormatError, of: &[u8]| {
        let said = format!("{error} {error:?} {error:#?}");
        for window in of.windows(4) {
            let echo = said.as_bytes().windows(4).any(|said| said == window);
            assert!(!echo, "four bytes of the row in: {said}");
            windows += 1;
        }
    };
    for field in TEXT_FIELDS {
        for stray in ["!", ":", "=", "\u{feff}"] {
            let faulty = text.with(field, |text| format!("{}{stray}{}", &text[..1], &text[1..]));
            let faulty = faulty.join();
            let error = faulty.parse::<Envelope>().unwrap_err();
            // Except the prefix and the suite, whose names an error may contain.
            says_nothing(error, &faulty.as_bytes()["sw1:a256gcm:".len() + stray.len()..]);
        }
    }
    for len in 0..row.as_bytes().len() - CREDENTIAL.len() {
        says_nothing(Envelope::from_bytes(&row.as_bytes()[..len]).unwrap_err(), row.as_bytes());
    }
    // Everything but the prefix of each text, and the whole row for each prefix of its binary form.
    let (of_text, of_bytes) = (row.to_string().len(), row.as_bytes().len());
    let in_texts = 7 * 4 * (of_text - "sw1:a256gcm:".len() - 3);
    assert_eq!(windows, in_texts + (of_bytes - CREDENTIAL.len()) * (of_bytes - 3));
}
