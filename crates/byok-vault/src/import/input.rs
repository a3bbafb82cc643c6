//! The lines of a file, read twice, each bounded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use tempfile::SpooledTempFile;

use crate::error::VaultError;

/// The longest line, in bytes, without its end: a row and what a quarantine puts around it.
pub(crate) const LINE_LIMIT: usize = 32 * 1024 * 1024;

/// What comes through a pipe is kept in memory up to here, and in an unnamed file beyond.
const SPOOL_LIMIT: usize = 64 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is imported. It is read twice, because whether an id appears twice is known at the end.
pub struct Input {
    name: String,
    reader: BufReader<Box<dyn ReadSeek>>,
}

trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

impl Input {
    /// Opens the file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let name = name(path);
        if is_standard(path) {
            return Self::keep(name, io::stdin().lock());
        }
        let file = File::open(path).map_err(|source| reading(&name, source))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(Self { name, reader: BufReader::new(Box::new(file)) });
        }
        Self::keep(name, file)
    }

    fn keep(name: String, mut from: impl Read) -> Result<Self, VaultError> {
        let mut spool = SpooledTempFile::new(SPOOL_LIMIT);
        io::copy(&mut from, &mut spool).map_err(|source| reading(&name, source))?;
        Ok(Self { name, reader: BufReader::new(Box::new(spool)) })
    }

    /// The lines, from the first one.
    pub(super) fn lines(&mut self) -> Result<Lines<'_>, VaultError> {
        self.reader.rewind().map_err(|source| reading(&self.name, source))?;
        Ok(Lines { name: &self.name, reader: &mut self.reader, number: 0, limit: LINE_LIMIT })
    }

    /// The error for a file that is not what it was when it was read first.
    pub(super) fn changed(&self) -> VaultError {
        reading(&self.name, io::Error::other("it changed while it was read"))
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// What is imported, for messages.
pub(super) fn name(path: &Path) -> String {
    if is_standard(path) { "standard input".to_owned() } else { path.display().to_string() }
}

fn reading(name: &str, source: io::Error) -> VaultError {
    VaultError::InputOutput { doing: format!("reading {name}"), source }
}

/// A line that is not blank.
pub(crate) struct Line {
    /// Counted from 1, blank lines included.
    pub(crate) number: u64,
    /// Without the line end; `None` if there was too much of it.
    pub(crate) text: Option<Vec<u8>>,
}

/// Reads line by line.
pub(crate) struct Lines<'i> {
    name: &'i str,
    reader: &'i mut dyn BufRead,
    number: u64,
    limit: usize,
}

impl Lines<'_> {
    /// The next line that is not blank; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, VaultError> {
        loop {
            let mut text = Vec::new();
            // A line end more than the limit: what is longer has no end within that.
            let most = self.limit.saturating_add(2);
            let take = u64::try_from(most).unwrap_or(u64::MAX);
            let mut bounded = Read::take(&mut *self.reader, take);
            let read = bounded.read_until(b'\n', &mut text);
            if read.map_err(|source| reading(self.name, source))? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if text.len() == most && !text.ends_with(b"\n") {
                drop(text);
                self.reader.skip_until(b'\n').map_err(|source| reading(self.name, source))?;
                return Ok(Some(Line { number: self.number, text: None }));
            }
            trim(&mut text, self.number == 1);
            if text.len() > self.limit {
                return Ok(Some(Line { number: self.number, text: None }));
            }
            if !text.trim_ascii().is_empty() {
                return Ok(Some(Line { number: self.number, text: Some(text) }));
            }
        }
    }
}

fn trim(text: &mut Vec<u8>, is_first: bool) {
    if text.ends_with(b"\n") {
        text.pop();
        if text.ends_with(b"\r") {
            text.pop();
        }
    }
    if is_first && text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], limit: usize) -> Vec<(u64, Option<String>)> {
        let mut reader = BufReader::with_capacity(3, text);
        let mut lines = Lines { name: "a test", reader: &mut reader, number: 0, limit };
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|line| (line.number, line.text.map(|text| String::from_utf8(text).unwrap())))
            .collect()
    }

    #[test]
    fn line_ends_blank_lines_and_a_byte_order_mark_are_no_content() {
        let text = b"\xef\xbb\xbfone\r\n\r\n \t\ntwo\n\nthree\r";
        let expected = [(1, "one"), (4, "two"), (6, "three\r")];
        let expected = expected.map(|(number, text)| (number, Some(text.to_owned())));
        assert_eq!(lines(text, 100), expected);
        assert_eq!(lines(b"\xef\xbb\xbf\n\n", 100), []);
        assert_eq!(lines(b"", 100), []);
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_a_longer_one_is_skipped() {
        for end in ["\n", "\r\n", ""] {
            for (length, whole) in [(7, true), (8, true), (9, false), (10, false), (999, false)] {
                let long = "x".repeat(length);
                let text = format!("first\n{long}{end}");
                let expected = whole.then_some(long);
                assert_eq!(lines(text.as_bytes(), 8)[1..], [(2, expected.clone())], "{text:?}");
                if !end.is_empty() {
                    let text = format!("{text}last");
                    let last = Some("last".to_owned());
                    assert_eq!(lines(text.as_bytes(), 8)[1..], [(2, expected), (3, last)]);
                }
            }
        }
    }
}
