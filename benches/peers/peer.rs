//! What keeps a credential in a column: who they are, and how each is set up.

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
/// What the credential belongs to, where a peer can bind it.
const CONTEXT: [(&str, &str); 3] = [("tenant", "acme"), ("provider", "openai"), ("row", "4711")];
/// Another row's, under which nothing bound to `CONTEXT` opens.
const OTHER_CONTEXT: [(&str, &str); 3] =
    [("tenant", "acme"), ("provider", "openai"), ("row", "4712")];
const KEY_ID: &str = "prod-2026";

/// The plaintext, with a length that a compiler cannot build into a peer's code.
fn plaintext() -> &'static [u8] {
    black_box(PLAINTEXT)
}

/// A peer at work. Its verbs are made in the thread that is to run them, because not every peer's key
/// can be shared by threads; each asserts that the result is right.
pub(crate) struct Peer {
    pub(crate) about: About,
    pub(crate) seal: Box<Work<'static>>,
    pub(crate) open: Box<Work<'static>>,
}

pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) rng: Rng,
    /// What an envelope is authenticated with, beyond the plaintext.
    pub(crate) binds: &'static str,
    /// Whether an envelope that opens under two keys is ruled out.
    pub(crate) commits: &'static str,
    /// Bytes in the column.
    pub(crate) stored: RangeInclusive<usize>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Binary,
    Text,
}

/// Where a seal draws from. It decides much of the time of the fastest peers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Rng {
    /// The operating system, at each draw.
    System,
    /// A CSPRNG of the thread, seeded from the operating system now and then.
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
    /// `start` gives a thread what it works with, `seal` goes from the plaintext to the column and
    /// `open` back.
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
    /// Whether the two are worth a ratio: the same form and the same source of randomness.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.form == other.form && self.rng == other.rng
    }
}

/// What stands in a column, or a plaintext.
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
