//! Tests that the responses to errors match the tables on the page Operations.

use std::fs;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use sealwax::{Envelope, ErrorClass};
use services::failure::{Failure, verdict};
use sqlx::AssertSqlSafe;

use crate::server::database;

const CLASSES: [ErrorClass; 7] = [
    ErrorClass::Transient,
    ErrorClass::Gone,
    ErrorClass::Altered,
    ErrorClass::Misconfigured,
    ErrorClass::Refused,
    ErrorClass::Failed,
    ErrorClass::Bug,
];

/// Converts the name of a variant to snake case: `KeyLeaked` becomes `key_leaked`.
fn snake(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[test]
fn every_row_with_a_class_and_a_status_gets_that_status_and_that_alert() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/docs/operations.md");
    let page = fs::read_to_string(path).unwrap();
    let (mut columns, mut rows, mut classes) = (Vec::new(), 0, 0);
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 6 {
            columns.clear();
        } else if cells[1] == "Error" || cells[1] == "Class" {
            columns = cells;
        } else if let (Some(http), Some(alert), Some(class)) = (
            columns.iter().position(|name| *name == "HTTP"),
            columns.iter().position(|name| *name == "Alert"),
            columns.iter().position(|name| *name == "Class"),
        ) {
            let Some(known) = CLASSES.iter().find(|known| known.as_str().eq_ignore_ascii_case(cells[class])) else {
                continue;
            };
            let alert = if cells[alert] == "no" { "nobody" } else { cells[alert] };
            if columns[1] == "Class" {
                let (status, who) = verdict(*known, "");
                // Refused has several statuses: see the row.
                assert!(cells[http].contains(status.as_str()), "{known}");
                assert!(alert == who || alert == "see the row", "{known}: the code alerts {who:?}");
                classes += 1;
                continue;
            }
            for variant in cells[1].split(", ").map(|variant| variant.trim_matches('`')) {
                let (status, who) = verdict(*known, &snake(variant));
                assert_eq!(status.as_str(), cells[http], "{variant}");
                assert!(alert.starts_with(who), "{variant}: the code alerts {who:?}, the page says {alert:?}");
                rows += 1;
            }
        }
    }
    assert!(rows >= 25, "compared only {rows} rows");
    assert_eq!(classes, CLASSES.len());
}

/// But what a destination or a request must not be is 500: the service chose it, and not the customer.
#[test]
fn errors_of_bound_credentials_get_the_status_that_their_readme_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/sealwax-credentials/README.md");
    let page = fs::read_to_string(path).unwrap();
    let (mut same, mut own) = (0, 0);
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some((error, first)) = cells.get(1).and_then(|cell| cell.strip_prefix('`')?.split_once("::")) else {
            continue;
        };
        let Some(class) = CLASSES.iter().find(|known| known.as_str().eq_ignore_ascii_case(cells[2])) else { continue };
        for variant in first.split(", ").map(|variant| variant.trim_matches('`')) {
            let (status, _) = verdict(*class, &snake(variant));
            match error {
                "OpenBoundError" | "RedactError" => {
                    assert_eq!(status.as_str(), cells[3], "{variant}");
                    same += 1;
                }
                "DestinationError" | "AuthorizeError" => {
                    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{variant}");
                    own += 1;
                }
                // Only with the clients, which this service does not have.
                other => assert_eq!(other, "SendError"),
            }
        }
    }
    assert_eq!((same, own), (4, 14));
}

#[test]
fn what_may_pass_is_503_and_what_is_gone_is_410() {
    let transient = verdict(ErrorClass::Transient, "throttled");
    assert_eq!(transient, (StatusCode::SERVICE_UNAVAILABLE, "if it persists"));
    assert_eq!(verdict(ErrorClass::Gone, "key_destroyed"), (StatusCode::GONE, "nobody"));
    assert_eq!(verdict(ErrorClass::Refused, "key_leaked"), (StatusCode::GONE, "nobody"));
}

#[test]
fn a_failure_has_the_message_and_the_causes_of_its_error() {
    let malformed = Envelope::from_bytes(b"sk-plain").unwrap_err();
    let message = malformed.to_string();
    let failure = Failure::from(malformed);
    assert_eq!(failure.to_string(), message);
    assert!(!message.contains("sk-plain"), "{message}");
    assert_eq!(failure.into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
    let failure = Failure::Request(StatusCode::NOT_FOUND);
    assert_eq!(failure.into_response().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_database_error_is_503_if_the_same_statement_may_succeed_later_and_else_500() {
    let may_pass = |error: sqlx::Error| {
        let text = error.to_string();
        match Failure::from(error).into_response().status() {
            StatusCode::SERVICE_UNAVAILABLE => true,
            StatusCode::INTERNAL_SERVER_ERROR => false,
            other => panic!("{other}: {text}"),
        }
    };
    assert!(may_pass(sqlx::Error::PoolTimedOut) && may_pass(sqlx::Error::PoolClosed));
    assert!(may_pass(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()));
    assert!(!may_pass(sqlx::Error::RowNotFound) && !may_pass(sqlx::Error::Protocol("?".into())));

    let Some((db, _)) = database().await else { return };
    let raise = async |state: &str| {
        let sql = format!("DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{state}'; END $$");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&db).await.unwrap_err()
    };
    // Connection failure, serialization failure, deadlock, too many connections, lock not available, shutdown of the
    // server.
    for state in ["08006", "40001", "40P01", "53300", "55P03", "57P01"] {
        assert!(may_pass(raise(state).await), "{state}");
    }
    // Not null, unique, missing privilege, read-only transaction, wrong state of an object, internal error. The last state
    // contains 08, the class of connection errors, but does not start with it.
    for state in ["23502", "23505", "42501", "25006", "55000", "XX000", "22P08"] {
        assert!(!may_pass(raise(state).await), "{state}");
    }
    // The server itself raises these errors: a statement takes too long, a lock is not free, a table or a column is
    // missing. sqlx raises the one after them, because the value has another type.
    let slow = "SET statement_timeout = 20; SELECT pg_sleep(5)";
    assert!(may_pass(sqlx::raw_sql(slow).execute(&db).await.unwrap_err()));
    let mut holder = db.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE credentials").execute(&mut *holder).await.unwrap();
    let locked = "SET lock_timeout = 20; SELECT 1 FROM credentials";
    assert!(may_pass(sqlx::raw_sql(locked).execute(&db).await.unwrap_err()));
    holder.rollback().await.unwrap();
    for sql in ["SELECT 1 FROM nowhere", "SELECT nothing FROM credentials"] {
        assert!(!may_pass(sqlx::raw_sql(sql).execute(&db).await.unwrap_err()), "{sql}");
    }
    let error = sqlx::query_scalar::<_, Vec<u8>>("SELECT 1").fetch_one(&db).await.unwrap_err();
    assert!(!may_pass(error), "a value that does not decode was reported as temporary");
    db.close().await;
    assert!(may_pass(sqlx::raw_sql("SELECT 1").execute(&db).await.unwrap_err()));
}
