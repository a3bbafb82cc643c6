//! Splits a fuzzing input that encodes more than one text.

/// Takes numbers and bytes off the front. At the end it returns zeros, so that no input is too short, and an input that
/// a mutation has cut off keeps its meaning up to that point.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the next byte, or `None` at the end.
    pub fn next_byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub fn byte(&mut self) -> u8 {
        self.next_byte().unwrap_or(0)
    }

    pub fn u16(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// Returns a number below `limit`, from one byte.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Returns one of these items.
    pub fn choose<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    /// Returns `len` bytes, or as many as are left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns up to `limit` bytes. It repeats a few bytes of the input, so that a short input makes a long text.
    pub fn long(&mut self, limit: usize) -> Vec<u8> {
        let len = self.u16() % (limit + 1);
        let few = self.below(16);
        self.take(few).iter().copied().cycle().take(len).collect()
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
