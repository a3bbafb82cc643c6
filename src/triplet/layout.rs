//! Layouts: where the three parts are in a text, and how it is parsed and encoded.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Encoding, IvLen, Triplet, TripletError};
use crate::format::error::{Field, offset_in};
use crate::format::sizes::TAG_LEN;

/// One of the three parts of a row, as a [`Layout`] names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The IV (nonce).
    Iv,
    /// The tag, which has 16 bytes.
    Tag,
    /// The ciphertext, which is as long as the plaintext.
    Ciphertext,
}

/// How one text holds a triplet.
///
/// A layout is the order of the parts, their separator, their encoding, and the length of the IV. You
/// declare it; it is never guessed from a row.
///
/// ```
/// use sealwax::triplet::{Encoding, IvLen, Layout, Part};
///
/// const OURS: Layout =
///     Layout::separated('.', [Part::Iv, Part::Ciphertext, Part::Tag], Encoding::Base64Url, IvLen::Twelve);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    parts: [Part; 3],
    separator: Option<char>,
    encoding: Encoding,
    iv_len: IvLen,
}

impl Layout {
    /// Hex `iv:tag:ciphertext` with an IV of 16 bytes, as `randomBytes(16)` and `:` produce it.
    pub const HEX_IV16_TAG_CIPHERTEXT: Self = Self::separated(
        ':',
        [Part::Iv, Part::Tag, Part::Ciphertext],
        Encoding::HexLower,
        IvLen::Sixteen,
    );
    /// Hex `iv:tag:ciphertext` with an IV of 12 bytes.
    pub const HEX_IV12_TAG_CIPHERTEXT: Self = Self::separated(
        ':',
        [Part::Iv, Part::Tag, Part::Ciphertext],
        Encoding::HexLower,
        IvLen::Twelve,
    );
    /// Hex `iv:ciphertext:tag` with an IV of 16 bytes.
    pub const HEX_IV16_CIPHERTEXT_TAG: Self = Self::separated(
        ':',
        [Part::Iv, Part::Ciphertext, Part::Tag],
        Encoding::HexLower,
        IvLen::Sixteen,
    );
    /// Hex `iv:ciphertext:tag` with an IV of 12 bytes.
    pub const HEX_IV12_CIPHERTEXT_TAG: Self = Self::separated(
        ':',
        [Part::Iv, Part::Ciphertext, Part::Tag],
        Encoding::HexLower,
        IvLen::Twelve,
    );
    /// One text, base64(iv ‖ tag ‖ ciphertext), with an IV of 12 bytes.
    pub const BASE64_IV12_TAG_CIPHERTEXT_JOINED: Self =
        Self::joined([Part::Iv, Part::Tag, Part::Ciphertext], Encoding::Base64, IvLen::Twelve);
    /// One text, base64(iv ‖ ciphertext ‖ tag), with an IV of 12 bytes: the nonce and the output of Go's `Seal`.
    pub const BASE64_IV12_CIPHERTEXT_TAG_JOINED: Self =
        Self::joined([Part::Iv, Part::Ciphertext, Part::Tag], Encoding::Base64, IvLen::Twelve);

    /// Declares a text of three encoded parts with a separator between them.
    #[must_use]
    pub const fn separated(
        separator: char,
        parts: [Part; 3],
        encoding: Encoding,
        iv_len: IvLen,
    ) -> Self {
        Self { parts, separator: Some(separator), encoding, iv_len }
    }

    /// Declares a text that encodes the three parts joined as bytes.
    #[must_use]
    pub const fn joined(parts: [Part; 3], encoding: Encoding, iv_len: IvLen) -> Self {
        Self { parts, separator: None, encoding, iv_len }
    }

    /// Checks the layout when it is used.
    ///
    /// A layout is a constant in the caller's program, and a `const` constructor cannot reject it.
    fn check(&self) -> Result<(), TripletError> {
        let Self { parts: [first, second, third], separator, encoding, iv_len: _ } = self;
        if first == second || first == third || second == third {
            return Err(TripletError::Layout { problem: "it names a part twice" });
        }
        match separator {
            Some(separator) if encoding.uses(*separator) => Err(TripletError::Layout {
                problem: "its separator is in the alphabet of its encoding",
            }),
            _ => Ok(()),
        }
    }
}

impl Triplet {
    /// Parses a row from one text.
    ///
    /// # Errors
    ///
    /// [`TripletError::Malformed`] if the text does not have this layout, [`TripletError::Layout`] if no
    /// text can have it.
    pub fn parse(text: &str, layout: Layout) -> Result<Self, TripletError> {
        layout.check()?;
        match layout.separator {
            Some(separator) => Self::parse_separated(text, separator, &layout),
            None => Self::parse_joined(text, &layout),
        }
        .map_err(|fault| fault.of_text(text))
    }

    fn parse_separated(text: &str, separator: char, layout: &Layout) -> Result<Self, TripletError> {
        let fault = |at| TripletError::malformed(Field::Row, "exactly three parts", at);
        let (mut iv, mut tag, mut ciphertext) = ("", "", "");
        let mut rest = text.split(separator);
        for part in layout.parts {
            let place = match part {
                Part::Iv => &mut iv,
                Part::Tag => &mut tag,
                Part::Ciphertext => &mut ciphertext,
            };
            *place = rest.next().ok_or(fault(text.len()))?;
        }
        if let Some(extra) = rest.next() {
            return Err(fault(offset_in(text, extra)));
        }
        let moved = |part| move |error: TripletError| error.moved_to(offset_in(text, part));
        let encoding = layout.encoding;
        // Check the two fixed lengths before decoding the long part.
        let decoded_iv =
            encoding.decode_part(Field::Iv, &[layout.iv_len.bytes()], iv).map_err(moved(iv))?;
        let decoded_tag = encoding.decode_part(Field::Tag, &[TAG_LEN], tag).map_err(moved(tag))?;
        let ciphertext =
            encoding.decode_up_to(Field::Ciphertext, 0, ciphertext).map_err(moved(ciphertext))?;
        Self::from_parts(&decoded_iv, &decoded_tag, &ciphertext)
    }

    fn parse_joined(text: &str, layout: &Layout) -> Result<Self, TripletError> {
        let short = layout.iv_len.bytes().saturating_add(TAG_LEN);
        let bytes = layout.encoding.decode_up_to(Field::Row, short, text)?;
        let expected = "at least an IV and a tag";
        let ciphertext_len = bytes.len().checked_sub(short).ok_or(TripletError::malformed(
            Field::Row,
            expected,
            0,
        ))?;
        let mut rest = bytes.as_slice();
        let (mut iv, mut tag, mut ciphertext) = (rest, rest, rest);
        for part in layout.parts {
            let (place, len) = match part {
                Part::Iv => (&mut iv, layout.iv_len.bytes()),
                Part::Tag => (&mut tag, TAG_LEN),
                Part::Ciphertext => (&mut ciphertext, ciphertext_len),
            };
            (*place, rest) = rest.split_at(len);
        }
        Self::from_parts(iv, tag, ciphertext)
    }

    /// Encodes the row as one text.
    ///
    /// # Errors
    ///
    /// [`TripletError::Layout`] if the row's IV has another length than the layout's, or if no row can have
    /// the layout.
    pub fn encode(&self, layout: Layout) -> Result<String, TripletError> {
        layout.check()?;
        if self.iv_len() != layout.iv_len {
            return Err(TripletError::Layout { problem: "its IV length differs from the row's" });
        }
        let part = |part: Part| match part {
            Part::Iv => self.iv(),
            Part::Tag => self.tag(),
            Part::Ciphertext => self.ciphertext(),
        };
        let Some(separator) = layout.separator else {
            let joined: Vec<u8> = layout.parts.map(part).concat();
            return Ok(layout.encoding.encode(&joined));
        };
        let parts = layout.parts.map(part);
        let lens = parts.map(|part| layout.encoding.encoded_len(part.len()));
        let separators = [separator.len_utf8(); 2];
        let mut text = String::with_capacity(lens.iter().chain(&separators).sum());
        for (part, number) in parts.into_iter().zip(0..) {
            if number > 0 {
                text.push(separator);
            }
            layout.encoding.push_encoded(&mut text, part);
        }
        Ok(text)
    }

    /// Decodes three columns of text: IV, tag, ciphertext.
    ///
    /// The IV has 12 or 16 bytes; [`iv_len`](Self::iv_len) returns which.
    ///
    /// # Errors
    ///
    /// [`TripletError::Malformed`], with an offset from the start of the column.
    pub fn from_columns(
        iv: &str,
        tag: &str,
        ciphertext: &str,
        encoding: Encoding,
    ) -> Result<Self, TripletError> {
        let iv = encoding.decode_part(Field::Iv, IV_LENS, iv)?;
        let tag = encoding.decode_part(Field::Tag, &[TAG_LEN], tag)?;
        let ciphertext = encoding.decode_up_to(Field::Ciphertext, 0, ciphertext)?;
        Self::from_parts(&iv, &tag, &ciphertext)
    }

    /// Decodes two columns of text, with the tag at the end of the second.
    ///
    /// The second column is what WebCrypto's `encrypt` returns. The IV has 12 or 16 bytes.
    ///
    /// # Errors
    ///
    /// The same as [`from_columns`](Self::from_columns).
    pub fn from_joined(
        iv: &str,
        ciphertext_and_tag: &str,
        encoding: Encoding,
    ) -> Result<Self, TripletError> {
        let iv = encoding.decode_part(Field::Iv, IV_LENS, iv)?;
        let joined = encoding.decode_up_to(Field::Ciphertext, TAG_LEN, ciphertext_and_tag)?;
        Self::from_joined_parts(&iv, &joined)
    }

    /// Encodes the triplet as three columns of text: IV, tag, ciphertext.
    #[must_use]
    pub fn to_columns(&self, encoding: Encoding) -> [String; 3] {
        [self.iv(), self.tag(), self.ciphertext()].map(|part| encoding.encode(part))
    }

    /// Encodes the triplet as two columns of text: IV, and ciphertext ‖ tag.
    #[must_use]
    pub fn to_joined(&self, encoding: Encoding) -> [String; 2] {
        let joined = [self.ciphertext(), self.tag()].concat();
        [encoding.encode(self.iv()), encoding.encode(&joined)]
    }
}

const IV_LENS: &[usize] = &[IvLen::Twelve.bytes(), IvLen::Sixteen.bytes()];
