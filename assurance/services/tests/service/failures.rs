//! The responses to errors are those of the tables in the page Operations.

use std::fs;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use sealwax::{Envelope, ErrorClass};
use services::failure::{Failure, verdict};

const CLASSES: [ErrorClass; 7] = [
    ErrorClass::Transient,
    ErrorClass::Gone,
    ErrorClass::Altered,
    ErrorClass::Misconfigured,
    ErrorClass::Refused,
    ErrorClass::Failed,
    ErrorClass::Bug,
];

/// `KeyLeaked` is `key_leaked`.
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
    let (mut columns, mut rows) = (Vec::new(), 0);
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 6 {
            columns.clear();
        } else if cells[1] == "Error" {
            columns = cells;
        } else if let (Some(http), Some(alert), Some(class)) = (
            columns.iter().position(|name| *name == "HTTP"),
            columns.iter().position(|name| *name == "Alert"),
            columns.iter().position(|name| *name == "Class"),
        ) {
            let Some(class) = CLASSES.iter().find(|known| known.as_str().eq_ignore_ascii_case(cells[class])) else {
                continue;
            };
            for variant in cells[1].split(", ").map(|variant| variant.trim_matches('`')) {
                let (status, who) = verdict(*class, &snake(variant));
                assert_eq!(status.as_str(), cells[http], "{variant}");
                let alert = if cells[alert] == "no" { "nobody" } else { cells[alert] };
                assert!(alert.starts_with(who), "{variant}: {who} is not {alert}");
                rows += 1;
            }
        }
    }
    assert!(rows >= 25, "{rows} rows");
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
    let failure = Failure::from(sqlx::Error::PoolTimedOut);
    assert_eq!(failure.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
    let failure = Failure::Request(StatusCode::NOT_FOUND);
    assert_eq!(failure.into_response().status(), StatusCode::NOT_FOUND);
}
