//! The text of the keyring, line by line.

use anyhow::{Context, Result};
use sealwax::Secret;

/// Changes the state of a key. A key that is destroyed loses its text, too.
pub(super) fn with_state(text: &Secret, key_id: &str, state: &str) -> Result<Secret> {
    let mut has_it = false;
    let changed = changed(text, |line| {
        let mut words = line.split_whitespace();
        let (_, id, key) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        if id != key_id {
            return None;
        }
        has_it = true;
        Some([state, id, if state == "destroyed" { "" } else { key }])
    })?;
    has_it.then_some(changed).with_context(|| format!("the keyring has no key {key_id}"))
}

/// Adds a key.
pub(super) fn with_key(text: &Secret, state: &str, key_id: &str, key: &Secret) -> Result<Secret> {
    Ok(join([text.expose_str()?.trim_end(), "\n", state, " ", key_id, " ", key.expose_str()?, "\n"]))
}

fn changed<'a>(text: &'a Secret, mut change: impl FnMut(&'a str) -> Option<[&'a str; 3]>) -> Result<Secret> {
    let mut parts = Vec::new();
    for line in text.expose_str()?.lines() {
        match change(line) {
            Some([state, key_id, key]) => parts.extend([state, " ", key_id, " ", key, "\n"]),
            None => parts.extend([line, "\n"]),
        }
    }
    Ok(join(parts))
}

/// Copies the parts once, into a buffer that is wiped.
fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> Secret {
    let parts: Vec<&str> = parts.into_iter().collect();
    let mut joined = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.into_iter().for_each(|part| joined.push_str(part));
    Secret::from(joined)
}
