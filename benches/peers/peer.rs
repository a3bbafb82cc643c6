//! The peers: libraries and code that keep a credential in a column, and how each is set up.

use std::fmt;
use std::hint::black_box;
use std::ops::RangeInclusive;

#[cfg(feature = "age")]
mod age;
mod by_hand;
#[cfg(feature = "esdk")]
mod esdk;
mod sealwax;
mod tink;

use crate::rate::Work;

/// As long as the API keys of the larger providers.
const PLAINTEXT: &[u8; 51] = b"sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
/// What the credential belongs to. Used if a peer can bind it.
const CONTEXT: [(&str, &str); 3] = [("tenant", "acme"), ("provider", "openai"), ("row", "4711")];
/// The context of another row, under which nothing that is bound to `CONTEXT` opens.
const OTHER_CONTEXT: [(&str, &str); 3] =
    [("tenant", "acme"), ("provider", "openai"), ("row", "4712")];
const KEY_ID: &str = "prod-2026";

/// Returns the plaintext. Its length is hidden from the compiler, which could otherwise build it
/// into a peer's code.
fn plaintext() -> &'static [u8] {
    black_box(PLAINTEXT)
}

/// A peer at work.
///
/// Each thread makes the closures that it runs, because some peers have keys that threads cannot
/// share. Each closure asserts that the result is right.
pub(crate) struct Peer {
    pub(crate) about: About,
    pub(crate) seal: Box<Work<'static>>,
    pub(crate) open: Box<Work<'static>>,
}

pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) rng: Rng,
    /// What an envelope authenticates in addition to the plaintext.
    pub(crate) binds: &'static str,
    /// Whether an envelope that opens under two keys is impossible.
    pub(crate) commits: &'static str,
    /// Bytes in the column.
    pub(crate) stored: RangeInclusive<usize>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Binary,
    Text,
}

/// Where a seal gets its randomness. The fastest peers spend much of their time on it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Rng {
    /// The operating system, each time.
    System,
    /// A per-thread CSPRNG that is seeded from the operating system now and then.
    Thread,
}

pub(crate) fn all() -> Vec<Peer> {
    let mut peers = sealwax::peers();
    peers.extend(by_hand::peers());
    peers.push(tink::peer());
    #[cfg(feature = "age")]
    peers.push(age::peer());
    #[cfg(feature = "esdk")]
    peers.push(esdk::peer());
    peers
}

impl Peer {
    /// Makes a peer from three closures.
    ///
    /// `start` returns what a thread works with, `seal` turns the plaintext into the value of the
    /// column, and `open` turns it back.
    fn new<Start: 'static, Column: Bytes + 'static, Plaintext: Bytes>(
        about: About,
        start: impl Fn() -> Start + Clone + Sync + 'static,
        seal: impl Fn(&Start) -> Column + Copy + Sync + 'static,
        open: impl Fn(&Start, &Column) -> Plaintext + Copy + Sync + 'static,
    ) -> Self {
        let stored = about.stored.clone();
        let start_to_open = start.clone();
        Self {
            about,
            seal: Box::new(move || {
                let (started, stored) = (start(), stored.clone());
                Box::new(move || {
                    let column = seal(black_box(&started));
                    let len = black_box(column.bytes()).len();
                    assert!(stored.contains(&len), "{len} bytes");
                })
            }),
            open: Box::new(move || {
                let started = start_to_open();
                let column = seal(&started);
                Box::new(move || {
                    let plaintext = open(black_box(&started), black_box(&column));
                    assert_eq!(plaintext.bytes(), PLAINTEXT);
                })
            }),
        }
    }

    pub(crate) fn is_sealwax(&self) -> bool {
        self.about.name == sealwax::NAME
    }
}

impl About {
    /// Returns whether a ratio of the two makes sense: same form, same source of randomness.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.form == other.form && self.rng == other.rng
    }
}

/// The value of a column, or a plaintext.
trait Bytes {
    fn bytes(&self) -> &[u8];
}

impl Bytes for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Bytes for String {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::Text => "text",
        })
    }
}

impl fmt::Display for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Thread => "thread",
        })
    }
}
