//! Imports of rows that another program encrypted.

use sealwax::triplet::{Encoding, IvLen, TripletKey};
use sealwax::{EncryptionContext, Envelope, Keyring};
use sealwax_import::Declaration;
use sealwax_sqlx::{Done, Job, Limits, Options, RowContext, Table, WorkError, install};
use sqlx::{PgConnection, PgPool, query, query_as, query_scalar, raw_sql};

use crate::given::{key, ring};
use crate::server::empty;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn foreign() -> TripletKey {
    TripletKey::from_base64(KEY).unwrap()
}

fn encrypted(credential: &str) -> String {
    let row = foreign().encrypt(&credential.into(), IvLen::Twelve).unwrap();
    let [iv, tag, ciphertext] = row.to_columns(Encoding::HexLower);
    format!("{iv}:{tag}:{ciphertext}")
}

fn old_row(id: i64) -> String {
    encrypted(&format!("sk-proj-4Jq8Zr2Lw{id}"))
}

fn opened(ring: &Keyring, envelope: &Envelope, id: i64) -> String {
    let context = EncryptionContext::new([("tenant", format!("t{id}"))]).unwrap();
    ring.open(envelope, &context).unwrap().expose_str().unwrap().to_owned()
}

async fn plan(db: &mut PgConnection, table: &Table, ring: &Keyring, suspicious: bool) -> Job {
    let declaration: Declaration = "cell value = {iv12:hex}:{tag:hex}:{ct:hex}\nkey as base64".parse().unwrap();
    let context = RowContext::new([("tenant", "t{id}")]).unwrap();
    let options = Options { page: 16, ranges: 2, ..Options::default() };
    let primary = ring.primary().unwrap();
    Job::plan_import(db, table, ring, primary, &declaration, &context, suspicious, &options).await.unwrap()
}

async fn work(job: &Job, db: &PgPool, ring: &Keyring) -> Result<Done, WorkError> {
    job.work_on_import(db, ring, &foreign(), &Limits::default(), |_| {}).await
}

async fn table(db: &PgPool, envelope: &str, rows: i64) -> Table {
    let connection = &mut *db.acquire().await.unwrap();
    install(connection).await.unwrap();
    raw_sql("CREATE TABLE public.keys (id bigint PRIMARY KEY, value text, sealed bytea)")
        .execute(&mut *connection)
        .await
        .unwrap();
    for id in 1..=rows {
        let insert = query("INSERT INTO public.keys VALUES ($1, $2)").bind(id).bind(old_row(id));
        insert.execute(&mut *connection).await.unwrap();
    }
    Table::find(connection, "public", "keys", &[], envelope).await.unwrap()
}

#[tokio::test]
async fn rows_get_an_envelope_beside_what_they_had() {
    let Some((db, _)) = empty().await else { return };
    let ring = ring(&format!("primary a {}", key()));
    let table = table(&db, "sealed", 100).await;
    let connection = &mut *db.acquire().await.unwrap();
    // Damaged, not as declared, suspicious (a second layer), empty, and null.
    let mut damaged = old_row(1);
    let end = if damaged.pop() == Some('0') { '1' } else { '0' };
    damaged.push(end);
    let masked = encrypted("sk-...4f2a");
    let empty = encrypted("");
    for (id, value) in
        [(1, Some(damaged)), (2, Some("sk-in-the-clear".to_owned())), (3, Some(masked)), (4, Some(empty)), (5, None)]
    {
        query("UPDATE public.keys SET value = $2 WHERE id = $1").bind(id).bind(value).execute(&db).await.unwrap();
    }
    let values: Vec<(i64, Option<String>)> =
        query_as("SELECT id, value FROM public.keys ORDER BY id").fetch_all(&db).await.unwrap();

    let job = plan(connection, &table, &ring, false).await;
    assert!(matches!(job.work(&db, &ring, &Limits::default(), |_| {}).await, Err(WorkError::NoKey)));
    let (one, two) = tokio::join!(work(&job, &db, &ring), work(&job, &db, &ring));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.changed + two.changed, one.failed + two.failed, one.current + two.current), (95, 4, 1));
    let mut failures: Vec<_> = job.failures(connection).await.unwrap();
    failures.sort_by_key(|group| group.keys.clone());
    let failures: Vec<_> = failures.into_iter().map(|group| (group.keys.concat().concat(), group.name)).collect();
    let expected = [("1", "not_authentic"), ("2", "not_as_declared"), ("3", "suspicious"), ("4", "empty")];
    assert_eq!(failures, expected.map(|(id, name)| (id.to_owned(), name.to_owned())));

    let after: Vec<(i64, Option<String>)> =
        query_as("SELECT id, value FROM public.keys ORDER BY id").fetch_all(&db).await.unwrap();
    assert_eq!(values, after);
    let sealed: Vec<(i64, Vec<u8>)> =
        query_as("SELECT id, sealed FROM public.keys WHERE sealed IS NOT NULL ORDER BY id")
            .fetch_all(&db)
            .await
            .unwrap();
    assert_eq!(sealed.len(), 95);
    for (id, bytes) in &sealed {
        assert_eq!(opened(&ring, &bytes.clone().try_into().unwrap(), *id), format!("sk-proj-4Jq8Zr2Lw{id}"));
    }

    // Again, and the suspicious one is wanted: nothing that is there is written again.
    let job = plan(connection, &table, &ring, true).await;
    assert_eq!(work(&job, &db, &ring).await.unwrap().changed, 1);
    let again: Vec<(i64, Vec<u8>)> =
        query_as("SELECT id, sealed FROM public.keys WHERE sealed IS NOT NULL AND id > 5 ORDER BY id")
            .fetch_all(&db)
            .await
            .unwrap();
    assert_eq!(sealed, again);
}

#[tokio::test]
async fn envelopes_replace_what_the_column_had() {
    let Some((db, _)) = empty().await else { return };
    let ring = ring(&format!("primary a {}", key()));
    let table = table(&db, "value", 50).await;
    let connection = &mut *db.acquire().await.unwrap();
    for _ in 0..2 {
        let job = plan(connection, &table, &ring, false).await;
        work(&job, &db, &ring).await.unwrap();
        let rows: Vec<(i64, String)> = query_as("SELECT id, value FROM public.keys").fetch_all(&db).await.unwrap();
        assert_eq!(rows.len(), 50);
        for (id, text) in rows {
            assert_eq!(opened(&ring, &text.parse().unwrap(), id), format!("sk-proj-4Jq8Zr2Lw{id}"));
        }
    }
    let changed: Vec<i64> = query_scalar("SELECT sum(changed)::int8 FROM sealwax.ranges GROUP BY job ORDER BY job")
        .fetch_all(&db)
        .await
        .unwrap();
    assert_eq!(changed, [50, 0]);
}

#[tokio::test]
async fn a_wrong_key_stops_an_import_and_a_newer_value_is_not_lost() {
    let Some((db, _)) = empty().await else { return };
    let ring = ring(&format!("primary a {}", key()));
    let table = table(&db, "sealed", 10).await;
    let connection = &mut *db.acquire().await.unwrap();
    let job = plan(connection, &table, &ring, false).await;
    let wrong = TripletKey::from_base64("IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let stopped = job.work_on_import(&db, &ring, &wrong, &Limits::default(), |_| {}).await;
    assert!(matches!(stopped, Err(WorkError::Stopped { .. })), "{stopped:?}");
    assert!(job.failures(connection).await.unwrap().is_empty());

    // While the program that is replaced still writes, its transaction holds row 4.
    job.resume(connection).await.unwrap();
    let mut writer = db.begin().await.unwrap();
    let newer = encrypted("sk-proj-newer");
    query("UPDATE public.keys SET value = $1 WHERE id = 4").bind(newer).execute(&mut *writer).await.unwrap();
    let (done, ()) = tokio::join!(work(&job, &db, &ring), async {
        while job.status(&mut db.acquire().await.unwrap()).await.unwrap().failed == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        writer.commit().await.unwrap();
    });
    assert_eq!(done.unwrap().changed, 10);
    let sealed: Vec<u8> = query_scalar("SELECT sealed FROM public.keys WHERE id = 4").fetch_one(&db).await.unwrap();
    assert_eq!(opened(&ring, &sealed.try_into().unwrap(), 4), "sk-proj-newer");
}
