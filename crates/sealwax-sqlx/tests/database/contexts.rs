//! Jobs that open rows: audits and the job after a leak. Their contexts follow from columns of the rows.

use sealwax::{EncryptionContext, Envelope, Keyring};
use sealwax_sqlx::{Done, Job, Limits, Options, PlanError, RowContext, Table, TableError, WorkError, install};
use sqlx::{PgPool, query, query_as, query_scalar};

use crate::given::{key, ring};
use crate::server::empty;

const SCHEMA: &str = "CREATE TABLE public.credentials (
    id bigint PRIMARY KEY, tenant uuid, provider text NOT NULL, envelope bytea NOT NULL)";

fn row_context() -> RowContext {
    RowContext::new([("tenant", "{tenant}"), ("provider", "{provider}"), ("row", "n{id}"), ("env", "live")]).unwrap()
}

async fn table(db: &PgPool, rings: &[&Keyring], rows: i64) -> Table {
    install(&mut db.acquire().await.unwrap()).await.unwrap();
    query(SCHEMA).execute(db).await.unwrap();
    for id in 1..=rows {
        let ring = rings[usize::try_from(id).unwrap() % rings.len()];
        let tenant = format!("00000000-0000-0000-0000-{:012}", id % 7);
        let row = format!("n{id}");
        let pairs = [("tenant", tenant.as_str()), ("provider", "openai"), ("row", &row), ("env", "live")];
        let envelope = ring.seal(&format!("secret {id}").into(), &EncryptionContext::new(pairs).unwrap()).unwrap();
        let insert = "INSERT INTO public.credentials VALUES ($1, $2::text::uuid, 'openai', $3)";
        query(insert).bind(id).bind(tenant).bind(envelope.as_bytes()).execute(db).await.unwrap();
    }
    Table::find(&mut db.acquire().await.unwrap(), "public", "credentials", &[], "envelope").await.unwrap()
}

async fn work(job: &Job, db: &PgPool, ring: &Keyring) -> Result<Done, WorkError> {
    job.work(db, ring, &Limits::default(), |_| {}).await
}

async fn envelopes(db: &PgPool) -> Vec<Envelope> {
    let bytes: Vec<Vec<u8>> =
        query_scalar("SELECT envelope FROM public.credentials ORDER BY id").fetch_all(db).await.unwrap();
    bytes.into_iter().map(|bytes| bytes.try_into().unwrap()).collect()
}

fn options() -> Options {
    Options { page: 20, ranges: 2, ..Options::default() }
}

#[tokio::test]
async fn an_audit_opens_every_row_and_finds_what_verification_does_not() {
    let Some((db, _)) = empty().await else { return };
    let ring = ring(&format!("primary a {}", key()));
    let table = table(&db, &[&ring], 100).await;
    let connection = &mut *db.acquire().await.unwrap();
    // Row 3 has another provider, 4 no tenant, 5 another ciphertext, and the envelope of 6 is that of 7.
    for sql in [
        "UPDATE public.credentials SET provider = 'mistral' WHERE id = 3",
        "UPDATE public.credentials SET tenant = NULL WHERE id = 4",
        "UPDATE public.credentials SET envelope = set_byte(envelope, octet_length(envelope) - 1,
            get_byte(envelope, octet_length(envelope) - 1) # 1) WHERE id = 5",
        "UPDATE public.credentials SET envelope = (SELECT envelope FROM public.credentials WHERE id = 7) WHERE id = 6",
    ] {
        assert_eq!(query(sql).execute(&db).await.unwrap().rows_affected(), 1);
    }
    let before = envelopes(&db).await;

    let job = Job::plan_verification(connection, &table, &ring, &options()).await.unwrap();
    assert_eq!(work(&job, &db, &ring).await.unwrap().failed, 0);
    let job = Job::plan_audit(connection, &table, &ring, &row_context(), &options()).await.unwrap();
    let done = work(&job, &db, &ring).await.unwrap();
    assert_eq!((done.rows, done.current, done.failed, done.changed), (100, 96, 4, 0));
    let failures = job.failures(connection).await.unwrap();
    let mut found: Vec<_> = failures.iter().map(|group| (group.name.as_str(), group.keys.concat())).collect();
    found.sort();
    let expected = [("context_mismatch", vec!["3", "6"]), ("no_context", vec!["4"]), ("payload_altered", vec!["5"])];
    assert_eq!(found, expected.map(|(name, keys)| (name, keys.into_iter().map(str::to_owned).collect())));
    assert_eq!(before, envelopes(&db).await);

    let other = RowContext::new([("tenant", "{tenants}")]).unwrap();
    let refused = Job::plan_audit(connection, &table, &ring, &other, &options()).await;
    let is_refused =
        matches!(&refused, Err(PlanError::Table(TableError::NoColumn { column, .. })) if column == "tenants");
    assert!(is_refused, "{refused:?}");
    assert!(RowContext::new([("tenant", "{tenant")]).is_err());
}

#[tokio::test]
async fn after_a_leak_the_rows_of_that_key_are_sealed_again_and_listed() {
    let Some((db, _)) = empty().await else { return };
    let (a, b, c) = (key(), key(), key());
    let (leaked, other) = (ring(&format!("primary a {a}")), ring(&format!("primary c {c}; escrow a {a}")));
    let untouched = ring(&format!("primary c {c}"));
    let table = table(&db, &[&leaked, &other, &untouched], 90).await;
    let before = envelopes(&db).await;
    let connection = &mut *db.acquire().await.unwrap();

    let job_ring = ring(&format!("primary b {b}; retired a {a}; retired c {c}"));
    let (primary, of_leak) = ("b".parse().unwrap(), "a".parse().unwrap());
    for (text, name) in
        [(format!("primary b {b}; leaked a; retired c {c}"), "a"), (format!("primary b {b}; retired a {a}"), "x")]
    {
        let (ring, id) = (ring(&text), name.parse().unwrap());
        let context = row_context();
        let refused = Job::plan_reseal(connection, &table, &ring, &primary, &id, &context, &options()).await;
        assert!(matches!(refused, Err(PlanError::NotRetired { .. })), "{refused:?}");
    }
    let context = row_context();
    let job = Job::plan_reseal(connection, &table, &job_ring, &primary, &of_leak, &context, &options()).await.unwrap();
    let (one, two) = tokio::join!(work(&job, &db, &job_ring), work(&job, &db, &job_ring));
    assert_eq!(one.unwrap().changed + two.unwrap().changed, 60);

    let services = ring(&format!("primary b {b}; leaked a; retired c {c}"));
    let after = envelopes(&db).await;
    for (id, (old, new)) in (1..).zip(before.iter().zip(&after)) {
        let of_leak = old.key_ids().any(|id| id.as_ref() == "a");
        assert_eq!(old.commitment() != new.commitment(), of_leak, "row {id}");
        assert_eq!(old != new, of_leak, "row {id}");
    }
    let check = Job::plan_audit(connection, &table, &services, &row_context(), &options()).await.unwrap();
    assert_eq!(work(&check, &db, &services).await.unwrap().current, 90);
    let listed: Vec<(i64, String)> =
        query_as("SELECT job, key[1] FROM sealwax.resealed ORDER BY key[1]::int").fetch_all(&db).await.unwrap();
    let expected: Vec<_> = (1..=90_i64).filter(|id| id % 3 != 2).map(|id| (job.id(), id.to_string())).collect();
    assert_eq!(listed, expected);

    // A context that no row has: nothing is written, and the job stops, although rows of other keys need nothing.
    let (d, wrong) = (key(), RowContext::new([("tenant", "{provider}")]).unwrap());
    let third = ring(&format!("primary d {d}; retired b {b}; retired c {c}"));
    let (primary, of_leak) = ("d".parse().unwrap(), "b".parse().unwrap());
    let job = Job::plan_reseal(connection, &table, &third, &primary, &of_leak, &wrong, &options()).await.unwrap();
    let stopped = work(&job, &db, &third).await;
    assert!(matches!(stopped, Err(WorkError::Stopped { .. })), "{stopped:?}");
    assert_eq!(after, envelopes(&db).await);
}

#[tokio::test]
async fn a_wrong_context_stops_a_job_that_has_written_nothing_unless_few_rows_have_it() {
    let (a, b, c) = (key(), key(), key());
    let (leaked, other) = (ring(&format!("primary a {a}")), ring(&format!("primary c {c}")));
    let job_ring = ring(&format!("primary b {b}; retired a {a}; retired c {c}"));
    let (primary, of_leak) = ("b".parse().unwrap(), "a".parse().unwrap());
    let wrong = RowContext::new([("tenant", "{provider}")]).unwrap();
    let options = Options { page: 20, ranges: 1, ..Options::default() };
    // All rows of the first page are of another key, and so many of the second.
    for of_others in [0, 10, 11] {
        let Some((db, _)) = empty().await else { return };
        let rings: Vec<&Keyring> = (0..=60).map(|id| if id > 20 + of_others { &leaked } else { &other }).collect();
        let table = table(&db, &rings, 40).await;
        let connection = &mut *db.acquire().await.unwrap();
        let job = Job::plan_reseal(connection, &table, &job_ring, &primary, &of_leak, &wrong, &options).await.unwrap();
        let ended = work(&job, &db, &job_ring).await;
        if of_others < 11 {
            assert!(matches!(ended, Err(WorkError::Stopped { .. })), "{of_others}: {ended:?}");
            assert!(job.failures(connection).await.unwrap().is_empty());
        } else {
            assert_eq!((ended.as_ref().unwrap().failed, ended.unwrap().current), (9, 31));
        }
    }
}
