//! Futures that the caller drops.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use sealwax::ProviderFuture;

use crate::calls::catch;
use crate::subject::{Problem, Row, Subject, Verdict, ensure};

/// How many futures are dropped in flight, and after how many polls at most.
const IN_FLIGHT: usize = 4;

/// How long a request that another task sends may take to be counted.
const TO_ARRIVE: Duration = Duration::from_millis(100);

pub(super) async fn dropped_unpolled(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let counted = |when: &str| -> Result<Option<usize>, Problem> {
        let Some(requests) = &s.expect.requests else { return Ok(None) };
        catch(requests).map(Some).map_err(|trouble| format!("the counter {when}: {trouble}").into())
    };
    let before = counted("before")?;
    let (wraps, unwraps) = ([row.wrap_request()], [row.unwrap_request(&body)]);
    let dropped = catch(|| {
        drop(s.provider.wrap_key(row.wrap_request()));
        drop(s.provider.unwrap_key(row.unwrap_request(&body)));
        drop(s.provider.wrap_keys(&wraps));
        drop(s.provider.unwrap_keys(&unwraps));
        drop(s.provider.check(&s.key_id));
    });
    dropped.map_err(|trouble| format!("when a future is made and dropped, {trouble}"))?;
    if before.is_some() {
        s.calls.pause(TO_ARRIVE).await;
    }
    let after = counted("after")?;
    let sent = after.unwrap_or(0).saturating_sub(before.unwrap_or(0));
    ensure(sent == 0, || {
        format!(
            "five futures were dropped before they were polled, but {sent} requests were sent; put all work inside \
             the async block, and spawn no task outside of it"
        )
    })?;
    s.must_work("after futures were dropped unpolled").await?;
    s.must_open(&row, &body, "an older wrap after futures were dropped unpolled").await?;
    match before {
        Some(_) => Ok(()),
        None => Err(Problem::NotRun(
            "later calls work, but whether requests were sent is unknown: pass Expect::counting"
                .into(),
        )),
    }
}

pub(super) async fn dropped_in_flight(s: &Subject) -> Verdict {
    let (row, body) = s.wrapped_row().await?;
    let rows = s.rows(IN_FLIGHT)?;
    for polls in 1..=IN_FLIGHT {
        let polled = catch(|| poll_and_drop(s, &row, &body, &rows, polls));
        polled.map_err(|trouble| format!("polled {polls} times and dropped, {trouble}"))?;
        let when = format!("after calls were dropped in flight (poll {polls})");
        s.must_work(&when).await?;
        s.must_open(&row, &body, &format!("an older wrap {when}")).await?;
    }
    Ok(())
}

/// Makes several calls of each method, polls each so many times, and drops them all.
fn poll_and_drop(s: &Subject, row: &Row, body: &[u8], rows: &[Row], polls: usize) {
    let wraps: Vec<_> = rows.iter().map(Row::wrap_request).collect();
    let unwraps = [row.unwrap_request(body); IN_FLIGHT];
    let mut batch_of_wraps = s.provider.wrap_keys(&wraps);
    let mut batch_of_unwraps = s.provider.unwrap_keys(&unwraps);
    let mut check = s.provider.check(&s.key_id);
    let mut single_wraps: Vec<_> = wraps.iter().map(|wrap| s.provider.wrap_key(*wrap)).collect();
    let mut single_unwraps: Vec<_> = unwraps.map(|unwrap| s.provider.unwrap_key(unwrap)).into();
    for _ in 0..polls {
        single_wraps.iter_mut().for_each(poll);
        single_unwraps.iter_mut().for_each(poll);
        poll(&mut batch_of_wraps);
        poll(&mut batch_of_unwraps);
        poll(&mut check);
    }
}

fn poll<T>(future: &mut ProviderFuture<'_, T>) {
    drop(Pin::new(future).poll(&mut Context::from_waker(Waker::noop())));
}
