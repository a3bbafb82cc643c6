//! Batches do what single calls do.

use sealwax::{DataKey, ProviderError, UnwrapRequest};

use crate::calls::Trouble;
use crate::refusals::{Faults, Unwrapped};
use crate::subject::{Problem, Row, SUITES, Subject, Verdict, ensure};

/// Sizes of batches. The last is more than services usually take in one request.
const SIZES: [usize; 5] = [0, 1, 2, 17, 260];

/// Returns fresh rows of both suites.
fn mixed_rows(s: &Subject, count: usize) -> Result<Vec<Row>, Problem> {
    let suites = SUITES.into_iter().cycle();
    Ok(s.rows(count)?.into_iter().zip(suites).map(|(row, suite)| Row { suite, ..row }).collect())
}

fn count(expected: usize, found: usize) -> Verdict {
    ensure(expected == found, || format!("{expected} requests got {found} results"))
}

async fn unwrap_all(
    s: &Subject,
    requests: &[UnwrapRequest<'_>],
) -> Result<Vec<Result<DataKey, ProviderError>>, Problem> {
    let results = s.calls.wait(|| s.provider.unwrap_keys(requests)).await;
    let results = results.map_err(|trouble| format!("a batch of {}: {trouble}", requests.len()))?;
    count(requests.len(), results.len())?;
    Ok(results)
}

/// Wraps rows one by one.
async fn wrap_each(s: &Subject, rows: &[Row]) -> Result<Vec<Vec<u8>>, Problem> {
    let mut bodies = Vec::new();
    for row in rows {
        bodies.push(s.wrap(row).await.map_err(|trouble| format!("when wrapping, {trouble}"))?);
    }
    Ok(bodies)
}

pub(super) async fn wraps(s: &Subject) -> Verdict {
    for size in SIZES {
        let rows = mixed_rows(s, size)?;
        let requests: Vec<_> = rows.iter().map(Row::wrap_request).collect();
        let results = s.calls.wait(|| s.provider.wrap_keys(&requests)).await;
        let results = results.map_err(|trouble| format!("a batch of {size}: {trouble}"))?;
        count(size, results.len())?;
        let mut faults = Faults::default();
        for (index, (row, result)) in rows.iter().zip(results).enumerate() {
            let fault = match result {
                // Opened by a single call, so that a fault of the other batch method is not found here.
                Ok(body) => match s.unwrap(row, &body).await {
                    Unwrapped::Same => None,
                    _ => {
                        Some(String::from("the wrap does not open to the data key of its request"))
                    }
                },
                Err(error) => Some(Trouble::from(error).to_string()),
            };
            faults.add(index, fault);
        }
        faults.verdict(&format!("in a batch of {size}, items"))?;
    }
    Ok(())
}

pub(super) async fn unwraps(s: &Subject) -> Verdict {
    for size in SIZES {
        let rows = mixed_rows(s, size)?;
        let bodies = wrap_each(s, &rows).await?;
        let items = rows.iter().zip(&bodies);
        let requests: Vec<_> = items.map(|(row, body)| row.unwrap_request(body)).collect();
        let mut faults = Faults::default();
        for (index, (row, result)) in rows.iter().zip(unwrap_all(s, &requests).await?).enumerate() {
            faults.add(
                index,
                match Unwrapped::of(row, result) {
                    Unwrapped::Same => None,
                    Unwrapped::Other => Some("it returned another data key".into()),
                    Unwrapped::Not(trouble) => Some(trouble.to_string()),
                },
            );
        }
        faults.verdict(&format!("in a batch of {size}, items"))?;
    }
    Ok(())
}

pub(super) async fn bad_item(s: &Subject) -> Verdict {
    const SIZE: usize = 5;
    let rows = mixed_rows(s, SIZE)?;
    let good = wrap_each(s, &rows).await?;
    for (bad, place) in [(0, "first"), (SIZE / 2, "middle"), (SIZE.saturating_sub(1), "last")] {
        for (damage, name) in DAMAGES {
            let mut bodies = good.clone();
            bodies.iter_mut().skip(bad).take(1).for_each(|body| *body = damage(body));
            let items = || rows.iter().zip(&bodies);
            let requests: Vec<_> = items().map(|(row, body)| row.unwrap_request(body)).collect();
            let results = unwrap_all(s, &requests).await?;
            for (index, ((row, body), result)) in items().zip(results).enumerate() {
                let alone = kind_of(&s.unwrap(row, body).await);
                let found = kind_of(&Unwrapped::of(row, result));
                ensure(found == alone, || {
                    format!(
                        "in a batch of {SIZE} whose {place} item is {name}, item {index} gave {found}, but alone it \
                         gave {alone}"
                    )
                })?;
            }
        }
    }
    Ok(())
}

pub(super) type Damage = fn(&[u8]) -> Vec<u8>;
const DAMAGES: [(Damage, &str); 2] = [(altered, "altered"), (|_| Vec::new(), "empty")];

/// Returns a body with one bit changed, in its last byte.
pub(super) fn altered(body: &[u8]) -> Vec<u8> {
    let mut altered = body.to_vec();
    altered.iter_mut().next_back().into_iter().for_each(|byte| *byte ^= 1);
    altered
}

fn kind_of(found: &Unwrapped) -> String {
    match found {
        Unwrapped::Same => "its data key".into(),
        Unwrapped::Other => "another data key".into(),
        Unwrapped::Not(Trouble::Error(kind)) => format!("{kind:?}"),
        Unwrapped::Not(Trouble::Panicked) => "a panic".into(),
        Unwrapped::Not(Trouble::Hung) => "nothing".into(),
    }
}

pub(super) async fn binding(s: &Subject) -> Verdict {
    // Wrapped by the batch and unwrapped alone, and the other way round, each for the wrong row.
    let rows = mixed_rows(s, 6)?;
    let requests: Vec<_> = rows.iter().map(Row::wrap_request).collect();
    let results = s.calls.wait(|| s.provider.wrap_keys(&requests)).await;
    let results = results.map_err(|trouble| format!("a batch of wraps: {trouble}"))?;
    count(rows.len(), results.len())?;
    let wrapped_together: Result<Vec<_>, _> = results.into_iter().collect();
    let wrapped_together = wrapped_together
        .map_err(|error| format!("when a batch wraps, {}", Trouble::from(error)))?;
    let wrapped_alone = wrap_each(s, &rows).await?;

    let mut faults = Faults::default();
    let moved = moved_rows(&rows);
    for (row, body) in moved.iter().zip(&wrapped_together) {
        faults.add("a wrap that a batch made", s.unwrap(row, body).await.fault(!s.expect.binds));
    }
    let items = moved.iter().zip(&wrapped_alone);
    let requests: Vec<_> = items.map(|(row, body)| row.unwrap_request(body)).collect();
    for (row, result) in moved.iter().zip(unwrap_all(s, &requests).await?) {
        let fault = Unwrapped::of(row, result).fault(!s.expect.binds);
        faults.add("a wrap that a batch unwraps", fault);
    }
    faults.verdict("moved to another row:")
}

/// Returns each row's data key under the commitment of the next row.
fn moved_rows(rows: &[Row]) -> Vec<Row> {
    let next = rows.iter().cycle().skip(1);
    let moved = rows.iter().zip(next).map(|(row, next)| Row {
        key_id: row.key_id.clone(),
        suite: row.suite,
        commitment: next.commitment,
        data_key: row.data_key.duplicate(),
    });
    moved.collect()
}
