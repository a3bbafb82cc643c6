//! What `known.py` and `known.mjs` make, without the crate.

use std::collections::BTreeMap;
use std::process::Command;

use sealwax::companion::IntermediateKey;
use sealwax::{
    DataKey, KeyWrapper, MasterKeyProvider, ProviderError, ProviderErrorKind, ProviderFuture,
    UnwrapRequest, WrapRequest,
};
use sealwax_branch::{BranchKeys, Rebound};

use crate::service::Row;

fn page() -> &'static str {
    let (_, known) = include_str!("../../FORMAT.md").split_once("```text\nkey_id ").unwrap();
    known.split_once("\n```").unwrap().0
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// A service that unwraps what the page says that it wrapped, bound to what it says.
struct Fixed {
    wrap: Vec<u8>,
    key: DataKey,
    bound: Option<Vec<u8>>,
}

impl KeyWrapper for Fixed {
    fn wrap_key<'a>(
        &'a self,
        _: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Ok(self.wrap.clone()))
    }
}

impl MasterKeyProvider for Fixed {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let is_bound = self.bound.as_ref().is_none_or(|bound| *bound == request.associated_data());
        ProviderFuture::ready(if request.body() == self.wrap && is_bound {
            Ok(self.key.duplicate())
        } else {
            Err(ProviderErrorKind::Rejected.into())
        })
    }
}

#[test]
fn what_another_program_made_opens_and_nothing_else_does() {
    let page = format!("key_id {}", page());
    let lines = page.lines().map(|line| line.rsplit_once(' ').unwrap());
    let lines: BTreeMap<_, _> = lines.collect();
    // W has spaces.
    let wrap = b"what the service made of the key".to_vec();
    assert!(page.contains("\nW what the service made of the key\n"));
    let key = || DataKey::from_bytes(&mut from_hex(lines["key"])).unwrap();
    let intermediate = IntermediateKey::new(&key());
    let id = from_hex(lines["branch_id"]);
    assert_eq!(intermediate.branch_id().to_vec(), id);

    let (mut opened, mut refused) = (0, 0);
    for suite in ["a256gcm", "c20p"] {
        let row = Row {
            key_id: lines["key_id"].parse().unwrap(),
            suite: suite.parse().unwrap(),
            commitment: from_hex(lines["commitment"]).try_into().unwrap(),
            data_key: DataKey::from_bytes(&mut from_hex(lines["data_key"])).unwrap(),
        };
        let name: [u8; 32] = id.clone().try_into().unwrap();
        let bound = UnwrapRequest::new(&row.key_id, row.suite, &name, b"").associated_data();
        let fixed = |bound| Fixed { wrap: wrap.clone(), key: key(), bound };
        let branch = BranchKeys::new(fixed(Some(bound)), 1.try_into().unwrap());
        let rebound = Rebound::new(fixed(None));
        let providers: [(&str, &dyn MasterKeyProvider); 2] =
            [("branch", &branch), ("rebound", &rebound)];
        for (kind, provider) in providers {
            assert_eq!(provider.kind().to_string(), kind);
            let body = from_hex(lines[&*format!("{kind} {suite}")]);
            let open = |body: &[u8]| pollster::block_on(provider.unwrap_key(row.unwrap(body)));
            assert!(row.is_of(&open(&body).unwrap()));
            opened += 1;
            let local = intermediate.wrap(row.wrap());
            let len = u16::try_from(wrap.len()).unwrap().to_be_bytes();
            let front = if kind == "branch" { &id[..] } else { &[] };
            assert_eq!(body, [front, &len, &wrap, &local].concat());

            let flipped = (0..8 * body.len()).map(|bit| {
                let mut altered = body.clone();
                altered[bit / 8] ^= 1 << (bit % 8);
                altered
            });
            let cut = (0..body.len()).map(|len| body[..len].to_vec());
            for altered in flipped.chain(cut).chain([[&body[..], &[0]].concat()]) {
                assert_eq!(open(&altered).unwrap_err().kind(), ProviderErrorKind::Rejected);
                refused += 1;
            }
        }
    }
    assert_eq!((opened, refused), (4, 2 * (9 * 126 + 1) + 2 * (9 * 94 + 1)));
}

#[test]
fn the_page_is_what_both_programs_print() {
    for (language, program) in [("python3", "known.py"), ("node", "known.mjs")] {
        let program = format!("{}/{program}", env!("CARGO_MANIFEST_DIR"));
        let Ok(output) = Command::new(language).arg(&program).output() else {
            eprintln!("skipped a program: no {language}");
            continue;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.trim_end(), format!("key_id {}", page()), "{program}");
    }
}
