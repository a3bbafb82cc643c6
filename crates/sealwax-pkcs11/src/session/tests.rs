//! How many sessions a token allows.

use super::*;

#[test]
fn a_token_allows_as_many_sessions_as_there_are_threads() {
    let four = NonZeroUsize::new(4).unwrap();
    let limits = [Limit::Max(3), Limit::Max(4), Limit::Unavailable, Limit::Infinite];
    assert_eq!(limits.map(|limit| is_enough(limit, four)), [false, true, true, true]);
}
