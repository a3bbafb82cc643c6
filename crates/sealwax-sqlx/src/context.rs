//! How the context of a row follows from its columns.

use sealwax::{ContextError, EncryptionContext};
use sealwax_import::{DeclarationError, Row, RowError, Template};
use thiserror::Error;

/// How the context of a row follows from its columns: `tenant = {tenant_id}`, `provider = openai`.
///
/// A service takes a context from where a request was authorised, and not from the row: see the page
/// [Operations](sealwax::docs::operations). A job over all rows has nothing but the rows. If somebody exchanged two rows
/// together with these columns, the job does not notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowContext {
    pairs: Vec<(String, Template)>,
}

/// Why a row has no context.
#[derive(Debug, Error)]
pub(crate) enum NoContext {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Context(#[from] ContextError),
}

impl RowContext {
    /// Creates the description of a context.
    ///
    /// Each pair is a name and the template of its value, in which `{column}` is the text or the integer in that column.
    /// Write `{{` and `}}` for braces.
    ///
    /// # Errors
    /// Returns an error if a template is not well formed.
    pub fn new(
        pairs: impl IntoIterator<Item = (impl Into<String>, impl AsRef<str>)>,
    ) -> Result<Self, DeclarationError> {
        let pairs = pairs.into_iter().map(|(name, template)| Ok((name.into(), template.as_ref().parse()?)));
        Ok(Self { pairs: pairs.collect::<Result<_, DeclarationError>>()? })
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().flat_map(|(_, template)| template.columns())
    }

    pub(crate) fn of(&self, row: &impl Row) -> Result<EncryptionContext, NoContext> {
        let pairs = self.pairs.iter().map(|(name, template)| Ok((name.as_str(), template.fill(row)?)));
        Ok(EncryptionContext::new(pairs.collect::<Result<Vec<_>, RowError>>()?)?)
    }

    /// Returns names and templates in turn, as the table of jobs has them.
    pub(crate) fn to_texts(&self) -> Vec<String> {
        self.pairs.iter().flat_map(|(name, template)| [name.clone(), template.to_string()]).collect()
    }

    pub(crate) fn from_texts(texts: &[String]) -> Result<Self, DeclarationError> {
        Self::new(texts.as_chunks().0.iter().map(|[name, template]| (name, template)))
    }
}
