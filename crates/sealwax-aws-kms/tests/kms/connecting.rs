//! What is read of a key before it is used.

use std::error::Error as _;
use std::time::Duration;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use sealwax::{EncryptionContext, KeyWrapper, Keyring, ProviderError, ProviderErrorKind};
use sealwax_aws_kms::{ConfigError, KmsError, KmsKey};

use crate::proxy::{Mode, Proxy};
use crate::{client, run, with_moto};

fn source(error: &ProviderError) -> &KmsError {
    error.source().unwrap().downcast_ref().unwrap()
}

#[test]
fn a_key_is_found_by_arn_id_and_alias() {
    with_moto(|moto| async move {
        let arn = moto.create().await;
        let (_, id) = arn.split_once('/').unwrap();
        let alias = format!("alias/byok-{id}");
        let create = moto.admin.create_alias().alias_name(&alias).target_key_id(&arn);
        create.send().await.unwrap();
        for name in [&*arn, id, &alias] {
            let key = KmsKey::connect(moto.client(), name).await.unwrap();
            assert_eq!(key.arn(), arn);
        }
        let error = KmsKey::connect(moto.client(), "alias/nothing").await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::NotFound);
    });
}

#[test]
fn an_alias_that_is_moved_leads_no_row_elsewhere() {
    with_moto(|moto| async move {
        let (before, after) = (moto.create().await, moto.create().await);
        let alias = format!("alias/moving-{}", before.split_once('/').unwrap().1);
        let create = moto.admin.create_alias().alias_name(&alias).target_key_id(&before);
        create.send().await.unwrap();
        let context = EncryptionContext::new([("tenant", "acme")]).unwrap();
        let ring = |key| Keyring::new("aws/byok".parse().unwrap(), key).unwrap();
        let running = ring(KmsKey::connect(moto.client(), &alias).await.unwrap());
        let row = running.seal_async(&"sk-proj-1".into(), &context).await.unwrap();
        moto.admin.update_alias().alias_name(&alias).target_key_id(&after).send().await.unwrap();
        // The process that runs goes on with its key, also for new rows.
        assert_eq!(running.open_async(&row, &context).await.unwrap(), "sk-proj-1".into());
        assert!(running.seal_async(&"sk-proj-2".into(), &context).await.is_ok());
        // One that starts now has another key, and says so.
        let key = KmsKey::connect(moto.client(), &alias).await.unwrap();
        assert_eq!(key.arn(), after);
        let error = ring(key).open_async(&row, &context).await.unwrap_err();
        assert_eq!(error.name(), "wrong_key_material");
        // With a new id for the new key, all rows open.
        let key = KmsKey::connect(moto.client(), &alias).await.unwrap();
        let both = Keyring::new("aws/byok-2".parse().unwrap(), key).unwrap();
        let retired = KmsKey::unchecked(moto.client(), &before).unwrap();
        let both = both.with_retired("aws/byok".parse().unwrap(), retired).unwrap();
        assert_eq!(both.open_async(&row, &context).await.unwrap(), "sk-proj-1".into());
    });
}

#[test]
fn an_unsuitable_key_is_refused() {
    with_moto(|moto| async move {
        for (spec, usage, reason) in [
            (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt, "it is not symmetric"),
            (KeySpec::EccNistP256, KeyUsageType::SignVerify, "it is not for encryption"),
            (KeySpec::Hmac256, KeyUsageType::GenerateVerifyMac, "it is not for encryption"),
        ] {
            let create = moto.admin.create_key().key_spec(spec).key_usage(usage);
            let arn = create.send().await.unwrap().key_metadata.unwrap().arn.unwrap();
            let error = KmsKey::connect(moto.client(), &arn).await.unwrap_err();
            assert_eq!(error.kind(), ProviderErrorKind::Other);
            assert_eq!(source(&error).to_string(), format!("the key is not suitable: {reason}"));
        }
    });
}

#[test]
fn a_disabled_key_is_refused_and_a_check_finds_it() {
    with_moto(|moto| async move {
        let key = moto.key().await;
        let key_id = "aws/byok".parse().unwrap();
        key.check(&key_id).await.unwrap();
        // moto takes no ARN here.
        let (_, id) = key.arn().split_once('/').unwrap();
        moto.admin.disable_key().key_id(id).send().await.unwrap();
        for error in [
            key.check(&key_id).await.unwrap_err(),
            KmsKey::connect(moto.client(), key.arn()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ProviderErrorKind::Disabled);
            assert_eq!(source(&error).to_string(), "the key is in state Disabled");
        }
        moto.admin.enable_key().key_id(id).send().await.unwrap();
        key.check(&key_id).await.unwrap();
        moto.admin.schedule_key_deletion().key_id(id).send().await.unwrap();
        let error = key.check(&key_id).await.unwrap_err();
        assert_eq!(source(&error).to_string(), "the key is in state PendingDeletion");
    });
}

/// moto has not all of the states.
#[test]
fn each_state_is_a_kind() {
    const ARN: &str =
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    run(async {
        let proxy = Proxy::start("127.0.0.1:1").await;
        let connect =
            || KmsKey::connect(client(&proxy.address(), Duration::from_secs(5)), "alias/byok");
        let described = |rest: &str| {
            let body = format!(r#"{{"KeyMetadata":{{"KeyId":"1234abcd","Arn":"{ARN}"{rest}}}}}"#);
            proxy.set(Mode::Raw(200, body.leak()));
        };
        for (state, kind) in [
            ("Creating", ProviderErrorKind::Unavailable),
            ("Updating", ProviderErrorKind::Unavailable),
            ("Unavailable", ProviderErrorKind::Unavailable),
            ("Disabled", ProviderErrorKind::Disabled),
            ("PendingDeletion", ProviderErrorKind::Disabled),
            ("PendingReplicaDeletion", ProviderErrorKind::Disabled),
            ("PendingImport", ProviderErrorKind::Disabled),
            ("SomethingNew", ProviderErrorKind::Disabled),
        ] {
            described(&format!(r#","KeyState":"{state}""#));
            let error = connect().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{state}");
            assert_eq!(source(&error).to_string(), format!("the key is in state {state}"));
        }
        described(
            r#","KeyState":"Enabled","KeyUsage":"ENCRYPT_DECRYPT","KeySpec":"SYMMETRIC_DEFAULT""#,
        );
        assert_eq!(connect().await.unwrap().arn(), ARN);
        // What moto and older services leave out.
        described("");
        assert_eq!(connect().await.unwrap().arn(), ARN);
        // Somebody else's service, which describes a key of its own.
        let other = ARN.replace("1234abcd-", "5678abcd-");
        let named = KmsKey::connect(client(&proxy.address(), Duration::from_secs(5)), &other).await;
        assert!(matches!(source(&named.unwrap_err()), KmsError::OtherKey { .. }));
        let other = KmsKey::unchecked(client(&proxy.address(), Duration::from_secs(5)), &other);
        let checked = other.unwrap().check(&"aws/byok".parse().unwrap()).await;
        assert!(matches!(source(&checked.unwrap_err()), KmsError::OtherKey { .. }));
        for body in [
            "{}",
            r#"{"KeyMetadata":{"KeyId":"1234abcd"}}"#,
            r#"{"KeyMetadata":{"KeyId":"1","Arn":"alias/a"}}"#,
        ] {
            proxy.set(Mode::Raw(200, body));
            let error = connect().await.unwrap_err();
            assert!(matches!(source(&error), KmsError::Unreadable { .. }), "{error:?}");
        }
    });
}

#[test]
fn what_a_caller_sets_is_checked() {
    let client = || client("http://127.0.0.1:1", Duration::from_secs(1));
    assert_eq!(KmsKey::unchecked(client(), "alias/byok").unwrap_err(), ConfigError::Arn);
    let key =
        KmsKey::unchecked(client(), "arn:aws:kms:eu-central-1:111122223333:key/1234").unwrap();
    let key = key.with_entry("service", "billing").unwrap();
    assert_eq!(
        format!("{key:?}"),
        r#"KmsKey { arn: "arn:aws:kms:eu-central-1:111122223333:key/1234", entries: [("service", "billing")], .. }"#
    );
    let refused = |name, value| key.clone().with_entry(name, value).unwrap_err();
    assert_eq!(refused("service", "other"), ConfigError::Duplicate);
    assert_eq!(refused("Service", "other"), ConfigError::Duplicate);
    assert_eq!(refused("sealwax", "x"), ConfigError::Name);
    assert_eq!(refused("sealwax-key-id", "x"), ConfigError::Name);
    assert_eq!(refused("team", ""), ConfigError::Value);
    let mut key = key;
    for number in 1..8 {
        key = key.with_entry(&format!("entry{number}"), "x").unwrap();
    }
    assert_eq!(key.with_entry("one-too-many", "x").unwrap_err(), ConfigError::TooMany);
}
