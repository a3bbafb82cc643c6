//! Keys that the service rotates.

use std::sync::PoisonError;

use crate::calls::catch;
use crate::subject::{Problem, Subject, Verdict, ensure};

pub(super) async fn rotation(s: &Subject) -> Verdict {
    let rotation = s.expect.rotation.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(rotation) = rotation else {
        return Err(Problem::NotApplicable("pass a rotation with Expect::rotated_by".into()));
    };
    let (row, old) = s.wrapped_row().await?;
    s.calls.wait_for(rotation).await.map_err(|trouble| format!("of the rotation: {trouble}"))?;
    let current = |body: &[u8]| {
        catch(|| s.provider.is_current(body)).map_err(|trouble| format!("is_current: {trouble}"))
    };
    s.must_open(&row, &old, "a wrap that is older than the rotation").await?;
    s.must_work("after the rotation").await?;
    let (_, new) = s.wrapped_row().await?;
    // Not before the provider has called the service: it may learn the new version only then.
    ensure(current(&new)?, || {
        "is_current is false for a wrap that is newer than the rotation".into()
    })?;
    ensure(!current(&old)?, || {
        "is_current is true for a wrap that is older than the rotation".into()
    })
}
