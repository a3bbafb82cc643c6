//! The table of kinds. Everything about a kind is in one place: where its parts are, a function
//! from a row to a [`Secret`], and one in the other direction.

use sealwax::Secret;
use sealwax::legacy::{cloak, litellm, n8n};
use sealwax::triplet::{Encoding, IvLen, Layout, Triplet, TripletError, TripletKey};

use crate::coding::{Coding, hex};
use crate::files::{Key, KeyText};
use crate::seeded::Seeded;

use Coding::{Base64, Base64Url, Bytes, Hex};
use Part::{Ciphertext, Iv, KeyIv, KeyTag, Label, Mark, Salt, Tag, WrappedKey};
use Piece::{Coded, KeyId, Text};

/// The columns of a row. A column of text is stored as its bytes.
pub(crate) type Row = Vec<Vec<u8>>;

/// A part that is encoded in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The byte 0x01.
    Mark,
    /// The length of the label, and the label that the reader declares.
    Label,
    Salt,
    Iv,
    Tag,
    Ciphertext,
    /// The row's own key, encrypted.
    WrappedKey,
    /// The tag of the wrapped key.
    KeyTag,
    /// The IV of the wrapped key.
    KeyIv,
}

/// The content of a column, piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A fixed text.
    Text(&'static str),
    /// The id of the key, up to the next piece.
    KeyId,
    /// Parts that are joined and then encoded together.
    Coded(Coding, &'static [Part]),
}

/// What comes next to the tag, which determines the effect of a tag that is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagPlace {
    /// Nothing. A short tag is detected as such.
    Apart,
    /// The ciphertext. The reader takes the missing bytes from it, as long as it has any.
    Joined,
}

/// Why a row was rejected: the class of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    Malformed,
    NotAuthentic,
    /// The unwrapped plaintext is not a key.
    Key,
    /// The row names a key that the caller does not have. The caller rejects it, not the crate.
    OtherKeyId,
}

impl From<TripletError> for Refusal {
    fn from(error: TripletError) -> Self {
        match error {
            TripletError::Malformed { .. } => Self::Malformed,
            TripletError::NotAuthentic => Self::NotAuthentic,
            TripletError::Key { .. } => Self::Key,
            other => panic!("a row cannot cause this error: {other}"),
        }
    }
}

/// The stack that writes the rows of a kind, and that reads ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Node,
    Python,
}

#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) stack: Stack,
    pub(crate) columns: &'static [&'static [Piece]],
    /// The IV lengths that its reader accepts.
    pub(crate) ivs: &'static [usize],
    pub(crate) tag: TagPlace,
    pub(crate) read: fn(&Key, &Row) -> Result<Secret, Refusal>,
    pub(crate) write: fn(&Key, &Secret, IvLen, &mut Seeded) -> Row,
    pub(crate) new_key: fn(&mut Seeded) -> KeyText,
}

pub(crate) static KINDS: [Kind; 15] = [
    Kind {
        name: "hex-iv16-sha256",
        stack: Stack::Node,
        columns: &[&[
            Coded(Hex, &[Iv]),
            Text(":"),
            Coded(Hex, &[Tag]),
            Text(":"),
            Coded(Hex, &[Ciphertext]),
        ]],
        ivs: &[16],
        tag: TagPlace::Apart,
        read: |key, row| read_layout(key, row, Layout::HEX_IV16_TAG_CIPHERTEXT),
        write: |key, secret, _, rng| {
            write_layout(key, secret, IvLen::Sixteen, rng, Layout::HEX_IV16_TAG_CIPHERTEXT)
        },
        new_key: new_passphrase,
    },
    Kind {
        name: "lobechat",
        stack: Stack::Node,
        columns: &[&[
            Coded(Hex, &[Iv]),
            Text(":"),
            Coded(Hex, &[Tag]),
            Text(":"),
            Coded(Hex, &[Ciphertext]),
        ]],
        ivs: &[12],
        tag: TagPlace::Apart,
        read: |key, row| read_layout(key, row, Layout::HEX_IV12_TAG_CIPHERTEXT),
        write: |key, secret, _, rng| {
            write_layout(key, secret, IvLen::Twelve, rng, Layout::HEX_IV12_TAG_CIPHERTEXT)
        },
        new_key: new_base64,
    },
    Kind {
        name: "langfuse",
        stack: Stack::Node,
        columns: &[&[
            Coded(Hex, &[Iv]),
            Text(":"),
            Coded(Hex, &[Ciphertext]),
            Text(":"),
            Coded(Hex, &[Tag]),
        ]],
        ivs: &[12],
        tag: TagPlace::Apart,
        read: |key, row| read_layout(key, row, Layout::HEX_IV12_CIPHERTEXT_TAG),
        write: |key, secret, _, rng| {
            write_layout(key, secret, IvLen::Twelve, rng, Layout::HEX_IV12_CIPHERTEXT_TAG)
        },
        new_key: new_hex,
    },
    Kind {
        name: "columns-base64",
        stack: Stack::Node,
        columns: &[
            &[Coded(Base64, &[Ciphertext])],
            &[Coded(Base64, &[Iv])],
            &[Coded(Base64, &[Tag])],
        ],
        ivs: &[12, 16],
        tag: TagPlace::Apart,
        read: |key, row| read_columns(key, row, Encoding::Base64),
        write: |key, secret, iv_len, rng| write_columns(key, secret, iv_len, rng, Encoding::Base64),
        new_key: new_base64,
    },
    Kind {
        name: "columns-hex",
        stack: Stack::Node,
        columns: &[&[Coded(Hex, &[Ciphertext])], &[Coded(Hex, &[Iv])], &[Coded(Hex, &[Tag])]],
        ivs: &[12, 16],
        tag: TagPlace::Apart,
        read: |key, row| read_columns(key, row, Encoding::HexLower),
        write: |key, secret, iv_len, rng| {
            write_columns(key, secret, iv_len, rng, Encoding::HexLower)
        },
        new_key: new_hex,
    },
    Kind {
        name: "columns-bytes",
        stack: Stack::Python,
        columns: &[&[Coded(Bytes, &[Ciphertext])], &[Coded(Bytes, &[Iv])], &[Coded(Bytes, &[Tag])]],
        ivs: &[12, 16],
        tag: TagPlace::Apart,
        read: |key, row| {
            Ok(key.triplet.decrypt(&Triplet::from_parts(&row[1], &row[2], &row[0])?)?)
        },
        write: |key, secret, iv_len, rng| {
            let row = key.triplet.encrypt_with_rng(secret, iv_len, rng).unwrap();
            [row.ciphertext(), row.iv(), row.tag()].map(<[u8]>::to_vec).to_vec()
        },
        new_key: new_hex,
    },
    Kind {
        name: "webcrypto",
        stack: Stack::Node,
        columns: &[&[Coded(Base64, &[Iv])], &[Coded(Base64, &[Ciphertext, Tag])]],
        ivs: &[12, 16],
        tag: TagPlace::Joined,
        read: |key, row| Ok(key.triplet.decrypt(&joined(&row[0], &row[1])?)?),
        write: |key, secret, iv_len, rng| {
            let row = key.triplet.encrypt_with_rng(secret, iv_len, rng).unwrap();
            row.to_joined(Encoding::Base64).map(String::into_bytes).to_vec()
        },
        new_key: new_base64,
    },
    Kind {
        name: "typebot",
        stack: Stack::Node,
        columns: &[&[Coded(Hex, &[Iv])], &[Coded(Base64, &[Ciphertext, Tag])]],
        ivs: &[12, 16],
        tag: TagPlace::Joined,
        read: |key, row| {
            let iv = Encoding::HexLower.decode(&text(&row[0]))?;
            let data = Encoding::Base64.decode(&text(&row[1]))?;
            Ok(key.triplet.decrypt(&Triplet::from_joined_parts(&iv, &data)?)?)
        },
        write: |key, secret, iv_len, rng| {
            let row = key.triplet.encrypt_with_rng(secret, iv_len, rng).unwrap();
            let [[iv, _], [_, data]] =
                [Encoding::HexLower, Encoding::Base64].map(|e| row.to_joined(e));
            [iv, data].map(String::into_bytes).to_vec()
        },
        new_key: |rng| {
            KeyText::new("utf8", String::from_utf8(Base64.encode(&rng.bytes(24))).unwrap())
        },
    },
    Kind {
        name: "envelope",
        stack: Stack::Node,
        columns: &[
            &[Coded(Base64, &[Ciphertext, Tag])],
            &[Coded(Base64, &[Iv])],
            &[Coded(Base64, &[WrappedKey, KeyTag])],
            &[Coded(Base64, &[KeyIv])],
        ],
        ivs: &[12, 16],
        tag: TagPlace::Joined,
        // Both halves are parsed before a key is used.
        read: |key, row| {
            let (data, wrapped) = (joined(&row[1], &row[0])?, joined(&row[3], &row[2])?);
            Ok(key.triplet.unwrap_key(&wrapped)?.decrypt(&data)?)
        },
        write: |key, secret, iv_len, rng| {
            let data_key = rng.bytes(32);
            let wrapped = Secret::from(data_key.as_slice());
            let wrapped = key.triplet.encrypt_with_rng(&wrapped, iv_len, rng).unwrap();
            let data_key = TripletKey::from_bytes(&mut data_key.clone()).unwrap();
            let data = data_key.encrypt_with_rng(secret, iv_len, rng).unwrap();
            let columns = [data, wrapped].map(|half| half.to_joined(Encoding::Base64));
            let [[iv, data], [key_iv, wrapped]] = columns;
            [data, iv, wrapped, key_iv].map(String::into_bytes).to_vec()
        },
        new_key: new_base64,
    },
    Kind {
        name: "litellm-v2",
        stack: Stack::Python,
        columns: &[&[Text("v2:gcm:"), Coded(Base64Url, &[Iv, Ciphertext, Tag])]],
        ivs: &[12],
        tag: TagPlace::Joined,
        read: |key, row| Ok(litellm::decrypt(&key.triplet, litellm::Version::V2, &text(&row[0]))?),
        write: |key, secret, _, rng| {
            let version = litellm::Version::V2;
            let row = litellm::encrypt_with_rng(&key.triplet, version, secret, rng);
            vec![row.unwrap().into_bytes()]
        },
        new_key: new_passphrase,
    },
    Kind {
        name: "litellm-v3",
        stack: Stack::Python,
        columns: &[&[Text("v3:gcm:"), Coded(Base64Url, &[Iv, Ciphertext, Tag])]],
        ivs: &[12],
        tag: TagPlace::Joined,
        read: |key, row| Ok(litellm::decrypt(&key.triplet, litellm::Version::V3, &text(&row[0]))?),
        write: |key, secret, _, rng| {
            let version = litellm::Version::V3;
            let row = litellm::encrypt_with_rng(&key.triplet, version, secret, rng);
            vec![row.unwrap().into_bytes()]
        },
        new_key: |rng| KeyText { kind: "hkdf-litellm-v3".to_owned(), ..new_passphrase(rng) },
    },
    Kind {
        name: "sqlalchemy-utils",
        stack: Stack::Python,
        columns: &[&[Coded(Base64, &[Iv, Tag, Ciphertext])]],
        ivs: &[12],
        tag: TagPlace::Joined,
        read: |key, row| read_layout(key, row, Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED),
        write: |key, secret, _, rng| {
            let layout = Layout::BASE64_IV12_TAG_CIPHERTEXT_JOINED;
            write_layout(key, secret, IvLen::Twelve, rng, layout)
        },
        new_key: new_passphrase,
    },
    Kind {
        name: "cloak-iv16",
        stack: Stack::Python,
        columns: &[&[Coded(Bytes, &[Mark, Label, Iv, Tag, Ciphertext])]],
        ivs: &[16],
        tag: TagPlace::Joined,
        read: |key, row| Ok(cloak::decrypt(&key.triplet, &key.name, IvLen::Sixteen, &row[0])?),
        write: |key, secret, _, rng| {
            let iv_len = IvLen::Sixteen;
            let row = cloak::encrypt_with_rng(&key.triplet, &key.name, iv_len, secret, rng);
            vec![row.unwrap()]
        },
        new_key: |rng| new_base64(rng).named("AES.GCM.V1"),
    },
    Kind {
        name: "cloak-iv12",
        stack: Stack::Python,
        columns: &[&[Coded(Bytes, &[Mark, Label, Iv, Tag, Ciphertext])]],
        ivs: &[12],
        tag: TagPlace::Joined,
        read: |key, row| Ok(cloak::decrypt(&key.triplet, &key.name, IvLen::Twelve, &row[0])?),
        write: |key, secret, _, rng| {
            let iv_len = IvLen::Twelve;
            let row = cloak::encrypt_with_rng(&key.triplet, &key.name, iv_len, secret, rng);
            vec![row.unwrap()]
        },
        new_key: |rng| new_base64(rng).named("AES.GCM.V1"),
    },
    Kind {
        name: "n8n",
        stack: Stack::Node,
        columns: &[&[KeyId, Text(":"), Coded(Base64, &[Mark, Salt, Tag, Ciphertext])]],
        // Derived, so no row contains it.
        ivs: &[12],
        tag: TagPlace::Joined,
        read: |key, row| {
            let row = text(&row[0]);
            if n8n::key_id(&row)? != key.name {
                return Err(Refusal::OtherKeyId);
            }
            Ok(n8n::decrypt(&key.triplet, &row)?)
        },
        write: |key, secret, _, rng| {
            let row = n8n::encrypt_with_rng(&key.triplet, &key.name, secret, rng);
            vec![row.unwrap().into_bytes()]
        },
        new_key: new_n8n,
    },
];

pub(crate) fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

/// Bytes that are not text reach the parser as they would from a careless caller.
fn text(column: &[u8]) -> String {
    String::from_utf8_lossy(column).into_owned()
}

fn joined(iv: &[u8], ciphertext_and_tag: &[u8]) -> Result<Triplet, TripletError> {
    Triplet::from_joined(&text(iv), &text(ciphertext_and_tag), Encoding::Base64)
}

fn read_layout(key: &Key, row: &Row, layout: Layout) -> Result<Secret, Refusal> {
    Ok(key.triplet.decrypt(&Triplet::parse(&text(&row[0]), layout)?)?)
}

fn write_layout(
    key: &Key,
    secret: &Secret,
    iv_len: IvLen,
    rng: &mut Seeded,
    layout: Layout,
) -> Row {
    let row = key.triplet.encrypt_with_rng(secret, iv_len, rng).unwrap();
    vec![row.encode(layout).unwrap().into_bytes()]
}

/// The order blob, IV, tag, in which services declare them.
fn read_columns(key: &Key, row: &Row, encoding: Encoding) -> Result<Secret, Refusal> {
    let [ciphertext, iv, tag] = [0, 1, 2].map(|column| text(&row[column]));
    Ok(key.triplet.decrypt(&Triplet::from_columns(&iv, &tag, &ciphertext, encoding)?)?)
}

fn write_columns(
    key: &Key,
    secret: &Secret,
    iv_len: IvLen,
    rng: &mut Seeded,
    encoding: Encoding,
) -> Row {
    let row = key.triplet.encrypt_with_rng(secret, iv_len, rng).unwrap();
    let [iv, tag, ciphertext] = row.to_columns(encoding);
    [ciphertext, iv, tag].map(String::into_bytes).to_vec()
}

fn new_passphrase(rng: &mut Seeded) -> KeyText {
    KeyText::new("sha256", rng.text(20))
}

fn new_base64(rng: &mut Seeded) -> KeyText {
    KeyText::new("base64", String::from_utf8(Base64.encode(&rng.bytes(32))).unwrap())
}

fn new_hex(rng: &mut Seeded) -> KeyText {
    KeyText::new("hex", hex(&rng.bytes(32)))
}

/// Returns a data key, wrapped as the crate wraps any text for n8n.
fn new_n8n(rng: &mut Seeded) -> KeyText {
    let instance_key = rng.text(32);
    let wrapping_key = TripletKey::insecure_sha256_of(&instance_key);
    let data_key = Secret::from(hex(&rng.bytes(32)));
    let row = n8n::encrypt_with_rng(&wrapping_key, "none", &data_key, rng).unwrap();
    let value = row.strip_prefix("none:").unwrap().to_owned();
    let name = hex(&rng.bytes(8));
    KeyText { value, ..KeyText::new("n8n", instance_key).named(&name) }
}
