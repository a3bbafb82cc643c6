//! What was wrapped can be unwrapped.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use sealwax::{KeyId, ProviderErrorKind};

use crate::calls::Trouble;
use crate::refusals::Faults;
use crate::subject::{Problem, Row, SUITES, Subject, Verdict};

/// How many calls are made at once.
const AT_ONCE: usize = 8;

pub(super) async fn round_trip(s: &Subject) -> Verdict {
    for _ in 0..3 {
        let (row, body) = s.wrapped_row().await?;
        s.must_open(&row, &body, "a fresh wrap").await?;
    }
    Ok(())
}

pub(super) async fn every_suite(s: &Subject) -> Verdict {
    for suite in SUITES {
        let row = Row { suite, ..s.row()? };
        let body =
            s.wrap(&row).await.map_err(|trouble| format!("wrapping for {suite}: {trouble}"))?;
        s.must_open(&row, &body, &format!("a wrap for {suite}")).await?;
    }
    Ok(())
}

/// Ids that are as long and as odd as an id may be.
pub(super) fn odd_key_ids() -> Vec<KeyId> {
    let longest = format!("Z{}", "/@9-_.aB".repeat(16)).chars().take(128).collect();
    let ids = [String::from("0"), String::from("a@b/C..d//_-"), longest];
    ids.into_iter().filter_map(|id| KeyId::try_from(id).ok()).collect()
}

pub(super) async fn every_key_id(s: &Subject) -> Verdict {
    for key_id in odd_key_ids() {
        let row = Row { key_id, ..s.row()? };
        let len = row.key_id.as_ref().len();
        let body = match s.wrap(&row).await {
            Ok(body) => body,
            Err(Trouble::Error(
                kind @ (ProviderErrorKind::NotFound | ProviderErrorKind::Denied),
            )) => {
                return Err(Problem::NotRun(format!(
                    "the provider takes the key id for the name of a key: {kind:?} for another id"
                )));
            }
            Err(trouble) => {
                return Err(format!(
                    "wrapping under an id of {len} bytes: {trouble}; if the provider takes the id for the name of a key, \
                     return NotFound or Denied for an unknown one"
                )
                .into());
            }
        };
        s.must_open(&row, &body, &format!("a wrap under an id of {len} bytes")).await?;
    }
    Ok(())
}

pub(super) async fn wrap_twice(s: &Subject) -> Verdict {
    let (row, one) = s.wrapped_row().await?;
    let two = s.wrap(&row).await.map_err(|trouble| format!("the second time, {trouble}"))?;
    s.must_open(&row, &one, "the first of two wraps").await?;
    s.must_open(&row, &two, "the second of two wraps").await
}

pub(super) async fn concurrent_calls(s: &Subject) -> Verdict {
    let (rows, mut faults) = (s.rows(AT_ONCE)?, Faults::default());
    let bodies = all(rows.iter().map(|row| s.wrap(row))).await;
    let mut wrapped = Vec::new();
    for (index, (row, body)) in rows.iter().zip(bodies).enumerate() {
        match body {
            Ok(body) => wrapped.push((row, body)),
            Err(trouble) => faults.add(index, Some(trouble.to_string())),
        }
    }
    let found = all(wrapped.iter().map(|(row, body)| s.unwrap(row, body))).await;
    for (index, found) in found.iter().enumerate() {
        faults.add(index, found.loss());
    }
    faults.verdict(&format!("of {AT_ONCE} calls at once, numbers"))
}

/// Waits for all of these at once.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    let mut waiting = pin!(&mut waiting);
    poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in waiting.iter_mut().filter(|(_, output)| output.is_none()) {
            match Pin::new(future).poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => is_done = false,
            }
        }
        if !is_done {
            return Poll::Pending;
        }
        Poll::Ready(waiting.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}
