//! What went wrong, and which kind of error that is for the keyring.

#[cfg(test)]
mod tests;

use std::io;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use sealwax::{KeyError, ProviderError, ProviderErrorKind};

/// What went wrong: the source of the [`ProviderError`]s of this crate.
///
/// It contains no PIN, no key and no body.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token's library cannot be loaded.
    #[error("the PKCS#11 library cannot be loaded: {message}")]
    #[non_exhaustive]
    Library {
        /// What the system says.
        message: String,
    },
    /// No token has this label (and this serial number).
    #[error("the library knows no token of this label")]
    NoToken,
    /// The token was there when the provider connected, and is not there now. One with another serial number is not the
    /// same: connect again to use it.
    #[error("the token is gone, or another has taken its place")]
    TokenGone,
    /// Several tokens have this label.
    #[error("several tokens have this label: name the serial number")]
    SeveralTokens,
    /// The token has no key of this label (and this `CKA_ID`).
    #[error("the token has no such key")]
    NoKey,
    /// Several keys have this label, and the configuration does not say which of them wraps.
    #[error("several keys have this label: name the current one by its CKA_ID")]
    SeveralKeys,
    /// The `CKA_ID` in the wrap is not that of a key of this label on the token.
    #[error("the token does not have the version of the key that made the wrap")]
    UnknownVersion,
    /// The key or the token cannot be used, or must not be.
    #[error("the key or the token is not suitable: {reason}")]
    #[non_exhaustive]
    Unsuitable {
        /// Why not.
        reason: &'static str,
    },
    /// The key must not unwrap: `CKA_DECRYPT`, or `CKA_UNWRAP` for AES key wrap, is false.
    #[error("the key is not permitted to unwrap")]
    NotPermitted,
    /// The PIN is empty, begins with a byte order mark, or contains a line end or another control character. The token
    /// was not asked.
    #[error("the PIN is empty, begins with a byte order mark, or contains a control character")]
    NotAPin,
    /// The login failed. No thread of the provider tries again, because tokens lock a PIN after a few failures, and not
    /// every value says whether the PIN was wrong.
    #[error("the login failed with {code}; it is not tried again until you connect again")]
    #[non_exhaustive]
    Login {
        /// The return value, such as `CKR_PIN_INCORRECT`.
        code: String,
    },
    /// The token says that the PIN is locked, or that one more failure locks it. It was not asked.
    #[error("the PIN is locked, or has one try left: log in by other means first")]
    LastTry,
    /// A function of the library failed.
    #[error("{function} failed with {code}")]
    #[non_exhaustive]
    Refused {
        /// The function, such as `C_EncryptInit`.
        function: String,
        /// The return value, such as `CKR_DEVICE_ERROR`.
        code: String,
        /// What it means.
        kind: ProviderErrorKind,
    },
    /// The library did something that the standard does not allow.
    #[error("the PKCS#11 library is not usable: {message}")]
    #[non_exhaustive]
    Unexpected {
        /// What it did.
        message: String,
    },
    /// The wrap does not have the form of this provider's. The token was not asked.
    #[error("the wrapped key is not one that this provider made")]
    NotAWrap,
    /// The token says that the wrap is not authentic, or it cannot unwrap it, although it works.
    #[error("the token rejects the wrapped key with {code}")]
    #[non_exhaustive]
    Altered {
        /// The return value, such as `CKR_ENCRYPTED_DATA_INVALID`.
        code: String,
    },
    /// The token unwrapped something that is not a data key.
    #[error("the token unwrapped something that is not a data key")]
    #[non_exhaustive]
    NotADataKey {
        /// What is wrong with it.
        source: KeyError,
    },
    /// No thread was free within the timeout. The token was not asked.
    #[error("no session of the token was free in time")]
    Busy,
    /// The token did not reply within the timeout. The thread that asked it still waits.
    #[error("the token did not reply in time")]
    Late,
    /// The thread panicked.
    #[error("the thread that asked the token ended")]
    ThreadEnded,
    /// The threads could not be started.
    #[error("no thread for the token")]
    #[non_exhaustive]
    NoThread {
        /// Why not.
        source: io::Error,
    },
}

impl TokenError {
    pub(crate) fn kind(&self) -> ProviderErrorKind {
        match self {
            Self::NoToken | Self::NoKey => ProviderErrorKind::NotFound,
            Self::Refused { kind, .. } => *kind,
            Self::NotPermitted => ProviderErrorKind::Disabled,
            Self::NotAPin | Self::Login { .. } | Self::LastTry => {
                ProviderErrorKind::Unauthenticated
            }
            Self::UnknownVersion => ProviderErrorKind::WrongKeyMaterial,
            Self::NotAWrap | Self::Altered { .. } | Self::NotADataKey { .. } => {
                ProviderErrorKind::Rejected
            }
            Self::Busy => ProviderErrorKind::Throttled,
            Self::TokenGone | Self::Late | Self::ThreadEnded | Self::NoThread { .. } => {
                ProviderErrorKind::Unavailable
            }
            Self::Library { .. }
            | Self::SeveralTokens
            | Self::SeveralKeys
            | Self::Unsuitable { .. }
            | Self::Unexpected { .. } => ProviderErrorKind::Other,
        }
    }

    /// Returns whether the same job may succeed at once. A key that is missing may have been hidden by a logout, after
    /// which another part of the program has logged in again.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::NoKey | Self::UnknownVersion)
            || self.kind() == ProviderErrorKind::Unavailable
    }

    /// Returns whether a new session may help. Some libraries have values of their own for a session that is dead.
    pub(crate) fn may_be_the_sessions(&self) -> bool {
        matches!(self, Self::Refused { kind: ProviderErrorKind::Other, .. })
            || self.kind() == ProviderErrorKind::Unavailable
    }
}

impl From<TokenError> for ProviderError {
    fn from(error: TokenError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// What a return value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Kind(ProviderErrorKind),
    /// When unwrapping: the wrap was altered.
    BadWrap,
    /// The token failed or, when unwrapping, the wrap was altered: some tokens say no more.
    Unclear,
}

impl Meaning {
    /// Without a wildcard, so that every value that cryptoki knows is a decision.
    pub(crate) fn of(code: RvError) -> Self {
        use ProviderErrorKind as Kind;
        match code {
            RvError::GeneralError | RvError::FunctionFailed => Self::Unclear,

            RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::SignatureInvalid
            | RvError::SignatureLenRange
            | RvError::WrappedKeyInvalid
            | RvError::WrappedKeyLenRange
            // CKR_AEAD_DECRYPT_FAILED of PKCS#11 3.0
            | RvError::UnknownErrorCode(0x42) => Self::BadWrap,

            RvError::SessionCount => Self::Kind(Kind::Throttled),

            RvError::Cancel
            | RvError::CryptokiAlreadyInitialized
            | RvError::CryptokiNotInitialized
            | RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::DeviceRemoved
            | RvError::FipsSelfTestFailed
            | RvError::FunctionCanceled
            | RvError::HostMemory
            | RvError::KeyHandleInvalid
            | RvError::MutexBad
            | RvError::MutexNotLocked
            | RvError::ObjectHandleInvalid
            | RvError::OperationActive
            | RvError::OperationNotInitialized
            | RvError::SessionClosed
            | RvError::SessionHandleInvalid
            | RvError::SessionReadWriteSoExists
            | RvError::SlotIdInvalid
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::UnwrappingKeyHandleInvalid
            | RvError::UserAnotherAlreadyLoggedIn
            | RvError::UserNotLoggedIn
            | RvError::UserTooManyTypes
            | RvError::WrappingKeyHandleInvalid => Self::Kind(Kind::Unavailable),

            RvError::KeyFunctionNotPermitted => Self::Kind(Kind::Disabled),

            RvError::ActionProhibited
            | RvError::AttributeSensitive
            | RvError::FunctionRejected
            | RvError::InformationSensitive => Self::Kind(Kind::Denied),

            RvError::NewPinMode
            | RvError::NextOtp
            | RvError::PinExpired
            | RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinLocked
            | RvError::PinTooWeak
            | RvError::UserPinNotInitialized => Self::Kind(Kind::Unauthenticated),

            RvError::ArgumentsBad
            | RvError::AttributeReadOnly
            | RvError::AttributeTypeInvalid
            | RvError::AttributeValueInvalid
            | RvError::BufferTooSmall
            | RvError::CantLock
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
            | RvError::ExceededMaxIterations
            | RvError::FunctionNotParallel
            | RvError::FunctionNotSupported
            | RvError::KeyChanged
            | RvError::KeyIndigestible
            | RvError::KeyNeeded
            | RvError::KeyNotNeeded
            | RvError::KeyNotWrappable
            | RvError::KeySizeRange
            | RvError::KeyTypeInconsistent
            | RvError::KeyUnextractable
            | RvError::LibraryLoadFailed
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::NeedToCreateThreads
            | RvError::NoEvent
            | RvError::PublicKeyInvalid
            | RvError::RandomNoRng
            | RvError::RandomSeedNotSupported
            | RvError::SavedStateInvalid
            | RvError::SessionExists
            | RvError::SessionParallelNotSupported
            | RvError::SessionReadOnly
            | RvError::SessionReadOnlyExists
            | RvError::StateUnsaveable
            | RvError::TemplateIncomplete
            | RvError::TemplateInconsistent
            | RvError::TokenWriteProtected
            | RvError::UnwrappingKeySizeRange
            | RvError::UnwrappingKeyTypeInconsistent
            | RvError::UserAlreadyLoggedIn
            | RvError::UserTypeInvalid
            | RvError::WrappingKeySizeRange
            | RvError::WrappingKeyTypeInconsistent
            | RvError::VendorDefined(_)
            | RvError::UnknownErrorCode(_) => Self::Kind(Kind::Other),
        }
    }
}

/// The error of a function that does not unwrap.
pub(crate) fn refused(error: Error) -> TokenError {
    match error {
        Error::Pkcs11(code, function) => refused_as(
            code,
            function,
            match Meaning::of(code) {
                Meaning::Kind(kind) => kind,
                Meaning::BadWrap => ProviderErrorKind::Other,
                Meaning::Unclear => ProviderErrorKind::Unavailable,
            },
        ),
        other => TokenError::Unexpected { message: other.to_string() },
    }
}

pub(crate) fn refused_as(code: RvError, function: Function, kind: ProviderErrorKind) -> TokenError {
    TokenError::Refused { function: format!("C_{function:?}"), code: name_of(code), kind }
}

/// Returns the standard's name, such as `CKR_PIN_INCORRECT`, of which cryptoki has `PinIncorrect`.
pub(crate) fn name_of(code: RvError) -> String {
    if let RvError::VendorDefined(value) | RvError::UnknownErrorCode(value) = code {
        return format!("{value:#x}");
    }
    let mut name = String::from("CKR");
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
