//! The forms in which a key may come back, and the search for one of them.
//!
//! The search is that of Knuth, Morris and Pratt: linear in the text whatever the text is, and its whole state is one
//! number. The crate `aho-corasick` would find all forms in one pass, but it keeps copies of its patterns, and an
//! automaton that spells them, in memory that it does not wipe.

use alloc::vec;
use alloc::vec::Vec;

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

/// What is done to each character before it is compared.
#[derive(Clone, Copy)]
enum Fold {
    Nothing,
    /// Hex digits of both cases are equal.
    Hex,
    /// The two alphabets of base64 are equal (RFC 4648, sections 4 and 5).
    Base64,
}

impl Fold {
    fn apply(self, character: u8) -> u8 {
        match (self, character) {
            (Self::Hex, _) => character.to_ascii_lowercase(),
            (Self::Base64, b'-') => b'+',
            (Self::Base64, b'_') => b'/',
            _ => character,
        }
    }
}

/// One form of a key, and how much of it the last characters of a text are.
#[derive(Clone)]
pub(super) struct Form {
    fold: Fold,
    pattern: Zeroizing<Vec<u8>>,
    /// For each prefix of the pattern, the length of the longest shorter one that it ends in.
    borders: Zeroizing<Vec<usize>>,
    matched: usize,
}

impl Form {
    /// The key itself.
    pub(super) fn raw(key: &[u8]) -> Self {
        Self::new(Fold::Nothing, key.to_vec().into())
    }

    /// The key in hex, in either case.
    pub(super) fn hex(key: &[u8]) -> Self {
        let mut digits = Zeroizing::new(vec![0; key.len().saturating_mul(2)]);
        // It fails only if there is not enough room.
        let _ = base16ct::lower::encode(key, &mut digits);
        Self::new(Fold::Hex, digits)
    }

    /// The key as part of a base64 text, in which so many bytes modulo 3 come before it.
    ///
    /// The pattern has the characters that only the key decides. Those at its ends may also depend on a neighbour: in
    /// the text, they remain, with at most 4 bits of the first byte and 4 of the last.
    pub(super) fn base64(key: &[u8], before: usize) -> Self {
        let bytes = Zeroizing::new([[0; 2].get(..before).unwrap_or_default(), key].concat());
        let mut text = Zeroizing::new(vec![0; Base64Unpadded::encoded_len(&bytes)]);
        // It fails only if there is not enough room.
        let _ = Base64Unpadded::encode(&bytes, &mut text);
        // Characters of 6 bits: the first one that starts in the key, and the number of whole ones.
        let start = before.saturating_mul(8).div_ceil(6);
        let end = bytes.len().saturating_mul(8) / 6;
        Self::new(Fold::Base64, text.get(start..end).unwrap_or_default().to_vec().into())
    }

    /// The same form in a text whose letters are in lower case.
    pub(super) fn in_lower_case(&self) -> Self {
        let mut pattern = self.pattern.clone();
        pattern.make_ascii_lowercase();
        Self::new(self.fold, pattern)
    }

    fn new(fold: Fold, pattern: Zeroizing<Vec<u8>>) -> Self {
        let borders = Vec::with_capacity(pattern.len()).into();
        let mut form = Self { fold, pattern, borders, matched: 0 };
        // The search for the pattern in itself, from its second character on.
        for place in 0..form.pattern.len() {
            if let Some(&character) = form.pattern.get(place).filter(|_| place > 0) {
                form.step(character);
            }
            form.borders.push(form.matched);
        }
        form.restart();
        form
    }

    /// Starts again, with another text.
    pub(super) fn restart(&mut self) {
        self.matched = 0;
    }

    /// Takes the next character of the text, and returns whether it completes the form.
    pub(super) fn step(&mut self, character: u8) -> bool {
        let character = self.fold.apply(character);
        let fits = |matched: usize| self.pattern.get(matched) == Some(&character);
        let mut matched = self.matched;
        while matched > 0 && !fits(matched) {
            matched = self.borders.get(matched.saturating_sub(1)).copied().unwrap_or(0);
        }
        self.matched = matched.saturating_add(usize::from(fits(matched)));
        let is_complete = self.matched == self.pattern.len();
        if is_complete {
            // The filter has noted it, so that only what may be the start of another is undecided.
            self.matched = self.borders.last().copied().unwrap_or(0);
        }
        is_complete
    }

    /// Returns how many of the last characters may become the form.
    pub(super) fn matched(&self) -> usize {
        self.matched
    }

    /// Returns the number of characters.
    pub(super) fn len(&self) -> usize {
        self.pattern.len()
    }
}
