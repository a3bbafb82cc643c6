//! A wrap opens only for the row that it was made for.

use sealwax::{DataKey, ProviderErrorKind};

use crate::calls::Trouble;
use crate::checks::rows::odd_key_ids;
use crate::refusals::Unwrapped;
use crate::subject::{Problem, Row, SUITES, Subject, Verdict};

/// Checks that a body is refused for another row or, if the service does not bind, opens to no other key.
async fn refuses(s: &Subject, other: &Row, body: &[u8], what: &str) -> Verdict {
    let found = s.unwrap(other, body).await;
    judge(s, &found, what)
}

fn judge(s: &Subject, found: &Unwrapped, what: &str) -> Verdict {
    match found.fault(!s.expect.binds) {
        Some(fault) => Err(Problem::Failed(format!("a wrap with another {what}: {fault}"))),
        None => Ok(()),
    }
}

pub(super) async fn wrong_commitment(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let other = s.row()?;
    refuses(s, &Row { commitment: other.commitment, ..row }, &body, "commitment").await?;
    // A service that binds a part of the commitment only.
    for index in 0..32 {
        let (row, body) = s.wrapped_row().await?;
        let mut commitment = row.commitment;
        commitment.iter_mut().skip(index).take(1).for_each(|byte| *byte ^= 1);
        let what = format!("commitment (only byte {index} differs)");
        refuses(s, &Row { commitment, ..row }, &body, &what).await?;
    }
    // The moved row has a wrap itself.
    let (mine, my_body) = s.wrapped_row().await?;
    let (theirs, their_body) = s.wrapped_row().await?;
    let mine_of_theirs = |data_key: &DataKey, row: &Row| Row {
        data_key: data_key.duplicate(),
        commitment: row.commitment,
        suite: row.suite,
        key_id: row.key_id.clone(),
    };
    refuses(s, &mine_of_theirs(&mine.data_key, &theirs), &my_body, "row").await?;
    refuses(s, &mine_of_theirs(&theirs.data_key, &mine), &their_body, "row").await
}

pub(super) async fn wrong_suite(s: &Subject) -> Verdict {
    for (made_for, used_for) in SUITES.into_iter().zip(SUITES.into_iter().rev()) {
        let row = Row { suite: made_for, ..s.row()? };
        let body = s.wrap(&row).await.map_err(|trouble| trouble.to_string())?;
        refuses(s, &Row { suite: used_for, ..row }, &body, "suite").await?;
    }
    Ok(())
}

pub(super) async fn wrong_key_id(s: &Subject) -> Verdict {
    use ProviderErrorKind::{Denied, NotFound};
    for key_id in odd_key_ids() {
        let (row, body) = s.wrapped_row().await?;
        let found = s.unwrap(&Row { key_id, ..row }, &body).await;
        // A provider may take the id for the name of a key, which there is none of.
        if !matches!(found, Unwrapped::Not(Trouble::Error(NotFound | Denied))) {
            judge(s, &found, "key id")?;
        }
    }
    Ok(())
}

pub(super) async fn other_key(s: &Subject) -> Verdict {
    let Some(other) = &s.expect.other else {
        let reason = "pass another key of the service with Expect::other_key";
        return Err(Problem::NotApplicable(reason.into()));
    };
    let row = s.row()?;
    let body = s.calls.wait(|| other.wrap_key(row.wrap_request())).await;
    let body = body.and_then(|body| Ok(body?));
    let body = body.map_err(|trouble| format!("when the other key wraps, {trouble}"))?;
    match s.unwrap(&row, &body).await.fault(false) {
        Some(fault) => {
            Err(format!("given a wrap under another key of the service, {fault}").into())
        }
        None => Ok(()),
    }
}
