//! Bodies that the provider did not make.

use std::error::Error;
use std::iter::successors;

use sealwax::DataKey;

use crate::checks::bodies::{MAX_BODY_LEN, encodings, is_in};
use crate::refusals::Faults;
use crate::subject::{Row, Subject, Verdict, ensure};

/// At most so many bytes of a body are flipped.
const MAX_FLIPS: usize = 1024;
/// A text that is in an error only if the provider put it there.
const MARK: &[u8] = b"sealwax-conformance-mark";
/// The lowest bit, and the one that makes a small letter of a capital one.
const BITS: [u8; 2] = [1, 0x20];
/// What to do if an altered body opened.
const BE_STRICT: &str = "look at the form of a body before you send it, or say Expect::reading_leniently if only a \
                         lenient decoder lets it pass";

/// Returns a body with one bit changed.
pub(super) fn flipped(body: &[u8], position: usize, bit: u8) -> Vec<u8> {
    let mut flipped = body.to_vec();
    flipped.iter_mut().skip(position).take(1).for_each(|byte| *byte ^= bit);
    flipped
}

pub(super) async fn flipped_bytes(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let step = body.len().div_ceil(MAX_FLIPS).max(1);
    let mut faults = Faults::default();
    for position in (0..body.len()).step_by(step) {
        for bit in BITS {
            let found = s.unwrap(&row, &flipped(&body, position, bit)).await;
            if s.calls.have_hung() {
                return Err(format!("byte {position} of {} changed: it hung", body.len()).into());
            }
            let place = format!("{position} (bit {bit:#04x})");
            faults.add(place, found.fault(!s.expect.strict, BE_STRICT));
        }
    }
    faults.verdict(&format!("one bit changed, of {} bytes at position", body.len()))
}

/// Returns a body cut off at several places, and too long ones.
pub(super) fn cuts(body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let len = body.len();
    let mut lens = vec![1, 2, 4, 16, 28, len / 2, len.saturating_sub(17), len.saturating_sub(16)];
    lens.extend([len.saturating_sub(2), len.saturating_sub(1)]);
    lens.retain(|cut| (1..len).contains(cut));
    lens.sort_unstable();
    lens.dedup();
    let parts = lens.into_iter().filter_map(|cut| Some((cut, body.get(..cut)?, body.get(cut..)?)));
    let mut all: Vec<_> = parts
        .flat_map(|(cut, front, back)| {
            let (back_len, front) = (back.len(), front.to_vec());
            [
                (format!("only the first {cut} bytes"), front),
                (format!("only the last {back_len} bytes"), back.to_vec()),
            ]
        })
        .collect();
    all.push(("twice the body".into(), body.repeat(2)));
    all.push(("the body and a zero byte".into(), [body, &[0]].concat()));
    all.push(("a zero byte and the body".into(), [&[0], body].concat()));
    // Many parsers of numbers read a version with these in front of it.
    let number = body.iter().position(u8::is_ascii_digit).unwrap_or(0);
    for extra in ["0", "+", " "] {
        all.push((format!("{extra:?} and the body"), [extra.as_bytes(), body].concat()));
        if let Some((front, back)) = body.split_at_checked(number).filter(|_| number > 0) {
            let name = format!("{extra:?} in front of its first digit");
            all.push((name, [front, extra.as_bytes(), back].concat()));
        }
    }
    all
}

pub(super) async fn cut_bodies(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let mut faults = Faults::default();
    for (name, cut) in cuts(&body) {
        let found = s.unwrap(&row, &cut).await;
        faults.add(name, found.fault(!s.expect.strict, BE_STRICT));
    }
    faults.verdict(&format!("of a body of {} bytes, given", body.len()))
}

/// Returns bodies that no provider made.
pub(super) fn foreign() -> Vec<(String, Vec<u8>)> {
    let texts = [
        ("a quote", "\""),
        ("quotes and a brace", "\"},{\"key\":\""),
        ("JSON", "{\"ciphertext\":\"AAAA\",\"plaintext\":null}"),
        ("line ends", "a\r\nX-Header: b\r\n\r\n"),
        ("a NUL inside a text", "abc\0def"),
        ("a path", "../../keys/other"),
        ("percent signs", "%s%n%00"),
        ("digits", "99999999999999999999999999"),
        ("a text in the form of a versioned body", "vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("a version that is no number", "v1x:1:-1::"),
        ("text outside of ASCII", "Schlüssel \u{1f511}\u{202e}"),
    ];
    let texts =
        texts.into_iter().map(|(name, text)| (String::from(name), text.as_bytes().to_vec()));
    let mut all = vec![
        ("the empty body".into(), Vec::new()),
        ("bytes that are not UTF-8".into(), vec![0xff, 0xfe, 0xc0, 0x80]),
        ("60 zero bytes".into(), vec![0; 60]),
        (format!("{MAX_BODY_LEN} bytes 0xa5"), vec![0xa5; MAX_BODY_LEN]),
        (format!("{MAX_BODY_LEN} letters"), vec![b'A'; MAX_BODY_LEN]),
    ];
    // Lengths of common wraps: AES-KW, AES-GCM with its IV and tag, a local wrap, RSA.
    for len in [32, 40, 60, 61, 76, 256] {
        let random = std::iter::repeat_with(|| DataKey::generate().map(|key| *key.expose_secret()));
        let bytes = random.take(8).flatten().flatten().take(len).collect();
        all.push((format!("{len} random bytes"), bytes));
    }
    all.extend(texts);
    all
}

pub(super) async fn foreign_bodies(s: &Subject) -> Verdict {
    let (row, mut faults) = (s.row()?, Faults::default());
    for (name, body) in foreign() {
        faults.add(
            name,
            s.unwrap(&row, &body)
                .await
                .fault(false, "look at the form of a body before you send it"),
        );
    }
    faults.verdict("given")
}

pub(super) async fn errors_hide_body(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let moved = Row { commitment: s.row()?.commitment, ..row.duplicate() };
    let mut sent = vec![
        (&row, MARK.to_vec()),
        (&row, [&body, MARK].concat()),
        // What the service refuses, even if the provider looks at the form of a body first.
        (&moved, body.clone()),
    ];
    sent.extend((1..=8).filter_map(|from_end| {
        let position = body.len().checked_sub(from_end)?;
        Some((&row, flipped(&body, position, 1)))
    }));
    for (row, body) in sent {
        let requests = [row.unwrap_request(&body)];
        let alone = s.calls.wait(|| s.provider.unwrap_key(row.unwrap_request(&body))).await;
        let together = s.calls.wait(|| s.provider.unwrap_keys(&requests)).await;
        let errors = alone.into_iter().chain(together.into_iter().flatten());
        for error in errors.filter_map(Result::err) {
            let causes = successors(error.source(), |&cause| cause.source());
            let causes = causes.map(|cause| format!("{cause} {cause:?}"));
            let mut texts = causes.chain([format!("{error} {error:?}")]);
            ensure(!texts.any(|text| repeats(&text, &body)), || {
                String::from(
                    "the error for a bad body repeats the body, in its message, its Debug or a source",
                )
            })?;
        }
    }
    Ok(())
}

/// Returns whether a text has the body in it, or the last 16 bytes of it.
fn repeats(text: &str, body: &[u8]) -> bool {
    let end = body.last_chunk::<16>().map_or(body, |end| end);
    let whole = [String::from_utf8_lossy(body).into(), body.escape_ascii().to_string()];
    let numbers = format!("{end:?}");
    let numbers = numbers.trim_matches(['[', ']']);
    let mut others = encodings(end).into_iter().map(|(_, encoded)| encoded);
    text.contains(numbers)
        || whole.iter().any(|whole| text.contains(whole))
        || others.any(|encoded| is_in(text.as_bytes(), &encoded))
}
