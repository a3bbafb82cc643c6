//! A new keyring text for a process that runs.

use std::path::PathBuf;
use std::{env, fs, process};

use arc_swap::ArcSwap;
use services::reload::reload;
use services::start::{read_keyring, unknown_keys};

use crate::given;
use crate::server::database;

/// A file that is removed at the end.
pub(crate) struct KeyFile(pub(crate) PathBuf);

impl KeyFile {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let file = Self(env::temp_dir().join(format!("services-{}-{name}", process::id())));
        file.write(text);
        file
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn the_steps_of_a_new_primary_are_taken_and_anything_else_is_refused() {
    let (old, new) = (given::key(), given::key());
    let file = KeyFile::new("steps", &format!("primary old {old}"));
    let running = ArcSwap::from_pointee(read_keyring(&file.0).unwrap());
    let fingerprint = || running.load().fingerprint();
    let first = fingerprint();

    let refused = [
        (format!("primary new {new}\nretired old {old}"), "new"), // Not announced.
        (format!("primary new {new}"), "old"),                    // Dropped.
        (format!("primary old {new}"), "old"),                    // Other material.
        (format!("primary old {}", old.get(..40).unwrap()), "line 1"), // No keyring.
        (String::new(), "primary"),
    ];
    for (text, word) in &refused {
        file.write(text);
        let error = reload(&running, &file.0).unwrap_err().to_string();
        let shows = |key: &String| error.contains(key.get(..12).unwrap());
        assert!(!shows(&old) && !shows(&new), "an error shows a key");
        assert!(error.contains(word), "{error}");
        assert_eq!(fingerprint(), first);
    }

    file.write(&format!("primary old {old}\nretired new {new}"));
    reload(&running, &file.0).unwrap();
    file.write(&format!("primary new {new}\nretired old {old}"));
    reload(&running, &file.0).unwrap();
    assert_eq!(running.load().primary().unwrap().as_ref(), "new");
    assert_ne!(fingerprint(), first);

    // No file.
    assert!(reload(&running, &env::temp_dir().join("services-of-nobody")).is_err());
    assert_eq!(running.load().primary().unwrap().as_ref(), "new");
}

#[tokio::test]
async fn a_ring_that_lacks_the_keys_of_rows_is_noticed() {
    let Some((db, _)) = database().await else { return };
    let (a, b, c) = (given::key(), given::key(), given::key());
    let none: [&str; 0] = [];
    assert_eq!(unknown_keys(&db, &given::ring(&format!("primary z {c}"))).await.unwrap(), none);

    given::rows(&db, &given::ring(&format!("primary a {a}; escrow e {b}")), 3).await;
    sqlx::raw_sql("UPDATE credentials SET tenant = tenant + 10").execute(&db).await.unwrap();
    given::rows(&db, &given::ring(&format!("primary c {c}")), 3).await;
    sqlx::raw_sql("UPDATE credentials SET envelope = 'damaged' WHERE tenant = 3").execute(&db).await.unwrap();

    let unknown = async |text: String| unknown_keys(&db, &given::ring(&text)).await.unwrap();
    assert_eq!(unknown(format!("primary c {c}")).await, ["a,e"]);
    assert_eq!(unknown(format!("primary z {}", given::key())).await, ["a,e", "c"]);
    // One of a row's keys is enough; a key that is refused on purpose is not missing.
    assert_eq!(unknown(format!("primary c {c}; retired e {b}")).await, none);
    assert_eq!(unknown(format!("primary a {a}; destroyed c")).await, none);
}
