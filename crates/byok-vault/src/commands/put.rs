//! `put`: stores a credential.

use std::io::{self, IsTerminal, Write};

use sealwax::Secret;

use crate::cli::{Cli, Put};
use crate::clock::now;
use crate::commands::{credential, erase};
use crate::credential::doubts;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::shown;
use crate::keys::Keys;
use crate::row::{Owner, Place, Row};
use crate::store::{Access, Store};
use crate::variables::of_a_credential;

/// Reads a credential and stores it for its owner.
///
/// # Errors
/// Returns an error if there already is a credential and `--replace` is not given, if the credential
/// cannot be read, sealed or stored, or if it does not look like one and nobody wants it stored anyway.
pub fn put(cli: &Cli, args: &Put, out: &mut impl Write) -> Result<Exit, VaultError> {
    let owner = args.owner.owner();
    if !args.stray.is_empty() {
        return Err(VaultError::CredentialArgument { owner });
    }
    let keys = Keys::load(cli.keys_file.as_deref())?;
    let present = Store::open_if_present(&cli.db)?;
    // Check before somebody types a credential in vain.
    if let Some(store) = &present
        && let Some(found) = store.find(&owner)?
    {
        variable(&found, args, &keys)?;
    }
    let credential = credential::read(&owner)?;
    if !args.anyway {
        settle_doubts(&credential, &owner)?;
    }
    // An empty vault, left behind by a `put` without a credential, would look like the end of a rotation.
    let mut store = match present {
        Some(store) => store,
        None => Store::open(&cli.db, Access::Create)?,
    };

    let now = now();
    let writer = store.begin()?;
    // Seal inside the transaction: sealing takes microseconds, and the envelope is bound to an id that
    // is reserved only while the transaction is open.
    let row = match writer.find(&owner)? {
        Some(found) => {
            let env_name = variable(&found, args, &keys)?;
            let place = Place { env_name, ..found.place };
            let envelope = place.seal(&keys.keyring, &credential)?;
            let revision = found.revision.saturating_add(1);
            let row = Row { place, envelope, revision, updated_at: now, ..found };
            writer.replace(&row)?;
            row
        }
        None => {
            let env_name = args.env.clone().unwrap_or_else(|| owner.variable());
            writer.add(&keys.keyring, owner, env_name, &credential, now)?
        }
    };
    writer.commit()?;
    writeln!(
        out,
        "stored the credential for {} (row {}, revision {}, key {}, variable {})",
        row.place.owner,
        row.place.id,
        row.revision,
        keys.keyring.primary().map_or("", AsRef::as_ref),
        shown(&row.place.env_name),
    )?;
    if row.revision > 1 {
        erase(&store, out)?;
    }
    Ok(Exit::Done)
}

/// Returns the variable for the credential that replaces this row's.
///
/// Anyone who can write to the database can change the row's variable, and with a leaked key they can also
/// seal the row with it. So it is kept only if it has the name of a credential and the row is intact.
fn variable(found: &Row, args: &Put, keys: &Keys) -> Result<String, VaultError> {
    let Place { owner, env_name, .. } = &found.place;
    let not_kept = |fault| VaultError::VariableNotKept { owner: owner.clone(), fault };
    match &args.env {
        _ if !args.replace => Err(VaultError::AlreadyExists { owner: owner.clone() }),
        Some(name) => Ok(name.clone()),
        // A new row would have it too.
        None if *env_name == owner.variable() => Ok(env_name.clone()),
        None => {
            let name = of_a_credential(env_name).map_err(|_| not_kept(None))?;
            found.check(&keys.keyring).map_err(|fault| not_kept(Some(fault)))?;
            Ok(name)
        }
    }
}

/// Asks whether to store a credential that does not look like one, if there is somebody to ask.
fn settle_doubts(credential: &Secret, owner: &Owner) -> Result<(), VaultError> {
    let Some(doubts) = doubts(credential) else { return Ok(()) };
    if io::stdin().is_terminal() && is_wanted_anyway(owner, &doubts)? {
        return Ok(());
    }
    Err(VaultError::Doubtful { owner: owner.clone(), doubts })
}

fn is_wanted_anyway(owner: &Owner, doubts: &str) -> Result<bool, VaultError> {
    let asking =
        |source| VaultError::InputOutput { doing: "asking at the terminal".into(), source };
    let question = format!("The text for {owner} does not look like a credential: {doubts}");
    // Hidden, because the answer may be the rest of what somebody pasted.
    let answer = credential::prompt_for(&format!("{question}: store it anyway? [y/N] "));
    let Ok(answer) = answer.map_err(asking)? else { return Ok(false) };
    let answer = answer.expose_str().unwrap_or_default().trim();
    Ok(["y", "yes"].iter().any(|yes| yes.eq_ignore_ascii_case(answer)))
}
