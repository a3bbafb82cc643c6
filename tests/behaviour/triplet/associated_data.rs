//! A bound row opens only with the associated data it is bound to, and an unbound row only without
//! any.

use sealwax::Secret;
use sealwax::triplet::{Encoding, Layout, Triplet};

use crate::fixtures::CREDENTIAL;
use crate::triplet::{IV12_ROW, IV16_ROW, Told, key, parsed, told};

/// The tags of the first two rows with the associated data `row-42`, generated in the same way.
const IV16_BOUND_TAG: &str = "20fd59a41a003e794fb26df76b085817";
const IV12_BOUND_TAG: &str = "69aa6977aab5f29a4ba8d45a8a09b392";

#[test]
fn a_row_that_is_bound_opens_with_what_it_is_bound_to() {
    let mut tried = 0;
    for (text, layout, bound_tag) in [
        (IV12_ROW, Layout::HEX_IV12_TAG_CIPHERTEXT, IV12_BOUND_TAG),
        (IV16_ROW, Layout::HEX_IV16_TAG_CIPHERTEXT, IV16_BOUND_TAG),
    ] {
        let free = parsed(text, layout);
        let columns = free.to_columns(Encoding::HexLower);
        let bound =
            Triplet::from_columns(&columns[0], bound_tag, &columns[2], Encoding::HexLower).unwrap();
        for (data, bound_opens) in [
            ("row-42", true),
            ("", false),
            ("row-4", false),
            ("row-43", false),
            ("row-42\n", false),
            (" row-42", false),
            ("row-42\0", false),
            ("row-42row-42", false),
            ("ROW-42", false),
        ] {
            let expected = |opens| if opens { Told::Done } else { Told::NotAuthentic };
            let opened = key().decrypt_with_associated_data(&bound, data.as_bytes());
            assert_eq!(told(&opened), expected(bound_opens), "{data:?}, bound");
            assert!(opened.is_err() || opened.unwrap() == Secret::from(CREDENTIAL));
            let opened = key().decrypt_with_associated_data(&free, data.as_bytes());
            assert_eq!(told(&opened), expected(data.is_empty()), "{data:?}, not bound");
            tried += 2;
        }
        assert_eq!(told(&key().decrypt(&bound)), Told::NotAuthentic);
    }
    assert_eq!(tried, 2 * 9 * 2);
}
