//! Secrets and keys.

use std::str::Utf8Error;

use sealwax::{DataKey, KeyError, MasterKey, Secret};
use secrecy::{ExposeSecret, SecretString};

use crate::{Dry, Steps, key, key_text, sealed};

assert_not_impl!(Secret: Clone);
assert_not_impl!(Secret: std::fmt::Display);
assert_not_impl!(Secret: std::ops::Deref);
assert_not_impl!(Secret: AsRef<[u8]>);
assert_not_impl!(Secret: AsRef<str>);
#[cfg(feature = "serde")]
assert_not_impl!(Secret: serde::Serialize);
assert_not_impl!(MasterKey: Clone);
assert_not_impl!(DataKey: Clone);

#[test]
fn a_secret_is_made_from_owned_and_borrowed_text_and_bytes() {
    let owned = String::from("sk-1");
    let bytes = b"sk-1".to_vec();
    let secrets: [Secret; 6] = [
        Secret::from("sk-1"),
        Secret::from(&owned),
        Secret::from(bytes.as_slice()),
        Secret::from(b"sk-1"),
        Secret::from(owned.clone()),
        Secret::from(bytes.clone()),
    ];

    for secret in &secrets {
        assert_eq!(secret.expose_secret(), b"sk-1");
    }
    // Borrowed sources are copied. Whether owned ones are wiped can only be seen in freed memory.
    assert_eq!(owned, "sk-1");
    assert_eq!(bytes, b"sk-1");
}

#[test]
fn a_secret_is_exposed_as_bytes_or_text() {
    let secret = Secret::from("sk-1");
    let bytes: &[u8] = secret.expose_secret();
    let text: Result<&str, Utf8Error> = secret.expose_str();

    assert_eq!(bytes, b"sk-1");
    assert_eq!(text.unwrap(), "sk-1");
    assert!(Secret::from(&[0xff_u8]).expose_str().is_err());
}

#[test]
fn a_secret_has_a_length() {
    assert_eq!(Secret::from("sk-1").len(), 4);
    assert!(!Secret::from("sk-1").is_empty());
    assert!(Secret::from("").is_empty());
}

#[test]
fn secrets_are_compared() {
    fn is_eq<T: Eq>() {}
    is_eq::<Secret>();

    assert_eq!(Secret::from("sk-1"), Secret::from(b"sk-1"));
    assert_ne!(Secret::from("sk-1"), Secret::from("sk-2"));
    assert_ne!(Secret::from("sk-1"), Secret::from("sk-12"));
}

#[test]
fn a_secret_prints_nothing() {
    assert_eq!(format!("{:?}", Secret::from("sk-1")), "Secret([REDACTED])");
}

#[test]
fn a_secret_is_converted_from_and_into_the_secrecy_crate() {
    let secret = Secret::from(SecretString::from("sk-1"));
    assert_eq!(secret.expose_secret(), b"sk-1");

    let back: SecretString = SecretString::try_from(secret).unwrap();
    assert_eq!(ExposeSecret::expose_secret(&back), "sk-1");
    assert!(SecretString::try_from(Secret::from(&[0xff_u8])).is_err());
}

#[test]
fn a_secret_takes_a_prefix() {
    let secret = Secret::from("sk-1");
    let header: Secret = secret.with_prefix("Bearer ");

    assert_eq!(header.expose_str().unwrap(), "Bearer sk-1");
    assert_eq!(secret.expose_str().unwrap(), "sk-1");
}

#[test]
fn a_master_key_is_generated() {
    let generated: Result<MasterKey, KeyError> = MasterKey::generate();
    let drawn: Result<MasterKey, KeyError> = MasterKey::generate_with_rng(&mut Steps::default());

    assert_ne!(generated.unwrap().to_text(), key(0).to_text());
    assert_eq!(drawn.unwrap().to_text(), key(0).to_text());
    assert!(matches!(MasterKey::generate_with_rng(&mut Dry), Err(KeyError::Random)));
}

#[test]
fn a_master_key_is_text() {
    let text: Secret = key(0).to_text();
    let parsed: Result<MasterKey, KeyError> = text.expose_str().unwrap().parse();

    assert!(text.expose_str().unwrap().starts_with("swk1_"));
    assert_eq!(text.len(), 53);
    assert_eq!(parsed.unwrap().to_text(), text);
}

#[test]
fn a_text_that_is_no_master_key_says_why() {
    let text = key_text(0);
    let mistyped = text.replacen("swk1_A", "swk1_B", 1);
    assert_ne!(mistyped, text);

    assert!(matches!(mistyped.parse::<MasterKey>(), Err(KeyError::Checksum)));
    assert!(matches!("nonsense".parse::<MasterKey>(), Err(KeyError::Malformed)));
    assert!(text.to_uppercase().parse::<MasterKey>().is_err());
    assert!(format!(" {text}").parse::<MasterKey>().is_err());
    let (_, end) = text.split_at_checked(5).unwrap();
    assert!(end.parse::<MasterKey>().is_err());
}

#[test]
fn a_master_key_takes_its_bytes_and_wipes_the_source() {
    let mut bytes = *b"0123456789abcdef0123456789abcdef";
    let made: Result<MasterKey, KeyError> = MasterKey::from_bytes(&mut bytes);
    assert!(made.is_ok());
    assert_eq!(bytes, [0; 32]);

    let mut short = [7; 31];
    assert!(matches!(
        MasterKey::from_bytes(&mut short),
        Err(KeyError::Length { expected: 32, found: 31, .. })
    ));
    assert_eq!(short, [0; 31]);

    let mut weak = [7; 32];
    assert!(matches!(MasterKey::from_bytes(&mut weak), Err(KeyError::Weak)));
    assert_eq!(weak, [0; 32]);
}

#[test]
fn a_check_value_names_the_material() {
    let check: [u8; 4] = key(0).check_value();

    assert_eq!(check, key(0).check_value());
    assert_ne!(check, key(1).check_value());
    for wrap in sealed().wrapped_keys() {
        assert!(wrap.body().starts_with(&check));
    }
}

#[test]
fn a_data_key_is_made_like_a_master_key() {
    let generated: Result<DataKey, KeyError> = DataKey::generate();
    let drawn: Result<DataKey, KeyError> = DataKey::generate_with_rng(&mut Steps::default());
    let drawn = drawn.unwrap();
    let bytes: &[u8; 32] = drawn.expose_secret();

    assert!(bytes.starts_with(&[0, 1, 2, 3]));
    assert_ne!(generated.unwrap().expose_secret(), bytes);
    assert!(matches!(DataKey::generate_with_rng(&mut Dry), Err(KeyError::Random)));

    let mut source = *b"0123456789abcdef0123456789abcdef";
    let made: Result<DataKey, KeyError> = DataKey::from_bytes(&mut source);
    assert_eq!(made.unwrap().expose_secret(), b"0123456789abcdef0123456789abcdef");
    assert_eq!(source, [0; 32]);

    let mut long = [7; 33];
    assert!(matches!(
        DataKey::from_bytes(&mut long),
        Err(KeyError::Length { expected: 32, found: 33, .. })
    ));
    assert_eq!(long, [0; 33]);

    let mut weak = [7; 32];
    assert!(matches!(DataKey::from_bytes(&mut weak), Err(KeyError::Weak)));
    assert_eq!(weak, [0; 32]);
}

#[test]
fn a_data_key_is_duplicated_by_name_only() {
    let data_key = DataKey::generate().unwrap();
    let duplicate: DataKey = data_key.duplicate();

    let moved = std::thread::spawn(move || *duplicate.expose_secret()).join().unwrap();
    assert_eq!(moved, *data_key.expose_secret());
}

#[test]
fn keys_print_nothing() {
    let text = key_text(0);
    let (_, encoded) = text.split_at_checked(5).unwrap();
    let printed = format!("{:?} {:?}", key(0), DataKey::generate_with_rng(&mut Steps::default()));

    assert!(!printed.contains(encoded));
    assert!(!printed.contains("0, 1, 2, 3"));
}

#[cfg(feature = "serde")]
mod with_serde {
    use std::io::{self, Read};

    use sealwax::Secret;
    use serde_json::error::Category;

    #[derive(Debug, serde::Deserialize)]
    struct Config {
        api_key: Secret,
    }

    #[test]
    fn a_secret_is_read() {
        let config: Config = serde_json::from_str(r#"{"api_key": "sk-\u0031"}"#).unwrap();
        assert_eq!(config.api_key, Secret::from("sk-1"));

        let config: Config = serde_json::from_reader(br#"{"api_key": "sk-1"}"#.as_slice()).unwrap();
        assert_eq!(config.api_key, Secret::from("sk-1"));

        let bytes = postcard::to_allocvec("sk-1").unwrap();
        assert_eq!(postcard::from_bytes::<Secret>(&bytes).unwrap(), Secret::from("sk-1"));
    }

    #[test]
    fn a_mistyped_value_never_shows() {
        for value in [
            "4242424242",
            "-4242424242",
            "4242.4242",
            "true",
            "null",
            "[4242424242]",
            r#"{"4242424242": 4242424242}"#,
        ] {
            let input = format!(r#"{{"api_key": {value}}}"#);
            let error = serde_json::from_str::<Config>(&input).unwrap_err();

            assert!(!format!("{error} {error:?}").contains("4242"), "{error}");
            assert_eq!(error.classify(), Category::Data, "{error}");
        }
    }

    #[test]
    fn a_missing_field_keeps_its_name() {
        let error = serde_json::from_str::<Config>("{}").unwrap_err();

        assert!(error.to_string().contains("api_key"), "{error}");
        assert_eq!(error.classify(), Category::Data);
    }

    #[test]
    fn broken_input_stays_a_syntax_error() {
        for (input, category) in [
            (r#"{"api_key": sk-1}"#, Category::Syntax),
            (r#"{"api_key": "sk-\q"}"#, Category::Syntax),
            (r#"{"api_key": "sk-"#, Category::Eof),
            (r#"{"api_key": "#, Category::Eof),
        ] {
            let error = serde_json::from_str::<Config>(input).unwrap_err();
            assert_eq!(error.classify(), category, "{error}");
        }
    }

    #[test]
    fn a_failed_read_stays_an_io_error() {
        struct Gone;
        impl Read for Gone {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }

        let input = br#"{"api_key": "sk-"#.as_slice().chain(Gone);
        assert_eq!(
            serde_json::from_reader::<_, Config>(input).unwrap_err().classify(),
            Category::Io
        );
    }
}
