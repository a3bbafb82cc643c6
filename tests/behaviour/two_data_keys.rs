//! An envelope made for two data keys or two contexts opens under only one of them.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use sealwax::{DataKey, Draft, EncryptionContext, Secret, Suite};

use crate::fixtures::{
    CREDENTIAL, Counting, Parts, SUITES, acme, context, counted_data_key, key_id, keyring,
    master_key, opening, rewrapping, wrap,
};
use crate::reference::procedures::derive;
use crate::rings::{dr, next, prod};

/// If two keys were given two data keys, the MAC was computed with only one of them.
#[test]
fn an_envelope_whose_wraps_hold_two_data_keys_opens_under_one_key_only() {
    for suite in SUITES {
        for (kept, lying) in [("prod", "dr"), ("dr", "prod")] {
            let secret = Secret::from(CREDENTIAL);
            let draft = Draft::new_with_rng(&secret, &acme(), suite, &mut Counting(1)).unwrap();
            let other_key = counted_data_key(60);
            let wraps = [("prod", master_key(1)), ("dr", master_key(2))].map(|(id, key)| {
                let data_key = if id == kept { draft.data_key() } else { &other_key };
                wrap(&key, id, suite, draft.commitment(), data_key)
            });
            let envelope = draft.finish(wraps.into()).unwrap();
            let (keeper, liar) = if kept == "prod" { (prod(), dr()) } else { (dr(), prod()) };
            assert_eq!(opening(&keeper, &envelope, &acme()), "opened", "{suite}, {kept}");
            let found = opening(&liar, &envelope, &acme());
            assert_eq!(found, "envelope_altered", "{suite}, {lying}");
            let rotated = liar.with_retired(key_id("next"), master_key(3)).unwrap();
            let found = rewrapping(&rotated, &envelope);
            assert_eq!(found, "envelope_altered", "{suite}, {lying} rewraps");
            // A keyring with both keys tries the next one, and its rewrap replaces the wrong wrap.
            assert_eq!(opening(&keyring(suite), &envelope, &acme()), "opened", "{suite}");
            let mended = next().rewrap(&envelope).unwrap().unwrap();
            assert_eq!(opening(&next(), &mended, &acme()), "opened", "{suite}");
        }
    }
}

/// AES-256-GCM for an attacker who chooses the keys: the field GF(2^128) of SP 800-38D §6.3, with
/// its first bit as the highest.
mod gcm {
    /// x · y
    pub(super) fn times(x: u128, y: u128) -> u128 {
        let (mut product, mut shifted) = (0, y);
        for bit in (0..128).rev() {
            if x >> bit & 1 == 1 {
                product ^= shifted;
            }
            let carry = shifted & 1;
            shifted = (shifted >> 1) ^ (carry * (0xe1 << 120));
        }
        product
    }

    /// x^(2^128 − 2)
    pub(super) fn inverse(x: u128) -> u128 {
        let (mut power, mut product) = (x, 1 << 127);
        for _ in 1..128 {
            power = times(power, power);
            product = times(product, power);
        }
        product
    }

    /// GHASH over a ciphertext of whole blocks and no associated data.
    pub(super) fn hash(key: u128, blocks: &[u128]) -> u128 {
        let lengths = 128 * u128::try_from(blocks.len()).unwrap();
        blocks.iter().chain([&lengths]).fold(0, |hash, block| times(hash ^ block, key))
    }
}

fn gcm_tag(key: &[u8; 32], iv: &[u8; 12], associated_data: &[u8]) -> u128 {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let mut nothing = [0; 0];
    let buffer = nothing.as_mut_slice().into();
    let tag = cipher.encrypt_inout_detached(iv.into(), associated_data, buffer).unwrap();
    u128::from_be_bytes(tag.into())
}

/// A ciphertext of three blocks, and its tag, which AES-256-GCM decrypts under both keys.
///
/// tag = GHASH(H, ciphertext) ⊕ E(J0), with H = E(0). GHASH is linear, and the last block is
/// multiplied by H² in it, so for any first blocks there is one last block for which the tags are
/// equal.
fn two_key_ciphertext(keys: [&[u8; 32]; 2], iv: &[u8; 12]) -> (Vec<u8>, [u8; 16]) {
    // For an empty message the tag is E(J0). With a block of zeros as associated data it is L · H ⊕
    // E(J0), where L is the block of the lengths.
    let masks = keys.map(|key| gcm_tag(key, iv, &[]));
    let lengths = 128 << 64;
    let hash_keys = [0, 1]
        .map(|i| gcm::times(gcm_tag(keys[i], iv, &[0; 16]) ^ masks[i], gcm::inverse(lengths)));
    let mut blocks = [u128::from_be_bytes(*b"two keys open it"), 0x5ea1, 0];
    let tags = [0, 1].map(|i| gcm::hash(hash_keys[i], &blocks) ^ masks[i]);
    let squares = hash_keys.map(|key| gcm::times(key, key));
    blocks[2] = gcm::times(tags[0] ^ tags[1], gcm::inverse(squares[0] ^ squares[1]));
    let tag = gcm::hash(hash_keys[0], &blocks) ^ masks[0];
    (blocks.iter().flat_map(|block| block.to_be_bytes()).collect(), tag.to_be_bytes())
}

fn gcm_decrypt(key: &[u8; 32], iv: &[u8; 12], ciphertext: &[u8], tag: &[u8; 16]) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    let mut plaintext = ciphertext.to_vec();
    let buffer = plaintext.as_mut_slice().into();
    cipher.decrypt_inout_detached(iv.into(), &[], buffer, tag.into()).unwrap();
    plaintext
}

/// Returns the payload key and the commitment.
fn payload_keys(data_key: &DataKey, iv: &[u8; 12], context: &EncryptionContext) -> [[u8; 32]; 2] {
    let (key, commitment) = derive(data_key.expose_secret(), 1, iv, context.encoded());
    [key, commitment].map(|derived| derived.try_into().unwrap())
}

/// GCM does not commit to its key. A malicious sealer can make one ciphertext that is authentic
/// under two data keys or in two contexts. In an envelope it opens under one of them, whichever the
/// sealer commits to.
#[test]
fn a_two_key_ciphertext_opens_to_one_plaintext_only() {
    let iv = [5; 12];
    let globex = context(&[("tenant", "globex")]);
    let cases = [
        ("two data keys", [1, 60], [acme(), acme()]),
        ("two contexts", [1, 1], [acme(), globex.clone()]),
        ("two of both", [1, 60], [acme(), globex]),
    ];
    let mut tried = 0;
    for (name, seeds, contexts) in cases {
        let data_keys = seeds.map(counted_data_key);
        let derived = [0, 1].map(|i| payload_keys(&data_keys[i], &iv, &contexts[i]));
        let (ciphertext, tag) = two_key_ciphertext([&derived[0][0], &derived[1][0]], &iv);
        // It works as intended: GCM alone decrypts it under either key.
        let plaintexts = derived.map(|[key, _]| gcm_decrypt(&key, &iv, &ciphertext, &tag));
        assert_ne!(plaintexts[0], plaintexts[1], "{name}");

        for (committed, maced) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let commitment = derived[committed][1];
            let wraps = [
                wrap(&master_key(1), "prod", Suite::Aes256Gcm, &commitment, &data_keys[0]),
                wrap(&master_key(2), "dr", Suite::Aes256Gcm, &commitment, &data_keys[1]),
            ];
            let parts = Parts {
                suite: 1,
                wraps: Vec::new(),
                commitment: commitment.to_vec(),
                mac: Vec::new(),
                iv: iv.to_vec(),
                tag: tag.to_vec(),
                ciphertext: ciphertext.clone(),
            };
            let envelope = parts.with_wraps(&wraps).with_mac_under(&data_keys[maced]).envelope();
            for (reader, ring) in [prod(), dr()].iter().enumerate() {
                let what = format!("{name}: commitment {committed}, MAC {maced}, read as {reader}");
                let same_key = seeds[maced] == seeds[reader];
                let expected = match (same_key, committed == reader) {
                    (false, _) => "envelope_altered",
                    (true, false) => "context_mismatch",
                    (true, true) => "opened",
                };
                let found = opening(ring, &envelope, &contexts[reader]);
                assert_eq!(found, expected, "{what}");
                if found == "opened" {
                    // The control: it is the commitment and the MAC that reject the other.
                    let opened = ring.open(&envelope, &contexts[reader]).unwrap();
                    assert!(opened.expose_secret() == plaintexts[reader], "{what}");
                }
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 3 * 4 * 2);
}
