//! Finds eight bytes of a secret, wherever they are.

use std::collections::HashSet;

/// The shortest fragment that counts as left behind.
pub const FRAGMENT: usize = 8;

/// Every eight consecutive bytes of the secrets, each with the kind of its secret.
pub struct Windows {
    /// A hash table with open addressing. 0 is an empty slot and never a window.
    slots: Vec<(u64, u8)>,
    /// A bit for each hash, which rules out most of memory without a look at the slots.
    seen: Vec<u64>,
    count: usize,
    kinds: Vec<&'static str>,
    /// What memory contained before there was a secret.
    before: HashSet<u64>,
    /// How many windows of secrets are not searched for, because memory contained them before.
    pub ignored: usize,
}

/// Consecutive bytes that are part of a secret.
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

    /// Excludes memory from before there was a secret, because what it contains cannot come from one.
    ///
    /// Eight hex digits are only four bytes of a key, and can occur by chance: the C library reads the
    /// addresses in `/proc/self/maps`, which are random in each run, into a buffer that it does not clear.
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

    /// Adds a secret. Windows in which one byte repeats are skipped, because they could be anything.
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
            // One more byte of the same fragment.
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

pub fn word(window: &[u8]) -> u64 {
    window.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
