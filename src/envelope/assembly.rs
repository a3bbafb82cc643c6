//! Putting an envelope together from what the verbs made.

use alloc::vec;
use alloc::vec::Vec;

use super::{COUNT_EXPECTED, Envelope, ID_EXPECTED, MAGIC, TAIL_LEN, WRAPS_AT};
use crate::format_error::{Field, FormatError};
use crate::suite::{COMMITMENT_LEN, FORMAT_VERSION, IV_LEN, MAC_LEN, Suite, TAG_LEN};
use crate::wrapped_key::{MAX_WRAPS, Wrap};

/// A ciphertext with room in front of it, so that what precedes it is written into place.
pub(crate) struct Payload {
    bytes: Vec<u8>,
    room: usize,
}

impl Payload {
    /// `room` is a guess: [`Envelope::front_len`] if it is right, more copying if not.
    pub(crate) fn zeroed(room: usize, len: usize) -> Self {
        Self { bytes: vec![0; room.saturating_add(len)], room }
    }

    pub(crate) fn copied(room: usize, ciphertext: &[u8]) -> Self {
        let mut payload = Self::zeroed(room, ciphertext.len());
        payload.ciphertext_mut().copy_from_slice(ciphertext);
        payload
    }

    pub(crate) fn ciphertext_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.room..).unwrap_or_default()
    }
}

impl Envelope {
    /// Bytes before the ciphertext, for wraps of these key ids and bodies.
    pub(crate) fn front_len(wraps: impl Iterator<Item = (usize, usize)>) -> usize {
        wraps.fold(WRAPS_AT + TAIL_LEN, |len, (key_id_len, body_len)| {
            len.saturating_add(wrap_len(key_id_len, body_len))
        })
    }

    /// Puts an envelope together; `mac` is handed the head and answers the mac over it.
    ///
    /// # Errors
    ///
    /// [`FormatError`] when the wraps are none, more than eight, or two under one id.
    pub(crate) fn assemble<'w>(
        suite: Suite,
        wraps: impl Iterator<Item = Wrap<'w>> + Clone,
        commitment: &[u8; COMMITMENT_LEN],
        iv: &[u8; IV_LEN],
        tag: &[u8; TAG_LEN],
        mut payload: Payload,
        mac: impl FnOnce(&[u8]) -> [u8; MAC_LEN],
    ) -> Result<Self, FormatError> {
        let (count, front_len) = Self::check_wraps(wraps.clone())?;
        if payload.room != front_len {
            payload = Payload::copied(front_len, payload.ciphertext_mut());
        }
        let Payload { mut bytes, .. } = payload;

        let mut head = Writer { bytes: &mut bytes, written: 0 };
        head.put(&MAGIC);
        head.put(&[FORMAT_VERSION, suite.id(), count]);
        for wrap in wraps {
            head.put(&[u8::try_from(wrap.key_id.len()).unwrap_or_default()]);
            head.put(wrap.key_id.as_bytes());
            let wrapped_len = wrap.body.len().saturating_add(1);
            head.put(&u16::try_from(wrapped_len).unwrap_or_default().to_be_bytes());
            head.put(&[wrap.kind.byte()]);
            head.put(wrap.body);
        }
        let commitment_at = head.written;
        head.put(commitment);
        let mac = mac(head.so_far());
        head.put(&mac);
        head.put(iv);
        head.put(tag);
        debug_assert_eq!(Self::check(&bytes), Ok((suite, commitment_at)), "it parses again");
        Ok(Self { bytes, suite, commitment_at })
    }

    /// Refuses what could not be parsed again: no wraps, more than eight, or one id under two of
    /// them. Answers how many there are, and the bytes before the ciphertext.
    fn check_wraps<'w>(wraps: impl Iterator<Item = Wrap<'w>>) -> Result<(u8, usize), FormatError> {
        let count_fault = || FormatError::malformed(Field::WrapCount, COUNT_EXPECTED, WRAPS_AT - 1);
        let mut key_ids = [""; MAX_WRAPS];
        let (mut count, mut at) = (0_u8, WRAPS_AT);
        for Wrap { key_id, body, .. } in wraps {
            // A place that is still free holds "", which is no key id.
            if key_ids.contains(&key_id) {
                return Err(FormatError::malformed(Field::KeyId, ID_EXPECTED, at));
            }
            *key_ids.get_mut(usize::from(count)).ok_or_else(count_fault)? = key_id;
            count = count.saturating_add(1);
            at = at.saturating_add(wrap_len(key_id.len(), body.len()));
        }
        if count == 0 { Err(count_fault()) } else { Ok((count, at.saturating_add(TAIL_LEN))) }
    }
}

/// len8(key_id) ‖ u16(len) ‖ kind ‖ body
fn wrap_len(key_id_len: usize, body_len: usize) -> usize {
    key_id_len.saturating_add(body_len).saturating_add(4)
}

/// Fills a buffer of the right size from the front.
struct Writer<'a> {
    bytes: &'a mut [u8],
    written: usize,
}

impl Writer<'_> {
    #[inline]
    fn put(&mut self, field: &[u8]) {
        let end = self.written.saturating_add(field.len());
        if let Some(place) = self.bytes.get_mut(self.written..end) {
            place.copy_from_slice(field);
        }
        self.written = end;
    }

    fn so_far(&self) -> &[u8] {
        self.bytes.get(..self.written).unwrap_or_default()
    }
}
