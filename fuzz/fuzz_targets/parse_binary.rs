//! What parses as the binary form encodes to the same bytes, and to a text that parses to the same
//! envelope.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealwax::Envelope;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::from_bytes(bytes) {
        assert_eq!(envelope.as_bytes(), bytes);
        assert_eq!(envelope.to_string().parse(), Ok(envelope));
    }
});
