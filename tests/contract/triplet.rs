//! The three-part form `iv:tag:ciphertext` on its own.

use sealwax::Secret;
use sealwax::triplet::{Encoding, IvLen, Layout, Part, Triplet, TripletError, TripletKey};

use crate::{context, ring};

const IV_12: IvLen = IvLen::Twelve;
const IV_16: IvLen = IvLen::Sixteen;
const IV_TAG_CIPHERTEXT: [Part; 3] = [Part::Iv, Part::Tag, Part::Ciphertext];

// AES-256-GCM, test case 15 of the proposal to NIST.
const KEY: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const IV: &str = "cafebabefacedbaddecaf888";
const TAG: &str = "b094dac5d93471bdec1a502270e3cc6c";
const PLAINTEXT: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const CIPHERTEXT: &str = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                          8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";

assert_not_impl!(TripletKey: Clone);

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}

fn triplet_key() -> TripletKey {
    TripletKey::from_hex(KEY).unwrap()
}

fn row() -> String {
    format!("{IV}:{TAG}:{CIPHERTEXT}")
}

#[test]
fn a_known_row_is_parsed_and_decrypted() {
    let triplet: Result<Triplet, TripletError> =
        Triplet::parse(&row(), Layout::HEX_IV12_TAG_CIPHERTEXT);
    let secret: Result<Secret, TripletError> = triplet_key().decrypt(&triplet.unwrap());

    assert_eq!(secret.unwrap().expose_secret(), bytes(PLAINTEXT));
}

#[test]
fn a_row_is_imported_by_sealing_it() {
    fn import(row: &str) -> Result<(), Box<dyn std::error::Error>> {
        let (keyring, context) = (ring(), context());
        let triplet_key = triplet_key();
        let triplet = Triplet::parse(row, Layout::HEX_IV12_TAG_CIPHERTEXT)?;

        let envelope = keyring.seal(&triplet_key.decrypt(&triplet)?, &context)?;
        assert_eq!(keyring.open(&envelope, &context)?.expose_secret(), bytes(PLAINTEXT));
        Ok(())
    }
    import(&row()).unwrap();
}

#[test]
fn a_key_is_made_from_bytes_hex_base64_or_the_hash_of_a_text() {
    let mut source = bytes(KEY);
    let keys = [
        TripletKey::from_bytes(&mut source).unwrap(),
        TripletKey::from_hex(KEY).unwrap(),
        TripletKey::from_base64("/v/pkoZlcxxtao+UZzCDCP7/6ZKGZXMcbWqPlGcwgwg=").unwrap(),
    ];
    let triplet = Triplet::parse(&row(), Layout::HEX_IV12_TAG_CIPHERTEXT).unwrap();
    for key in keys {
        assert_eq!(key.decrypt(&triplet).unwrap().expose_secret(), bytes(PLAINTEXT));
    }
    assert_eq!(source, [0; 32]);

    let hashed: TripletKey = TripletKey::insecure_sha256_of("abc");
    let sha256_of_abc =
        TripletKey::from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let triplet = hashed.encrypt(&Secret::from("sk-1"), IV_12).unwrap();
    assert_eq!(sha256_of_abc.unwrap().decrypt(&triplet).unwrap(), Secret::from("sk-1"));
}

#[test]
fn a_key_of_another_form_is_refused() {
    assert!(TripletKey::from_bytes(&mut [7, 8, 9]).is_err());
    assert!(TripletKey::from_hex("feff").is_err());
    assert!(TripletKey::from_hex(&format!(" {KEY}")).is_err());
    assert!(TripletKey::from_base64url("_v_pkoZlcxxtao-UZzCDCP7_6ZKGZXMcbWqPlGcwgwg=").is_ok());
    assert!(TripletKey::from_base64url("_v_pkg").is_err());
    assert!(TripletKey::from_base64("/v/pkg==").is_err());
}

#[test]
fn a_secret_is_encrypted_under_both_lengths_of_iv() {
    for (iv, layout, length) in
        [(IV_12, Layout::HEX_IV12_TAG_CIPHERTEXT, 24), (IV_16, Layout::HEX_IV16_TAG_CIPHERTEXT, 32)]
    {
        let triplet: Result<Triplet, TripletError> =
            triplet_key().encrypt(&Secret::from("sk-1"), iv);
        let text: Result<String, TripletError> = triplet.unwrap().encode(layout);
        let text = text.unwrap();

        assert_eq!(text.split(':').map(str::len).collect::<Vec<_>>(), [length, 32, 8]);
        let triplet = Triplet::parse(&text, layout).unwrap();
        assert_eq!(triplet_key().decrypt(&triplet).unwrap(), Secret::from("sk-1"));
    }
}

#[test]
fn a_row_that_is_not_authentic_is_told_from_one_that_is_malformed() {
    let other = TripletKey::insecure_sha256_of("another key");
    let triplet = Triplet::parse(&row(), Layout::HEX_IV12_TAG_CIPHERTEXT).unwrap();

    assert!(matches!(other.decrypt(&triplet), Err(TripletError::NotAuthentic)));
    assert!(matches!(
        Triplet::parse("nonsense", Layout::HEX_IV12_TAG_CIPHERTEXT),
        Err(TripletError::Malformed { .. })
    ));
}

#[test]
fn a_data_key_that_is_itself_a_triplet_is_two_calls() {
    let master = triplet_key();
    let data_key =
        Secret::from(bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    let wrapped = master.encrypt(&data_key, IV_12).unwrap();
    let row = TripletKey::insecure_sha256_of("abc").encrypt(&Secret::from("sk-1"), IV_16).unwrap();

    let unwrapped: Result<TripletKey, TripletError> = master.unwrap_key(&wrapped);
    assert_eq!(unwrapped.unwrap().decrypt(&row).unwrap(), Secret::from("sk-1"));
}

#[test]
fn a_wrapped_key_of_another_length_is_malformed_before_a_key_is_used() {
    let short = triplet_key().encrypt(&Secret::from("no key"), IV_12).unwrap();
    let other = TripletKey::insecure_sha256_of("another key");

    assert!(matches!(triplet_key().unwrap_key(&short), Err(TripletError::Malformed { .. })));
    assert!(matches!(other.unwrap_key(&short), Err(TripletError::Malformed { .. })));
}

#[test]
fn a_layout_is_declared_as_a_constant() {
    const DOTTED: Layout =
        Layout::separated('.', [Part::Ciphertext, Part::Tag, Part::Iv], Encoding::HexLower, IV_12);
    let text = format!("{CIPHERTEXT}.{TAG}.{IV}");

    let triplet = Triplet::parse(&text, DOTTED).unwrap();
    assert_eq!(triplet.encode(DOTTED).unwrap(), text);
}

#[test]
fn a_joined_layout_has_no_separator() {
    let layout: Layout = Layout::joined(IV_TAG_CIPHERTEXT, Encoding::HexLower, IV_12);
    let text = format!("{IV}{TAG}{CIPHERTEXT}");

    let triplet = Triplet::parse(&text, layout).unwrap();
    assert_eq!(triplet_key().decrypt(&triplet).unwrap().expose_secret(), bytes(PLAINTEXT));
}

#[test]
fn the_named_layouts_read_what_they_write() {
    for (layout, iv) in [
        (Layout::HEX_IV16_TAG_CIPHERTEXT, IV_16),
        (Layout::HEX_IV12_TAG_CIPHERTEXT, IV_12),
        (Layout::HEX_IV12_CIPHERTEXT_TAG, IV_12),
        (Layout::BASE64_IV12_CIPHERTEXT_TAG_JOINED, IV_12),
    ] {
        let triplet = triplet_key().encrypt(&Secret::from("sk-1"), iv).unwrap();
        let text = triplet.encode(layout).unwrap();
        let parsed = Triplet::parse(&text, layout).unwrap();

        assert_eq!(triplet_key().decrypt(&parsed).unwrap(), Secret::from("sk-1"), "{text}");
    }
}

#[test]
fn a_layout_of_another_iv_is_refused() {
    let triplet = Triplet::parse(&row(), Layout::HEX_IV12_TAG_CIPHERTEXT).unwrap();
    let text: Result<String, TripletError> = triplet.encode(Layout::HEX_IV16_TAG_CIPHERTEXT);

    assert!(matches!(text, Err(TripletError::Layout { .. })));
    assert!(matches!(
        Triplet::parse(&row(), Layout::HEX_IV16_TAG_CIPHERTEXT),
        Err(TripletError::Malformed { .. })
    ));
}

#[test]
fn parts_that_come_apart_are_put_together() {
    let decrypts = |triplet: Result<Triplet, TripletError>| {
        let secret = triplet_key().decrypt(&triplet.unwrap()).unwrap();
        assert_eq!(secret.expose_secret(), bytes(PLAINTEXT));
    };
    let (iv, tag, ciphertext) = (bytes(IV), bytes(TAG), bytes(CIPHERTEXT));

    decrypts(Triplet::from_parts(&iv, &tag, &ciphertext));
    decrypts(Triplet::from_columns(IV, TAG, CIPHERTEXT, Encoding::HexLower));
    decrypts(Triplet::from_joined(IV, &format!("{CIPHERTEXT}{TAG}"), Encoding::HexLower));
}

#[test]
fn every_encoding_is_strict() {
    let upper = (IV.to_uppercase(), TAG.to_uppercase(), CIPHERTEXT.to_uppercase());
    let columns = |iv: &str, tag: &str, ciphertext: &str, encoding: Encoding| {
        Triplet::from_columns(iv, tag, ciphertext, encoding)
    };

    assert!(columns(&upper.0, &upper.1, &upper.2, Encoding::HexAnyCase).is_ok());
    assert!(columns(IV, TAG, CIPHERTEXT, Encoding::HexAnyCase).is_ok());
    assert!(columns(&upper.0, &upper.1, &upper.2, Encoding::HexLower).is_err());

    let iv = "yv66vvrO263eyviI";
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbA==", "Ui3B", Encoding::Base64).is_ok());
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbA", "Ui3B", Encoding::Base64Url).is_ok());
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbA", "Ui3B", Encoding::Base64).is_err());
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbA==", "Ui3B", Encoding::Base64Url).is_err());
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbB==", "Ui3B", Encoding::Base64).is_err());
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbA==", "////", Encoding::Base64).is_ok());
    assert!(columns(iv, "sJTaxdk0cb3sGlAicOPMbA", "////", Encoding::Base64Url).is_err());
}

#[test]
fn lengths_and_white_space_are_strict() {
    let parse = |text: &str| Triplet::parse(text, Layout::HEX_IV12_TAG_CIPHERTEXT);
    let (iv, tag) = (bytes(IV), bytes(TAG));
    let (_, shorter) = tag.split_last().unwrap();

    for text in [
        format!(" {}", row()),
        format!("{}\n", row()),
        format!("{IV}: {TAG}:{CIPHERTEXT}"),
        format!("{IV}:{TAG}"),
        format!("{IV}:{TAG}:{CIPHERTEXT}:"),
        format!("{IV}:{CIPHERTEXT}:{TAG}"),
        String::new(),
    ] {
        assert!(matches!(parse(&text), Err(TripletError::Malformed { .. })), "{text}");
    }
    assert!(Triplet::from_parts(&iv, shorter, b"ciphertext").is_err());
    assert!(Triplet::from_parts(shorter, &tag, b"ciphertext").is_err());
    assert!(Triplet::from_parts(&tag, &tag, b"ciphertext").is_ok());
}
