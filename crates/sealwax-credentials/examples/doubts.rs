//! What is wrong with some texts that somebody stored as an API key.
//!
//! `cargo run -p sealwax-credentials --example doubts` prints:
//!
//! ```text
//! row 1: looks like a credential
//! row 2: does not look like a credential: white space at the end
//! row 3: does not look like a credential: shorter than 5 characters, a word that programs print for nothing
//! row 4: does not look like a credential: quotes or other punctuation around it, masked
//! ```

use sealwax::Secret;
use sealwax_credentials::suspicions;

fn main() {
    let rows = ["sk-proj-4Jq8Zr2Lw0", "sk-proj-4Jq8Zr2Lw0\n", "null", "'sk-...4f2a'"];
    for (row, number) in rows.into_iter().zip(1..) {
        let doubts: Vec<_> =
            suspicions(&Secret::from(row)).map(|doubt| doubt.to_string()).collect();
        if doubts.is_empty() {
            println!("row {number}: looks like a credential");
        } else {
            println!("row {number}: does not look like a credential: {}", doubts.join(", "));
        }
    }
}
