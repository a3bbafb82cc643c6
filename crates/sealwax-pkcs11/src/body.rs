//! The bytes of a wrap.

#[cfg(test)]
mod tests;

use crate::scheme::Scheme;

/// scheme (1 byte) ‖ len8(CKA_ID) ‖ CKA_ID ‖ what the token made
pub(crate) struct Body<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) sealed: &'a [u8],
}

impl<'a> Body<'a> {
    /// Returns `None` if these are not the bytes of this scheme: it has one length, so nothing may follow.
    pub(crate) fn parse(scheme: Scheme, bytes: &'a [u8]) -> Option<Self> {
        let (&[first, len], rest) = bytes.split_first_chunk()?;
        let (id, sealed) = rest.split_at_checked(len.into())?;
        let is_one =
            first == scheme.byte() && !id.is_empty() && sealed.len() == scheme.sealed_len();
        is_one.then_some(Self { id, sealed })
    }

    /// Returns `None` if the `CKA_ID` has no byte, or more than 255.
    pub(crate) fn encode(&self, scheme: Scheme) -> Option<Vec<u8>> {
        let len = u8::try_from(self.id.len()).ok().filter(|&len| len > 0)?;
        Some([&[scheme.byte(), len], self.id, self.sealed].concat())
    }
}

/// Returns the `CKA_ID` of the key that made a wrap, or `None` if the body is not one of this crate.
///
/// Count the rows of each version with it before you destroy a key. `body` is that of a
/// [`WrappedKey`](sealwax::WrappedKey); the body of a `Rebound` has the token's inside.
///
/// ```
/// use sealwax_pkcs11::version_of;
///
/// let mut body = vec![0x01, 0x02, 0xca, 0xfe]; // AES-GCM, and a CKA_ID of two bytes
/// body.extend([0; 60]);
/// assert_eq!(version_of(&body), Some(&[0xca, 0xfe][..]));
/// assert_eq!(version_of(b"vault:v3:W1zKInJOX+1zFQs/0uMF2PxU"), None);
/// ```
#[must_use]
pub fn version_of(body: &[u8]) -> Option<&[u8]> {
    let parse = |scheme| Body::parse(scheme, body);
    parse(Scheme::AesGcm).or_else(|| parse(Scheme::AesKeyWrap)).map(|body| body.id)
}
