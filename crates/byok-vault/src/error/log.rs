//! Why a chain of the log takes no entry.

use sealwax_audit::AppendError;

use crate::exit::Exit;
use crate::formatting::shown;

/// Why a chain of the log takes no entry. It concerns this chain alone.
#[derive(Debug, thiserror::Error)]
pub enum LogProblem {
    /// The chain does not end where the database says that it ends.
    #[error("somebody changed the end of the log of the {}", shown(subject))]
    End {
        /// The subject of the chain.
        subject: String,
    },
    /// There is no next entry.
    #[error("cannot append to the log: {source}")]
    Append {
        /// Why not.
        source: AppendError,
    },
}

impl LogProblem {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Append { source: AppendError::UnknownKey { .. } } => Exit::Key,
            Self::End { .. } | Self::Append { .. } => Exit::Altered,
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Append { source: AppendError::UnknownKey { .. } } => {
                "add the key to those of the log, as `retired ID swa1_...`"
            }
            Self::End { .. } | Self::Append { .. } => {
                "run `byok-vault log --verify`, and find out who can write to the database"
            }
        }
    }
}
