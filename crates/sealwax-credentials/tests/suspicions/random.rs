//! Random credentials, which must look like credentials, and of which no suspicion may show a part.

use std::collections::BTreeSet;

use sealwax_credentials::Suspicion;

use crate::of;

pub(crate) const ALPHANUMERIC: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(crate) const BASE64: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(crate) const BASE64URL: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
pub(crate) const HEX: &[u8] = b"0123456789abcdef";
pub(crate) const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// SplitMix64, which is repeatable.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).map(|_| char::from(self.one_of(alphabet))).collect()
    }

    fn one_of(&mut self, alphabet: &[u8]) -> u8 {
        let side = self.roll() % u64::try_from(alphabet.len()).unwrap();
        *alphabet.get(usize::try_from(side).unwrap()).unwrap()
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[test]
fn random_keys_are_not_suspected() {
    let mut dice = Dice(1);
    let mut seen = 0;
    for alphabet in [ALPHANUMERIC, BASE64, BASE64URL, HEX, UPPER] {
        for length in [16, 32, 40, 64] {
            for round in 0..5_000 {
                let found = of(dice.text(length, alphabet));
                assert_eq!(found, [], "{length} characters, round {round}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 100_000);
}

/// Passwords may have any printable character, so a few of them end in quotes or begin like a variable.
#[test]
fn random_passwords_are_rarely_suspected() {
    let printable: Vec<u8> = (b'!'..=b'~').collect();
    let (mut dice, mut suspected) = (Dice(2), 0);
    for _ in 0..50_000 {
        suspected += usize::from(!of(dice.text(20, &printable)).is_empty());
    }
    assert!(suspected < 150, "{suspected} of 50,000");
}

/// What happens to a credential: `#` is where it is.
const ACCIDENTS: [&str; 41] = [
    "",
    "#",
    " #",
    "# ",
    "# #",
    "#\0",
    "#\u{200b}",
    "\u{feff}#",
    "#\u{e9}",
    "#\\n",
    "\"#\"",
    "<#>",
    "Bearer #",
    "Authorization: #",
    "MY_API_KEY=#",
    "null",
    "b'#'",
    "Some(\"#\")",
    "changeme",
    "#...#",
    "****#",
    "#xxxxxxxx",
    "${#}",
    "/run/secrets/#",
    "-----BEGIN # KEY-----",
    "{\"key\":\"#",
    "sw1:#",
    "swk1_#",
    "primary # swk1_#",
    "vault:v1:#",
    "U2FsdGVkX1#",
    "{\"iv\":\"#\",\"data\":\"#\"}",
    "x^#\u{1}",
    "H4sIAA#",
    "PK\u{3}\u{4}#",
    "[object #]",
    "<Error>#</Error>",
    "=\"#\"",
    "vault:secret/#",
    "s:24:\"#\";",
    "\\x#",
];

#[test]
fn no_suspicion_shows_a_part_of_a_credential() {
    let mut dice = Dice(3);
    let (mut reached, mut windows) = (BTreeSet::new(), 0);
    for round in 0..50 {
        // No word of a phrase consists of these. Seven characters are too short for a credential.
        let key = dice.text(if round % 2 == 0 { 7 } else { 24 }, UPPER);
        for accident in ACCIDENTS {
            let text = accident.replace('#', &key);
            let bytes = [text.as_bytes(), b"\xff"].concat();
            for suspicion in of(&text).into_iter().chain(of(&bytes)) {
                let shown = format!("{suspicion} {suspicion:?} {}", suspicion.name());
                for window in text.as_bytes().windows(4).filter(|window| is_of(window, &key)) {
                    let shows = shown.as_bytes().windows(4).any(|part| part == window);
                    assert!(!shows, "{suspicion:?} shows a part of the credential");
                    windows += 1;
                }
                reached.insert(suspicion);
            }
        }
    }
    assert_eq!(reached, Suspicion::ALL.iter().copied().collect());
    assert!(windows > 10_000, "{windows}");
    // There is no room for a text.
    assert_eq!(size_of::<Suspicion>(), 1);
}

fn is_of(window: &[u8], key: &str) -> bool {
    key.as_bytes().windows(4).any(|part| part == window)
}
