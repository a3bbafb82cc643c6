//! Rotations at the service, and the guards against a key that a typing error creates.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use sealwax::{KeyWrapper, ProviderErrorKind, ProviderFuture};
use sealwax_transit::{
    Body, KeyVersions, TransitError, TransitKey, Transport, TransportError, version_of,
};

use crate::scripted::{
    KEY, Row, Scripted, Sent, cause, location, reply, token, transit, unchecked, versioned,
};

const V1: &[u8] = b"vault:v1:AAAA";
const V2: &[u8] = b"vault:v2:AAAA";
const V3: &[u8] = b"vault:v3:AAAA";

fn current<T>(key: &TransitKey<T>) -> [bool; 3]
where
    TransitKey<T>: KeyWrapper,
{
    [V1, V2, V3].map(|body| key.is_current(body))
}

#[test]
fn a_body_is_current_if_its_version_is_the_highest_seen() {
    let version = Arc::new(AtomicU32::new(2));
    let (key, _) = unchecked(versioned(&version));
    // Nothing was seen yet.
    assert_eq!(current(&key), [true, true, true]);
    pollster::block_on(key.refresh()).unwrap();
    assert_eq!(current(&key), [false, true, true]);
    version.store(3, Ordering::Relaxed);
    assert_eq!(current(&key), [false, true, true]);
    pollster::block_on(key.wrap_key(Row::new(1).wrap())).unwrap();
    assert_eq!(current(&key), [false, false, true]);
    for body in [&b""[..], b"vault:v9:", b"vault:v9", b"v9:AAAA", b"vault:v4294967296:AAAA"] {
        assert!(!key.is_current(body), "{}", body.escape_ascii());
    }
}

#[test]
fn check_and_connect_see_the_version_too() {
    let version = Arc::new(AtomicU32::new(2));
    let connecting = TransitKey::connect(versioned(&version), location(), token());
    let key = pollster::block_on(connecting).unwrap();
    assert_eq!(current(&key), [false, true, true]);
    version.store(3, Ordering::Relaxed);
    pollster::block_on(key.check(&"k".parse().unwrap())).unwrap();
    assert_eq!(current(&key), [false, false, true]);
    let versions = pollster::block_on(key.refresh()).unwrap();
    assert!(matches!(versions, KeyVersions { latest: 3, min_decryption: 1, .. }));
}

#[test]
fn a_version_that_goes_back_is_an_error() {
    let version = Arc::new(AtomicU32::new(3));
    let (key, _) = unchecked(versioned(&version));
    let row = Row::new(1);
    pollster::block_on(key.refresh()).unwrap();
    // Somebody deleted the key, and the next encryption made a new one.
    for now in [1, 2] {
        version.store(now, Ordering::Relaxed);
        let errors = [
            pollster::block_on(key.wrap_key(row.wrap())).unwrap_err(),
            pollster::block_on(key.wrap_keys(&[row.wrap()])).remove(0).unwrap_err(),
            pollster::block_on(key.refresh()).unwrap_err(),
            pollster::block_on(key.check(&"k".parse().unwrap())).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ProviderErrorKind::WrongKeyMaterial);
            let TransitError::VersionWentBack { before, now: replied, .. } = cause(&error) else {
                panic!("{error:?}")
            };
            assert_eq!((*before, *replied), (3, now));
        }
        assert_eq!(current(&key), [false, false, true]);
    }
    version.store(3, Ordering::Relaxed);
    pollster::block_on(key.wrap_key(row.wrap())).unwrap();
}

/// The version is the same, but the service says when it was created.
#[test]
fn a_key_that_was_created_again_is_an_error() {
    let times = |text: &str| KEY.replace(r#""keys":{"1":1795755139}"#, text);
    let rotated = times(r#""keys":{"1":1795755139,"2":1795755200}"#)
        .replace(r#""latest_version":1"#, r#""latest_version":2"#);
    let replies = [
        (KEY.to_owned(), None),
        (times(r#""keys":{"1":1795755140}"#), Some(1)),
        (KEY.to_owned(), None),
        // Rotated twice since then, but not the same key.
        (rotated.replace("1795755139", "1795755140"), Some(1)),
        (rotated.clone(), None),
        (rotated.replace("1795755200", "1795755201"), Some(2)),
        // Old versions were removed, and a key without times.
        (rotated.replace(r#""1":1795755139,"#, ""), None),
        (rotated.replace(r#""keys":{"1":1795755139,"2":1795755200},"#, ""), None),
    ];
    let expected = replies.clone().map(|(_, version)| version);
    let mut replies = replies.into_iter().map(|(reply, _)| reply);
    let (key, _) = unchecked(Scripted::new(move |_| Ok(reply(200, &replies.next().unwrap()))));
    for version in expected {
        let result = pollster::block_on(key.refresh());
        assert_eq!(result.is_err(), version.is_some());
        if let Err(error) = result {
            assert_eq!(error.kind(), ProviderErrorKind::WrongKeyMaterial);
            let TransitError::KeyReplaced { version: found, .. } = cause(&error) else {
                panic!("{error:?}")
            };
            assert_eq!(Some(*found), version);
            // What was noted stays: the version of the other key is not taken over.
            assert!(version != Some(1) || key.is_current(V1));
        }
    }
}

/// Holds the first reply, which has version 1, back until it is polled a second time. The others have version 2.
struct Overtaken(AtomicU32);

impl Transport for Overtaken {
    fn send<'a>(
        &'a self,
        request: Request<Body>,
    ) -> ProviderFuture<'a, Result<Response<Body>, TransportError>> {
        let sent = Sent::from(request);
        if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            return ProviderFuture::ready(Ok(transit(&sent, 2)));
        }
        let mut polls = 0;
        ProviderFuture::boxed(poll_fn(move |_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready(Ok(transit(&sent, 1))) }
        }))
    }
}

/// During a rotation, a reply with the old version may arrive after one with the new version.
#[test]
fn a_reply_that_was_overtaken_is_no_error() {
    let key = TransitKey::unchecked(Overtaken(AtomicU32::new(0)), location(), token());
    let (first, second) = (Row::new(1), Row::new(2));
    let mut slow = key.wrap_key(first.wrap());
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut slow).poll(&mut context).is_pending());
    let body = pollster::block_on(key.wrap_key(second.wrap())).unwrap();
    assert_eq!(version_of(&body), Some(2));
    let body = pollster::block_on(slow).unwrap();
    assert_eq!(version_of(&body), Some(1));
    // But it is renewed.
    assert!(!key.is_current(&body));
}

#[test]
fn connect_refuses_keys_that_cannot_bind() {
    let cases = [
        (r#""type":"aes256-gcm96""#, r#""type":"aes128-gcm96""#, None),
        (r#""type":"aes256-gcm96""#, r#""type":"chacha20-poly1305""#, None),
        (r#""type":"aes256-gcm96""#, r#""type":"xchacha20-poly1305""#, None),
        (r#""type":"aes256-gcm96""#, r#""type":"rsa-4096""#, Some(ProviderErrorKind::Other)),
        (r#""type":"aes256-gcm96""#, r#""type":"ed25519""#, Some(ProviderErrorKind::Other)),
        (r#""type":"aes256-gcm96""#, r#""type":"managed_key""#, Some(ProviderErrorKind::Other)),
        (r#""derived":false"#, r#""derived":true"#, Some(ProviderErrorKind::Other)),
        (r#""soft_deleted":false"#, r#""soft_deleted":true"#, Some(ProviderErrorKind::Disabled)),
        // HashiCorp Vault does not have this member.
        (r#""soft_deleted":false,"#, "", None),
    ];
    for (from, to, kind) in cases {
        assert!(KEY.contains(from));
        let service = Scripted::always(200, KEY.replace(from, to));
        let connected = pollster::block_on(TransitKey::connect(&service, location(), token()));
        assert_eq!(connected.as_ref().err().map(|error| error.kind()), kind, "{to}");
        if let Err(error) = connected {
            let is_named = matches!(
                cause(&error),
                TransitError::UnsuitableKey { .. } | TransitError::SoftDeleted
            );
            assert!(is_named, "{error:?}");
        }
        assert_eq!(service.sent().len(), 1);
    }
}

/// The first guard: a typing error is found before anything is wrapped.
#[test]
fn connect_does_not_create_a_key() {
    let service = Scripted::always(404, r#"{"errors":[]}"#);
    let connected = pollster::block_on(TransitKey::connect(&service, location(), token()));
    assert_eq!(connected.unwrap_err().kind(), ProviderErrorKind::NotFound);
    let sent = service.sent();
    assert!(sent.len() == 1 && sent[0].method == http::Method::GET);
}

#[test]
fn versions_of_bodies() {
    assert_eq!([V1, V2, V3].map(version_of), [Some(1), Some(2), Some(3)]);
    assert_eq!(version_of(b"vault:v4294967295:AAAA"), Some(u32::MAX));
    for body in
        [&b"vault:v0:AAAA"[..], b"vault:v:AAAA", b"vault:v1", b"VAULT:v1:AAAA", b" vault:v1:AAAA"]
    {
        assert_eq!(version_of(body), None, "{}", body.escape_ascii());
    }
}
