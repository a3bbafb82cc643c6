//! Tests that a running process takes a new keyring text.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, process, thread};

use arc_swap::ArcSwap;
use sealwax::{EncryptionContext, Keyring, ReloadProblem};
use services::reload::{read_keyring, read_keys, reload};
use services::start::unknown_keys;
use sqlx::AssertSqlSafe;

use crate::given;
use crate::server::database;

/// A file with a keyring text, which is deleted on drop.
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
fn a_keyring_from_its_file_opens_nothing_without_a_recorder_and_none_without_replaces_it() {
    let file = KeyFile::new("recorder", &format!("primary a {}", given::key()));
    let ring = read_keyring(&file.0).unwrap();
    let sealed = ring.seal(&"sk-1".into(), &EncryptionContext::empty()).unwrap();
    let error = ring.open(&sealed, &EncryptionContext::empty()).unwrap_err();
    assert_eq!(error.name(), "not_recorded");
    let without: Keyring = read_keys(&file.0).unwrap();
    assert_eq!(without.can_replace(&ring).unwrap_err()[..], [ReloadProblem::RecorderLost]);
    reload(&ArcSwap::from_pointee(ring), &file.0).unwrap();
}

#[test]
fn the_steps_of_a_new_primary_are_taken_and_anything_else_is_refused() {
    let (old, new) = (given::key(), given::key());
    let file = KeyFile::new("steps", &format!("primary old {old}"));
    let running = ArcSwap::from_pointee(read_keyring(&file.0).unwrap());
    let fingerprint = || running.load().fingerprint();
    let first = fingerprint();

    let refused = [
        (format!("primary new {new}\nretired old {old}"), "new"), // The new key was not announced.
        (format!("primary new {new}"), "old"),                    // The old key is missing.
        (format!("primary old {new}"), "old"),                    // The old id has another key.
        (format!("primary old {}", old.get(..40).unwrap()), "line 1"), // The text does not parse.
        (String::new(), "primary"),
    ];
    for (text, word) in &refused {
        file.write(text);
        let error = reload(&running, &file.0).unwrap_err().to_string();
        let shows = |key: &String| error.contains(key.get(..12).unwrap());
        assert!(!shows(&old) && !shows(&new), "the error shows a key");
        assert!(error.contains(word), "{error}");
        assert_eq!(fingerprint(), first);
    }

    file.write(&format!("primary old {old}\nretired new {new}"));
    reload(&running, &file.0).unwrap();
    file.write(&format!("primary new {new}\nretired old {old}"));
    reload(&running, &file.0).unwrap();
    assert_eq!(running.load().primary().unwrap().as_ref(), "new");
    assert_ne!(fingerprint(), first);

    // The file does not exist.
    assert!(reload(&running, &env::temp_dir().join("services-of-nobody")).is_err());
    assert_eq!(running.load().primary().unwrap().as_ref(), "new");
}

#[test]
fn a_reload_that_another_one_overtook_changes_nothing() {
    let (old, other) = (given::key(), given::key());
    let running = ArcSwap::from_pointee(given::ring(&format!("primary old {old}")));
    // The file is a pipe, so opening it waits until the reload opens it too. By then, the reload has loaded the old
    // keyring, and it waits for the text.
    let pipe = KeyFile(env::temp_dir().join(format!("services-{}-pipe", process::id())));
    assert!(process::Command::new("mkfifo").arg(&pipe.0).status().unwrap().success());
    thread::scope(|scope| {
        let slow = scope.spawn(|| reload(&running, &pipe.0).map_err(|error| error.to_string()));
        let mut text = fs::OpenOptions::new().write(true).open(&pipe.0).unwrap();
        running.store(Arc::new(given::ring(&format!("primary old {old}; leaked gone; retired other {other}"))));
        write!(text, "primary old {old}").unwrap();
        drop(text);
        assert_eq!(slow.join().unwrap(), Err("another reload came first".to_owned()));
    });
    assert!(running.load().state("gone").is_some(), "the keyring no longer knows the leaked key");
}

#[tokio::test]
async fn a_ring_that_lacks_the_keys_of_rows_is_noticed() {
    let Some((db, _)) = database().await else { return };
    let (a, b, c) = (given::key(), given::key(), given::key());
    let none: [(String, i64); 0] = [];
    let lists = |lists: &[&str]| lists.iter().map(|list| ((*list).to_owned(), 3)).collect::<Vec<_>>();
    assert_eq!(unknown_keys(&db, &given::ring(&format!("primary z {c}"))).await.unwrap(), none);

    given::rows(&db, &given::ring(&format!("primary a {a}; escrow e {b}")), 3).await;
    sqlx::raw_sql("UPDATE credentials SET tenant = tenant + 10").execute(&db).await.unwrap();
    given::rows(&db, &given::ring(&format!("primary c {c}")), 3).await;
    sqlx::raw_sql("INSERT INTO credentials (tenant, provider, envelope) VALUES (4, 'openai', 'damaged')")
        .execute(&db)
        .await
        .unwrap();

    let unknown = async |text: String| unknown_keys(&db, &given::ring(&text)).await.unwrap();
    assert_eq!(unknown(format!("primary c {c}")).await, lists(&["a,e"]));
    assert_eq!(unknown(format!("primary z {}", given::key())).await, lists(&["a,e", "c"]));
    // One of the keys of a row is enough. A key that the keyring refuses on purpose is not missing.
    assert_eq!(unknown(format!("primary c {c}; retired e {b}")).await, none);
    assert_eq!(unknown(format!("primary a {a}; destroyed c")).await, none);

    // Changing one bit of the id `c` makes it `b`. Changing another bit makes it invalid, so the row has no list.
    // `unknown_keys` does not report such a row, but the census counts it.
    let flip = async |bit: &str| {
        let sql =
            "UPDATE credentials SET envelope = set_byte(envelope, 6, get_byte(envelope, 6) # bit) WHERE tenant = 1";
        sqlx::raw_sql(AssertSqlSafe(sql.replace("bit", bit))).execute(&db).await.unwrap();
    };
    let ring = || format!("primary a {a}; retired c {c}");
    flip("1").await;
    assert_eq!(unknown(ring()).await, [("b".to_owned(), 1)]);
    flip("128").await;
    assert_eq!(unknown(ring()).await, none);

    // No list is left out, however many there are, and those with most rows come first.
    let many = "INSERT INTO credentials (tenant, provider, envelope)
        SELECT 100 + n, 'openai', overlay(envelope PLACING convert_to(chr(65 + n % 26) || chr(97 + n / 26), 'UTF8') FROM 7)
          FROM credentials, generate_series(0, 149) AS n WHERE tenant = 2";
    let wide = "UPDATE credentials SET envelope = substring(envelope FROM 1 FOR 5) || '\\x026363'
        || substring(envelope FROM 8) WHERE tenant = 2";
    sqlx::raw_sql(wide).execute(&db).await.unwrap();
    sqlx::raw_sql(many).execute(&db).await.unwrap();
    sqlx::raw_sql("UPDATE credentials SET tenant = tenant + 1000").execute(&db).await.unwrap();
    given::rows(&db, &given::ring(&format!("primary x {}", given::key())), 2).await;
    let lists = unknown(ring()).await;
    assert_eq!((&lists[0], lists.len()), (&("x".to_owned(), 2), 152));
    assert!(lists[1..].windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 == 1));
}
