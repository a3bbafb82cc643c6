//! A wrap opens only for the row that it was made for.

use sealwax::ProviderErrorKind;

use crate::calls::Trouble;
use crate::checks::rows::odd_key_ids;
use crate::refusals::Unwrapped;
use crate::subject::{Problem, Row, SUITES, Subject, Verdict};

/// What to do if a wrap opened with another row's data.
const BIND: &str =
    "pass associated_data() to the service, or say Expect::binding_nothing if it cannot bind";
const BIND_ALL: &str = "bind all of associated_data()";
/// What to do if it opened only after it had opened in its own row.
pub(super) const CACHE: &str = "look it up by UnwrapRequest::cache_key() if you cache data keys";

/// Checks that a body is refused for another row or, if the service does not bind, opens to no other key.
async fn refuses(s: &Subject, other: &Row, body: &[u8], what: &str, advice: &str) -> Verdict {
    let found = s.unwrap(other, body).await;
    judge(s, &found, what, advice)
}

fn judge(s: &Subject, found: &Unwrapped, what: &str, advice: &str) -> Verdict {
    match found.fault(!s.expect.binds, advice) {
        Some(fault) => Err(Problem::Failed(format!("a wrap with another {what}: {fault}"))),
        None => Ok(()),
    }
}

/// Checks the same before and after the body opens in its own row, where a cache may have kept what came of it.
async fn always_refuses(
    s: &Subject,
    (row, other): (&Row, &Row),
    body: &[u8],
    what: &str,
    advice: &str,
) -> Verdict {
    refuses(s, other, body, what, advice).await?;
    s.must_open(row, body, "a wrap that was refused for another row").await?;
    refuses(s, other, body, &format!("{what}, after it opened with its own"), CACHE).await
}

pub(super) async fn wrong_commitment(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let other = Row { commitment: s.row()?.commitment, ..row.duplicate() };
    always_refuses(s, (&row, &other), &body, "commitment", BIND).await?;
    // A service that binds a part of the commitment only.
    for index in 0..32 {
        let (row, body) = s.wrapped_row().await?;
        let mut commitment = row.commitment;
        commitment.iter_mut().skip(index).take(1).for_each(|byte| *byte ^= 1);
        let what = format!("commitment (only byte {index} differs)");
        refuses(s, &Row { commitment, ..row }, &body, &what, BIND_ALL).await?;
    }
    // The moved row has a wrap itself.
    let (mine, my_body) = s.wrapped_row().await?;
    let (theirs, their_body) = s.wrapped_row().await?;
    let mine_in_theirs = Row { commitment: theirs.commitment, ..mine.duplicate() };
    let theirs_in_mine = Row { commitment: mine.commitment, ..theirs };
    refuses(s, &mine_in_theirs, &my_body, "row", BIND).await?;
    refuses(s, &theirs_in_mine, &their_body, "row", BIND).await
}

pub(super) async fn wrong_suite(s: &Subject) -> Verdict {
    for (made_for, used_for) in SUITES.into_iter().zip(SUITES.into_iter().rev()) {
        let row = Row { suite: made_for, ..s.row()? };
        let body = s.wrap(&row).await.map_err(|trouble| trouble.to_string())?;
        let other = Row { suite: used_for, ..row.duplicate() };
        always_refuses(s, (&row, &other), &body, "suite", BIND_ALL).await?;
    }
    Ok(())
}

pub(super) async fn wrong_key_id(s: &Subject) -> Verdict {
    use ProviderErrorKind::{Denied, NotFound};
    for key_id in odd_key_ids() {
        let (row, body) = s.wrapped_row().await?;
        let other = Row { key_id, ..row.duplicate() };
        let found = s.unwrap(&other, &body).await;
        // A provider may take the id for the name of a key, which there is none of.
        if !matches!(found, Unwrapped::Not(Trouble::Error(NotFound | Denied))) {
            let what = "key id, for which NotFound and Denied are right too";
            always_refuses(s, (&row, &other), &body, what, BIND_ALL).await?;
        }
    }
    Ok(())
}

pub(super) async fn other_key(s: &Subject) -> Verdict {
    let Some(other) = &s.expect.other else {
        let reason = "pass another key of the service with Expect::other_key";
        return Err(Problem::NotRun(reason.into()));
    };
    let row = s.row()?;
    let body = s.calls.wait(|| other.wrap_key(row.wrap_request())).await;
    let body = body.and_then(|body| Ok(body?));
    let body = body.map_err(|trouble| format!("when the other key wraps, {trouble}"))?;
    let advice =
        "pass the key's name to the service when unwrapping; or both providers use the same key";
    match s.unwrap(&row, &body).await.fault(false, advice) {
        Some(fault) => {
            Err(format!("given a wrap under another key of the service, {fault}").into())
        }
        None => Ok(()),
    }
}
