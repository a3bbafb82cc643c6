//! What a wrap looks like, and what the provider says about itself.

use sealwax::WrapKind;

use crate::calls::{Trouble, catch};
use crate::checks::damage;
use crate::refusals::Faults;
use crate::subject::{Subject, Verdict, ensure};

/// The longest body that an envelope holds, in bytes.
pub(super) const MAX_BODY_LEN: usize = 65_534;

pub(super) async fn length(s: &Subject) -> Verdict {
    for _ in 0..3 {
        let (_, body) = s.wrapped_row().await?;
        let len = body.len();
        ensure((1..=MAX_BODY_LEN).contains(&len), || {
            format!("a body has {len} bytes, but must have 1 to {MAX_BODY_LEN}")
        })?;
        ensure(s.provider.kind() != WrapKind::Local || len == 60, || {
            format!("the kind is Local, whose bodies have 60 bytes, but a body has {len}")
        })?;
    }
    Ok(())
}

pub(super) async fn hides_key(s: &Subject) -> Verdict {
    for _ in 0..3 {
        let (row, body) = s.wrapped_row().await?;
        for (encoding, visible) in encodings(row.data_key.expose_secret()) {
            ensure(!is_in(&body, &visible), || {
                format!("a body contains the data key, {encoding}")
            })?;
        }
    }
    Ok(())
}

/// Returns whether the bytes have this part.
pub(super) fn is_in(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len().max(1)).any(|window| window == part)
}

/// Returns how a data key, or a part of a body, looks unencrypted.
pub(super) fn encodings(key: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let reversed = key.iter().rev().copied().collect();
    let inverted = key.iter().map(|byte| !byte).collect();
    let mut all = vec![
        ("unencrypted", key.to_vec()),
        ("backwards", reversed),
        ("with all its bits inverted", inverted),
        ("in hex", hex.to_ascii_uppercase().into()),
        ("in hex", hex.into()),
    ];
    // Of three shifts by a byte, one starts where a group of three bytes does, whatever precedes the key.
    for part in key.windows(key.len().saturating_sub(2).max(1)) {
        let base64 = base64(part, b"+/");
        all.extend([("in base64", base64), ("in base64", self::base64(part, b"-_"))]);
    }
    all
}

fn base64(bytes: &[u8], last: &[u8; 2]) -> Vec<u8> {
    let alphabet: Vec<u8> =
        (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last).collect();
    let groups = bytes.as_chunks::<3>().0.iter();
    let digits = groups
        .flat_map(|[a, b, c]| [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63]);
    digits.filter_map(|digit| alphabet.get(usize::from(digit)).copied()).collect()
}

pub(super) async fn kind(s: &Subject) -> Verdict {
    let ask = || catch(|| s.provider.kind()).map_err(|trouble| trouble.to_string());
    let kind = ask()?;
    ensure(!matches!(kind, WrapKind::Hpke | WrapKind::Unassigned { .. }), || {
        format!(
            "the kind {kind} is not for providers: no keyring takes it from one; return Provider, or a private kind"
        )
    })?;
    for _ in 0..3 {
        s.wrapped_row().await?;
        let now = ask()?;
        ensure(now == kind, || format!("the kind was {kind} first, and {now} later"))?;
    }
    Ok(())
}

pub(super) async fn fresh_is_current(s: &Subject) -> Verdict {
    for _ in 0..3 {
        let (_, body) = s.wrapped_row().await?;
        match catch(|| s.provider.is_current(&body)) {
            Ok(true) => (),
            Ok(false) => return Err(String::from("is_current is false for a fresh body").into()),
            Err(trouble) => return Err(format!("is_current of a fresh body: {trouble}").into()),
        }
    }
    Ok(())
}

pub(super) async fn any_is_current(s: &Subject) -> Verdict {
    let (_, body) = s.wrapped_row().await?;
    let mut faults = Faults::default();
    for (name, body) in damage::foreign().into_iter().chain(damage::cuts(&body)) {
        let trouble = catch(|| s.provider.is_current(&body)).err();
        faults.add(name, trouble.map(|trouble| format!("{trouble} in is_current")));
    }
    faults.verdict("bodies:")
}

pub(super) async fn check(s: &Subject) -> Verdict {
    match s.calls.wait(|| s.provider.check(&s.key_id)).await.and_then(|r| r.map_err(Trouble::from))
    {
        Ok(()) => Ok(()),
        Err(trouble) => {
            Err(format!("the key wraps and unwraps, but when asked to check it, {trouble}").into())
        }
    }
}
