//! Each combination of what the token says, what the probe says, and what the token says then.

use std::cell::RefCell;

use cryptoki::context::Function;
use cryptoki::error::RvError;
use sealwax::ProviderErrorKind as Kind;

use super::*;

type Reply = std::result::Result<u8, RvError>;

/// Returns the value or the kind of the error, and how many replies were not asked for.
fn verdict(replies: &[Reply], probe: bool) -> (std::result::Result<u8, Kind>, usize) {
    let left = RefCell::new(replies.iter());
    let unwrap = || {
        let reply = *left.borrow_mut().next().unwrap();
        reply.map_err(|code| Error::Pkcs11(code, Function::Decrypt))
    };
    let result = unwrapped(unwrap, || if probe { Ok(()) } else { Err(TokenError::TokenGone) });
    (result.map_err(|error| error.kind()), left.into_inner().len())
}

#[test]
fn what_is_clear_needs_no_probe() {
    for probe in [true, false] {
        assert_eq!(verdict(&[Ok(7)], probe), (Ok(7), 0));
        let table = [
            (RvError::EncryptedDataInvalid, Kind::Rejected),
            (RvError::EncryptedDataLenRange, Kind::Rejected),
            (RvError::WrappedKeyInvalid, Kind::Rejected),
            (RvError::UnknownErrorCode(0x42), Kind::Rejected),
            (RvError::DeviceError, Kind::Unavailable),
            (RvError::KeyFunctionNotPermitted, Kind::Disabled),
            (RvError::VendorDefined(0x8000_0001), Kind::Other),
        ];
        for (code, kind) in table {
            assert_eq!(verdict(&[Err(code), Ok(7)], probe), (Err(kind), 1), "{code:?}");
        }
    }
}

#[test]
fn what_is_unclear_is_an_outage_if_the_probe_fails() {
    for code in [RvError::GeneralError, RvError::FunctionFailed] {
        assert_eq!(verdict(&[Err(code), Ok(7)], false), (Err(Kind::Unavailable), 1));
    }
}

#[test]
fn what_is_unclear_is_an_altered_wrap_if_the_token_works() {
    for code in [RvError::GeneralError, RvError::FunctionFailed] {
        assert_eq!(verdict(&[Err(code), Err(code)], true), (Err(Kind::Rejected), 0));
        // A fault that has passed.
        assert_eq!(verdict(&[Err(code), Ok(7)], true), (Ok(7), 0));
        let fault = [Err(code), Err(RvError::DeviceRemoved)];
        assert_eq!(verdict(&fault, true), (Err(Kind::Unavailable), 0));
    }
}
