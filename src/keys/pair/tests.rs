//! What an unwrap that fails leaves in its caller's buffer.

use super::{
    CHECK_LEN, OPENING_KEY_LEN, OpeningKey, ProviderErrorKind, UnwrapRequest, WrapRequest,
};
use crate::format::sizes::{HPKE_BODY_LEN, KEY_LEN};
use crate::format::suite::Suite;
use crate::keys::data_key::DataKey;

fn counting<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|i| first.wrapping_add(i.try_into().unwrap()))
}

/// The caller would go on with whatever is left in its buffer.
#[test]
fn a_wrap_that_fails_leaves_nothing_of_what_it_held() {
    let key = OpeningKey::of_bytes(&counting::<OPENING_KEY_LEN>(1)).unwrap();
    let (key_id, commitment) = ("prod".parse().unwrap(), [7; 32]);
    let wrap = |data_key: &[u8; KEY_LEN]| {
        let data_key = DataKey::copy_of(data_key);
        let request = WrapRequest::new(&key_id, Suite::Aes256Gcm, &commitment, &data_key);
        key.sealing().wrap(request).unwrap()
    };
    let unwrap = |body: &[u8]| {
        let mut buffer = [0xee; KEY_LEN];
        let request = UnwrapRequest::new(&key_id, Suite::Aes256Gcm, &commitment, body);
        let unwrapped = key.unwrap(request, &mut buffer);
        (unwrapped, buffer)
    };
    let whole = wrap(&counting(0x80));
    assert_eq!(unwrap(&whole), (Ok(()), counting(0x80)));
    for at in [0, CHECK_LEN, 1000, HPKE_BODY_LEN - 48, HPKE_BODY_LEN - 1] {
        let mut altered = whole.clone();
        *altered.get_mut(at).unwrap() ^= 1;
        let expected = if at < CHECK_LEN {
            (Err(ProviderErrorKind::WrongKeyMaterial), [0xee; KEY_LEN])
        } else {
            (Err(ProviderErrorKind::Rejected), [0; KEY_LEN])
        };
        assert_eq!(unwrap(&altered), expected, "byte {at}");
    }
    let short = whole.split_last().unwrap().1;
    assert_eq!(unwrap(short), (Err(ProviderErrorKind::Rejected), [0xee; KEY_LEN]));
    // Wrapped correctly, but refused because the data key is weak.
    let weak = wrap(&[0xa5; KEY_LEN]);
    assert_eq!(unwrap(&weak), (Err(ProviderErrorKind::Rejected), [0; KEY_LEN]));
}
