//! Batches do what single calls do.

use sealwax::{DataKey, ProviderError, UnwrapRequest};

use crate::calls::Trouble;
use crate::checks::binding::CACHE;
use crate::checks::damage;
use crate::refusals::{Faults, Unwrapped};
use crate::subject::{Problem, Row, SUITES, Subject, Verdict, ensure};

/// Sizes of batches. The last is more than services usually take in one request.
const SIZES: [usize; 5] = [0, 1, 2, 17, 260];

/// What to do if a wrap opened with another row's data.
const BIND: &str = "bind each item to its own associated_data()";

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
            faults.add(index, Unwrapped::of(row, result).loss());
        }
        faults.verdict(&format!("in a batch of {size}, items"))?;
    }
    Ok(())
}

pub(super) async fn bad_item(s: &Subject) -> Verdict {
    const SIZE: usize = 5;
    const MIDDLE: (usize, &str) = (SIZE / 2, "middle");
    let rows = mixed_rows(s, SIZE)?;
    let good = wrap_each(s, &rows).await?;
    let mut alone = Vec::new();
    for (row, body) in rows.iter().zip(&good) {
        alone.push(kind_of(&s.unwrap(row, body).await));
    }

    let mut damages: Vec<(_, String, Damage)> = Vec::new();
    for place in [(0, "first"), MIDDLE, (SIZE.saturating_sub(1), "last")] {
        damages.push((place, "altered".into(), Box::new(altered)));
        damages.push((place, "empty".into(), Box::new(|_| Vec::new())));
    }
    let two_lines = |body: &[u8]| [body, b"\n", body].concat();
    damages.push((MIDDLE, "two bodies, with a line feed between".into(), Box::new(two_lines)));
    for (name, body) in damage::foreign() {
        damages.push((MIDDLE, name, Box::new(move |_| body.clone())));
    }
    for ((bad, place), name, damage) in damages {
        let (mut bodies, mut alone) = (good.clone(), alone.clone());
        bodies.iter_mut().skip(bad).take(1).for_each(|body| *body = damage(body));
        let items = || rows.iter().zip(&bodies);
        if let (Some((row, body)), Some(alone)) = (items().nth(bad), alone.get_mut(bad)) {
            *alone = kind_of(&s.unwrap(row, body).await);
        }
        let requests: Vec<_> = items().map(|(row, body)| row.unwrap_request(body)).collect();
        let results = unwrap_all(s, &requests).await?;
        for (index, ((row, alone), result)) in rows.iter().zip(alone).zip(results).enumerate() {
            let found = kind_of(&Unwrapped::of(row, result));
            ensure(found == alone, || {
                format!(
                    "in a batch of {SIZE} whose {place} item is {name}, item {index} gave {found}, but alone it gave \
                     {alone}"
                )
            })?;
        }
    }
    Ok(())
}

type Damage = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// Returns a body with one bit changed, in its last byte.
pub(super) fn altered(body: &[u8]) -> Vec<u8> {
    damage::flipped(body, body.len().saturating_sub(1), 1)
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

    let moved = moved_rows(&rows);
    let mut faults = Faults::default();
    for (row, body) in moved.iter().zip(&wrapped_together) {
        let found = s.unwrap(row, body).await;
        faults.add("made by a batch", found.fault(!s.expect.binds, BIND));
    }
    let bodies = || wrapped_alone.iter();
    let in_their_rows: Vec<_> = rows.iter().zip(bodies()).collect();
    let in_other_rows: Vec<_> = moved.iter().zip(bodies()).collect();
    // Before and after each body opens in its own row, where a cache may have kept its data key.
    for (place, advice) in [
        ("unwrapped by a batch", BIND),
        ("unwrapped by a batch after they opened in their own rows", CACHE),
    ] {
        for (row, found) in
            in_other_rows.iter().zip(unwrap_all(s, &requests_of(&in_other_rows)).await?)
        {
            faults.add(place, Unwrapped::of(row.0, found).fault(!s.expect.binds, advice));
        }
        let opened = unwrap_all(s, &requests_of(&in_their_rows)).await?;
        for (row, opened) in rows.iter().zip(opened) {
            let loss = Unwrapped::of(row, opened).loss();
            faults.add("back in their own rows", loss);
        }
    }
    faults.verdict("moved wraps:")
}

fn requests_of<'a>(items: &[(&'a Row, &'a Vec<u8>)]) -> Vec<UnwrapRequest<'a>> {
    items.iter().map(|(row, body)| row.unwrap_request(body)).collect()
}

/// Returns each row's data key under the commitment of the next row.
fn moved_rows(rows: &[Row]) -> Vec<Row> {
    let next = rows.iter().cycle().skip(1);
    let moved = rows.iter().zip(next);
    moved.map(|(row, next)| Row { commitment: next.commitment, ..row.duplicate() }).collect()
}
