//! `list`: lists what is stored, without opening anything.

use std::fmt;
use std::io::{self, Write};

use sealwax::Keyring;
use serde_json::{Value, json};

use crate::cli::{Cli, List};
use crate::clock::now;
use crate::error::VaultError;
use crate::exit::Exit;
use crate::formatting::{age, in_json, shown};
use crate::keys::Keys;
use crate::row::Row;
use crate::store::{Access, Store};

/// Lists the rows by tenant, provider and label.
///
/// # Errors
/// Returns an error if there is no vault, or if a keyring is given and is malformed.
pub fn list(cli: &Cli, args: &List, out: &mut impl Write) -> Result<Exit, VaultError> {
    let keys = Keys::load_if_given(cli.keys_file.as_deref())?;
    let keyring = keys.as_ref().map(|keys| &keys.keyring);
    let store = Store::open(&cli.db, Access::Read)?;
    let now = now();
    let for_each = |visit: &mut dyn FnMut(Line) -> io::Result<()>| {
        store.for_each(|row| {
            let owner = &row.place.owner;
            if args.tenant.as_ref().is_none_or(|tenant| *tenant == owner.tenant)
                && (args.label.is_none() || args.label == owner.label)
            {
                visit(Line::new(row, keyring, now))?;
            }
            Ok(())
        })
    };
    if args.json {
        // Written row by row, because a table does not have to fit into memory.
        let mut before = "[";
        for_each(&mut |line| {
            // A line feed inside a string would be escaped.
            let json = in_json(&format!("\n{:#}", line.json())).replace('\n', "\n  ");
            write!(out, "{before}{json}")?;
            before = ",";
            Ok(())
        })?;
        writeln!(out, "{}", if before == "[" { "[]" } else { "\n]" })?;
    } else {
        writeln!(out, "{}", Line::HEADER)?;
        for_each(&mut |line| writeln!(out, "{line}"))?;
    }
    Ok(Exit::Done)
}

/// Whether a row is wrapped for the current keys of the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Currency {
    Current,
    Stale,
    /// There is no keyring to compare with.
    Unknown,
    /// The row is not an envelope.
    Unreadable,
}

impl Currency {
    fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One row of the list.
#[derive(Debug)]
pub struct Line {
    row: Row,
    key_ids: Vec<String>,
    currency: Currency,
    age: i64,
}

impl Line {
    /// The header of the list.
    pub const HEADER: &str = "TENANT                PROVIDER      LABEL       VARIABLE                KEY                   STATE       AGE";

    /// Creates a line from the public part of a row's envelope.
    #[must_use]
    pub fn new(row: Row, keyring: Option<&Keyring>, now: i64) -> Self {
        let (key_ids, currency) = match (row.parse(), keyring) {
            (Err(_), _) => (Vec::new(), Currency::Unreadable),
            (Ok(envelope), keyring) => (
                envelope.key_ids().map(|id| id.to_string()).collect(),
                match keyring {
                    None => Currency::Unknown,
                    Some(keyring) if keyring.is_current(&envelope) => Currency::Current,
                    Some(_) => Currency::Stale,
                },
            ),
        };
        let age = now.saturating_sub(row.updated_at);
        Self { row, key_ids, currency, age }
    }

    fn json(&self) -> Value {
        let place = &self.row.place;
        json!({
            "row": place.id,
            "tenant": place.owner.tenant,
            "provider": place.owner.provider,
            "label": place.owner.label,
            "variable": place.env_name,
            "key_ids": self.key_ids,
            "state": self.currency.word(),
            "revision": self.row.revision,
            "created_at": self.row.created_at,
            "updated_at": self.row.updated_at,
            "age_seconds": self.age,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.row.place;
        let keys = if self.key_ids.is_empty() { "-".to_owned() } else { self.key_ids.join(",") };
        write!(
            f,
            "{:<21} {:<13} {:<11} {:<23} {keys:<21} {:<11} {}",
            shown(&place.owner.tenant),
            shown(&place.owner.provider),
            shown(place.owner.label.as_deref().unwrap_or("-")),
            shown(&place.env_name),
            self.currency.word(),
            age(self.age),
        )
    }
}
