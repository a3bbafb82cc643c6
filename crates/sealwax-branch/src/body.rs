//! The bodies of both kinds, byte for byte, as in section 7 of sealwax's page on the format.

use crate::error::BodyError;

/// Bytes of a branch's name.
pub(crate) const BRANCH_ID_LEN: usize = 32;
/// Bytes of the data key under the branch key or the fresh key.
const LOCAL_LEN: usize = 60;
/// Bytes of what is around W, except for a branch's name.
const AROUND_LEN: usize = size_of::<u16>() + LOCAL_LEN;
/// The longest body that an envelope holds.
const MAX_BODY_LEN: usize = 65_534;

/// The body of a branch: branch_id(32) ‖ u16(length of W) ‖ W ‖ local body(60).
#[derive(Clone, Copy)]
pub(crate) struct BranchBody<'a> {
    pub(crate) id: &'a [u8; BRANCH_ID_LEN],
    pub(crate) inner: ReboundBody<'a>,
}

/// The body of a rebound wrap: u16(length of W) ‖ W ‖ local body(60).
#[derive(Clone, Copy)]
pub(crate) struct ReboundBody<'a> {
    /// W, what the provider made of the branch key or the fresh key: at least one byte.
    pub(crate) wrap: &'a [u8],
    pub(crate) local: &'a [u8; LOCAL_LEN],
}

/// Returns W: what the service made, in the body of a branch.
///
/// For a census of the service's key versions, such as by `sealwax_transit::version_of`. `None` means that this is no such
/// body, and not that it has no version.
#[must_use]
pub fn wrap_in_branch(body: &[u8]) -> Option<&[u8]> {
    BranchBody::parse(body).ok().map(|body| body.inner.wrap)
}

/// Returns W: what the service made, in the body of a rebound wrap.
///
/// `None` means that this is no such body.
#[must_use]
pub fn wrap_in_rebound(body: &[u8]) -> Option<&[u8]> {
    ReboundBody::parse(body).ok().map(|body| body.wrap)
}

impl<'a> BranchBody<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, BodyError> {
        let (id, inner) = body.split_first_chunk().ok_or(BodyError::Malformed)?;
        Ok(Self { id, inner: ReboundBody::parse(inner)? })
    }

    pub(crate) fn encode(self) -> Result<Vec<u8>, BodyError> {
        self.inner.encode_after(self.id)
    }
}

impl<'a> ReboundBody<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, BodyError> {
        let split = || {
            let (len, rest) = body.split_first_chunk()?;
            let (wrap, local) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
            Some(Self { wrap, local: local.try_into().ok()? })
        };
        split().filter(|parts| !parts.wrap.is_empty()).ok_or(BodyError::Malformed)
    }

    pub(crate) fn encode(self) -> Result<Vec<u8>, BodyError> {
        self.encode_after(&[])
    }

    fn encode_after(self, front: &[u8]) -> Result<Vec<u8>, BodyError> {
        let len = self.wrap.len();
        let max = MAX_BODY_LEN.saturating_sub(AROUND_LEN).saturating_sub(front.len());
        match u16::try_from(len) {
            Ok(prefix) if (1..=max).contains(&len) => {
                Ok([front, &prefix.to_be_bytes(), self.wrap, self.local].concat())
            }
            _ => Err(BodyError::WrapLen { len, max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyError, BranchBody, ReboundBody};

    #[test]
    fn every_length_is_parsed_or_refused_and_what_parses_encodes_back() {
        let mut parsed = 0;
        for len in 0..400 {
            for named in 0..400_u16 {
                let mut body = vec![7; len];
                if let Some(place) = body.get_mut(..2) {
                    place.copy_from_slice(&named.to_be_bytes());
                }
                let rebound = ReboundBody::parse(&body);
                let fits = named > 0 && len == 62 + usize::from(named);
                assert_eq!(rebound.is_ok(), fits, "{len} {named}");
                let branch = [&[9; 32], &body[..]].concat();
                assert_eq!(BranchBody::parse(&branch).is_ok(), fits, "{len} {named}");
                if let Ok(rebound) = rebound {
                    assert_eq!(rebound.encode().unwrap(), body);
                    assert_eq!(BranchBody::parse(&branch).unwrap().encode().unwrap(), branch);
                    parsed += 1;
                }
            }
        }
        assert_eq!(parsed, 400 - 63);
        for len in 0..32 {
            assert!(BranchBody::parse(&vec![0; len]).is_err());
        }
    }

    #[test]
    fn a_body_fits_an_envelope() {
        let longest = vec![1; 65_534];
        for (len, rebound, branch) in [
            (0, false, false),
            (1, true, true),
            (65_440, true, true),
            (65_441, true, false),
            (65_472, true, false),
            (65_473, false, false),
            (65_534, false, false),
        ] {
            let inner = ReboundBody { wrap: &longest[..len], local: &[0; 60] };
            let body = inner.encode();
            assert_eq!(body.is_ok(), rebound, "{len}");
            assert!(body.is_ok_and(|body| body.len() == len + 62) == rebound);
            let body = BranchBody { id: &[0; 32], inner }.encode();
            assert_eq!(body.is_ok(), branch, "{len}");
            if let Err(error) = body {
                assert_eq!(error, BodyError::WrapLen { len, max: 65_440 });
            }
        }
    }
}
