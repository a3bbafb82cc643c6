//! The rows that were not imported, in a file that can be imported.
//!
//! It is written beside its place under another name and put there at the end, in one step. So a
//! run that is killed leaves no half of a file, and what it has written itself is taken away by the
//! next one: nothing is lost, because every row still stands in the file that is imported. Whatever
//! has the name already is never replaced, because a row may be only there: the file gets a number.

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

/// How the name of a file ends that is being written.
const UNFINISHED: &str = ".unfinished";

/// Where rows go that are not imported.
pub struct Quarantine {
    path: PathBuf,
    /// What is imported, for messages.
    input: String,
    file: Option<BufWriter<NamedTempFile>>,
    rows: u64,
}

/// What there is when all is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// No row was quarantined.
    Nothing,
    /// No row was quarantined; something else has the name, and is left as it was.
    EarlierOnly(PathBuf),
    /// A new file.
    New(PathBuf),
    /// A new file with a number, because something else has the name.
    Numbered(PathBuf),
    /// A file that holds the same was there.
    Unchanged(PathBuf),
}

impl Quarantine {
    /// Decides on the place, by default beside `input`. Nothing of `input` is read, and nothing
    /// written.
    ///
    /// # Errors
    /// It is the place of what is imported, or of a file of the vault.
    pub fn at(path: Option<&Path>, input: &Path, db: &Path) -> Result<Self, VaultError> {
        let path = path.map_or_else(|| with_suffix(input, ".quarantine.jsonl"), Path::to_owned);
        let of_the_vault = ["", "-wal", "-shm", "-journal"].map(|suffix| with_suffix(db, suffix));
        if is_same(&path, input) || of_the_vault.iter().any(|file| is_same(&path, file)) {
            return Err(VaultError::QuarantineTaken { path });
        }
        Ok(Self { path, input: input::name(input), file: None, rows: 0 })
    }

    /// Makes the file. Before any row is imported: a directory where none can be made is told
    /// while nothing has happened yet.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&mut self) -> Result<(), VaultError> {
        let directory = directory_of(&self.path);
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".");
        remove_left_overs(directory, &name);
        let file =
            create_held(directory, &name).map_err(|source| self.failed("creating", source))?;
        self.file = Some(BufWriter::new(file));
        Ok(())
    }

    /// Adds a row, as it was and why. Does nothing in a run that writes nothing.
    pub(super) fn add(&mut self, source: &Source, refusal: &Refusal) -> Result<(), VaultError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = write_line(source, refusal, &self.input, file);
        self.rows += 1;
        written.map_err(|source| self.failed("writing", source))
    }

    /// Puts the file into its place, if there is a row in it.
    ///
    /// # Errors
    /// It cannot be written or put there.
    pub fn finish(mut self) -> Result<Placed, VaultError> {
        match self.file.take() {
            Some(file) if self.rows > 0 => {
                let file = file
                    .into_inner()
                    .map_err(|error| self.failed("writing", error.into_error()))?;
                file.as_file().sync_all().map_err(|source| self.failed("writing", source))?;
                place(file, &self.path).map_err(|source| self.failed("placing", source))
            }
            _ if self.path.exists() => Ok(Placed::EarlierOnly(self.path)),
            _ => Ok(Placed::Nothing),
        }
    }

    fn failed(&self, doing: &str, source: io::Error) -> VaultError {
        let doing = format!("{doing} the quarantine file {}", self.path.display());
        VaultError::InputOutput { doing, source }
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

/// Puts a file at the first name that nothing has; a file with the same content is as good.
fn place(mut file: NamedTempFile, path: &Path) -> io::Result<Placed> {
    let mut number = 1_u64;
    loop {
        let name = if number == 1 { path.to_owned() } else { numbered(path, number) };
        file = match file.persist_noclobber(&name) {
            Ok(_) if number == 1 => return Ok(Placed::New(name)),
            Ok(_) => return Ok(Placed::Numbered(name)),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => error.file,
            Err(error) => return Err(error.error),
        };
        if has_same_content(file.path(), &name) {
            return Ok(Placed::Unchanged(name));
        }
        number += 1;
    }
}

/// `q.jsonl` as `q.2.jsonl`.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Of what cannot be read, nobody knows that it is the same.
fn has_same_content(one: &Path, other: &Path) -> bool {
    // Looked at first: to open a pipe would be to wait for somebody who writes to it.
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

/// Writes the line of a row in quarantine. It can be imported, so it is no longer than a line may
/// be; what escapes would make longer is measured before it is written, and never held.
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
            "{}; too long to be copied: it stands in line {} of {input}",
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

/// How much would be written.
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

/// Makes an unfinished file, and locks it for as long as this run lives.
fn create_held(directory: &Path, begin: &OsStr) -> io::Result<NamedTempFile> {
    loop {
        // Private: a row in it may be a credential that somebody stored in the clear.
        let file =
            tempfile::Builder::new().prefix(begin).suffix(UNFINISHED).tempfile_in(directory)?;
        match file.as_file().try_lock() {
            Ok(()) if file.path().exists() => return Ok(file),
            // Another run came between, and took it for what a killed run has left.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // Where a file cannot be locked, the next run cannot lock it either, and leaves it.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// What runs that were killed have left: nobody holds it any more.
fn remove_left_overs(directory: &Path, begin: &OsStr) {
    // A directory that cannot be read will be told of when a file is made in it.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let is_ours = name.starts_with(begin.as_encoded_bytes())
            && name.ends_with(UNFINISHED.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        // Held until it is removed: see `create_held`.
        if is_ours
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // Left where it is if it cannot be removed: it is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether two paths are, or would be, one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| {
        path.canonicalize()
            .ok()
            .or_else(|| Some(directory_of(path).canonicalize().ok()?.join(path.file_name()?)))
    };
    match (resolved(one), resolved(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
