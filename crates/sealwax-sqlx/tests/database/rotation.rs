//! Rotations: what they write, what they refuse, and what becomes of rows that fail.

use std::time::Duration;

use sealwax::{EncryptionContext, Envelope, KeyState, Keyring, MasterKey};
use sealwax_sqlx::{Done, Job, Limits, Options, PlanError, Status, Table, WorkError, install};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, query, query_scalar, raw_sql};

use crate::given::{key, ring};
use crate::server::empty;

/// The forms that a table may have: its key columns, their values for the row `n`, and the type of the envelope.
const SHAPES: [(&str, &str, &str); 5] = [
    ("id bigint PRIMARY KEY", "n", "bytea"),
    ("id uuid PRIMARY KEY", "md5(n::text)::uuid", "text"),
    (
        "tenant text NOT NULL, provider varchar(20) NOT NULL, PRIMARY KEY (provider, tenant)",
        "'t' || n, 'p' || n % 3",
        "bytea",
    ),
    (
        "tenant integer NOT NULL, \"Own \"\"name\" smallint NOT NULL, UNIQUE (tenant, \"Own \"\"name\")",
        "n / 5, n % 5",
        "varchar",
    ),
    ("id text COLLATE \"en_US\" PRIMARY KEY", "'Row' || n", "text"),
];

async fn table(db: &PgPool, shape: (&str, &str, &str), ring: &Keyring, rows: i32) -> Table {
    let (keys, values, form) = shape;
    // ICU has the collation everywhere.
    let keys = keys.replace("\"en_US\"", "\"en-US-x-icu\"");
    let create = format!(
        "CREATE SCHEMA \"of customers\"; CREATE TABLE \"of customers\".credentials ({keys}, n int, envelope {form})"
    );
    raw_sql(AssertSqlSafe(create)).execute(db).await.unwrap();
    fill(db, values, form, ring, 1..=rows).await;
    let named: &[&str] = if keys.contains("UNIQUE") { &["tenant", "Own \"name"] } else { &[] };
    Table::find(&mut db.acquire().await.unwrap(), "of customers", "credentials", named, "envelope").await.unwrap()
}

async fn fill(db: &PgPool, values: &str, form: &str, ring: &Keyring, rows: std::ops::RangeInclusive<i32>) {
    let (numbers, envelopes): (Vec<i32>, Vec<String>) = rows.map(|n| (n, seal(ring, n))).unzip();
    let envelope = if form == "bytea" { "decode(envelope, 'hex')" } else { "envelope" };
    let insert = format!(
        "INSERT INTO \"of customers\".credentials SELECT {values}, n, {envelope} FROM unnest($1, $2) AS new (n, envelope)"
    );
    let envelopes = if form == "bytea" { envelopes.iter().map(|text| hex(text)).collect() } else { envelopes };
    query(AssertSqlSafe(insert)).bind(numbers).bind(envelopes).execute(db).await.unwrap();
}

fn hex(text: &str) -> String {
    let envelope: Envelope = text.parse().unwrap();
    envelope.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn context(n: i32) -> EncryptionContext {
    EncryptionContext::new([("row", n.to_string())]).unwrap()
}

fn seal(ring: &Keyring, n: i32) -> String {
    ring.seal(&format!("secret {n}").into(), &context(n)).unwrap().to_string()
}

/// Returns the row's number and the envelope of each row.
async fn rows(db: &PgPool, form: &str) -> Vec<(i32, Envelope)> {
    let rows = query("SELECT n, envelope FROM \"of customers\".credentials ORDER BY n").fetch_all(db).await.unwrap();
    let envelope = |row: &sqlx::postgres::PgRow| -> Envelope {
        use sqlx::Row as _;
        match form {
            "bytea" => row.get::<Vec<u8>, _>(1).try_into().unwrap(),
            _ => row.get::<String, _>(1).parse().unwrap(),
        }
    };
    rows.iter().map(|row| (sqlx::Row::get(row, 0), envelope(row))).collect()
}

async fn assert_rotated(db: &PgPool, form: &str, ring: &Keyring, count: usize) {
    let rows = rows(db, form).await;
    assert_eq!(rows.len(), count);
    for (n, envelope) in rows {
        assert!(ring.is_current(&envelope), "row {n}");
        assert_eq!(ring.open(&envelope, &context(n)).unwrap().expose_str().unwrap(), format!("secret {n}"));
    }
}

async fn plan(db: &mut PgConnection, table: &Table, ring: &Keyring, options: &Options) -> Job {
    Job::plan_rotation(db, table, ring, ring.primary().unwrap(), options).await.unwrap()
}

async fn work(job: &Job, db: &PgPool, ring: &Keyring) -> Result<Done, WorkError> {
    job.work(db, ring, &Limits::default(), |_| {}).await
}

async fn status(job: &Job, db: &PgPool) -> Status {
    job.status(&mut db.acquire().await.unwrap()).await.unwrap()
}

fn options() -> Options {
    Options { page: 50, ranges: 3, ..Options::default() }
}

#[tokio::test]
async fn tables_of_all_shapes_are_rotated() {
    for shape in SHAPES {
        let Some((db, _)) = empty().await else { return };
        let (a, b, c) = (key(), key(), key());
        let old = ring(&format!("primary a {a}; escrow c {c}"));
        let new = ring(&format!("primary b {b}; retired a {a}; escrow c {c}; escrow d {}", key()));
        let db_connection = &mut *db.acquire().await.unwrap();
        install(db_connection).await.unwrap();
        let table = table(&db, shape, &old, 1_003).await;
        let job = plan(db_connection, &table, &new, &options()).await;

        let done = tokio::join!(work(&job, &db, &new), work(&job, &db, &new), work(&job, &db, &new));
        let done = [done.0.unwrap(), done.1.unwrap(), done.2.unwrap()];
        assert_eq!(done.iter().map(|done| done.changed).sum::<u64>(), 1_003, "{shape:?}");
        assert_rotated(&db, shape.2, &new, 1_003).await;
        let status = status(&job, &db).await;
        assert!(status.is_finished);
        assert_eq!(
            (status.rows_expected, status.rows, status.changed, status.current, status.failed),
            (1_003, 1_003, 1_003, 0, 0)
        );
        assert_eq!(status.ranges, status.ranges_finished);
        assert!(status.ranges >= 3, "{status:?}");

        // Again: every row is current.
        let job = plan(db_connection, &table, &new, &options()).await;
        let done = work(&job, &db, &new).await.unwrap();
        assert_eq!((done.rows, done.changed, done.current), (1_003, 0, 1_003));

        // Without the old key, every row verifies; without the new one, none does.
        for (text, failed) in
            [(format!("primary b {b}; disabled a; retired c {c}"), 0), (format!("primary a {a}"), 1_003)]
        {
            let job = Job::plan_verification(db_connection, &table, &ring(&text), &options()).await.unwrap();
            let done = work(&job, &db, &ring(&text)).await.unwrap();
            assert_eq!((done.rows, done.changed, done.failed), (1_003, 0, failed));
        }
    }
}

#[tokio::test]
async fn a_range_is_split_when_a_worker_has_none() {
    let Some((db, _)) = empty().await else { return };
    let (a, b) = (key(), key());
    install(&mut db.acquire().await.unwrap()).await.unwrap();
    let table = table(&db, SHAPES[0], &ring(&format!("primary a {a}")), 2_000).await;
    let new = ring(&format!("primary b {b}; retired a {a}"));
    let one_range = Options { page: 10, ranges: 1, ..Options::default() };
    let dry = Options { dry_run: true, ..one_range.clone() };
    let job = plan(&mut db.acquire().await.unwrap(), &table, &new, &dry).await;
    assert_eq!(work(&job, &db, &new).await.unwrap().changed, 2_000);
    assert_rotated(&db, "bytea", &ring(&format!("primary a {a}")), 2_000).await;

    // Otherwise, a machine that is busy may run one of the workers ten times more often than the other.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END';
        CREATE TRIGGER slow AFTER UPDATE ON \"of customers\".credentials EXECUTE FUNCTION slow()";
    raw_sql(slow).execute(&db).await.unwrap();
    let job = plan(&mut db.acquire().await.unwrap(), &table, &new, &one_range).await;
    assert_eq!(status(&job, &db).await.ranges, 1);
    let (one, other) = tokio::join!(work(&job, &db, &new), work(&job, &db, &new));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.changed + other.changed, 2_000);
    assert!(one.changed > 500 && other.changed > 500, "{one:?} {other:?}");
    // Two of the same speed need one split, in the middle.
    assert!(status(&job, &db).await.ranges >= 2);
    assert_rotated(&db, "bytea", &new, 2_000).await;

    // Three need another one.
    let third = ring(&format!("primary c {}; retired b {b}", key()));
    let job = plan(&mut db.acquire().await.unwrap(), &table, &third, &one_range).await;
    let done = tokio::join!(work(&job, &db, &third), work(&job, &db, &third), work(&job, &db, &third));
    let done = [done.0, done.1, done.2].map(|done| done.unwrap().changed);
    assert_eq!(done.iter().sum::<u64>(), 2_000);
    assert!(status(&job, &db).await.ranges > 2, "{done:?}");
}

#[tokio::test]
async fn a_job_begins_only_with_a_ring_that_opens_every_row() {
    let Some((db, _)) = empty().await else { return };
    let db_connection = &mut *db.acquire().await.unwrap();
    install(db_connection).await.unwrap();
    let (a, b) = (key(), key());
    let table = table(&db, SHAPES[0], &ring(&format!("primary a {a}")), 3).await;
    let states = [
        ("", None),
        ("; disabled a", Some(KeyState::Disabled)),
        ("; leaked a", Some(KeyState::Leaked)),
        ("; destroyed a", Some(KeyState::Destroyed)),
    ];
    for (rest, state) in states {
        let ring = ring(&format!("primary b {b}{rest}"));
        let refused = Job::plan_rotation(db_connection, &table, &ring, ring.primary().unwrap(), &options()).await;
        let Err(PlanError::NotOpened { keys, .. }) = refused else { panic!("{rest}: {refused:?}") };
        assert_eq!(keys, [("a".parse().unwrap(), state)]);
    }
    let new = ring(&format!("primary b {b}; retired a {a}"));
    let wrong = Job::plan_rotation(db_connection, &table, &new, &"a".parse().unwrap(), &options()).await;
    assert!(matches!(wrong, Err(PlanError::OtherPrimary { .. })));
    for wrong in [
        Options { page: 0, ..options() },
        Options { page: 10_001, ..options() },
        Options { ranges: 0, ..options() },
        Options { rows_per_second: Some(0), ..options() },
        Options { stop_after: Some(0), ..options() },
    ] {
        let refused = Job::plan_rotation(db_connection, &table, &new, new.primary().unwrap(), &wrong).await;
        assert!(matches!(refused, Err(PlanError::Option { .. })), "{wrong:?}");
    }
    assert_eq!(Job::unfinished(db_connection).await.unwrap(), [0_i64; 0]);

    let job = plan(db_connection, &table, &new, &options()).await;
    let again = Job::plan_rotation(db_connection, &table, &new, new.primary().unwrap(), &options()).await;
    assert!(matches!(again, Err(PlanError::Unfinished { job: of, .. }) if of == job.id()));
    let other = ring(&format!("primary b {b}; retired a {a}; disabled z"));
    let refused = work(&job, &db, &other).await;
    assert!(matches!(refused, Err(WorkError::OtherKeyring { .. })), "{refused:?}");
    assert_eq!(status(&job, &db).await.rows, 0);

    // Another ring takes over, but only if that is asked for.
    let refused = Job::plan_rotation(db_connection, &table, &other, other.primary().unwrap(), &options()).await;
    assert!(matches!(refused, Err(PlanError::Unfinished { .. })));
    let replacing = plan(db_connection, &table, &other, &Options { replace: true, ..options() }).await;
    let replaced = work(&job, &db, &new).await;
    assert!(matches!(replaced, Err(WorkError::Replaced { by, .. }) if by == replacing.id()), "{replaced:?}");
    assert_eq!(work(&replacing, &db, &other).await.unwrap().changed, 3);
}

/// A rewrap drops the wrap of each key that is not in the ring, so the ring has to say that this is meant.
#[tokio::test]
async fn a_job_drops_an_escrow_only_if_the_ring_knows_of_it() {
    let Some((db, _)) = empty().await else { return };
    let db_connection = &mut *db.acquire().await.unwrap();
    install(db_connection).await.unwrap();
    let (a, b) = (key(), key());
    let table = table(&db, SHAPES[0], &ring(&format!("primary a {a}; escrow e {}", key())), 3).await;
    for (rest, state) in [("", None), ("; leaked e", Some(KeyState::Leaked))] {
        let ring = ring(&format!("primary b {b}; retired a {a}{rest}"));
        let refused = Job::plan_rotation(db_connection, &table, &ring, ring.primary().unwrap(), &options()).await;
        let Err(PlanError::NotOpened { keys, .. }) = refused else { panic!("{rest}: {refused:?}") };
        assert_eq!(keys, [("e".parse().unwrap(), state)]);
    }
    for rest in ["disabled e", "destroyed e"] {
        let ring = ring(&format!("primary b {b}; retired a {a}; {rest}"));
        plan(db_connection, &table, &ring, &Options { replace: true, ..options() }).await;
    }
    let last = ring(&format!("primary b {b}; retired a {a}; destroyed e"));
    let job = plan(db_connection, &table, &last, &Options { replace: true, ..options() }).await;
    assert_eq!(work(&job, &db, &last).await.unwrap().changed, 3);
    assert_rotated(&db, "bytea", &ring(&format!("primary b {b}")), 3).await;
}

#[tokio::test]
async fn of_jobs_that_are_planned_at_the_same_time_one_is_planned() {
    let Some((db, _)) = empty().await else { return };
    let (mut one, mut other) = (db.acquire().await.unwrap(), db.acquire().await.unwrap());
    install(&mut one).await.unwrap();
    let ring = ring(&format!("primary a {}", key()));
    let table = table(&db, SHAPES[0], &ring, 3).await;
    let primary = ring.primary().unwrap();
    // The first has looked for an unfinished job before the second commits.
    let lock = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END';
        CREATE TRIGGER slow BEFORE INSERT ON sealwax.jobs EXECUTE FUNCTION slow()";
    raw_sql(lock).execute(&db).await.unwrap();
    let options = options();
    let planned = tokio::join!(
        Job::plan_rotation(&mut one, &table, &ring, primary, &options),
        Job::plan_rotation(&mut other, &table, &ring, primary, &options)
    );
    let planned = match planned {
        (Ok(job), Err(error)) | (Err(error), Ok(job)) => (job, error),
        both => panic!("{both:?}"),
    };
    assert!(matches!(&planned, (job, PlanError::Unfinished { job: of, .. }) if *of == job.id()), "{planned:?}");
}

#[tokio::test]
async fn rows_that_fail_are_recorded_and_block_nothing() {
    let Some((db, _)) = empty().await else { return };
    let db_connection = &mut *db.acquire().await.unwrap();
    install(db_connection).await.unwrap();
    let (a, b) = (key(), key());
    let table = table(&db, SHAPES[2], &ring(&format!("primary a {a}")), 400).await;
    // 7 rows are no envelopes, 5 have a changed byte in the MAC, and one has no envelope at all.
    for sql in [
        "UPDATE \"of customers\".credentials SET envelope = 'sk-in-the-clear' WHERE n <= 7",
        "UPDATE \"of customers\".credentials SET envelope = set_byte(envelope, octet_length(envelope) - 45,
            get_byte(envelope, octet_length(envelope) - 45) # 1) WHERE n BETWEEN 101 AND 105",
        "UPDATE \"of customers\".credentials SET envelope = NULL WHERE n = 200",
    ] {
        assert!(query(sql).execute(&db).await.unwrap().rows_affected() >= 1);
    }
    let new = ring(&format!("primary b {b}; retired a {a}"));
    let job = plan(db_connection, &table, &new, &options()).await;
    let done = work(&job, &db, &new).await.unwrap();
    assert_eq!((done.rows, done.changed, done.failed), (399, 387, 12));
    let failures = job.failures(db_connection).await.unwrap();
    let told: Vec<_> = failures
        .iter()
        .map(|group| (group.class.as_str(), group.name.as_str(), group.rows, group.keys.len()))
        .collect();
    assert_eq!(told, [("altered", "malformed", 7, 7), ("altered", "envelope_altered", 5, 5)]);
    assert!(failures[0].keys.contains(&vec!["p1".to_owned(), "t1".to_owned()]));
    assert!(status(&job, &db).await.is_finished);

    // A limit stops the job, and only until somebody resumes it.
    let third = ring(&format!("primary c {}; retired b {b}; retired a {a}", key()));
    let limited = Options { stop_after: Some(3), page: 10, ranges: 1, ..Options::default() };
    let job = plan(db_connection, &table, &third, &limited).await;
    let stopped = work(&job, &db, &third).await;
    assert!(
        matches!(&stopped, Err(WorkError::Stopped { because, .. }) if because.contains("class altered")),
        "{stopped:?}"
    );
    let before = status(&job, &db).await;
    assert!(before.rows < 399 && before.failed >= 3 && !before.is_finished, "{before:?}");
    assert!(matches!(work(&job, &db, &third).await, Err(WorkError::Stopped { .. })));
    while !status(&job, &db).await.is_finished {
        job.resume(db_connection).await.unwrap();
        drop(work(&job, &db, &third).await);
    }
    let after = status(&job, &db).await;
    assert_eq!((after.rows, after.changed, after.failed), (399, 387, 12));
}

#[tokio::test]
async fn a_locked_row_is_tried_again_and_a_changed_one_is_left_to_its_writer() {
    let Some((db, _)) = empty().await else { return };
    let db_connection = &mut *db.acquire().await.unwrap();
    install(db_connection).await.unwrap();
    let (a, b) = (key(), key());
    let old = ring(&format!("primary a {a}"));
    let table = table(&db, SHAPES[0], &old, 100).await;
    let new = ring(&format!("primary b {b}; retired a {a}"));
    let job = plan(db_connection, &table, &new, &options()).await;

    let mut customer = db.begin().await.unwrap();
    let update = "UPDATE \"of customers\".credentials SET envelope = decode($1, 'hex') WHERE n = 42";
    query(update).bind(hex(&seal(&old, 42))).execute(&mut *customer).await.unwrap();
    let (done, ()) = tokio::join!(work(&job, &db, &new), async {
        while status(&job, &db).await.changed < 99 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let busy = job.failures(&mut db.acquire().await.unwrap()).await.unwrap();
        assert_eq!((busy[0].name.as_str(), busy[0].rows, busy.len()), ("row_busy", 1, 1));
        customer.commit().await.unwrap();
    });
    assert_eq!(done.unwrap().changed, 100);
    let status = status(&job, &db).await;
    assert_eq!((status.rows, status.changed, status.failed, status.is_finished), (100, 100, 0, true));
    assert_rotated(&db, "bytea", &new, 100).await;
}

#[tokio::test]
async fn a_paused_job_waits_and_a_limited_one_takes_its_time() {
    let Some((db, _)) = empty().await else { return };
    let db_connection = &mut *db.acquire().await.unwrap();
    install(db_connection).await.unwrap();
    let (a, b) = (key(), key());
    let table = table(&db, SHAPES[0], &ring(&format!("primary a {a}")), 300).await;
    let new = ring(&format!("primary b {b}; retired a {a}"));
    let slow = Options { rows_per_second: Some(200), page: 50, ranges: 2, ..Options::default() };
    let job = plan(db_connection, &table, &new, &slow).await;
    job.pause(db_connection).await.unwrap();
    let start = std::time::Instant::now();
    let (one, other, ()) = tokio::join!(work(&job, &db, &new), work(&job, &db, &new), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let paused = status(&job, &db).await;
        assert_eq!((paused.rows, paused.is_paused), (0, true));
        job.resume(&mut db.acquire().await.unwrap()).await.unwrap();
    });
    assert_eq!(one.unwrap().changed + other.unwrap().changed, 300);
    // 300 rows at 200 a second, of both workers together; the last page need not wait.
    assert!(start.elapsed() > Duration::from_millis(1_700), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_key_that_does_not_open_stops_the_job_before_anything_is_written() {
    let Some((db, _)) = empty().await else { return };
    let db_connection = &mut *db.acquire().await.unwrap();
    install(db_connection).await.unwrap();
    let table = table(&db, SHAPES[0], &ring(&format!("primary a {}", key())), 120).await;
    // The id is there, with other material.
    let wrong = Keyring::new("b".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let wrong = wrong.with_retired("a".parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let job = plan(db_connection, &table, &wrong, &options()).await;
    assert!(matches!(work(&job, &db, &wrong).await, Err(WorkError::Stopped { .. })));
    let status = status(&job, &db).await;
    assert_eq!((status.rows, status.changed, status.failed), (0, 0, 0));
    assert!(status.stopped_because.is_some());
    let unchanged: i64 =
        query_scalar("SELECT count(*) FROM \"of customers\".credentials WHERE sealwax.head(envelope) LIKE '%=a'")
            .fetch_one(&db)
            .await
            .unwrap();
    assert_eq!(unchanged, 120);
}
