//! What is a newer version of the format, which another release reads, and what is not a version at
//! all.

use sealwax::{Envelope, Field, FormatError, Suite};

use crate::fixtures::sealed;

/// Returns the newer version that the error names, or the field and the position of the fault.
fn told(parsed: Result<Envelope, FormatError>) -> Result<u8, (Field, usize)> {
    match parsed {
        Err(FormatError::NewerVersion { version, .. }) => Ok(version),
        Err(FormatError::Malformed { field, offset, .. }) => Err((field, offset)),
        Err(other) => panic!("no name for this variant: {other}"),
        Ok(_) => panic!("parsed"),
    }
}

#[test]
fn a_version_byte_above_1_is_newer_and_0_is_none() {
    let row = sealed(Suite::default(), 3);
    let mut newer = 0;
    for version in 2..=u8::MAX {
        let mut bytes = row.as_bytes().to_vec();
        bytes[2] = version;
        // The meaning of the rest is up to the newer version.
        for len in [3, 4, 5, bytes.len() - 1, bytes.len()] {
            assert_eq!(told(Envelope::from_bytes(&bytes[..len])), Ok(version), "{len} bytes");
            newer += 1;
        }
    }
    assert_eq!(newer, 254 * 5);

    let malformed = Err((Field::Prefix, 2));
    let mut bytes = row.as_bytes().to_vec();
    bytes[2] = 0;
    assert_eq!(told(Envelope::from_bytes(&bytes)), malformed);
    assert_eq!(told(Envelope::from_bytes(b"SW\0")), malformed);
    assert_eq!(told(Envelope::from_bytes(b"SW")), malformed);
    // Of another format, so its third byte means nothing.
    assert_eq!(told(Envelope::from_bytes(b"sw\x02")), Err((Field::Prefix, 0)));
    assert_eq!(told(Envelope::from_bytes(b"SX\x02")), Err((Field::Prefix, 0)));
}

#[test]
fn sw2_to_sw255_are_newer_and_any_other_number_is_malformed() {
    let text = sealed(Suite::default(), 3).to_string();
    let rest = text.strip_prefix("sw1:").unwrap();
    let rests = [rest, "", "anything", ":::::::::::"];
    let mut newer = 0;
    for version in 2..=u8::MAX {
        for rest in rests {
            assert_eq!(told(format!("sw{version}:{rest}").parse()), Ok(version), "{rest}");
            newer += 1;
        }
    }
    assert_eq!(newer, 254 * 4);

    // A valid version has no leading zeros, only ASCII digits, and a colon.
    let long = format!("sw{}:", "9".repeat(1024 * 1024));
    let zeros = format!("sw{}2:", "0".repeat(1024 * 1024));
    let prefixes = [
        "sw0:",
        "sw00:",
        "sw01:",
        "sw02:",
        "sw002:",
        "sw0255:",
        "sw256:",
        "sw257:",
        "sw258:",
        "sw1000:",
        "sw65538:",
        "sw4294967295:",
        "sw4294967298:",
        "sw18446744073709551618:",
        &long,
        &zeros,
        "sw:",
        "sw-2:",
        "sw+2:",
        "sw 2:",
        "sw2 :",
        "sw2.0:",
        "sw0x2:",
        "swff:",
        "sw\u{ff12}:",
        "sw\u{662}:",
        "SW2:",
        "Sw2:",
        "sW2:",
        " sw2:",
        "s2:",
        "2:",
    ];
    let mut malformed = 0;
    for prefix in prefixes {
        for rest in rests {
            let found = told(format!("{prefix}{rest}").parse());
            assert_eq!(found, Err((Field::Prefix, 0)), "{} characters", prefix.len());
            malformed += 1;
        }
    }
    assert_eq!(malformed, 32 * 4);
    for text in ["sw2", "sw255", "sw2=x:", "sw2;:", "sw2a256gcm:", "sw"] {
        assert_eq!(told(text.parse()), Err((Field::Prefix, 0)), "{text}");
    }
}
