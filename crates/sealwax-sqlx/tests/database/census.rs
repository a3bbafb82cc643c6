//! What a census counts, which rows a keyring does not open, and whether a key is still needed.

use std::time::Duration;

use sealwax::{EncryptionContext, Keyring, MasterKey, Suite, WrapKind};
use sealwax_sqlx::{
    Finding, Job, Options, Table, Unopenable, Verdict, Waived, census, safe_to_destroy, safe_to_retire, unopenable,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, raw_sql};

use crate::head::{envelope, key};
use crate::server::database;

const DAY: Duration = Duration::from_secs(86_400);

async fn run(db: &PgPool, sql: &str) {
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await.unwrap();
}

/// Creates the table `keys`, whose column is `b` of type bytea.
async fn keys(db: &PgPool) -> Table {
    run(db, "CREATE TABLE keys (id bigserial PRIMARY KEY, b bytea)").await;
    table(db, "keys", "b").await
}

async fn table(db: &PgPool, name: &str, column: &str) -> Table {
    Table::find(&mut db.acquire().await.unwrap(), "public", name, &[], column).await.unwrap()
}

async fn insert(db: &PgPool, ids: &[&str], suite: Suite, kind: WrapKind, rows: i64) {
    let row = Vec::from(envelope(suite, ids, kind, 60, "sk"));
    let sql = "INSERT INTO keys (b) SELECT $1 FROM generate_series(1, $2)";
    sqlx::query(sql).bind(row).bind(rows).execute(db).await.unwrap();
}

#[tokio::test]
async fn a_census_counts_by_key_suite_and_kind() {
    let Some(db) = database().await else { return };
    let of_bytes = keys(&db).await;
    insert(&db, &["a", "e"], Suite::Aes256Gcm, WrapKind::Local, 20).await;
    insert(&db, &["c"], Suite::ChaCha20Poly1305, WrapKind::Provider, 3).await;
    run(&db, r"INSERT INTO keys (b) VALUES (NULL), (NULL), ('\x00'), ('')").await;
    run(&db, "CREATE TABLE texts (id bigserial PRIMARY KEY, t varchar)").await;
    let text = envelope(Suite::Aes256Gcm, &["a"], WrapKind::Local, 60, "sk").to_string();
    sqlx::query("INSERT INTO texts (t) VALUES ($1), ('sk-plain'), (NULL)").bind(text).execute(&db).await.unwrap();
    let of_texts = table(&db, "texts", "t").await;

    let mut db = db.acquire().await.unwrap();
    let counted = census(&mut db, &of_bytes).await.unwrap();
    assert_eq!((counted.rows, counted.nulls, counted.not_envelopes), (27, 2, 2));
    let heads: Vec<_> = counted.heads.iter().map(|(head, rows)| (head.to_string(), *rows)).collect();
    assert_eq!(heads, [("a256gcm 1=a,1=e".to_owned(), 20), ("c20p 2=c".to_owned(), 3)]);
    let pairs = |names: [(&str, u64); 2]| names.map(|(name, rows)| (name.to_owned(), rows)).into();
    assert_eq!(counted.by_key_id(), [("a", 20), ("e", 20), ("c", 3)].map(|(id, n)| (id.to_owned(), n)).into());
    assert_eq!(counted.by_suite(), pairs([("a256gcm", 20), ("c20p", 3)]));
    assert_eq!(counted.by_kind(), pairs([("local", 20), ("provider", 3)]));
    let of = |id: &str| (counted.naming(&id.parse().unwrap()), counted.naming_alone(&id.parse().unwrap()));
    assert_eq!((of("a"), of("c"), of("x")), ((20, 0), (3, 3), (0, 0)));
    let counted = census(&mut db, &of_texts).await.unwrap();
    assert_eq!((counted.rows, counted.nulls, counted.not_envelopes, counted.heads.len()), (3, 1, 1, 1));
}

#[tokio::test]
async fn the_heads_that_a_keyring_does_not_open_are_found_by_the_index() {
    let Some(db) = database().await else { return };
    let keys = keys(&db).await;
    insert(&db, &["a", "e"], Suite::Aes256Gcm, WrapKind::Local, 60_000).await;
    insert(&db, &["b"], Suite::Aes256Gcm, WrapKind::Local, 40_000).await;
    for (ids, kind) in [
        (["lost", "off"], WrapKind::Local),
        (["a", "leaked"], WrapKind::Local),
        (["gone", "e"], WrapKind::Local),
        (["b", "off"], WrapKind::Provider),
        (["kms", "off"], WrapKind::Provider),
        (["kms", "lost"], WrapKind::Local),
        (["kms", "gone"], WrapKind::Hpke),
    ] {
        insert(&db, &ids, Suite::Aes256Gcm, kind, 1).await;
    }
    run(&db, &keys.index_statement()).await;
    let ring = format!(
        "primary a {}; retired b {}; escrow e {}; disabled off; leaked leaked; destroyed gone",
        key(),
        key(),
        key()
    );
    let ring: Keyring = ring.parse().unwrap();
    let ring = ring.with_retired("kms".parse().unwrap(), Kms).unwrap();
    let mut one = db.acquire().await.unwrap();
    let faults = async |db: &mut PgConnection| {
        let faults = unopenable(db, &keys, &ring).await.unwrap();
        faults
            .iter()
            .map(|fault| match fault {
                Unopenable::NoKey { head, .. } => format!("no key: {head}"),
                Unopenable::Leaked { head, key_id, .. } => format!("leaked {key_id}: {head}"),
                Unopenable::NotEnvelopes => "no envelopes".to_owned(),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let mut expected = vec![
        "leaked leaked: a256gcm 1=a,1=leaked",
        "no key: a256gcm 1=kms,1=lost",
        "no key: a256gcm 1=lost,1=off",
        "no key: a256gcm 2=b,2=off",
        "no key: a256gcm 3=kms,3=gone",
    ];
    assert_eq!(faults(&mut one).await, expected);
    run(&db, r"INSERT INTO keys (b) VALUES (NULL), ('\x00')").await;
    expected.push("no envelopes");
    assert_eq!(faults(&mut one).await, expected);

    // It reads by the index alone, without statistics and with them.
    for statistics in ["SELECT", "ANALYZE keys"] {
        run(&db, statistics).await;
        // The session's counts that it has not yet published.
        let scans = async |db: &mut PgConnection| -> (i64, i64) {
            let sql = "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'keys'";
            sqlx::query_as(sql).fetch_one(db).await.unwrap()
        };
        let mut transaction = one.begin().await.unwrap();
        let before = scans(&mut transaction).await;
        assert_eq!(faults(&mut transaction).await.len(), 6);
        let after = scans(&mut transaction).await;
        // Nine heads, their end, and the values without a head.
        assert_eq!((after.0 - before.0, after.1 - before.1), (0, 11), "{statistics}");
    }
}

/// A key that is not in memory.
#[derive(Debug)]
struct Kms;

impl sealwax::KeyWrapper for Kms {
    fn wrap_key<'a>(
        &'a self,
        request: sealwax::WrapRequest<'a>,
    ) -> sealwax::ProviderFuture<'a, Result<Vec<u8>, sealwax::ProviderError>> {
        sealwax::ProviderFuture::ready(Ok(request.associated_data()))
    }
}

impl sealwax::MasterKeyProvider for Kms {
    fn unwrap_key<'a>(
        &'a self,
        _: sealwax::UnwrapRequest<'a>,
    ) -> sealwax::ProviderFuture<'a, Result<sealwax::DataKey, sealwax::ProviderError>> {
        sealwax::ProviderFuture::ready(Err(sealwax::ProviderErrorKind::Unavailable.into()))
    }
}

#[tokio::test]
async fn what_a_keyring_opens_is_what_the_index_says() {
    let Some(db) = database().await else { return };
    let keys = keys(&db).await;
    let (a, b, context) = (key(), key(), EncryptionContext::empty());
    let sealing: Keyring = format!("primary a {a}; escrow b {b}").parse().unwrap();
    let sealed = sealing.seal(&"sk".into(), &context).unwrap();
    sqlx::query("INSERT INTO keys (b) VALUES ($1)").bind(sealed.as_bytes()).execute(&db).await.unwrap();
    let other = MasterKey::generate().unwrap();
    let rings = [
        (format!("primary a {a}"), true),
        (format!("primary x {0}; retired b {b}", other.to_text().expose_str().unwrap()), true),
        (format!("primary b {b}; disabled a"), true),
        (format!("primary b {b}; destroyed a"), true),
        (format!("primary b {b}; leaked a"), false),
        (format!("primary x {0}; disabled a; destroyed b", other.to_text().expose_str().unwrap()), false),
        (format!("primary A {a}"), false),
    ];
    let mut db = db.acquire().await.unwrap();
    for (at, (text, opens)) in rings.into_iter().enumerate() {
        let ring: Keyring = text.parse().unwrap();
        assert_eq!(ring.open(&sealed, &context).is_ok(), opens, "{at}");
        assert_eq!(unopenable(&mut db, &keys, &ring).await.unwrap().is_empty(), opens, "{at}");
    }
}

#[tokio::test]
async fn a_key_is_safe_to_retire_only_if_everything_was_scanned_and_nothing_names_it() {
    let Some(db) = database().await else { return };
    let keys = keys(&db).await;
    let tables = [keys];
    let old = "old".parse().unwrap();
    let mut one = db.acquire().await.unwrap();
    insert(&db, &["old"], Suite::Aes256Gcm, WrapKind::Local, 2).await;
    insert(&db, &["new", "old"], Suite::Aes256Gcm, WrapKind::Local, 3).await;
    run(&db, r"INSERT INTO keys (b) VALUES ('\x00'); CREATE TABLE notes (note text)").await;
    let text = envelope(Suite::Aes256Gcm, &["old"], WrapKind::Local, 60, "sk").to_string();
    sqlx::query("INSERT INTO notes VALUES ($1)").bind(text).execute(&db).await.unwrap();

    let report = safe_to_retire(&mut one, &[], &[], &old).await.unwrap();
    assert_eq!((report.verdict, report.undeclared.len()), (Verdict::NothingScanned, 2));
    let report = safe_to_retire(&mut one, &tables, &[], &old).await.unwrap();
    assert_eq!((report.naming, report.naming_alone, report.not_envelopes), (5, 2, 1));
    assert_eq!(report.verdict, Verdict::Named);
    assert_eq!((report.scanned.len(), report.scanned[0].census.rows), (1, 6));
    assert!(report.scanned[0].at.elapsed().unwrap() < Duration::from_secs(60));
    run(&db, "DELETE FROM keys WHERE sealwax.head(b) LIKE '%old%'").await;
    let report = safe_to_retire(&mut one, &tables, &[], &old).await.unwrap();
    assert_eq!(report.verdict, Verdict::NotEnvelopes);
    run(&db, "DELETE FROM keys").await;
    let report = safe_to_retire(&mut one, &tables, &[], &old).await.unwrap();
    assert_eq!(report.verdict, Verdict::Undeclared);
    assert!(matches!(report.undeclared[0].finding, Finding::Envelopes { rows: 1, .. }));
    let waived = [Waived::new("public", "notes", "note")];
    let report = safe_to_retire(&mut one, &tables, &waived, &old).await.unwrap();
    assert_eq!((report.verdict, report.scanned.len()), (Verdict::NoneFound, 1));
}

#[tokio::test]
async fn a_key_that_an_unfinished_job_wraps_for_is_needed() {
    let Some(db) = database().await else { return };
    let tables = [keys(&db).await];
    run(&db, "CREATE TABLE others (id bigserial PRIMARY KEY, b bytea)").await;
    let other = table(&db, "others", "b").await;
    let old: Keyring = format!("primary old {}; escrow dr {}; retired older {}", key(), key(), key()).parse().unwrap();
    let mut one = db.acquire().await.unwrap();
    let mut verdict = async |id: &str| {
        let report = safe_to_retire(&mut one, &tables, &[], &id.parse().unwrap()).await.unwrap();
        (report.verdict, report.unfinished)
    };
    let none = (Verdict::NoneFound, vec![]);
    let primary = old.primary().unwrap();
    let options = Options { dry_run: true, ..Options::default() };
    let mut two = db.acquire().await.unwrap();
    let dry = Job::plan_rotation(&mut two, &other, &old, primary, &options).await.unwrap();
    Job::plan_verification(&mut two, &other, &old, &Options::default()).await.unwrap();
    assert_eq!(verdict("old").await, none);
    Job::cancel(&mut two, dry.id()).await.unwrap();

    let job = Job::plan_rotation(&mut two, &other, &old, primary, &Options::default()).await.unwrap();
    assert_eq!(verdict("old").await, (Verdict::UnfinishedJob, vec![job.id()]));
    assert_eq!(verdict("dr").await, (Verdict::UnfinishedJob, vec![job.id()]));
    assert_eq!((verdict("older").await, verdict("ol").await), (none.clone(), none.clone()));
    Job::cancel(&mut two, job.id()).await.unwrap();
    assert_eq!(verdict("old").await, none);
}

#[tokio::test]
async fn a_key_is_safe_to_destroy_when_no_backup_can_hold_it() {
    let Some(db) = database().await else { return };
    let tables = [keys(&db).await];
    let old = "old".parse().unwrap();
    let mut one = db.acquire().await.unwrap();
    insert(&db, &["old"], Suite::Aes256Gcm, WrapKind::Local, 2).await;
    census(&mut one, &tables[0]).await.unwrap();
    let verdict =
        async |db: &mut PgConnection| safe_to_destroy(db, &tables, &[], &old, 30 * DAY).await.unwrap().verdict;
    assert_eq!(verdict(&mut one).await, Verdict::Named);
    run(&db, "DELETE FROM keys").await;
    let left_in = |verdict| match verdict {
        Verdict::InBackups { until, .. } => {
            until.duration_since(std::time::SystemTime::now()).unwrap().as_secs_f64() / 86_400.0
        }
        other => panic!("{other:?}"),
    };
    assert!((left_in(verdict(&mut one).await) - 30.0).abs() < 0.01);
    let pass = "UPDATE sealwax.sightings SET last_seen = last_seen - interval '20 days',
        first_absent = first_absent - interval '20 days'";
    run(&db, pass).await;
    assert!((left_in(verdict(&mut one).await) - 10.0).abs() < 0.01);
    run(&db, pass).await;
    assert_eq!(verdict(&mut one).await, Verdict::NoneFound);

    // A row that appears again resets the date.
    insert(&db, &["new", "old"], Suite::Aes256Gcm, WrapKind::Local, 1).await;
    assert_eq!(verdict(&mut one).await, Verdict::Named);
    run(&db, "DELETE FROM keys").await;
    assert!((left_in(verdict(&mut one).await) - 30.0).abs() < 0.01);
    // A key that no census ever saw has the date of the first one that looked for it.
    let other = safe_to_destroy(&mut one, &tables, &[], &"other".parse().unwrap(), DAY).await.unwrap();
    assert!((left_in(other.verdict) - 1.0).abs() < 0.01);

    // A table that a census saw with the key, but that nobody declares any more.
    run(&db, pass).await;
    run(&db, pass).await;
    run(&db, "INSERT INTO sealwax.sightings VALUES ('public', 'gone', 'b', 'old', now(), NULL)").await;
    assert_eq!(verdict(&mut one).await, Verdict::NoDate);
    run(&db, "DELETE FROM sealwax.sightings WHERE table_name = 'gone'").await;
    assert_eq!(verdict(&mut one).await, Verdict::NoneFound);
    // Another column cannot have left this one: a day ago, it still had the key.
    run(&db, "INSERT INTO sealwax.sightings VALUES ('public', 'gone', 'b', 'old', NULL, now())").await;
    assert!((left_in(verdict(&mut one).await) - 30.0).abs() < 0.01);
}

#[tokio::test]
async fn two_installations_at_once_keep_what_was_seen() {
    let Some(db) = database().await else { return };
    run(
        &db,
        "INSERT INTO sealwax.sightings VALUES ('s', 't', 'c', 'k', now(), NULL); DROP FUNCTION sealwax.head(text)",
    )
    .await;
    let install = async || sealwax_sqlx::install(&mut db.acquire().await.unwrap()).await;
    let (a, b, c, d) = tokio::join!(install(), install(), install(), install());
    assert!([a, b, c, d].iter().all(Result::is_ok));
    let sql = "SELECT (SELECT count(*) FROM sealwax.sightings), (SELECT count(*) FROM pg_proc WHERE proname = 'head')";
    assert_eq!(sqlx::query_as::<_, (i64, i64)>(sql).fetch_one(&db).await.unwrap(), (1, 2));
}
