//! An input taken apart, where it stands for more than one text.

/// Takes numbers and bytes off the front. At its end it answers zeros, so that no input is too short
/// and what a mutation cuts off keeps its meaning up to there.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; none at the end.
    pub fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub fn u16(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// A number below `limit`, out of one byte.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// One of them.
    pub fn choose<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    /// `len` bytes, or as many as there are.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Up to `limit` bytes: a few of the input, again and again, so that a short input makes a long one.
    pub fn long(&mut self, limit: usize) -> Vec<u8> {
        let len = self.u16() % (limit + 1);
        let few = self.below(16);
        self.take(few).iter().copied().cycle().take(len).collect()
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
