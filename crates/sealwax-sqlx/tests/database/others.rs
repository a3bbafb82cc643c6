//! What others notice of a worker: customers who lock the same rows, and workers that wait for one that has stopped.

use std::time::Duration;

use sealwax::{EncryptionContext, Keyring, Secret};
use sealwax_sqlx::{Job, Limits, Options, Table};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, query, raw_sql};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{sleep, timeout};

use crate::given::{key, ring};
use crate::server::database;

async fn plan(db: &PgPool, secret: &str, rows: i32) -> (Job, Keyring) {
    let (a, b) = (key(), key());
    let (old, new) = (ring(&format!("primary a {a}")), ring(&format!("primary b {b}; retired a {a}")));
    raw_sql("CREATE TABLE credentials (id int PRIMARY KEY, used int, envelope bytea)").execute(db).await.unwrap();
    let secret = Secret::from(secret);
    for id in 1..=rows {
        let envelope = old.seal(&secret, &EncryptionContext::empty()).unwrap();
        let insert = query("INSERT INTO credentials (id, envelope) VALUES ($1, $2)").bind(id);
        insert.bind(envelope.as_bytes()).execute(db).await.unwrap();
    }
    let connection = &mut *db.acquire().await.unwrap();
    let table = Table::find(connection, "public", "credentials", &[], "envelope").await.unwrap();
    let options = Options { ranges: 1, ..Options::default() };
    (Job::plan_rotation(connection, &table, &new, new.primary().unwrap(), &options).await.unwrap(), new)
}

#[tokio::test]
async fn a_customer_is_never_the_victim_of_a_deadlock() {
    let Some(db) = database().await else { return };
    let (job, ring) = plan(&db, "s3cret", 100).await;
    // So that the customer begins to wait for the page before the page waits for the customer.
    raw_sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE UPDATE OF envelope ON credentials FOR EACH ROW WHEN (OLD.id = 50)
         EXECUTE FUNCTION slow();",
    )
    .execute(&db)
    .await
    .unwrap();
    let customer = async {
        let mut customer = db.begin().await.unwrap();
        query("UPDATE credentials SET used = 1 WHERE id = 100").execute(&mut *customer).await.unwrap();
        sleep(Duration::from_millis(300)).await;
        query("UPDATE credentials SET used = 1 WHERE id = 1").execute(&mut *customer).await.expect("no deadlock");
        customer.commit().await.unwrap();
    };
    let worker = async {
        sleep(Duration::from_millis(100)).await;
        job.work(&db, &ring, &Limits::default(), |_| {}).await.unwrap()
    };
    let ((), done) = tokio::join!(customer, worker);
    assert_eq!((done.rows, done.changed), (100, 100));
}

/// Its process may be stopped: the connection stays open, and nobody reads.
#[tokio::test]
async fn a_worker_that_stops_in_the_middle_of_a_page_does_not_keep_its_range() {
    let Some(db) = database().await else { return };
    // More than the buffers of two connections.
    let (job, ring) = plan(&db, &"s".repeat(60_000), 200).await;
    let options = db.connect_options().as_ref().clone();
    let server = format!("{}:{}", options.get_host(), options.get_port()).parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = options.port(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let (mut from_server, mut to_server) = socket.connect(server).await.unwrap().into_split();
        let (mut from_client, mut to_client) = client.into_split();
        tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
        let (mut passed, mut buffer) = (0, [0; 4096]);
        // In the middle of the first page.
        while passed < 100_000 {
            let length = from_server.read(&mut buffer).await.unwrap();
            to_client.write_all(buffer.get(..length).unwrap()).await.unwrap();
            passed += length;
        }
        std::future::pending::<()>().await;
    });
    let one = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let limits = Limits { idle: Duration::from_secs(1), ..Limits::default() };
    let stopped = async {
        job.work(&one, &ring, &limits, |_| {}).await.unwrap();
    };
    let other = async {
        sleep(Duration::from_millis(500)).await;
        timeout(Duration::from_secs(20), job.work(&db, &ring, &limits, |_| {}))
            .await
            .expect("the range is free")
            .unwrap()
    };
    let done = tokio::select! {
        () = stopped => panic!("it is not stopped"),
        done = other => done,
    };
    assert_eq!(done.changed, 200);
}
