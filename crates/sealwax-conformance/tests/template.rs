//! The template passes the checks, and faults in what it sends, or in how it reads the response, are found.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::error::Error;
use std::sync::Arc;

use sealwax::Secret;
use sealwax_conformance::{Expect, Report, check};

use crate::template::provider::{Client, Item, RemoteKey, Response};
use crate::template::service::MadeUpService;

#[path = "../examples/template.rs"]
mod template;

/// What is wrong with a client.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    SendsNoBinding,
    SendsOneBinding,
    OneKeyForAll,
    MapsDamageToDenied,
    LosesAnItem,
    ReversesItems,
    IgnoresTheVersion,
    MayNotDescribe,
}

struct Faulty {
    service: Arc<MadeUpService>,
    fault: Fault,
}

impl Client for Faulty {
    async fn send(
        &self,
        key: &str,
        action: &str,
        items: &[Item],
    ) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let key = if self.fault == Fault::OneKeyForAll { "customers" } else { key };
        let item = |item: &Item| Item {
            bound: match self.fault {
                Fault::SendsNoBinding => Vec::new(),
                Fault::SendsOneBinding => items.first().unwrap().bound.clone(),
                _ => item.bound.clone(),
            },
            bytes: Secret::from(item.bytes.expose_secret()),
        };
        let items: Vec<_> = items.iter().map(item).collect();
        let mut response = self.service.send(key, action, &items).await?;
        let results = &mut response.results;
        match self.fault {
            Fault::MapsDamageToDenied => {
                results
                    .iter_mut()
                    .filter_map(|result| result.as_mut().err())
                    .for_each(|status| *status = 403);
            }
            Fault::LosesAnItem if results.len() > 1 => drop(results.pop()),
            Fault::ReversesItems => results.reverse(),
            Fault::IgnoresTheVersion => response.version = 1,
            Fault::MayNotDescribe if action == "describe" => response.status = 403,
            _ => (),
        }
        Ok(response)
    }
}

fn checked(fault: Fault) -> Report {
    let service = Arc::new(MadeUpService::new().unwrap());
    let key = |name| RemoteKey::new(Faulty { service: Arc::clone(&service), fault }, name);
    let (counted, rotated) = (Arc::clone(&service), Arc::clone(&service));
    let expect = Expect::default()
        .other_key(key("other"))
        .counting(move || counted.requests())
        .rotated_by(async move { rotated.rotate() });
    pollster::block_on(check(key("customers"), "kms/customers".parse().unwrap(), expect))
}

#[test]
fn the_template_passes_and_faults_in_it_are_found() {
    let table = [
        (Fault::None, &[][..]),
        (
            Fault::SendsNoBinding,
            &["wrong_commitment", "wrong_suite", "wrong_key_id", "batch_binding", "keyring_errors"],
        ),
        (
            Fault::SendsOneBinding,
            &["batch_wraps", "batch_unwraps", "batch_bad_item", "batch_binding", "keyring_batch"],
        ),
        (Fault::OneKeyForAll, &["other_key"]),
        (
            Fault::MapsDamageToDenied,
            &[
                "wrong_commitment",
                "wrong_suite",
                "wrong_key_id",
                "other_key",
                "flipped_bytes",
                "cut_bodies",
                "batch_binding",
                "keyring_batch",
                "keyring_errors",
            ],
        ),
        (
            Fault::LosesAnItem,
            &["batch_wraps", "batch_unwraps", "batch_bad_item", "batch_binding", "keyring_batch"],
        ),
        (
            Fault::ReversesItems,
            &["batch_wraps", "batch_unwraps", "batch_bad_item", "batch_binding", "keyring_batch"],
        ),
        (Fault::IgnoresTheVersion, &["rotation"]),
        (Fault::MayNotDescribe, &["check", "keyring_check", "rotation"]),
    ];
    for (fault, expected) in table {
        let mut report = checked(fault);
        // A changed character may be one that the service never writes. Then the template refuses the body itself, as it
        // should, and the fault does not show: about once in twenty times.
        for _ in 0..20 {
            if fault != Fault::MapsDamageToDenied || report.failures().count() == expected.len() {
                break;
            }
            report = checked(fault);
        }
        let failures: Vec<_> = report.failures().map(|finding| finding.name()).collect();
        assert_eq!(failures, expected, "{report}");
        assert_eq!(report.not_run(), 0, "{report}");
    }
}

#[test]
fn the_example_runs() {
    template::main().unwrap();
}
