//! Bodies that the provider did not make.

use std::error::Error;
use std::iter::successors;

use sealwax::DataKey;

use crate::checks::bodies::MAX_BODY_LEN;
use crate::refusals::Faults;
use crate::subject::{Subject, Verdict, ensure};

/// At most so many bytes of a body are flipped.
const MAX_FLIPS: usize = 1024;
/// A text that is in an error only if the provider put it there.
const MARK: &str = "sealwax-conformance-mark";

pub(super) async fn flipped_bytes(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let step = body.len().div_ceil(MAX_FLIPS).max(1);
    let mut faults = Faults::default();
    for position in (0..body.len()).step_by(step) {
        let mut altered = body.clone();
        altered.iter_mut().skip(position).take(1).for_each(|byte| *byte ^= 1);
        let found = s.unwrap(&row, &altered).await;
        if s.calls.have_hung() {
            return Err(format!("byte {position} of {} changed: it hung", body.len()).into());
        }
        faults.add(position, found.fault(!s.expect.strict));
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
    all
}

pub(super) async fn cut_bodies(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let mut faults = Faults::default();
    for (name, cut) in cuts(&body) {
        let found = s.unwrap(&row, &cut).await;
        faults.add(name, found.fault(!s.expect.strict));
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
        faults.add(name, s.unwrap(&row, &body).await.fault(false));
    }
    faults.verdict("given")
}

pub(super) async fn errors_hide_body(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    for marked in [MARK.as_bytes().to_vec(), [&body, MARK.as_bytes()].concat()] {
        let unwrap = || s.provider.unwrap_key(row.unwrap_request(&marked));
        let Ok(Err(error)) = s.calls.wait(unwrap).await else { continue };
        let causes = successors(error.source(), |&cause| cause.source());
        let causes = causes.map(|cause| format!("{cause} {cause:?}"));
        let texts: Vec<_> = causes.chain([format!("{error} {error:?}")]).collect();
        ensure(!texts.iter().any(|text| repeats(text)), || {
            String::from(
                "the error for a bad body repeats the body, in its message, its Debug or a source",
            )
        })?;
    }
    Ok(())
}

fn repeats(text: &str) -> bool {
    // Also as the list of numbers that Debug of bytes is.
    text.contains(MARK) || text.contains("115, 101, 97, 108, 119, 97, 120")
}
