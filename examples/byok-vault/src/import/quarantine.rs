//! The rows that were not imported, in a file that can be imported.
//!
//! It is written beside its place under another name and put there at the end, in one step. So a
//! run that is killed leaves the quarantine file of an earlier run as it was, and what it has
//! written itself is taken away by the next one: nothing is lost, because every row still stands in
//! the file that is imported.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use sealwax::triplet::Encoding;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::input::{self, LINE_LIMIT, Lines};
use super::record::{Original, Source, is_quarantined};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// No row was quarantined, and there is no file of an earlier run.
    Nothing,
    /// No row was quarantined; the file of an earlier run is left as it was.
    EarlierOnly,
    /// A new file.
    New,
    /// A file in place of that of an earlier run.
    Replaced,
}

impl Quarantine {
    /// Decides on the place, by default beside `input`, and looks whether it can be had. Nothing of
    /// `input` is read, and nothing written.
    ///
    /// # Errors
    /// It is the place of something else: what is imported, the vault, another program's file.
    pub fn at(path: Option<&Path>, input: &Path, db: &Path) -> Result<Self, VaultError> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => {
                let mut name = input.as_os_str().to_owned();
                name.push(".quarantine.jsonl");
                PathBuf::from(name)
            }
        };
        if is_same(&path, input) || is_same(&path, db) {
            return Err(VaultError::QuarantineTaken { path });
        }
        check_earlier(&path)?;
        Ok(Self { path, input: input::name(input), file: None, rows: 0 })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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
        let mut line = in_quarantine(source, refusal, &self.input);
        line.push('\n');
        self.rows += 1;
        file.write_all(line.as_bytes()).map_err(|source| self.failed("writing", source))
    }

    /// Puts the file into its place, if there is a row in it.
    ///
    /// # Errors
    /// It cannot be written or put there.
    pub fn finish(mut self) -> Result<Placed, VaultError> {
        let is_there = self.path.exists();
        let rows = self.rows;
        match self.file.take() {
            Some(file) if rows > 0 => {
                let file = file
                    .into_inner()
                    .map_err(|error| self.failed("writing", error.into_error()))?;
                file.as_file().sync_all().map_err(|source| self.failed("writing", source))?;
                file.persist(&self.path).map_err(|error| self.failed("placing", error.error))?;
                Ok(if is_there { Placed::Replaced } else { Placed::New })
            }
            _ if is_there => Ok(Placed::EarlierOnly),
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

/// The line of a row in quarantine. It can be imported, so it is no longer than a line may be.
fn in_quarantine(source: &Source, refusal: &Refusal, input: &str) -> String {
    let row = match &source.original {
        Original::Object(text) => format!("\"row\":{text}"),
        Original::Text(text) => format!("\"row\":{}", Value::from(text.as_str())),
        Original::Bytes(bytes) => format!("\"row_hex\":\"{}\"", Encoding::HexLower.encode(bytes)),
        Original::Quarantined(line) => return line.clone(),
        Original::Elsewhere => String::new(),
    };
    let line = |detail: &str, row: &str| {
        let id = source.id.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string);
        format!(
            r#"{{"quarantined":{{"line":{},"id":{id},"reason":"{}","detail":{}}},{row}}}"#,
            source.line,
            refusal.reason.word(),
            Value::from(detail),
        )
    };
    let whole = line(&refusal.detail, &row);
    if !row.is_empty() && whole.len() <= LINE_LIMIT {
        return whole;
    }
    let detail = format!(
        "{}; too long to be copied: it stands in line {} of {input}",
        refusal.detail, source.line,
    );
    line(&detail, "\"row\":null")
}

/// Only the quarantine of an earlier run is ever overwritten.
fn check_earlier(path: &Path) -> Result<(), VaultError> {
    let name = path.display().to_string();
    let failed = |source| VaultError::InputOutput { doing: format!("reading {name}"), source };
    let other = || VaultError::NoQuarantine { path: path.to_owned() };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => return Err(other()),
        Ok(_) => {}
    }
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    match Lines::once(&name, &mut reader).next()? {
        Some(line) if !is_quarantined(&line) => Err(other()),
        _ => Ok(()),
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
    let by_path = match (resolved(one), resolved(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    };
    by_path || is_same_file(one, other)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Two names of one file, on systems that tell.
fn is_same_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    if let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) {
        use std::os::unix::fs::MetadataExt;
        return (one.dev(), one.ino()) == (other.dev(), other.ino());
    }
    let _ = (one, other);
    false
}
