//! Many rows in few requests.

use sealwax::{KeyWrapper, MasterKeyProvider, ProviderErrorKind};
use sealwax_transit::{TransitError, TransportErrorKind};
use serde_json::json;

use crate::scripted::{BODY, Row, Scripted, cause, reply, transit, unchecked};

fn rows(count: u32) -> Vec<Row> {
    (0..count).map(Row::new).collect()
}

#[test]
fn a_request_has_at_most_249_rows() {
    let counts = [(0, 0), (1, 1), (2, 1), (249, 1), (250, 2), (498, 2), (499, 3), (10_000, 41)];
    for (count, requests) in counts {
        let (key, service) = unchecked(Scripted::new(|sent| Ok(transit(sent, 1))));
        let rows = rows(count);
        let wraps: Vec<_> = rows.iter().map(Row::wrap).collect();
        let bodies = pollster::block_on(key.wrap_keys(&wraps));
        let bodies: Vec<_> = bodies.into_iter().map(Result::unwrap).collect();
        let unwraps: Vec<_> =
            rows.iter().zip(&bodies).map(|(row, body)| row.unwrap(body)).collect();
        let keys = pollster::block_on(key.unwrap_keys(&unwraps));
        assert_eq!(keys.len(), rows.len());
        for (row, key) in rows.iter().zip(keys) {
            assert_eq!(key.unwrap().expose_secret(), row.wrap().data_key().expose_secret());
        }
        let sent = service.sent();
        assert_eq!(sent.len(), 2 * requests, "{count} rows");
        for sent in sent.iter() {
            let json = sent.json();
            let items = json["batch_input"].as_array().unwrap();
            assert!(
                items.len() <= 249 && items.iter().all(|item| item.as_object().unwrap().len() == 2)
            );
            // 1,000 strings are allowed, and both the names and the values of the members count.
            assert!(4 * items.len() + 2 <= 1000);
            assert_eq!(json["partial_failure_response_code"], 207);
        }
    }
}

#[test]
fn each_row_has_its_own_result() {
    let (key, service) = unchecked(Scripted::new(|sent| {
        let mut reply = transit(sent, 1);
        *reply.status_mut() = http::StatusCode::MULTI_STATUS;
        Ok(reply)
    }));
    let rows = rows(300);
    let wraps: Vec<_> = rows.iter().map(Row::wrap).collect();
    let bodies: Vec<_> =
        pollster::block_on(key.wrap_keys(&wraps)).into_iter().map(Result::unwrap).collect();
    // Row 3 has the wrap of row 4, and row 5 has something that Transit did not write.
    let body = |number: usize| match number {
        3 => &bodies[4][..],
        5 => b"vault:v1:\"",
        _ => &bodies[number][..],
    };
    let unwraps: Vec<_> =
        rows.iter().enumerate().map(|(number, row)| row.unwrap(body(number))).collect();
    let results = pollster::block_on(key.unwrap_keys(&unwraps));
    assert_eq!(results.len(), 300);
    for (number, result) in results.into_iter().enumerate() {
        match number {
            3 => {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ProviderErrorKind::Rejected);
                let TransitError::Refused { status, message, request_id, .. } = cause(&error)
                else {
                    panic!("{error:?}")
                };
                assert_eq!(
                    (*status, message.as_str()),
                    (400, "cipher: message authentication failed")
                );
                assert_eq!(request_id.as_deref(), Some("fd1a8b5c"));
            }
            5 => {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ProviderErrorKind::Rejected);
                assert!(matches!(cause(&error), TransitError::NotACiphertext));
            }
            _ => drop(result.unwrap()),
        }
    }
    let sent = service.sent();
    let items = |number: usize| sent[number].json()["batch_input"].as_array().unwrap().len();
    assert_eq!((items(0), items(1)), (249, 51));
    assert_eq!((items(2), items(3), sent.len()), (249, 50, 4));
}

/// The service has status 400 for a request in which every row fails, with the results in it.
#[test]
fn a_batch_in_which_every_row_fails_still_has_a_result_for_each() {
    let errors = json!({ "data": { "batch_results": [
        { "plaintext": "", "error": "ciphertext or signature version is disallowed by policy (too old)" },
        { "plaintext": "", "error": "invalid ciphertext: version is too new" },
    ]}});
    let (key, _) = unchecked(Scripted::always(400, errors.to_string()));
    let row = Row::new(1);
    let requests = [row.unwrap(BODY), row.unwrap(BODY)];
    let results = pollster::block_on(key.unwrap_keys(&requests));
    let kinds: Vec<_> = results.into_iter().map(|result| result.unwrap_err().kind()).collect();
    assert_eq!(kinds, [ProviderErrorKind::Disabled, ProviderErrorKind::WrongKeyMaterial]);
}

#[test]
fn a_service_that_is_away_is_not_asked_again() {
    let whole = [
        (reply(503, r#"{"errors":["Vault is sealed"]}"#), ProviderErrorKind::Unavailable),
        (reply(429, "{}"), ProviderErrorKind::Throttled),
        (reply(403, r#"{"errors":["permission denied"]}"#), ProviderErrorKind::Unauthenticated),
        (reply(400, r#"{"errors":["encryption key not found"]}"#), ProviderErrorKind::NotFound),
        (reply(200, "{"), ProviderErrorKind::Other),
    ];
    for (refusal, kind) in whole {
        // The first request of five succeeds, and the second fails.
        let (mut requests, mut refusal) = (0, Some(refusal));
        let (key, service) = unchecked(Scripted::new(move |sent| {
            requests += 1;
            Ok(if requests == 2 { refusal.take().unwrap() } else { transit(sent, 1) })
        }));
        let rows = rows(1200);
        let wraps: Vec<_> = rows.iter().map(Row::wrap).collect();
        let results = pollster::block_on(key.wrap_keys(&wraps));
        assert_eq!(results.len(), 1200);
        assert!(results[..249].iter().all(Result::is_ok));
        assert!(results[249..].iter().all(|one| one.as_ref().is_err_and(|one| one.kind() == kind)));
        assert_eq!(service.sent().len(), 2, "{kind:?}");
        // The errors share one source.
        let sources: Vec<_> =
            results[249..].iter().filter_map(|one| one.as_ref().err()).map(cause).collect();
        assert!(sources.iter().all(|source| std::ptr::eq(*source, sources[0])));
    }
    let (key, service) = unchecked(Scripted::new(|_| Err(TransportErrorKind::Timeout.into())));
    let rows = rows(1200);
    let wraps: Vec<_> = rows.iter().map(Row::wrap).collect();
    let results = pollster::block_on(key.wrap_keys(&wraps));
    assert!(results.iter().all(|one| one.as_ref().is_err_and(|one| one.is_transient())));
    assert_eq!((results.len(), service.sent().len()), (1200, 1));
}

#[test]
fn a_reply_with_another_number_of_results_is_not_used() {
    for count in [0, 1, 3] {
        let item = json!({ "ciphertext": "vault:v1:AAAA" });
        let results = json!({ "data": { "batch_results": vec![item; count] } });
        let (key, _) = unchecked(Scripted::always(200, results.to_string()));
        let row = Row::new(1);
        let results = pollster::block_on(key.wrap_keys(&[row.wrap(), row.wrap()]));
        assert_eq!(results.len(), 2);
        for result in results {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Other);
            assert!(matches!(cause(&error), TransitError::Unreadable { status: 200, .. }));
        }
    }
}
