//! Tests the service through its HTTP routes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::response::IntoResponse;
use axum::{Extension, Router};
use sealwax::{Keyring, OpenError, ProviderErrorKind, SealError};
use sealwax_audit::sql::postgres::CHAIN;
use sealwax_audit::{AuditKeys, Record, verify};
use sealwax_credentials::OpenBoundError;
use services::audit::audit_log;
use services::credentials::{App, Reply, router};
use services::failure::Failure;
use services::rotation::rotate;
use sqlx::PgPool;
use tower::ServiceExt;

use crate::given;
use crate::server::database;

#[derive(Clone)]
struct Phrase;

/// Returns the `Authorization` header of a request in the body of the response, in place of a provider.
///
/// The service masks the key of its own row there, so stars say that the provider got that key. The response also has an
/// extension, which is where hyper keeps a reason phrase. Panics if the `Debug` output of the request shows the key.
fn echo(request: Request) -> Reply {
    assert!(request.uri().to_string().starts_with("https://api.openai.com/"));
    assert!(!format!("{request:?}").contains("sk-"), "the Debug output shows the key");
    let header = request.headers()[AUTHORIZATION].as_bytes().to_vec();
    Box::pin(async { (Extension(Phrase), header).into_response() })
}

fn service(db: &PgPool, ring: Keyring) -> (Router, Arc<ArcSwap<Keyring>>) {
    let ring = Arc::new(ArcSwap::from_pointee(ring));
    let log = Arc::new(audit_log(given::audit_keys().parse().unwrap(), db.clone()));
    (router(App { ring: ring.clone(), log, db: db.clone(), send: echo }), ring)
}

async fn ask(service: &Router, tenant: i64, request: &str, body: &str) -> (StatusCode, String) {
    let (method, path) = request.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-tenant", tenant)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status();
    assert!(response.extensions().get::<Phrase>().is_none(), "more than status, headers and body was passed on");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Returns the subject, the commitment and the outcome of each entry.
async fn audit(db: &PgPool) -> Vec<(String, String, String)> {
    let sql = "SELECT subject, commitment, outcome FROM sealwax_audit_entries ORDER BY subject, number";
    sqlx::query_as(sql).fetch_all(db).await.unwrap()
}

#[tokio::test]
async fn a_credential_is_stored_listed_used_and_deleted_by_its_tenant_alone() {
    let Some((db, _)) = database().await else { return };
    let (service, _) = service(&db, given::ring(&format!("primary a {}", given::key())));
    let (none, empty) = ((StatusCode::NO_CONTENT, String::new()), String::new());

    let body = r#"{"api_key": "sk-of-seven"}"#;
    assert_eq!(ask(&service, 7, "PUT /credentials/openai", body).await, none);
    let (status, list) = ask(&service, 7, "GET /credentials", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(list, r#"["openai"]"#);
    let used = (StatusCode::OK, "Bearer ***********".to_owned());
    assert!(ask(&service, 7, "POST /call/openai", "{}").await == used);

    // Another tenant cannot reach the credential, and the service rejects a request without a tenant.
    let missing = (StatusCode::NOT_FOUND, empty.clone());
    assert_eq!(ask(&service, 8, "GET /credentials", "").await, (StatusCode::OK, "[]".to_owned()));
    assert_eq!(ask(&service, 8, "POST /call/openai", "{}").await, missing);
    assert_eq!(ask(&service, 8, "DELETE /credentials/openai", "").await, none, "tenant 8 has nothing to delete");
    let unsigned = Request::get("/credentials").body(Body::empty()).unwrap();
    let response = service.clone().oneshot(unsigned).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);

    // The tenant replaces the credential, then deletes it.
    let body = r#"{"api_key": "sk-another"}"#;
    assert_eq!(ask(&service, 7, "PUT /credentials/openai", body).await, none);
    let used = (StatusCode::OK, "Bearer **********".to_owned());
    assert!(ask(&service, 7, "POST /call/openai", "{}").await == used);
    assert_eq!(ask(&service, 7, "DELETE /credentials/openai", "").await, none);
    assert_eq!(ask(&service, 7, "POST /call/openai", "{}").await, missing);

    // The audit log has an entry for each use, and the two entries name different envelopes.
    let audit = audit(&db).await;
    assert!(audit.iter().all(|(subject, _, outcome)| (subject.as_str(), outcome.as_str()) == ("7", "opened")));
    let [(_, first, _), (_, second, _)] = &audit[..] else { panic!("{audit:?}") };
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_row_that_was_moved_or_altered_does_not_open_and_the_audit_says_why() {
    let Some((db, _)) = database().await else { return };
    let ring = given::ring(&format!("primary a {}", given::key()));
    given::rows(&db, &ring, 2).await;
    let (service, _) = service(&db, ring);
    let failed = (StatusCode::INTERNAL_SERVER_ERROR, String::new());

    let swap = "UPDATE credentials SET tenant = 3 - tenant";
    let drop = "ALTER TABLE credentials DROP CONSTRAINT credentials_tenant_provider_key";
    sqlx::raw_sql(drop).execute(&db).await.unwrap();
    sqlx::raw_sql(swap).execute(&db).await.unwrap();
    assert_eq!(ask(&service, 1, "POST /call/openai", "{}").await, failed);
    sqlx::raw_sql(swap).execute(&db).await.unwrap();
    assert_eq!(ask(&service, 1, "POST /call/openai", "{}").await.0, StatusCode::OK);

    let cut = "UPDATE credentials SET envelope = substring(envelope FROM 1 FOR octet_length(envelope) - 1)";
    sqlx::raw_sql(cut).execute(&db).await.unwrap();
    assert_eq!(ask(&service, 1, "POST /call/openai", "{}").await, failed);
    let no_envelope = "UPDATE credentials SET envelope = 'sk-plain'";
    sqlx::raw_sql(no_envelope).execute(&db).await.unwrap();
    assert_eq!(ask(&service, 1, "POST /call/openai", "{}").await, failed);
    let lines = audit(&db).await;
    let lines: Vec<_> = lines.iter().map(|(subject, _, outcome)| (subject.as_str(), outcome.as_str())).collect();
    // What is no envelope opens for nobody, so it is not there.
    assert_eq!(lines, [("1", "context_mismatch"), ("1", "opened"), ("1", "envelope_altered")]);
}

#[tokio::test]
async fn the_audit_comes_first_and_its_commitment_outlives_a_rotation() {
    let Some((db, _)) = database().await else { return };
    let (old, new) = (given::key(), given::key());
    given::rows(&db, &given::ring(&format!("primary old {old}")), 1).await;
    let (service, _) = service(&db, given::ring(&format!("primary new {new}; retired old {old}")));

    let used = (StatusCode::OK, "Bearer ********".to_owned());
    assert!(ask(&service, 1, "POST /call/openai", "{}").await == used);
    let ring = given::running(&format!("primary new {new}; retired old {old}"));
    assert!(rotate(&db, &ring, 0).await.unwrap().is_empty());
    assert!(ask(&service, 1, "POST /call/openai", "{}").await == used);
    let audit = audit(&db).await;
    let [(_, before, _), (_, after, _)] = &audit[..] else { panic!("{audit:?}") };
    assert_eq!(before, after);
    assert_eq!(before.len(), 64);

    sqlx::raw_sql("DROP TABLE sealwax_audit CASCADE").execute(&db).await.unwrap();
    let refused = (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    assert_eq!(ask(&service, 1, "POST /call/openai", "{}").await, refused);
}

#[tokio::test]
async fn the_chain_of_each_tenant_verifies() {
    let Some((db, _)) = database().await else { return };
    let ring = given::ring(&format!("primary a {}", given::key()));
    given::rows(&db, &ring, 3).await;
    let keys = given::audit_keys();
    let log = Arc::new(audit_log(keys.parse().unwrap(), db.clone()));
    let service = router(App { ring: Arc::new(ArcSwap::from_pointee(ring)), log, db: db.clone(), send: echo });
    for (tenant, calls) in [(1, 1), (2, 3), (3, 2)] {
        for _ in 0..calls {
            assert_eq!(ask(&service, tenant, "POST /call/openai", "{}").await.0, StatusCode::OK);
        }
    }
    let keys: AuditKeys = keys.parse().unwrap();
    for (tenant, calls) in [("1", 1), ("2", 3), ("3", 2)] {
        let lines: Vec<String> = sqlx::query_scalar(CHAIN).bind(tenant).fetch_all(&db).await.unwrap();
        let records: Vec<Record> = lines.iter().map(|line| line.parse().unwrap()).collect();
        assert_eq!(verify(&keys, tenant, &records, &[]).unwrap().last.unwrap().number, calls);
    }
}

#[tokio::test]
async fn no_response_repeats_what_it_refuses() {
    let Some((db, _)) = database().await else { return };
    let (service, _) = service(&db, given::ring(&format!("primary a {}", given::key())));
    let bodies = [
        (r#"{"api_key": 4242424242}"#, StatusCode::UNPROCESSABLE_ENTITY, "expected a secret"),
        (r#"{"apikey": "sk-4242424242"}"#, StatusCode::UNPROCESSABLE_ENTITY, "missing field `api_key`"),
        (r#"{"api_key": "sk-4242424242"#, StatusCode::BAD_REQUEST, "EOF"),
        (r#"{"api_key": "sk-4242424242\n"}"#, StatusCode::UNPROCESSABLE_ENTITY, "like one: white space at the end"),
    ];
    for (body, expected, word) in bodies {
        let (status, reply) = ask(&service, 1, "PUT /credentials/openai", body).await;
        assert_eq!(status, expected);
        assert!(!reply.contains("4242"), "the response repeats the key");
        assert!(reply.contains(word), "{reply}");
    }
    let (status, _) = ask(&service, 1, "PUT /credentials/nobody", r#"{"api_key": "sk"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// A customer may override a doubt, but nothing is stored that could only be opened in vain.
#[tokio::test]
async fn what_is_doubtful_is_stored_anyway_but_not_what_cannot_be_sent() {
    let Some((db, _)) = database().await else { return };
    let (service, _) = service(&db, given::ring(&format!("primary a {}", given::key())));
    let put = async |key: &str, anyway: &str| {
        let body = format!(r#"{{"api_key": "{key}"{anyway}}}"#);
        ask(&service, 1, "PUT /credentials/openai", &body).await
    };
    let doubtful =
        |why: &str| (StatusCode::UNPROCESSABLE_ENTITY, format!("the credential does not look like one: {why}"));
    let cannot_be_sent = Failure::CannotBeSent;
    assert!(cannot_be_sent.to_string().contains("8 to 8192 characters"));
    let cannot_be_sent = (StatusCode::UNPROCESSABLE_ENTITY, cannot_be_sent.to_string());
    let stored = (StatusCode::NO_CONTENT, String::new());
    const ANYWAY: &str = r#", "anyway": true"#;

    let of = |length| -> String { "k9".chars().cycle().take(length).collect() };
    for length in [5, 7, 8193] {
        for anyway in ["", ANYWAY] {
            assert_eq!(put(&of(length), anyway).await, cannot_be_sent, "{length}");
        }
    }
    for length in [8, 8192] {
        assert_eq!(put(&of(length), "").await, stored, "{length}");
    }
    for (key, why) in [("undefined", "a word that programs print for nothing"), ("sk-********", "masked")] {
        assert_eq!(put(key, "").await, doubtful(why));
        assert_eq!(put(key, r#", "anyway": false"#).await, doubtful(why));
        assert_eq!(put(key, ANYWAY).await, stored);
    }
    assert_eq!(put("sk-of-seven\\n", ANYWAY).await, cannot_be_sent);
    assert_eq!(ask(&service, 1, "POST /call/openai", "{}").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_key_service_that_asks_to_wait_is_passed_on_as_retry_after() {
    let mut kms = given::Kms::new([ProviderErrorKind::Throttled]);
    kms.retry_after = Some(Duration::from_millis(1500));
    let ring = given::remote(kms);
    let context = sealwax::EncryptionContext::empty();
    let error: SealError = ring.seal_async(&"sk".into(), &context).await.unwrap_err();
    let response = Failure::from(error).into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[RETRY_AFTER], "2");

    // Nobody should try again after an error that does not pass.
    let mut kms = given::Kms::new([ProviderErrorKind::Denied]);
    kms.retry_after = Some(Duration::from_millis(1500));
    let error = given::remote(kms).seal_async(&"sk".into(), &context).await.unwrap_err();
    assert!(error.retry_after().is_some());
    let response = Failure::from(error).into_response();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!response.headers().contains_key(RETRY_AFTER));

    let row = ring.seal_async(&"sk".into(), &context).await.unwrap();
    let error: OpenError = ring.open(&row, &context).unwrap_err();
    let response = Failure::from(OpenBoundError::from(error)).into_response();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!response.headers().contains_key(RETRY_AFTER));
}
