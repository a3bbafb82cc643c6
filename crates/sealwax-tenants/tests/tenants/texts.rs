//! Tenants, the ids of their keys and tombstones, as text.

use sealwax::{EncryptionContext, KeyId, Keyring, MasterKey};
use sealwax_tenants::{TenantId, TenantKeyId, Tombstone};

#[test]
fn a_tenant_fits_into_a_key_id() {
    let long = "a".repeat(100);
    let uuid = "6f1d4b7e-9c55-4e0b-8a43-0d9d8e4b2f10";
    for text in ["4", "42", "acme/eu", "A.b_c-d", "0", uuid, &long] {
        let tenant: TenantId = text.parse().unwrap();
        assert_eq!((tenant.as_ref(), tenant.to_string().as_str()), (text, text));
        let key: TenantKeyId = format!("tenant/{text}@1000").parse().unwrap();
        assert_eq!(KeyId::from(&key).as_ref(), format!("tenant/{text}@1000"));
    }
    let longer = "a".repeat(101);
    let mut refused = 0;
    for text in
        ["", "/a", "-a", ".a", "_a", "a@1", "a b", "a\n", "ü", "a:b", "swk1_a", "xSWO1_y", &longer]
    {
        assert!(TenantId::try_from(text).is_err(), "{text:?}");
        assert!(format!("tenant/{text}@1").parse::<TenantKeyId>().is_err(), "{text:?}");
        refused += 1;
    }
    assert_eq!(refused, 13);
    assert_ne!(TenantId::try_from("Acme"), TenantId::try_from("acme"));
}

#[test]
fn the_id_of_a_key_has_one_form() {
    for (text, tenant, number) in [("tenant/42@1", "42", 1), ("tenant/a/b@1000", "a/b", 1000)] {
        let key: TenantKeyId = text.parse().unwrap();
        assert_eq!((key.tenant().as_ref(), key.number()), (tenant, number));
        assert_eq!(
            (key.to_string().as_str(), key.parameters()),
            (text, [tenant.into(), number.to_string()])
        );
    }
    let refused = [
        "",
        "42@1",
        "tenant/42",
        "tenant/42@",
        "tenant/@1",
        "tenant/42@0",
        "tenant/42@01",
        "tenant/42@+1",
        "tenant/42@1001",
        "tenant/42@1@2",
        "Tenant/42@1",
        "tenant/42@1 ",
        "tenant/42@99999999999",
    ];
    for text in refused {
        assert!(text.parse::<TenantKeyId>().is_err(), "{text:?}");
    }
    assert_eq!(refused.len(), 13);
}

#[test]
fn an_envelope_is_under_one_key_of_one_tenant() {
    let ring =
        |id: &str| Keyring::new(id.parse().unwrap(), MasterKey::generate().unwrap()).unwrap();
    let of = |ring: &Keyring| {
        TenantKeyId::of(&ring.seal(&"x".into(), &EncryptionContext::empty()).unwrap())
    };
    assert_eq!(of(&ring("tenant/42@3")), "tenant/42@3".parse());
    assert!(of(&ring("epoch-1")).is_err());
    let key = MasterKey::generate().unwrap();
    assert!(of(&ring("tenant/42@3").with_escrow("dr".parse().unwrap(), key).unwrap()).is_err());
}

#[test]
fn a_tombstone_is_one_line() {
    let (checked, two) = ("tenant/42@2 a:0a1b2c3d b .", "tenant/42@2 a:00000001,ffffffff .");
    for text in ["tenant/42@2 epoch-1 .", "tenant/a/b@1000 dr epoch-1 epoch-2 .", checked, two] {
        let tombstone: Tombstone = text.parse().unwrap();
        assert_eq!(
            (tombstone.to_string().as_str(), tombstone.tenant()),
            (text, tombstone.key().tenant())
        );
        assert_eq!(tombstone.roots().count(), text.matches(' ').count() - 1);
        // Nor does a line that was cut name fewer roots.
        assert!((0..text.len()).all(|at| text[..at].parse::<Tombstone>().is_err()), "{text:?}");
    }
    let refused = [
        "",
        ".",
        "epoch-1 .",
        "tenant/42@2",
        // No root.
        "tenant/42@2 .",
        "tenant/42@2  .",
        " tenant/42@2 epoch-1 .",
        "tenant/42@2  epoch-1 .",
        "tenant/42@2 epoch-1  .",
        "tenant/42@2 epoch-1 . ",
        "tenant/42@2 epoch-1 .\n",
        "tenant/42@2 epoch-1.",
        "tenant/42@2 epoch-1 . epoch-2 .",
        "tenant/42@2 b a .",
        "tenant/42@2 a a .",
        "tenant/42@2\tepoch-1 .",
        "tenant/42@2 swk1_a .",
        "tenant/42@0 epoch-1 .",
        "tenant/42@2 a: .",
        "tenant/42@2 a:0a1b2c3 .",
        "tenant/42@2 a:0A1B2C3D .",
        "tenant/42@2 a:00a1b2c3d .",
        "tenant/42@2 a:+a1b2c3d .",
        "tenant/42@2 a:0a1b2c3d,0a1b2c3d .",
        "tenant/42@2 a:ffffffff,00000001 .",
        "tenant/42@2 :0a1b2c3d .",
    ];
    for text in refused {
        assert!(text.parse::<Tombstone>().is_err(), "{text:?}");
    }
    assert_eq!(refused.len(), 26);
}
