//! An edited envelope opens only if it is still what was sealed, byte for byte. If the editor has the data key and
//! computes a new MAC over the edit, the envelope still opens to nothing else. Every operation gives the same result as
//! the reference, under several keyrings.

use std::sync::LazyLock;

use sealwax::{EncryptionContext, Envelope};

use super::agree;
use super::edits::edit;
use super::input::Input;
use super::material::{IV, Ring, context, key};
use super::reference::Key;
use super::reference::envelope::Envelope as Parts;
use super::reference::keyring::State;
use super::reference::procedures::{seal, with_mac};

const MAX_EDITS: usize = 12;

struct Row {
    dek: Key,
    context: EncryptionContext,
    plaintext: &'static [u8],
    parts: Parts,
}

static RINGS: LazyLock<[Ring; 9]> = LazyLock::new(|| {
    use State::{Destroyed, Disabled, Escrow, Leaked, Primary, Retired};
    [
        // The keyring it was sealed with: current.
        Ring::new(&[(Primary, "prod", 1), (Escrow, "dr", 2)]),
        // A new primary. The wrap of the old one is tried first, then that of the escrow key.
        Ring::new(&[(Primary, "next", 3), (Retired, "prod", 1), (Retired, "dr", 2)]),
        // Only one wrap can still be opened.
        Ring::new(&[(Primary, "next", 3), (Disabled, "prod", 0), (Retired, "dr", 2)]),
        // The same two keys, each under the other's id.
        Ring::new(&[(Primary, "prod", 2), (Escrow, "dr", 1)]),
        Ring::new(&[(Primary, "next", 3), (Disabled, "prod", 0), (Destroyed, "dr", 0)]),
        Ring::new(&[(Primary, "next", 3), (Disabled, "prod", 0)]),
        // A leaked key: alongside one that opens, alongside one that does not, and without any.
        Ring::new(&[(Primary, "next", 3), (Retired, "prod", 1), (Leaked, "dr", 0)]),
        Ring::new(&[(Primary, "next", 3), (Leaked, "prod", 0), (Disabled, "dr", 0)]),
        Ring::new(&[(Primary, "next", 3), (Leaked, "prod", 0), (Destroyed, "dr", 0)]),
    ]
});

static ROWS: LazyLock<[Row; 4]> = LazyLock::new(|| {
    let row = |ring: usize, suite, dek, context: EncryptionContext, plaintext: &'static [u8]| {
        let (dek, ring) = (key(dek), &RINGS[ring].reference);
        let parts = seal(ring, suite, context.encoded(), plaintext, &dek, &IV);
        Row { dek, context, plaintext, parts }
    };
    [
        row(0, 1, 0x80, context("1"), b"a credential"),
        row(0, 2, 0x90, context("1"), b"another one, and longer"),
        // The same data key in another context.
        row(0, 1, 0x80, context("2"), b"a credential"),
        row(3, 2, 0xa0, EncryptionContext::empty(), b""),
    ]
});

/// An envelope in either its text or its binary form.
struct Form {
    bytes: Vec<u8>,
    is_text: bool,
}

impl Form {
    fn of(parts: &Parts, is_text: bool) -> Self {
        let bytes = if is_text { parts.text().into_bytes() } else { parts.binary() };
        Self { bytes, is_text }
    }

    fn parts(&self) -> Option<Parts> {
        if self.is_text {
            Parts::from_text(std::str::from_utf8(&self.bytes).ok()?).ok()
        } else {
            Parts::from_binary(&self.bytes).ok()
        }
    }
}

/// Reads two rows, a keyring, a context and a form, then edits.
pub fn check(input: &[u8]) -> bool {
    let mut input = Input::new(input);
    let (row, other) = (input.choose(&*ROWS), input.choose(&*ROWS));
    let (ring, context) = (input.choose(&*RINGS), &input.choose(&*ROWS).context);
    let is_text = input.below(2) == 1;
    let mut form = Form::of(&row.parts, is_text);
    let foreign = Form::of(&other.parts, is_text).bytes;
    let mut has_own_mac = false;
    for _ in 0..MAX_EDITS {
        let Some(choice) = input.next_byte() else { break };
        if choice >= 80 {
            edit(&mut form.bytes, &foreign, &mut input);
            continue;
        }
        // These edits need the parsed parts: replacing a field, moving wraps, or computing a MAC.
        let Some(parts) = form.parts() else { break };
        let changed = if choice < 64 {
            exchange(parts, &other.parts, &mut input)
        } else {
            has_own_mac = true;
            with_mac(parts, &row.dek)
        };
        form = Form::of(&changed, is_text);
    }

    let found = match std::str::from_utf8(&form.bytes) {
        Ok(text) if is_text => text.parse(),
        Err(_) if is_text => return false,
        _ => Envelope::from_bytes(&form.bytes),
    };
    let parts = form.parts();
    assert_eq!(found.is_ok(), parts.is_some());
    let (Ok(envelope), Some(parts)) = (found, parts) else { return false };
    if let Some(plaintext) = agree::verdicts(ring, &envelope, &parts, context) {
        let origin = ROWS.iter().find(|row| row.parts.commitment == parts.commitment).unwrap();
        assert_eq!((plaintext.as_slice(), context), (origin.plaintext, &origin.context));
        assert!(has_own_mac || parts == origin.parts);
    }
    true
}

/// The number of ways to exchange a part.
pub const EXCHANGES: u8 = 16;

/// Replaces one field with another envelope's, or changes the order, the number or the kind of the wraps.
fn exchange(mut parts: Parts, other: &Parts, input: &mut Input<'_>) -> Parts {
    let other = other.clone();
    let len = parts.wraps.len();
    match input.below(EXCHANGES.into()) {
        0 => parts.suite = 3 - parts.suite,
        1 => parts.commitment = other.commitment,
        2 => parts.mac = other.mac,
        3 => parts.iv = other.iv,
        4 => parts.tag = other.tag,
        5 => parts.ciphertext = other.ciphertext,
        6 => parts.wraps = other.wraps,
        7 => parts.wraps.rotate_left(1),
        8 if len > 1 => drop(parts.wraps.remove(input.below(len))),
        // The wrap of another envelope, under an id of this one.
        9 => parts.wraps[input.below(len)].1 = other.wraps[0].1.clone(),
        10 => parts.wraps[input.below(len)].1[0] = input.byte().max(1),
        11 => parts.wraps[input.below(len)].1.push(0),
        12 => parts.wraps[input.below(len)].1.truncate(usize::from(input.byte()).max(2)),
        // What a column that is too short does, or one that pads.
        13 => parts.ciphertext.truncate(input.byte().into()),
        14 => parts.ciphertext.push(input.byte()),
        // One more wrap, of a kind that needs something other than a local key.
        15 if len < 8 => {
            parts.wraps.push(("kms".to_owned(), vec![input.byte().max(2), input.byte()]));
        }
        _ => (),
    }
    parts
}
