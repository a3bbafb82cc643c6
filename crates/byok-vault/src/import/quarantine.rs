//! The quarantine file: the rows that were not imported, in a file that can be imported.
//!
//! The file is written under another name in the same directory, and renamed at the end in one step. A
//! run that is killed therefore never leaves half a quarantine file, and the next run removes what it
//! did leave. Nothing is lost, because every row is still in the imported file. An existing file is
//! never replaced, because it may hold the only copy of a row: the new file gets a number instead.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sealwax::triplet::Encoding;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::input::{self, LINE_LIMIT};
use super::record::{Original, SPACE, Source};
use super::refusal::Refusal;
use crate::error::VaultError;
use crate::files::{self, directory_of, with_suffix};

/// The end of the name of a file that is being written.
const UNFINISHED: &str = ".unfinished";

/// The file for rows that are not imported.
pub struct Quarantine {
    path: PathBuf,
    /// The name of the imported file, for messages.
    input: String,
    file: Option<BufWriter<NamedTempFile>>,
    rows: u64,
}

/// The quarantine file at the end of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// No row was quarantined.
    Nothing,
    /// No row was quarantined. Something else has the name and was left unchanged.
    EarlierOnly(PathBuf),
    /// The file is new.
    New(PathBuf),
    /// The file is new and has a number, because something else has the name.
    Numbered(PathBuf),
    /// A file with the same content already existed.
    Unchanged(PathBuf),
}

impl Quarantine {
    /// Chooses the path of the quarantine file, by default next to `input`.
    ///
    /// It neither reads `input` nor writes anything.
    ///
    /// # Errors
    /// Returns an error if the path is that of the imported file, or of a file of the vault.
    pub fn at(path: Option<&Path>, input: &Path, db: &Path) -> Result<Self, VaultError> {
        let path = path.map_or_else(|| with_suffix(input, ".quarantine.jsonl"), Path::to_owned);
        if files::is_same(&path, input) || files::is_of_the_vault(&path, db) {
            return Err(VaultError::OutputTaken);
        }
        Ok(Self { path, input: input::name(input), file: None, rows: 0 })
    }

    /// Creates the unfinished file.
    ///
    /// This happens before any row is imported, so that a directory in which no file can be created is
    /// reported while nothing has happened yet.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn create(&mut self) -> Result<(), VaultError> {
        let directory = directory_of(&self.path);
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".");
        remove_left_overs(directory, &name);
        let file =
            create_held(directory, &name).map_err(|source| Self::failed("creating", source))?;
        self.file = Some(BufWriter::new(file));
        Ok(())
    }

    /// Adds a row, unchanged and with the reason, except in a dry run.
    pub(super) fn add(&mut self, source: &Source, refusal: &Refusal) -> Result<(), VaultError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = write_line(source, refusal, &self.input, file);
        self.rows += 1;
        written.map_err(|source| Self::failed("writing", source))
    }

    /// Moves the file into place, if it contains a row.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written or moved.
    pub fn finish(mut self) -> Result<Placed, VaultError> {
        match self.file.take() {
            Some(file) if self.rows > 0 => {
                let file = file
                    .into_inner()
                    .map_err(|error| Self::failed("writing", error.into_error()))?;
                file.as_file().sync_all().map_err(|source| Self::failed("writing", source))?;
                place(file, &self.path).map_err(|source| Self::failed("saving", source))
            }
            _ if self.path.exists() => Ok(Placed::EarlierOnly(self.path)),
            _ => Ok(Placed::Nothing),
        }
    }

    fn failed(doing: &str, source: io::Error) -> VaultError {
        VaultError::InputOutput { doing: format!("{doing} the quarantine file"), source }
    }
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, input, file: _, rows } = self;
        f.debug_struct("Quarantine")
            .field("path", path)
            .field("input", input)
            .field("rows", rows)
            .finish_non_exhaustive()
    }
}

/// Gives a file the first free name, unless a file with the same content has an earlier one.
fn place(mut file: NamedTempFile, path: &Path) -> io::Result<Placed> {
    let mut number = 1_u64;
    loop {
        let name = if number == 1 { path.to_owned() } else { numbered(path, number) };
        file = match file.persist_noclobber(&name) {
            Ok(_) => {
                files::sync_directory_of(&name)?;
                return Ok(if number == 1 { Placed::New(name) } else { Placed::Numbered(name) });
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => error.file,
            Err(error) => return Err(error.error),
        };
        if has_same_content(file.path(), &name) {
            return Ok(Placed::Unchanged(name));
        }
        number += 1;
    }
}

/// Adds a number to a file name: `q.jsonl` becomes `q.2.jsonl`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Returns whether two files are known to have the same content.
///
/// A file that cannot be read is not known to have it.
fn has_same_content(one: &Path, other: &Path) -> bool {
    // Check this first, because opening a pipe would wait for a writer.
    let length = |path: &Path| {
        fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
    };
    let (Some(length_of_one), Some(length_of_other)) = (length(one), length(other)) else {
        return false;
    };
    length_of_one == length_of_other && is_equal(one, other).unwrap_or(false)
}

fn is_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let mut bytes = BufReader::new(File::open(one)?).bytes();
    for byte in BufReader::new(File::open(other)?).bytes() {
        match bytes.next().transpose()? {
            Some(same) if same == byte? => {}
            _ => return Ok(false),
        }
    }
    Ok(bytes.next().is_none())
}

/// Writes the line of a row in quarantine.
///
/// The line can be imported, so it must not be longer than a line may be. Escapes make a row longer, so
/// its length is measured before it is written, without holding it.
fn write_line(
    source: &Source,
    refusal: &Refusal,
    input: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Original::Quarantined(line) = &source.original {
        return writeln!(out, "{line}");
    }
    let mut length = Length(0);
    write_reason(source, refusal, &refusal.detail, &mut length)?;
    write_row(&source.original, &mut length)?;
    let is_copied = !matches!(source.original, Original::Elsewhere) && length.0 < LINE_LIMIT;
    if is_copied {
        write_reason(source, refusal, &refusal.detail, out)?;
        write_row(&source.original, out)?;
    } else {
        let detail = format!(
            "{}; too long to be copied: see line {} of {input}",
            refusal.detail, source.line,
        );
        write_reason(source, refusal, &detail, out)?;
        out.write_all(b"\"row\":null")?;
    }
    out.write_all(b"}\n")
}

fn write_reason(
    source: &Source,
    refusal: &Refusal,
    detail: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let id = source.id.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string);
    write!(
        out,
        r#"{{"quarantined":{{"line":{},"id":{id},"reason":"{}","detail":{}}},"#,
        source.line,
        refusal.reason.word(),
        Value::from(detail),
    )
}

fn write_row(original: &Original, out: &mut impl Write) -> io::Result<()> {
    match original {
        Original::Object(text) => write!(out, "\"row\":{}", text.trim_matches(SPACE)),
        Original::Text(text) => {
            out.write_all(b"\"row\":")?;
            Ok(serde_json::to_writer(out, text)?)
        }
        Original::Bytes(bytes) => {
            out.write_all(b"\"row_hex\":\"")?;
            for part in bytes.chunks(4_096) {
                out.write_all(Encoding::HexLower.encode(part).as_bytes())?;
            }
            out.write_all(b"\"")
        }
        Original::Quarantined(_) | Original::Elsewhere => Ok(()),
    }
}

/// Counts the bytes that would be written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Creates an unfinished file, and locks it for as long as this run lives.
fn create_held(directory: &Path, begin: &OsStr) -> io::Result<NamedTempFile> {
    loop {
        // Only the owner can read it, because a row may be a credential that was stored unencrypted.
        let file =
            tempfile::Builder::new().prefix(begin).suffix(UNFINISHED).tempfile_in(directory)?;
        match file.as_file().try_lock() {
            Ok(()) if file.path().exists() => return Ok(file),
            // Another run came in between, and mistook the file for one that a killed run left.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // If files cannot be locked here, the next run cannot lock this one either and leaves it.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Removes the unfinished files of killed runs, which no process holds any more.
fn remove_left_overs(directory: &Path, begin: &OsStr) {
    // A directory that cannot be read is reported when a file is created in it.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let is_ours = name.starts_with(begin.as_encoded_bytes())
            && name.ends_with(UNFINISHED.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        // The lock is held until the file is removed: see `create_held`.
        if is_ours
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // A file that cannot be removed stays, which does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}
