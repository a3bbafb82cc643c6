//! Putting an envelope together from what the verbs made.

use alloc::vec;
use alloc::vec::Vec;

use super::{COUNT_EXPECTED, Envelope, MAGIC, TAIL_LEN, WRAPS_AT};
use crate::format_error::{Field, FormatError};
use crate::suite::{COMMITMENT_LEN, FORMAT_VERSION, IV_LEN, MAC_LEN, Suite, TAG_LEN};
use crate::wrapped_key::Wrap;

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
            // len8, u16 and the kind byte: 4.
            len.saturating_add(4).saturating_add(key_id_len).saturating_add(body_len)
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
        let count_fault = FormatError::malformed(Field::WrapCount, COUNT_EXPECTED, WRAPS_AT - 1);
        let count = u8::try_from(wraps.clone().count()).map_err(|_| count_fault)?;
        let front_len = Self::front_len(wraps.clone().map(|w| (w.key_id.len(), w.body.len())));
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
        head.put(commitment);
        let mac = mac(head.so_far());
        head.put(&mac);
        head.put(iv);
        head.put(tag);
        // Refuses what cannot be parsed again: a wrong number of wraps, one id under two of them.
        Self::from_vec(bytes)
    }
}

/// Fills a buffer of the right size from the front.
struct Writer<'a> {
    bytes: &'a mut [u8],
    written: usize,
}

impl Writer<'_> {
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
