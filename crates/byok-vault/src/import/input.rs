//! Reads the lines of a file, each of bounded length, more than once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use tempfile::SpooledTempFile;

use crate::error::VaultError;
use crate::formatting::file;

/// The longest line in bytes, without its line ending: a row and what a quarantine file adds to it.
pub(crate) const LINE_LIMIT: usize = 32 * 1024 * 1024;

/// Input from a pipe is kept in memory up to this size, and in an unnamed file beyond it.
const SPOOL_LIMIT: usize = 64 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The file to import.
///
/// It is read more than once, because only its end shows whether an id appears twice.
pub struct Input {
    name: String,
    reader: BufReader<Box<dyn ReadSeek>>,
}

trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

impl Input {
    /// Opens the file at `path`, or standard input for `-`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let name = name(path);
        if is_standard(path) {
            return Self::keep(name, io::stdin().lock());
        }
        // Something that cannot be opened may be a key in the place of a path.
        let file = File::open(path).map_err(|source| reading("the file to import", source))?;
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

    /// Returns the name of the file, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the lines, starting from the first.
    pub(super) fn lines(&mut self) -> Result<Lines<'_>, VaultError> {
        self.reader.rewind().map_err(|source| reading(&self.name, source))?;
        Ok(Lines { name: &self.name, reader: &mut self.reader, number: 0, limit: LINE_LIMIT })
    }

    /// Returns the error for a file that has changed since it was first read.
    pub(super) fn changed(&self) -> VaultError {
        reading(&self.name, io::Error::other("the file changed while it was read"))
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

/// Returns the name of the imported file, for messages.
pub(super) fn name(path: &Path) -> String {
    if is_standard(path) { "standard input".to_owned() } else { file(path) }
}

fn reading(name: &str, source: io::Error) -> VaultError {
    VaultError::InputOutput { doing: format!("reading {name}"), source }
}

/// A line that is not blank.
pub(crate) struct Line {
    /// The number of the line, counted from 1 and including blank lines.
    pub(crate) number: u64,
    /// The text without the line ending, or `None` if the line is too long.
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
    /// Returns the next line that is not blank, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, VaultError> {
        loop {
            let mut text = Vec::new();
            // The limit and a line ending: a longer line does not end within that.
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
