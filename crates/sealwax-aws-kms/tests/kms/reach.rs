//! 10,000 rows move from a local key to the service in one run, through branch keys.

use std::io::Write;
use std::time::Instant;

use sealwax::{EncryptionContext, Envelope, Keyring, MasterKey, MasterKeyProvider, Secret};
use sealwax_aws_kms::KmsKey;
use sealwax_branch::BranchKeys;

use crate::with_moto;

const ROWS: usize = 10_000;
/// One request for each row is timed for so many rows.
const SAMPLE: usize = 300;

fn context(row: usize) -> EncryptionContext {
    EncryptionContext::new([("row", row.to_string().as_str())]).unwrap()
}

fn secret(row: usize) -> Secret {
    Secret::from(format!("sk-proj-{row}"))
}

/// Returns a keyring in which the provider is primary, and a local key retired.
fn ring(provider: impl MasterKeyProvider + 'static) -> Keyring {
    let local = MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
    let ring = Keyring::new("aws/byok".parse().unwrap(), provider).unwrap();
    ring.with_retired("local".parse().unwrap(), local).unwrap()
}

fn branching(key: &KmsKey) -> Keyring {
    ring(BranchKeys::new(key.clone(), 1000.try_into().unwrap()))
}

#[test]
fn ten_thousand_rows_move_through_branches_with_20_requests() {
    with_moto(|moto| async move {
        let key = moto.key().await;
        let local = MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
        let before = Keyring::new("local".parse().unwrap(), local).unwrap();
        let rows: Vec<Envelope> =
            (0..ROWS).map(|row| before.seal(&secret(row), &context(row)).unwrap()).collect();

        let start = Instant::now();
        let batch = branching(&key).rewrap_batch_async(rows.iter().cloned().enumerate()).await;
        let through_branches = start.elapsed().as_secs_f64() * 1000.0 / ROWS as f64;
        assert_eq!((batch.changes.len(), batch.failures.len()), (ROWS, 0));
        assert_eq!(moto.proxy.take_requests().len(), 20);

        let direct = ring(key.clone());
        let start = Instant::now();
        for row in &rows[..SAMPLE] {
            assert!(direct.rewrap_async(row).await.unwrap().is_some());
        }
        let one_each = start.elapsed().as_secs_f64() * 1000.0 / SAMPLE as f64;
        assert_eq!(moto.proxy.take_requests().len(), 2 * SAMPLE);

        // By another process.
        let other = branching(&key);
        for (row, change) in batch.changes.iter().enumerate() {
            let opened = other.open_async(&change.fresh, &context(row)).await.unwrap();
            assert_eq!(opened, secret(row));
        }
        assert_eq!(moto.proxy.take_requests().len(), 10);

        let ratio = one_each / through_branches;
        let line = format!(
            "{ROWS} rows: {through_branches:.3} ms each through branches, {one_each:.2} ms with requests of their own: \
             {ratio:.0} times as fast\n"
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert!(ratio >= 20.0, "{line}");
    });
}

/// Behind branch keys, no data key is in any request. In front of the service alone, it is in each.
#[test]
fn behind_branch_keys_no_client_sees_a_data_key() {
    with_moto(|moto| async move {
        let key = moto.key().await;
        let data_keys: Vec<String> = {
            let local = MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
            let before = Keyring::new("local".parse().unwrap(), local).unwrap();
            let mut seen = Vec::new();
            for (ring, rows) in [(branching(&key), 50), (ring(key.clone()), 5)] {
                for row in 0..rows {
                    let envelope = before.seal(&secret(row), &context(row)).unwrap();
                    seen.push(data_key(&envelope));
                    drop(ring.rewrap_async(&envelope).await.unwrap().unwrap());
                }
            }
            seen
        };
        let requests = moto.proxy.take_requests();
        assert_eq!(requests.len(), 2 + 2 * 5);
        let seen =
            |key: &String| requests.iter().filter(|request| request.contains(&**key)).count();
        let (behind, direct) = data_keys.split_at(50);
        assert!(behind.iter().all(|key| seen(key) == 0));
        assert!(direct.iter().all(|key| seen(key) == 1));
    });
}

/// Returns the data key of a row under the local key, in base64.
fn data_key(envelope: &Envelope) -> String {
    use base64ct::Encoding;
    let local = MasterKey::from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap();
    let wrap = envelope.wrapped_keys().next().unwrap();
    let (suite, commitment) = (envelope.suite(), envelope.commitment());
    let request = sealwax::UnwrapRequest::new(wrap.key_id(), suite, commitment, wrap.body());
    let key = local.unwrap_key(request).into_ready().unwrap().unwrap();
    base64ct::Base64::encode_string(key.expose_secret())
}
