//! The time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the milliseconds since 1970.
#[must_use]
pub fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the seconds since 1970.
#[must_use]
pub fn seconds() -> u64 {
    millis() / 1000
}

/// Returns the seconds since 1970, for a column of a table.
#[must_use]
pub fn column() -> i64 {
    i64::try_from(seconds()).unwrap_or(i64::MAX)
}

/// Shows a time of a column to people, in UTC.
#[must_use]
pub fn shown(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "?".into(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}
