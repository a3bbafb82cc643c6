//! Eight bytes of a secret, wherever they are.

use std::collections::HashSet;

/// The shortest fragment that counts as left behind.
pub const FRAGMENT: usize = 8;

/// Every eight bytes in a row of the secrets, and of which kind of secret each is.
pub struct Windows {
    /// Open addressing; 0 is an empty slot, and no window.
    slots: Vec<(u64, u8)>,
    /// One bit for each slot's hash: most of memory is told apart without a look at the slots.
    seen: Vec<u64>,
    count: usize,
    kinds: Vec<&'static str>,
    /// What was there before there was a secret.
    before: HashSet<u64>,
    /// Windows of secrets that are not looked for, because they were there before.
    pub ignored: usize,
}

/// Bytes in a row that are of a secret.
pub struct Found {
    pub at: usize,
    pub len: usize,
    pub kind: &'static str,
}

impl Windows {
    pub fn new() -> Self {
        Self {
            slots: vec![(0, 0); 1 << 12],
            seen: vec![0; 1 << 10],
            count: 0,
            kinds: Vec::new(),
            before: HashSet::new(),
            ignored: 0,
        }
    }

    /// Forgets the secrets.
    pub fn clear(&mut self) {
        let (before, ignored) = (std::mem::take(&mut self.before), self.ignored);
        *self = Self { before, ignored, ..Self::new() };
    }

    /// Takes in memory from before there was a secret: what it holds says nothing about one. Eight
    /// characters of hex are no more than four bytes, and the C library reads the addresses of
    /// `/proc/self/maps`, which are drawn anew in each run, into a buffer that it leaves as it is.
    pub fn ignore(&mut self, memory: &[u8]) {
        self.before.extend(memory.windows(FRAGMENT).map(word));
    }

    fn hash(window: u64, bits: u32) -> usize {
        let hash = window.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits);
        usize::try_from(hash).unwrap_or_default()
    }

    fn slot(slots: &[(u64, u8)], window: u64) -> usize {
        let mask = slots.len() - 1;
        let mut at = Self::hash(window, slots.len().trailing_zeros());
        while slots[at].0 != 0 && slots[at].0 != window {
            at = (at + 1) & mask;
        }
        at
    }

    fn add_window(&mut self, window: u64, kind: u8) {
        if self.count * 2 >= self.slots.len() {
            let mut larger = vec![(0, 0); self.slots.len() * 4];
            self.seen = vec![0; larger.len() / 8];
            for (window, kind) in self.slots.iter().filter(|(window, _)| *window != 0) {
                let at = Self::slot(&larger, *window);
                larger[at] = (*window, *kind);
                mark(&mut self.seen, *window);
            }
            self.slots = larger;
        }
        let at = Self::slot(&self.slots, window);
        if self.slots[at].0 == 0 {
            self.slots[at] = (window, kind);
            self.count += 1;
            mark(&mut self.seen, window);
        }
    }

    /// Takes in a secret. Bytes that repeat are no secret: nothing could be told from them.
    pub fn add(&mut self, kind: &'static str, secret: &[u8]) {
        let kind = self.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        });
        for window in secret.windows(FRAGMENT) {
            let repeats = window.iter().filter(|byte| **byte == window[0]).count() > FRAGMENT / 2;
            if repeats {
                continue;
            }
            if self.before.contains(&word(window)) {
                self.ignored += 1;
            } else {
                self.add_window(word(window), kind.try_into().unwrap_or_default());
            }
        }
    }

    pub fn search(&self, memory: &[u8], found: &mut Vec<Found>) {
        let Some(first) = memory.first_chunk::<FRAGMENT>() else { return };
        let mut window = u64::from_le_bytes(*first);
        self.look(window, 0, found);
        for (at, byte) in (1..).zip(&memory[FRAGMENT..]) {
            window = (window >> 8) | (u64::from(*byte) << 56);
            self.look(window, at, found);
        }
    }

    #[inline(always)]
    fn look(&self, window: u64, at: usize, found: &mut Vec<Found>) {
        let bits = (self.seen.len() * 64).trailing_zeros();
        let hash = Self::hash(window, bits);
        if window != 0 && self.seen[hash / 64] >> (hash % 64) & 1 == 1 {
            self.confirm(window, at, found);
        }
    }

    #[inline(never)]
    fn confirm(&self, window: u64, at: usize, found: &mut Vec<Found>) {
        let (there, kind) = self.slots[Self::slot(&self.slots, window)];
        if there != window {
            return;
        }
        let kind = self.kinds[usize::from(kind)];
        match found.last_mut() {
            // The next byte of the same fragment.
            Some(last) if last.kind == kind && last.at + last.len - FRAGMENT + 1 == at => {
                last.len += 1;
            }
            _ => found.push(Found { at, len: FRAGMENT, kind }),
        }
    }
}

fn mark(seen: &mut [u64], window: u64) {
    let hash = Windows::hash(window, (seen.len() * 64).trailing_zeros());
    seen[hash / 64] |= 1 << (hash % 64);
}

fn word(window: &[u8]) -> u64 {
    window.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
