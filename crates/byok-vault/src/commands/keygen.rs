//! `keygen`: generates a master key or a key for the log. No other command writes the text of a key.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use sealwax::{KeyId, MasterKey, Secret};
use sealwax_audit::AuditKey;

use crate::audit_keys::LogKeys;
use crate::cli::Keygen;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::files;
use crate::formatting::file;
use crate::keys::Keys;

/// Generates a key and writes its line to a new file or to `out`.
///
/// # Errors
/// Returns an error if the randomness source fails, the id of an audit key is that of a step, or the line cannot be
/// written.
pub fn keygen(args: &Keygen, out: &mut impl Write) -> Result<Exit, VaultError> {
    let (line, what, next) = if args.audit {
        check_step(&args.id)?;
        let key = AuditKey::generate().map_err(|source| VaultError::NewAuditKey { source })?;
        (line(&args.id, &key.to_text()), "the key of the log", NEXT_LOG)
    } else {
        let key = MasterKey::generate().map_err(|source| VaultError::NewKey { source })?;
        (line(&args.id, &key.to_text()), "a master key", NEXT_MASTER)
    };
    // Rejects an id that is the text of a key, before anything is sealed under it.
    let origin = "the new key's line".to_owned();
    let line = if args.audit {
        LogKeys::parse(line, origin)?.text
    } else {
        Keys::parse(line, origin)?.text
    };
    match &args.out {
        Some(path) => {
            write_file(path, &line.secret)?;
            writeln!(out, "wrote key {} to {}", args.id, file(path))?;
            writeln!(out, "{next}")?;
        }
        None => {
            if io::stdout().is_terminal() {
                let _ = writeln!(
                    io::stderr(),
                    "warning: the next line is {what}, which stays in the terminal's history; use \
                     `keygen --out FILE` instead"
                );
            }
            out.write_all(line.secret.expose_secret())?;
        }
    }
    Ok(Exit::Done)
}

/// Refuses an id like `log@3`, which stands for what three ratchets make of `log`.
fn check_step(key_id: &KeyId) -> Result<(), VaultError> {
    match key_id.as_ref().rsplit_once('@') {
        Some((base, step)) if step.parse::<u128>().is_ok() => {
            let other = format!("{base}-{step}");
            Err(VaultError::StepOfKey { key_id: key_id.clone(), other })
        }
        _ => Ok(()),
    }
}

/// What to do with a new master key.
const NEXT_MASTER: &str = "To rotate to it, add this line to your keyring, change the line of the current primary to `retired`, \
     and run `byok-vault rotate`.";

/// What to do with a new key of the log.
const NEXT_LOG: &str = "If there is a log already, give this key to every process as `retired`, then make it `primary` everywhere \
     and the old one `retired`, and run `byok-vault log --hand-over`.";

fn write_file(path: &Path, line: &Secret) -> Result<(), VaultError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => VaultError::FileExists { path: path.to_owned() },
        _ => VaultError::InputOutput { doing: "creating the file of --out".to_owned(), source },
    })?;
    // A key that sealed something must survive a power cut.
    new.write_all(line.expose_secret())
        .and_then(|()| new.sync_all())
        .and_then(|()| files::sync_directory_of(path))
        .map_err(|source| {
            // Half a key is useless, and the file would block the next attempt.
            let _ = fs::remove_file(path);
            VaultError::InputOutput { doing: "writing the file of --out".to_owned(), source }
        })
}

fn line(id: &KeyId, key: &Secret) -> Secret {
    // `concat` allocates the exact size. A buffer that grows would leave a copy of the key behind.
    let parts = [b"primary ", id.as_ref().as_bytes(), b" ", key.expose_secret(), b"\n"];
    Secret::from(parts.concat())
}
