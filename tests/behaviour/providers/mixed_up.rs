//! Providers over a service that binds nothing, and that return the results of their batches in a wrong order.
//!
//! With a service that binds, each result in a wrong place is refused. Without, a rewrap could give each row the wrap of
//! another one, which no key opens.

use sealwax::{
    DataKey, Envelope, KeyWrapper, Keyring, MasterKeyProvider, ProviderError, ProviderFuture,
    RewrapError, RowError, UnwrapRequest, WrapRequest,
};

use crate::fixtures::{Counting, acme, key_id, master_key};
use crate::providers::secret;

/// How a provider changes the order of the results of a batch.
#[derive(Clone, Copy, Debug)]
enum Order {
    Right,
    Reversed,
    /// The last becomes the first.
    Rotated,
    /// The opposite of what it did to the batch before.
    RotatedBack,
    FirstTwoSwapped,
    LastTwoSwapped,
    Sorted,
    /// In the right order, but the last result is no row's.
    LastForeign,
}

/// A provider whose body is the data key under a mask.
struct Unbound {
    wraps: Order,
    unwraps: Order,
}

fn masked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x55).collect()
}

fn reorder(results: &mut [Vec<u8>], order: Order) {
    let last = results.len() - 1;
    match order {
        Order::Right => {}
        Order::Reversed => results.reverse(),
        Order::Rotated => results.rotate_right(1),
        Order::RotatedBack => results.rotate_left(1),
        Order::FirstTwoSwapped => results.swap(0, 1.min(last)),
        Order::LastTwoSwapped => results.swap(last.saturating_sub(1), last),
        Order::Sorted => results.sort(),
        Order::LastForeign => results[last].reverse(),
    }
}

impl KeyWrapper for Unbound {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        ProviderFuture::ready(Ok(masked(request.data_key().expose_secret())))
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        let bodies = requests.iter().map(|request| masked(request.data_key().expose_secret()));
        let mut bodies: Vec<_> = bodies.collect();
        reorder(&mut bodies, self.wraps);
        ProviderFuture::ready(bodies.into_iter().map(Ok).collect())
    }
}

impl MasterKeyProvider for Unbound {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        let data_key = DataKey::from_bytes(&mut masked(request.body()));
        ProviderFuture::ready(data_key.map_err(ProviderError::from))
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        let mut keys: Vec<_> = requests.iter().map(|request| masked(request.body())).collect();
        reorder(&mut keys, self.unwraps);
        let keys = keys.iter_mut().map(|key| Ok(DataKey::from_bytes(key)?));
        ProviderFuture::ready(keys.collect())
    }
}

fn rows(count: u8) -> Vec<(u8, Envelope)> {
    let old = Keyring::new(key_id("o"), master_key(3)).unwrap();
    let seal = |n| old.seal_with_rng(&secret(), &acme(), &mut Counting(n)).unwrap();
    (0..count).map(|n| (n, seal(n))).collect()
}

fn ring(wraps: Order, unwraps: Order) -> Keyring {
    Keyring::new(key_id("p"), Unbound { wraps, unwraps })
        .and_then(|ring| ring.with_escrow(key_id("e"), master_key(2)))
        .and_then(|ring| ring.with_retired(key_id("o"), master_key(3)))
        .unwrap()
}

#[test]
fn results_in_a_wrong_order_change_no_row() {
    let orders = [
        (Order::Reversed, Order::Reversed),
        (Order::Rotated, Order::Rotated),
        (Order::Rotated, Order::RotatedBack),
        (Order::FirstTwoSwapped, Order::FirstTwoSwapped),
        (Order::LastTwoSwapped, Order::LastTwoSwapped),
        (Order::Sorted, Order::Sorted),
        (Order::Reversed, Order::Right),
    ];
    let mut tried = 0;
    for (wraps, unwraps) in orders {
        for count in [2, 3, 4, 5, 250] {
            let at = format!("{wraps:?} and {unwraps:?}, {count} rows");
            let ring = ring(wraps, unwraps);
            let batch = pollster::block_on(ring.rewrap_batch_async(rows(count)));
            assert!(batch.changes.is_empty() && batch.current == 0, "{at}");
            for (_, error) in &batch.failures {
                let RowError::Rewrap(RewrapError::Unverified { key_id, .. }) = error else {
                    panic!("{at}: {error}");
                };
                assert_eq!(key_id.as_ref(), "p", "{at}");
            }
            assert_eq!(batch.failures.len(), usize::from(count), "{at}");
            assert!(batch.must_stop(), "{at}");
            tried += 1;
        }
    }
    assert_eq!(tried, 7 * 5);
}

/// The wraps are right; it is only the check that may not see it.
#[test]
fn a_check_in_a_wrong_order_changes_only_rows_that_open() {
    for count in [2, 3, 4, 5, 250] {
        let ring = ring(Order::Right, Order::Reversed);
        let batch = pollster::block_on(ring.rewrap_batch_async(rows(count)));
        for change in &batch.changes {
            assert_eq!(ring.open(&change.fresh, &acme()).unwrap(), secret());
        }
        assert_eq!(batch.changes.len() + batch.failures.len(), usize::from(count));
        assert_eq!(batch.failures.is_empty(), !batch.must_stop());
    }
}

/// This is one bad wrap or unwrap, and says nothing about the other rows.
#[test]
fn a_result_that_is_no_rows_fails_one_row() {
    for (wraps, unwraps) in [(Order::LastForeign, Order::Right), (Order::Right, Order::LastForeign)]
    {
        for count in [1, 2, 3, 250] {
            let ring = ring(wraps, unwraps);
            let batch = pollster::block_on(ring.rewrap_batch_async(rows(count)));
            let [(_, RowError::Rewrap(RewrapError::Unverified { .. }))] = &*batch.failures else {
                panic!("{wraps:?} and {unwraps:?}, {count} rows: {:?}", batch.failures);
            };
            assert_eq!(batch.changes.len(), usize::from(count) - 1);
            for change in &batch.changes {
                assert_eq!(ring.open(&change.fresh, &acme()).unwrap(), secret());
            }
        }
    }
}

#[test]
fn results_in_the_right_order_change_every_row() {
    let ring = ring(Order::Right, Order::Right);
    for count in [1, 2, 3, 250] {
        let batch = pollster::block_on(ring.rewrap_batch_async(rows(count)));
        assert_eq!(batch.changes.len(), usize::from(count));
        for change in batch.changes {
            assert_eq!(ring.open(&change.fresh, &acme()).unwrap(), secret());
        }
    }
    // The same row twice has one data key, which is no sign of a wrong order.
    let twice = [1, 2].map(|id| (id, rows(1).remove(0).1));
    assert_eq!(pollster::block_on(ring.rewrap_batch_async(twice)).changes.len(), 2);
}
