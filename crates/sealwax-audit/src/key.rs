//! Audit keys, and the ratchet.

use sealwax::companion::{DerivationKey, Purpose};

/// What an [`AuditKey`] is for.
#[derive(Debug)]
pub enum Audit {}

impl Purpose for Audit {
    const NAME: &str = "swa1";
}

/// The key of an audit log: 32 bytes from a CSPRNG, wiped when dropped.
///
/// Anyone who has it can forge entries. It is for audit logs only: do not use a master key, and do not hash a text to
/// make one.
///
/// ```
/// use sealwax_audit::AuditKey;
///
/// let key = AuditKey::generate()?;
/// let text = key.to_text(); // swa1_…, for the environment of a service
/// assert_eq!(text.len(), 53);
/// # Ok::<(), sealwax::KeyError>(())
/// ```
pub type AuditKey = DerivationKey<Audit>;

/// Returns the key that the ratchet makes of this one: k' = expand(k, "swa1/next", 32).
pub(crate) fn ratcheted(key: &AuditKey) -> AuditKey {
    key.derive_key(&[b"swa1/next"])
}
