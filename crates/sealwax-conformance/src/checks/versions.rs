//! Keys that the service rotates.

use std::sync::PoisonError;

use crate::calls::catch;
use crate::subject::{Problem, Subject, Verdict, ensure};

pub(super) async fn rotation(s: &Subject) -> Verdict {
    let rotation = s.expect.rotation.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(rotation) = rotation else {
        return Err(Problem::NotRun("pass a rotation with Expect::rotated_by".into()));
    };
    let (row, old) = s.wrapped_row().await?;
    s.calls.wait_for(rotation).await.map_err(|trouble| format!("of the rotation: {trouble}"))?;
    let current = |body: &[u8]| {
        catch(|| s.provider.is_current(body)).map_err(|trouble| format!("is_current: {trouble}"))
    };
    // What a process does that rewraps old rows and has made no wrap since the rotation.
    s.calls
        .wait(|| s.provider.check(&s.key_id))
        .await
        .and_then(|checked| Ok(checked?))
        .map_err(|trouble| format!("when asked to check the key, {trouble}"))?;
    ensure(!current(&old)?, || {
        "after a rotation and `check`, is_current is true for an older wrap, so a rewrap leaves it; compare the version \
         in the body, and let `check` learn the newest one"
            .into()
    })?;
    s.must_open(&row, &old, "a wrap that is older than the rotation").await?;
    s.must_work("after the rotation").await?;
    let (_, new) = s.wrapped_row().await?;
    for when in ["", ", once an older wrap was unwrapped"] {
        ensure(current(&new)?, || {
            format!("is_current is false for a wrap that is newer than the rotation{when}")
        })?;
        ensure(!current(&old)?, || {
            format!("is_current is true for a wrap that is older than the rotation{when}")
        })?;
        s.must_open(&row, &old, "a wrap that is older than the rotation").await?;
    }
    Ok(())
}
