//! What the comparison of branch_id stops, at the opener and at the maker.

use std::sync::atomic::Ordering::Relaxed;

use sealwax::companion::IntermediateKey;
use sealwax::{ProviderErrorKind, UnwrapRequest};
use sealwax_branch::{BodyError, wrap_in_branch};

use crate::service::{Row, another, branches, open, wrapped};

/// The service once wrapped a row's data key itself, and the data key leaked. It is no branch key.
#[test]
fn a_leaked_data_key_is_no_branch_key() {
    let (branches, service, _) = branches(10);
    let (leaked, wrap) = wrapped(&service).unwrap();
    let thiefs = IntermediateKey::new(&leaked.data_key);
    let forged = |id: [u8; 32]| {
        let row = Row::new();
        let len = u16::try_from(wrap.len()).unwrap().to_be_bytes();
        let body = [&id[..], &len, &wrap, &thiefs.wrap(row.wrap())].concat();
        (row, body)
    };
    // The service unwraps what it wrapped, since the thief names the commitment that it bound.
    let outer = UnwrapRequest::new(&leaked.key_id, leaked.suite, &leaked.commitment, &wrap);
    let unwrapped = pollster::block_on(sealwax::MasterKeyProvider::unwrap_key(&service, outer));
    assert!(leaked.is_of(&unwrapped.unwrap()));
    assert_eq!(open(&branches, &forged(leaked.commitment)), Err(ProviderErrorKind::Rejected));
    // And under the name of the key, the service refuses.
    assert_eq!(open(&branches, &forged(thiefs.branch_id())), Err(ProviderErrorKind::Rejected));
    assert_eq!(branches.kept(), 0);
}

#[test]
fn the_maker_of_a_branch_compares_before_the_first_row() {
    let (branches, service, _) = branches(10);
    service.confused.store(true, Relaxed);
    let row = Row::new();
    let error =
        pollster::block_on(sealwax::KeyWrapper::wrap_key(&branches, row.wrap())).unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Rejected);
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.downcast_ref(), Some(&BodyError::OtherKey));
    assert_eq!((branches.kept(), service.requests()), (0, (1, 1)));
    // Nothing goes to that branch later.
    service.confused.store(false, Relaxed);
    let row = wrapped(&branches).unwrap();
    assert_eq!(service.requests(), (2, 2));
    assert_eq!(open(&branches, &row), Ok(()));
}

/// If a service accepts two forms of one wrap, the second form does not take the place of the first.
#[test]
fn another_form_of_a_wrap_evicts_no_branch() {
    let (branches, service, _) = branches(10);
    let (row, body) = wrapped(&branches).unwrap();
    // The version in front of the service's wrap is not authenticated.
    service.rotate();
    let mut other_form = body.clone();
    other_form[34] = 2;
    assert_eq!(wrap_in_branch(&other_form).unwrap()[0], 2);
    let row = (row, other_form);
    for asked in 1..=3 {
        assert_eq!(open(&branches, &row), Ok(()));
        assert_eq!(service.requests(), (1, 1 + asked));
    }
    assert_eq!(open(&branches, &(row.0, body)), Ok(()));
    assert_eq!((service.requests(), branches.kept()), ((1, 1 + 3), 1));
}

/// A cache that finds a branch by its name alone would open what the service refuses.
#[test]
fn a_branch_is_found_by_key_id_suite_name_and_wrap_together() {
    let (branches, service, clock) = branches(10);
    let (row, body) = wrapped(&branches).unwrap();
    let (key_id, suite) = (row.key_id.clone(), row.suite);
    let kept = IntermediateKey::new(&row.data_key); // any key: its local wrap is not reached
    let mut asked = 0;
    for (key_id, suite, flip) in [
        ("kms/2027".parse().unwrap(), suite, None),
        (key_id.clone(), sealwax::Suite::ChaCha20Poly1305, None),
        (key_id.clone(), suite, Some(0)),
        (key_id, suite, Some(40)),
    ] {
        let moved = Row { key_id, suite, ..Row::new() };
        let mut body = body.clone();
        flip.into_iter().for_each(|at: usize| body[at] ^= 1);
        let local = body.len() - 60;
        body[local..].copy_from_slice(&kept.wrap(moved.wrap()));
        let before = service.requests().1;
        assert_eq!(open(&branches, &(moved, body)), Err(ProviderErrorKind::Rejected));
        asked += service.requests().1 - before;
    }
    assert_eq!(asked, 4, "the service was asked each time");
    assert_eq!(open(&another(&service, 1, &clock), &(row, body)), Ok(()));
}

#[test]
fn debug_shows_no_key() {
    let (branches, ..) = branches(10);
    wrapped(&branches).unwrap();
    let shown = format!("{branches:?}");
    assert_eq!(shown, "BranchKeys { rows: 10, when_away: KeepUntilMaxAge, .. }");
}
