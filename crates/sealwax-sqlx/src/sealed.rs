//! Types for columns of envelopes and of key ids.

use sealwax::{Envelope, KeyId};
use sqlx::encode::IsNull;
use sqlx::error::{BoxDynError, UnexpectedNullError};
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{Database, Decode, Encode, Type, ValueRef};

/// An envelope in a column of bytes: `BYTEA` in PostgreSQL, `BLOB` in SQLite.
///
/// It is bound as bytes, and read from a column of bytes or of text. A value that is not an envelope gives a
/// [`FormatError`](sealwax::FormatError) inside [`sqlx::Error::ColumnDecode`], which repeats no byte of it.
///
/// ```
/// # use sealwax::Envelope;
/// # use sealwax_sqlx::Sealed;
/// # use sqlx::Postgres;
/// fn update(envelope: Envelope) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
///     sqlx::query("UPDATE credentials SET envelope = $1").bind(Sealed(envelope))
/// }
/// ```
///
/// Only envelopes reach a driver. A secret does not compile:
///
/// ```compile_fail,E0277
/// # use sealwax::Secret;
/// # use sqlx::Postgres;
/// fn update(secret: Secret) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
///     sqlx::query("UPDATE credentials SET envelope = $1").bind(secret)
/// }
/// ```
///
/// Neither does one in this type:
///
/// ```compile_fail,E0308
/// # fn wrap(secret: sealwax::Secret) -> sealwax_sqlx::Sealed {
/// sealwax_sqlx::Sealed(secret)
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sealed(pub Envelope);

/// An envelope in a column of text: `TEXT`, or `VARCHAR` in PostgreSQL.
///
/// It is bound as text. Otherwise it is the same as [`Sealed`], and reads the same columns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SealedText(pub Envelope);

/// A key id in a column of text, such as one beside the envelopes.
///
/// Text that is not a key id gives a [`FormatError`](sealwax::FormatError) inside [`sqlx::Error::ColumnDecode`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredKeyId(pub KeyId);

/// Implements the conversions, and binds the type as another type that the driver knows.
macro_rules! column_type {
    ($type:ident($inner:ty), bound as $bound:ty, read as $($read:ty)|+) => {
        impl From<$inner> for $type {
            fn from(inner: $inner) -> Self {
                Self(inner)
            }
        }

        impl From<$type> for $inner {
            fn from(stored: $type) -> Self {
                stored.0
            }
        }

        impl AsRef<$inner> for $type {
            fn as_ref(&self) -> &$inner {
                &self.0
            }
        }

        impl<DB: Database> Type<DB> for $type
        where
            $($read: Type<DB>,)+
        {
            fn type_info() -> DB::TypeInfo {
                <$bound as Type<DB>>::type_info()
            }

            fn compatible(info: &DB::TypeInfo) -> bool {
                $(<$read as Type<DB>>::compatible(info))||+
            }
        }

        impl<'q, DB: Database> Encode<'q, DB> for $type
        where
            $bound: Encode<'q, DB>,
        {
            fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <$bound>::from(self.0.clone()).encode(buffer)
            }
        }

        impl PgHasArrayType for $type {
            fn array_type_info() -> PgTypeInfo {
                <$bound as PgHasArrayType>::array_type_info()
            }

            fn array_compatible(info: &PgTypeInfo) -> bool {
                $(<$read as PgHasArrayType>::array_compatible(info))||+
            }
        }
    };
}

column_type!(Sealed(Envelope), bound as Vec<u8>, read as Vec<u8> | String);
column_type!(SealedText(Envelope), bound as String, read as Vec<u8> | String);
column_type!(StoredKeyId(KeyId), bound as String, read as String);

impl<'r, DB: Database> Decode<'r, DB> for Sealed
where
    Vec<u8>: Decode<'r, DB>,
    String: Decode<'r, DB> + Type<DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        // SQLite's driver reads NULL as an empty value.
        if value.is_null() {
            return Err(UnexpectedNullError.into());
        }
        let is_text = <String as Type<DB>>::compatible(&value.type_info());
        let envelope =
            if is_text { String::decode(value)?.parse()? } else { Envelope::from_bytes(&Vec::decode(value)?)? };
        Ok(Self(envelope))
    }
}

impl<'r, DB: Database> Decode<'r, DB> for SealedText
where
    Sealed: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Sealed::decode(value).map(|sealed| Self(sealed.0))
    }
}

impl<'r, DB: Database> Decode<'r, DB> for StoredKeyId
where
    String: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            return Err(UnexpectedNullError.into());
        }
        Ok(Self(String::decode(value)?.parse()?))
    }
}
