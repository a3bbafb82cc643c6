//! A rotation from a local key to a key of OpenBao's Transit engine: a page is a few requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, ProviderFuture, Secret};
use sealwax_sqlx::{Job, Limits, Options, Table, install};
use sealwax_transit::{Body, HyperTransport, KeyLocation, Token, TransitKey, Transport, TransportError};
use sqlx::{query, query_scalar};

use crate::given::{key, ring};
use crate::server::empty;

/// Counts the requests.
#[derive(Clone)]
struct Counting(Arc<AtomicU32>);

impl Transport for Counting {
    fn send<'a>(&'a self, request: Request<Body>) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        // A client of its own for each request, because a connection belongs to the runtime of one test.
        ProviderFuture::boxed(async move { HyperTransport::plain(Duration::from_secs(20)).send(request).await })
    }
}

#[tokio::test]
async fn a_rotation_to_a_remote_key_takes_a_few_requests_a_page() {
    let Some((db, _)) = empty().await else { return };
    let Ok(address) = std::env::var("SEALWAX_TEST_OPENBAO") else { return };
    let root = std::env::var("SEALWAX_TEST_OPENBAO_TOKEN").unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let mount = format!("sealwax-sqlx-{now:x}");
    let requests = Counting(Arc::default());
    for (path, body) in
        [(format!("sys/mounts/{mount}"), "{\"type\":\"transit\"}"), (format!("{mount}/keys/byok"), "{}")]
    {
        let mut request = Request::post(format!("{address}/v1/{path}")).header("x-vault-token", &root);
        request = request.header("content-type", "application/json");
        let reply = requests.send(request.body(Body::try_from(body.as_bytes().to_vec()).unwrap()).unwrap()).await;
        assert!(reply.unwrap().status().is_success());
    }
    let location = KeyLocation::new(&address, "byok").unwrap().with_mount(&mount).unwrap();
    let token = Token::new(&Secret::from(&root)).unwrap();
    let remote = TransitKey::connect(requests.clone(), location, token).await.unwrap();

    let local = key();
    let old = ring(&format!("primary local {local}"));
    let new = Keyring::new("transit/byok".parse().unwrap(), remote).unwrap();
    let new = new.with_retired("local".parse().unwrap(), local.parse::<MasterKey>().unwrap()).unwrap();

    let connection = &mut *db.acquire().await.unwrap();
    install(connection).await.unwrap();
    query("CREATE TABLE public.credentials (id int PRIMARY KEY, envelope text)")
        .execute(&mut *connection)
        .await
        .unwrap();
    let (ids, envelopes): (Vec<i32>, Vec<String>) = (1..=600)
        .map(|id| (id, old.seal(&format!("secret {id}").into(), &EncryptionContext::empty()).unwrap().to_string()))
        .unzip();
    let insert = "INSERT INTO public.credentials SELECT * FROM unnest($1, $2)";
    query(insert).bind(ids).bind(envelopes).execute(&mut *connection).await.unwrap();

    let table = Table::find(connection, "public", "credentials", &[], "envelope").await.unwrap();
    let options = Options { page: 200, ranges: 1, ..Options::default() };
    let job = Job::plan_rotation(connection, &table, &new, new.primary().unwrap(), &options).await.unwrap();
    requests.0.store(0, Ordering::SeqCst);
    let done = job.work(&db, &new, &Limits::default(), |_| {}).await.unwrap();
    assert_eq!((done.changed, done.failed), (600, 0));
    // One for the witness; then for each page, one that wraps all keys and one that unwraps them again.
    assert_eq!(requests.0.load(Ordering::SeqCst), 1 + 3 * 2);

    let texts: Vec<String> =
        query_scalar("SELECT envelope FROM public.credentials ORDER BY id").fetch_all(connection).await.unwrap();
    for (text, id) in texts.iter().zip(1..).step_by(50) {
        let envelope: Envelope = text.parse().unwrap();
        assert!(new.is_current(&envelope));
        let opened = new.open_async(&envelope, &EncryptionContext::empty()).await.unwrap();
        assert_eq!(opened.expose_str().unwrap(), format!("secret {id}"));
    }
    assert_eq!(texts.len(), 600);
}
