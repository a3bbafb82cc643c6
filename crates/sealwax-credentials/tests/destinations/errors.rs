//! The table of errors in the README: each variant has one row, with the class that the error returns, and the status of a service.

use std::collections::BTreeMap;
use std::fmt::Debug;

use sealwax::{EncryptionContext, ErrorClass};
use sealwax_credentials::{AuthorizeError, DestinationError, OpenBoundError, RedactError};

use crate::KEYRING;

const README: &str = include_str!("../../README.md");

/// An error: what it returns, and whose class and name these are if they are those of another.
struct Row {
    error: String,
    name: &'static str,
    class: ErrorClass,
    passed_on: Option<&'static str>,
}

fn variant(error: &dyn Debug) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

macro_rules! rows {
    ($rows:ident, $name:ident, $errors:expr) => {
        $rows.extend($errors.iter().map(|error| Row {
            error: format!("{}::{}", stringify!($name), variant(error)),
            name: error.name(),
            class: error.class(),
            passed_on: None,
        }))
    };
}

const DESTINATIONS: [DestinationError; 8] = [
    DestinationError::NotAbsolute,
    DestinationError::NotHttps,
    DestinationError::UserInfo,
    DestinationError::IpAddress,
    DestinationError::Loopback,
    DestinationError::Host,
    DestinationError::Port,
    DestinationError::Path,
];

const AUTHORIZATIONS: [AuthorizeError; 7] = [
    AuthorizeError::Destination(DestinationError::Host),
    AuthorizeError::Method,
    AuthorizeError::HostHeader,
    AuthorizeError::HeaderPresent,
    AuthorizeError::Name,
    AuthorizeError::Prefix,
    AuthorizeError::TooManyHeaders,
];

fn opens() -> [OpenBoundError; 4] {
    let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
    let envelope = KEYRING.seal(&sealwax::Secret::from("sk-1"), &context).unwrap();
    let error = KEYRING.open(&envelope, &EncryptionContext::empty()).unwrap_err();
    [
        OpenBoundError::NoHosts,
        OpenBoundError::NotACredential,
        OpenBoundError::Open(error),
        OpenBoundError::NotForAHeader,
    ]
}

#[cfg(any(feature = "hyper", feature = "reqwest"))]
fn sends() -> [sealwax_credentials::SendError; 6] {
    use sealwax_credentials::SendError;
    [
        SendError::Authorize(AuthorizeError::Name),
        SendError::NoTls,
        SendError::Build("".into()),
        SendError::Connect(None),
        SendError::Timeout,
        SendError::Connection(None),
    ]
}

fn all() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    rows!(rows, OpenBoundError, opens());
    rows!(rows, DestinationError, DESTINATIONS);
    rows!(rows, AuthorizeError, AUTHORIZATIONS);
    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    rows!(rows, SendError, sends());
    rows!(rows, RedactError, [RedactError::Encoded]);
    for row in &mut rows {
        row.passed_on = match &*row.error {
            "OpenBoundError::Open" => Some("OpenError"),
            "AuthorizeError::Destination" => Some("DestinationError"),
            "SendError::Authorize" => Some("AuthorizeError"),
            _ => None,
        };
    }
    rows
}

fn snake_case(variant: &str) -> String {
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Returns the status for the customer: what is wrong is the request, the stored credential, the service or the upstream.
fn status(error: &str, class: ErrorClass) -> &'static str {
    match (class, error) {
        (ErrorClass::Bug | ErrorClass::Misconfigured, _) => "500",
        (ErrorClass::Refused, "OpenBoundError::NotForAHeader") => "422",
        (ErrorClass::Refused, "RedactError::Encoded") | (_, "SendError::Connect") => "502",
        (ErrorClass::Refused, _) => "400",
        _ => "504",
    }
}

/// Returns the class of each error in the README, and its status.
fn table() -> BTreeMap<String, (String, String)> {
    let lines = README.lines().skip_while(|line| *line != "| Error | Class | HTTP | What to do |");
    let mut table = BTreeMap::new();
    for line in lines.skip(2).take_while(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (first, data) = (cells[1], (cells[2].to_owned(), cells[3].to_owned()));
        let (error, _) = first.trim_matches('`').split_once("::").unwrap();
        for name in first.split(", ").map(|name| name.trim_matches('`')) {
            let name = name.rsplit("::").next().unwrap();
            assert!(table.insert(format!("{error}::{name}"), data.clone()).is_none(), "{name}");
        }
    }
    table
}

#[test]
fn the_readme_has_every_error() {
    let (rows, mut table) = (all(), table());
    assert_eq!(table.len(), 26);
    for Row { error, name, class, passed_on } in &rows {
        let (in_class, http) = table.remove(error).unwrap_or_else(|| panic!("no row: {error}"));
        match passed_on {
            Some(other) => {
                assert_eq!(in_class, format!("that of the `{other}`"), "{error}");
                assert!(http.starts_with("see "), "{error}");
            }
            None => {
                assert_eq!(
                    (in_class, &*http),
                    (format!("{class:?}"), status(error, *class)),
                    "{error}"
                );
                assert_eq!(*name, snake_case(error.rsplit("::").next().unwrap()));
            }
        }
    }
    table.retain(|error, _| {
        cfg!(any(feature = "hyper", feature = "reqwest")) || !error.starts_with("SendError")
    });
    assert!(table.is_empty(), "{table:?}");
}

#[test]
fn an_error_that_is_passed_on_keeps_its_name_and_class() {
    let [_, _, open, _] = opens();
    assert_eq!((open.name(), open.class()), ("context_mismatch", ErrorClass::Altered));
    for error in DESTINATIONS {
        let outer = AuthorizeError::from(error);
        assert_eq!((outer.name(), outer.class()), (error.name(), error.class()));
    }
    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    for error in AUTHORIZATIONS {
        let outer = sealwax_credentials::SendError::from(error);
        assert_eq!((outer.name(), outer.class()), (error.name(), error.class()));
    }
}

/// Otherwise a variant could be missing from all of the lists above.
#[test]
fn the_lists_of_this_test_are_complete() {
    let sources = [
        include_str!("../../src/bound.rs"),
        include_str!("../../src/bound/destination.rs"),
        include_str!("../../src/bound/redactor.rs"),
        #[cfg(any(feature = "hyper", feature = "reqwest"))]
        include_str!("../../src/bound/sending.rs"),
    ]
    .concat();
    let mut variants = 0;
    for body in sources.split("\npub enum ").skip(1) {
        let (body, _) = body.split_once("\n}\n").unwrap();
        let is_variant = |line: &&str| {
            line.strip_prefix("    ")
                .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        variants += body.lines().filter(is_variant).count();
    }
    assert_eq!(variants, all().len());
}
