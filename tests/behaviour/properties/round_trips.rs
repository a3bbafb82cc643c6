//! An envelope opens only in its context, with each of its keys and from either form.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Strategy, any};
use sealwax::{EncryptionContext, Envelope, Keyring, Secret};

use crate::fixtures::{key_id, master_key, open_outcome};
use crate::properties::{for_all, ring_of, suite, text};

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(text(1..16), text(0..100), 0..6)
}

#[test]
fn what_is_sealed_opens_in_its_context_by_each_of_its_keys_from_either_form() {
    let values = (vec(any::<u8>(), 0..3000), pairs(), suite(), 0_usize..=7, text(1..4));
    for_all(64, values, |(plaintext, pairs, suite, escrows, other)| {
        let ring = ring_of(suite, escrows);
        let context = EncryptionContext::new(&pairs).unwrap();
        let secret = Secret::from(plaintext.as_slice());
        let row = ring.seal(&secret, &context).unwrap();

        assert_eq!((row.suite(), row.key_ids().count()), (suite, escrows + 1));
        assert_eq!(row.ciphertext().len(), plaintext.len());
        // The lengths from the format page: len8, id, u16, kind and body, for each wrap.
        let ids: usize = row.key_ids().map(|id| id.as_ref().len()).sum();
        let front = 5 + ids + (escrows + 1) * (1 + 2 + 61) + 32 + 16 + 12 + 16;
        assert_eq!(row.as_bytes().len(), front + plaintext.len());

        let from_text: Envelope = row.to_string().parse().unwrap();
        let from_bytes = Envelope::from_bytes(row.as_bytes()).unwrap();
        assert_eq!((&from_text, &from_bytes), (&row, &row));
        assert_eq!(ring.open(&from_text, &context).unwrap(), secret);
        ring.verify(&from_bytes).unwrap();
        assert!(ring.is_current(&row));
        assert_eq!(ring.rewrap(&row).unwrap(), None);
        for (n, id) in row.key_ids().enumerate() {
            let alone = Keyring::new(id, master_key(u8::try_from(n).unwrap())).unwrap();
            assert_eq!(alone.open(&row, &context).unwrap(), secret);
            assert_eq!(alone.is_current(&row), escrows == 0 && n == 0);
        }

        // Another context: one more pair, or one longer value.
        let mut others = vec![pairs.clone(); 2];
        others[0].entry(other.clone()).or_insert_with(|| other.clone());
        if let Some((_, value)) = others[1].iter_mut().next() {
            value.push_str(&other);
        }
        for changed in others.into_iter().filter(|changed| *changed != pairs) {
            let opened = ring.open(&row, &EncryptionContext::new(&changed).unwrap());
            assert_eq!(open_outcome(&opened), "context_mismatch", "{changed:?}");
        }

        // A new primary, with the old one retired.
        let next = Keyring::new(key_id("next"), master_key(100))
            .unwrap()
            .with_retired(key_id("prod"), master_key(0))
            .unwrap();
        let fresh = next.rewrap(&row).unwrap().unwrap();
        assert_eq!(next.open(&fresh, &context).unwrap(), secret);
        let after = [fresh.commitment().as_slice(), fresh.iv(), fresh.tag(), fresh.ciphertext()];
        assert_eq!(after, [row.commitment().as_slice(), row.iv(), row.tag(), row.ciphertext()]);
    });
}
