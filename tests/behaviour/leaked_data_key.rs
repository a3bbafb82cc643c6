//! With a leaked data key, its own row can be rewritten in its own context, and no other row can be
//! forged.

use sealwax::{
    DataKey, EncryptionContext, Envelope, MasterKey, MasterKeyProvider, RewrapError, UnwrapError,
    UnwrapRequest,
};

use crate::bindings::{refused, seal};
use crate::fixtures::{
    Parts, SUITES, acme, class, context, counted_data_key, forge, keyring, master_key, opening,
    sealed,
};
use crate::rings::wraps_of;

/// Returns the data key of a row, as a service that can unwrap it might lose it.
fn leaked(envelope: &Envelope, key: &MasterKey) -> DataKey {
    let wrapped = envelope.wrapped_keys().next().unwrap();
    let (suite, commitment) = (envelope.suite(), envelope.commitment());
    let request = UnwrapRequest::new(wrapped.key_id(), suite, commitment, wrapped.body());
    key.unwrap_key(request).into_ready().unwrap().unwrap()
}

#[test]
fn a_leaked_data_key_forges_no_other_row_and_no_other_context() {
    for suite in SUITES {
        let other_context = context(&[("tenant", "globex"), ("provider", "openai"), ("row", "1")]);
        let own = sealed(suite, 1);
        let target = seal(suite, 60, &other_context, "the target's");
        let data_key = leaked(&own, &master_key(1));
        assert!(data_key.expose_secret() == counted_data_key(1).expose_secret(), "{suite}");
        let ring = keyring(suite);

        // 1. It opens, verifies and rewraps no other row.
        let error = target.verify_with(&data_key).unwrap_err();
        assert_eq!(class(&error), "envelope_altered", "{suite}, verify_with");
        let error = target.open_with(&data_key, &other_context).unwrap_err();
        assert_eq!(class(&error), "envelope_altered", "{suite}, open_with");
        let error = target.rewrap_with(&data_key, wraps_of(&own)).unwrap_err();
        assert!(
            matches!(error, RewrapError::Unwrap(UnwrapError::EnvelopeAltered)),
            "{suite}, rewrapped: {error}"
        );

        // 2. Its wraps do not fit another row's commitment, whoever computes the MAC.
        let own_parts = Parts::of(&own);
        let moved = Parts::of(&target).with_wraps(&wraps_of(&own)).with_mac_under(&data_key);
        refused(
            &moved.envelope(),
            &other_context,
            "wrap_altered(prod)",
            &format!("{suite}, moved"),
        );
        // With their own commitment they make a head whose payload belongs to another context ...
        let mut with_commitment = Parts::of(&target).with_wraps(&wraps_of(&own));
        with_commitment.commitment.clone_from(&own_parts.commitment);
        let with_commitment = with_commitment.with_mac_under(&data_key).envelope();
        for context in [&acme(), &other_context] {
            let what = format!("{suite}, the commitment moved, in {context:?}");
            refused(&with_commitment, context, "context_mismatch", &what);
        }
        // ... and sealing something for that context gives another commitment.
        let draft = |context: &EncryptionContext| {
            forge(data_key.expose_secret(), &[0x77; 12], context, suite)
        };
        for context in [&other_context, &acme()] {
            let forged = draft(context).finish(wraps_of(&own)).unwrap();
            forged.verify_with(&data_key).unwrap();
            let what = format!("{suite}, sealed again in {context:?}");
            refused(&forged, context, "wrap_altered(prod)", &what);
        }

        // 3. Nor does the row itself open in another context.
        let error = own.open_with(&data_key, &other_context).unwrap_err();
        assert_eq!(class(&error), "context_mismatch", "{suite}, open_with");
        refused(&own, &other_context, "context_mismatch", &format!("{suite}, in place"));
        assert_eq!(
            opening(&ring, &target, &other_context),
            "opened",
            "{suite}: the target is whole"
        );
    }
}

/// A known limit, and the reason to open and seal again if a key that opens has leaked: with a
/// row's data key, that row can be rewritten in its own context under its own IV.
#[test]
fn a_leaked_data_key_rewrites_its_own_row() {
    for suite in SUITES {
        let own = sealed(suite, 1);
        let data_key = leaked(&own, &master_key(1));
        let forged = forge(data_key.expose_secret(), own.iv(), &acme(), suite)
            .finish(wraps_of(&own))
            .unwrap();
        assert_eq!(forged.commitment(), own.commitment(), "{suite}");
        let opened = keyring(suite).open(&forged, &acme()).unwrap();
        assert!(opened.expose_secret() == b"forged", "{suite}");
    }
}
