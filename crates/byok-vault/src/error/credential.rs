//! What can be wrong with a credential.

/// Why a credential cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialProblem {
    /// Nothing was read.
    #[error("it is empty")]
    Empty,
    /// More than [`crate::credential::LIMIT`] bytes were read.
    #[error("it is longer than {} bytes", crate::credential::LIMIT)]
    TooLong,
    /// The credential contains a NUL, at which an environment variable would end.
    #[error("it contains a NUL byte, which no environment variable can hold")]
    Nul,
    /// The credential is not text, as an environment variable must be.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The credential is UTF-16, which Windows PowerShell writes.
    #[error("it is UTF-16, not UTF-8 text")]
    Utf16,
    /// Several lines were pasted at the prompt.
    #[error("it has several lines, and the prompt takes one")]
    SeveralLines,
    /// A control character was typed or pasted at the prompt.
    #[error("it contains a control character, such as a tab")]
    Control,
    /// The row's variable does not have the name of a credential.
    #[error(
        "the variable that it was stored with does not have the name of a credential, so programs may \
         obey it"
    )]
    Variable,
    /// The credential is not text either, because another program compressed it.
    #[error("it is compressed, not UTF-8 text")]
    Compressed,
}

impl CredentialProblem {
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Empty => "pipe the credential into standard input or type it at the prompt",
            Self::TooLong => {
                "check that the right file was piped in: a credential is a key, not a document"
            }
            Self::SeveralLines | Self::Control => {
                "nothing was stored, and nothing was passed on to the shell: pipe it into standard \
                 input, as in `put ... < key.pem`"
            }
            Self::Variable => {
                "run `byok-vault list` to see the variable, find out who chose it, and name another \
                 one with `run --env` or `put --replace --env`"
            }
            Self::Nul | Self::NotText => {
                "store it in a text form (base64, PEM, JSON) with `put --replace`"
            }
            Self::Utf16 => {
                "store it as UTF-8 with `put`: convert the file (`iconv -f UTF-16 -t UTF-8 FILE`), or \
                 write it with `Set-Content -Encoding ascii`; in front of a pipe of PowerShell, set \
                 `$OutputEncoding = [Text.UTF8Encoding]::new()`"
            }
            Self::Compressed => "decompress it and store the text with `put`",
        }
    }
}
