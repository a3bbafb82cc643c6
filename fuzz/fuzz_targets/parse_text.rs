//! What parses as the text form encodes to the same text, and to bytes that parse to the same
//! envelope.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealwax::Envelope;

fuzz_target!(|text: &str| {
    if let Ok(envelope) = text.parse::<Envelope>() {
        assert_eq!(envelope.to_string(), text);
        assert_eq!(Envelope::from_bytes(envelope.as_bytes()), Ok(envelope));
    }
});
