//! The offset of a fault in a row, as the error reports it.

use sealwax::legacy::{cloak, n8n};
use sealwax::triplet::{IvLen, TripletError, TripletKey};

fn offset(result: Result<sealwax::Secret, TripletError>) -> usize {
    match result.unwrap_err() {
        TripletError::Malformed { offset, .. } => offset,
        other => panic!("unexpected error: {other}"),
    }
}

#[test]
fn a_fault_behind_a_label_or_an_id_is_counted_from_the_start_of_the_row() {
    let key = TripletKey::insecure_repeated_byte(1);
    let row = [b"\x01\x0aAES.GCM.V1".as_slice(), &[7; 20]].concat();
    assert_eq!(offset(cloak::decrypt(&key, "AES.GCM.V1", IvLen::Twelve, &row)), 12);
    assert_eq!(offset(n8n::decrypt(&key, "some-id:!")), 8);
}
