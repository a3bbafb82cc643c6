//! What each error requires of the operator, as data. The table in the README says the rest.

use sealwax::ErrorClass;

use super::destination::DestinationError;
use super::redactor::RedactError;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
use super::sending::SendError;
use super::{AuthorizeError, OpenBoundError};

/// Implements `class` and `name` for an error, with the name and the class of each variant.
macro_rules! error_as_data {
    ($error:ident: $($pattern:pat => $data:expr),+ $(,)?) => {
        impl $error {
            /// Returns what the error requires of the operator.
            #[must_use]
            pub fn class(&self) -> ErrorClass {
                self.as_data().1
            }

            /// Returns the name of the variant in snake case, for metrics and audits.
            ///
            /// A variant that only passes on another error has the name of that error. A name never changes once it has
            /// been released.
            #[must_use]
            pub fn name(&self) -> &'static str {
                self.as_data().0
            }

            fn as_data(&self) -> (&'static str, ErrorClass) {
                match self {
                    $($pattern => $data),+
                }
            }
        }
    };
}

error_as_data!(OpenBoundError:
    Self::NoHosts => ("no_hosts", ErrorClass::Bug),
    Self::NotACredential => ("not_a_credential", ErrorClass::Bug),
    Self::Open(error) => (error.name(), error.class()),
    Self::NotForAHeader => ("not_for_a_header", ErrorClass::Refused),
);

error_as_data!(DestinationError:
    Self::NotAbsolute => ("not_absolute", ErrorClass::Refused),
    Self::NotHttps => ("not_https", ErrorClass::Refused),
    Self::UserInfo => ("user_info", ErrorClass::Refused),
    Self::IpAddress => ("ip_address", ErrorClass::Refused),
    Self::Loopback => ("loopback", ErrorClass::Refused),
    Self::Host => ("host", ErrorClass::Refused),
    Self::Port => ("port", ErrorClass::Refused),
    Self::Path => ("path", ErrorClass::Refused),
);

error_as_data!(AuthorizeError:
    Self::Destination(error) => error.as_data(),
    Self::Method => ("method", ErrorClass::Refused),
    Self::HostHeader => ("host_header", ErrorClass::Refused),
    Self::HeaderPresent => ("header_present", ErrorClass::Refused),
    Self::Name => ("name", ErrorClass::Bug),
    Self::Prefix => ("prefix", ErrorClass::Bug),
    Self::TooManyHeaders => ("too_many_headers", ErrorClass::Refused),
);

#[cfg(any(feature = "hyper", feature = "reqwest"))]
error_as_data!(SendError:
    Self::Authorize(error) => error.as_data(),
    Self::NoTls => ("no_tls", ErrorClass::Misconfigured),
    Self::Build(_) => ("build", ErrorClass::Misconfigured),
    Self::Connect(_) => ("connect", ErrorClass::Transient),
    Self::Timeout => ("timeout", ErrorClass::Transient),
    Self::Connection(_) => ("connection", ErrorClass::Transient),
);

error_as_data!(RedactError:
    Self::Encoded => ("encoded", ErrorClass::Refused),
);
