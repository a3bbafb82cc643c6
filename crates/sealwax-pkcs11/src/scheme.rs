//! The two mechanisms, and what a session does for each of them.

use cryptoki::context::Function;
use cryptoki::error::{Error, Result, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismInfo, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use zeroize::{Zeroize, Zeroizing};

const KEY_LEN: usize = 32;
const IV_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// How the token wraps a data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `CKM_AES_GCM` by `C_Encrypt`, with the associated data: IV(12) ‖ ciphertext(32) ‖ tag(16).
    AesGcm,
    /// `CKM_AES_KEY_WRAP` (RFC 3394) by `C_WrapKey` of a session object. It binds nothing.
    AesKeyWrap,
}

impl Scheme {
    /// The first byte of a body.
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::AesGcm => 0x01,
            Self::AesKeyWrap => 0x02,
        }
    }

    pub(crate) const fn sealed_len(self) -> usize {
        match self {
            Self::AesGcm => IV_LEN + KEY_LEN + TAG_LEN,
            Self::AesKeyWrap => KEY_LEN + 8,
        }
    }

    pub(crate) const fn mechanism(self) -> MechanismType {
        match self {
            Self::AesGcm => MechanismType::AES_GCM,
            Self::AesKeyWrap => MechanismType::AES_KEY_WRAP,
        }
    }

    pub(crate) fn is_offered(self, info: &MechanismInfo) -> bool {
        match self {
            Self::AesGcm => info.encrypt() && info.decrypt(),
            Self::AesKeyWrap => info.wrap() && info.unwrap(),
        }
    }

    /// The attribute of a key that may unwrap.
    pub(crate) const fn may_unwrap(self) -> Attribute {
        match self {
            Self::AesGcm => Attribute::Decrypt(true),
            Self::AesKeyWrap => Attribute::Unwrap(true),
        }
    }

    pub(crate) fn wrap(
        self,
        session: &Session,
        key: ObjectHandle,
        associated_data: &[u8],
        data_key: &[u8; KEY_LEN],
    ) -> Result<Vec<u8>> {
        match self {
            Self::AesGcm => encrypt(session, key, associated_data, data_key),
            Self::AesKeyWrap => wrap(session, key, data_key),
        }
    }

    /// `sealed` has the length of this scheme.
    pub(crate) fn unwrap(
        self,
        session: &Session,
        key: ObjectHandle,
        associated_data: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::AesGcm => decrypt(session, key, associated_data, sealed),
            Self::AesKeyWrap => unwrap(session, key, sealed),
        }
    }
}

fn gcm<'a>(iv: &'a mut [u8; IV_LEN], associated_data: &'a [u8]) -> Result<Mechanism<'a>> {
    const TAG_BITS: Ulong = Ulong::new(128);
    Ok(Mechanism::AesGcm(GcmParams::new(iv, associated_data, TAG_BITS)?))
}

fn encrypt(
    session: &Session,
    key: ObjectHandle,
    associated_data: &[u8],
    data_key: &[u8; KEY_LEN],
) -> Result<Vec<u8>> {
    let mut iv = [0; IV_LEN];
    session.generate_random_slice(&mut iv)?;
    let sealed = session.encrypt(&gcm(&mut iv, associated_data)?, key, data_key)?;
    // Only now, because some tokens choose the IV, and write it here.
    if iv == [0; IV_LEN] {
        return Err(Error::InvalidValue);
    }
    Ok([&iv[..], &sealed].concat())
}

fn decrypt(
    session: &Session,
    key: ObjectHandle,
    associated_data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let (iv, sealed) = sealed.split_first_chunk().ok_or(Error::InvalidValue)?;
    let mut iv = *iv;
    session.decrypt(&gcm(&mut iv, associated_data)?, key, sealed).map(Zeroizing::new)
}

/// A key that lives as long as one operation.
const SESSION_KEY: [Attribute; 6] = [
    Attribute::Class(ObjectClass::SECRET_KEY),
    Attribute::KeyType(KeyType::GENERIC_SECRET),
    Attribute::Token(false),
    Attribute::Private(true),
    Attribute::Sensitive(false),
    Attribute::Extractable(true),
];

fn wrap(session: &Session, key: ObjectHandle, data_key: &[u8; KEY_LEN]) -> Result<Vec<u8>> {
    let mut template = SESSION_KEY.to_vec();
    template.push(Attribute::Value(data_key.to_vec()));
    let object = session.create_object(&template);
    if let Some(Attribute::Value(value)) = template.last_mut() {
        value.zeroize();
    }
    let object = object?;
    let sealed = session.wrap_key(&Mechanism::AesKeyWrap, key, object);
    // If this fails, the object ends with the session.
    let _ = session.destroy_object(object);
    sealed
}

fn unwrap(session: &Session, key: ObjectHandle, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let object = session.unwrap_key(&Mechanism::AesKeyWrap, key, sealed, &SESSION_KEY)?;
    let found = session.get_attributes(object, &[AttributeType::Value]);
    let value = found.map(|mut found| match found.pop() {
        Some(Attribute::Value(value)) => Some(Zeroizing::new(value)),
        _ => None,
    });
    // If this fails, the object ends with the session.
    let _ = session.destroy_object(object);
    let hidden = Error::Pkcs11(RvError::AttributeSensitive, Function::GetAttributeValue);
    value?.ok_or(hidden)
}
