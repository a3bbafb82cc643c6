//! What a job does with every row.

use std::slice;

use sealwax::KeyId;
use sealwax_import::{Declaration, Template};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::context::RowContext;
use crate::statements::Reads;
use crate::table::{Table, TableError};

/// What a job does with every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Rewraps it for the current keys of the keyring.
    Rotate,
    /// Verifies it, and writes nothing.
    Verify,
    /// Opens it, and writes nothing.
    Audit,
    /// Opens it and seals it again, if it names a leaked key.
    Reseal,
    /// Opens what another program encrypted, and seals it.
    Import,
}

impl Kind {
    /// Returns the name in the table of jobs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Verify => "verify",
            Self::Audit => "audit",
            Self::Reseal => "reseal",
            Self::Import => "import",
        }
    }

    /// Returns whether the job writes to the table.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Rotate | Self::Reseal | Self::Import)
    }
}

/// What a job does with every row, and what it needs for that besides the keyring.
#[derive(Debug)]
pub(crate) enum Task {
    Rotate,
    Verify,
    Audit(RowContext),
    Reseal { leaked: KeyId, context: RowContext },
    Import { declaration: Box<Declaration>, context: RowContext, takes_suspicious: bool },
}

impl Task {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Rotate => Kind::Rotate,
            Self::Verify => Kind::Verify,
            Self::Audit(_) => Kind::Audit,
            Self::Reseal { .. } => Kind::Reseal,
            Self::Import { .. } => Kind::Import,
        }
    }

    pub(crate) const fn context(&self) -> Option<&RowContext> {
        match self {
            Self::Rotate | Self::Verify => None,
            Self::Audit(context) | Self::Reseal { context, .. } | Self::Import { context, .. } => Some(context),
        }
    }

    pub(crate) fn declaration(&self) -> Option<&Declaration> {
        if let Self::Import { declaration, .. } = self { Some(declaration) } else { None }
    }

    /// Reads a task from its row in the table of jobs, or returns `None` if this release does not know it.
    pub(crate) fn read(row: &PgRow) -> Result<Option<Self>, sqlx::Error> {
        let context: Option<Vec<String>> = row.try_get("context")?;
        let context = context.and_then(|texts| RowContext::from_texts(&texts).ok());
        let leaked = row.try_get::<Option<String>, _>("leaked_key_id")?.and_then(|id| id.parse().ok());
        let declaration = row.try_get::<Option<String>, _>("declaration")?.and_then(|text| text.parse().ok());
        let takes_suspicious = row.try_get("takes_suspicious")?;
        Ok(match (row.try_get("kind")?, context, leaked, declaration) {
            ("rotate", None, None, None) => Some(Self::Rotate),
            ("verify", None, None, None) => Some(Self::Verify),
            ("audit", Some(context), None, None) => Some(Self::Audit(context)),
            ("reseal", Some(context), Some(leaked), None) => Some(Self::Reseal { leaked, context }),
            ("import", Some(context), None, Some(declaration)) => {
                Some(Self::Import { declaration: Box::new(declaration), context, takes_suspicious })
            }
            _ => None,
        })
    }

    /// Returns what the task reads of a row.
    pub(crate) async fn reads(&self, db: &mut PgConnection, table: &Table) -> Result<Reads, TableError> {
        let mut columns: Vec<String> =
            self.context().into_iter().flat_map(RowContext::columns).map(str::to_owned).collect();
        let mut is_null = false;
        if let Self::Import { declaration, .. } = self {
            let declared = declaration.columns();
            // Either the envelopes replace what is declared, or they get a column of their own.
            is_null = !declared.contains(&table.envelope());
            let bound = declaration.bound_to.iter().flat_map(Template::columns);
            columns.extend(declared.into_iter().chain(bound).map(str::to_owned));
            for excluded in &declaration.without {
                let column = excluded.path.column().to_owned();
                match table.are_bytes(db, slice::from_ref(&column)).await {
                    Ok(_) => columns.push(column),
                    // So no row has it.
                    Err(TableError::NoColumn { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        columns.sort_unstable();
        columns.dedup();
        let are_bytes = table.are_bytes(db, &columns).await?;
        Ok(Reads { is_null, columns: columns.into_iter().zip(are_bytes).collect() })
    }
}
