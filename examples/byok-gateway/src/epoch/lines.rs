//! The text of the keyring, line by line.

use anyhow::{Result, ensure};
use sealwax::Secret;

/// Changes the state of a key. A key that is destroyed loses its text, too.
pub(super) fn with_state(text: &Secret, key_id: &str, state: &str) -> Result<Secret> {
    let (mut parts, mut has_it) = (Vec::new(), false);
    for line in text.expose_str()?.lines() {
        let mut words = line.split_whitespace().skip(1);
        if words.next() == Some(key_id) {
            has_it = true;
            let key = if state == "destroyed" { "" } else { words.next().unwrap_or_default() };
            parts.extend([state, " ", key_id, " ", key, "\n"]);
        } else {
            parts.extend([line, "\n"]);
        }
    }
    ensure!(has_it, "the keyring has no key {key_id}");
    Ok(join(parts))
}

/// Adds a key.
pub(super) fn with_key(text: &Secret, state: &str, key_id: &str, key: &Secret) -> Result<Secret> {
    Ok(join([text.expose_str()?.trim_end(), "\n", state, " ", key_id, " ", key.expose_str()?, "\n"]))
}

/// Copies the parts once, into a buffer that is wiped.
fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> Secret {
    let parts: Vec<&str> = parts.into_iter().collect();
    let mut joined = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.into_iter().for_each(|part| joined.push_str(part));
    Secret::from(joined)
}
