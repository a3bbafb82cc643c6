//! `rewrap_batch_async`: it asks each key once for all rows, and the results are those of `rewrap_async` row by row.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sealwax::{
    Batch, DataKey, EncryptionContext, Envelope, KeyWrapper, Keyring, MasterKey, MasterKeyProvider,
    ProviderError, ProviderErrorKind, ProviderFuture, RewrapError, RowError, UnwrapError,
    UnwrapRequest, WrapRequest,
};

use crate::fixtures::{Counting, acme, key_id, master_key, rewrap_outcome};
use crate::providers::{KINDS, Log, When, remote, result_of, secret};

/// The batches that the keys of a ring were asked for, such as `wrap[3]:p`, and what goes wrong.
#[derive(Default)]
struct Service {
    batches: Mutex<Vec<String>>,
    /// At this batch, counted from 1, and this item, counted from 0.
    fault: Mutex<Option<(usize, usize, ProviderErrorKind)>>,
    /// At this batch, counted from 1, this many more results than requests.
    surplus: Mutex<(usize, isize)>,
}

impl Service {
    fn take_batches(&self) -> String {
        std::mem::take(&mut *self.batches.lock().unwrap()).join(" ")
    }

    fn answer<'a, T>(
        &'a self,
        name: String,
        mut results: Vec<Result<T, ProviderError>>,
    ) -> ProviderFuture<'a, Vec<Result<T, ProviderError>>>
    where
        T: Send + 'a,
    {
        let mut batches = self.batches.lock().unwrap();
        batches.push(name);
        match *self.fault.lock().unwrap() {
            Some((batch, item, kind)) if batch == batches.len() => results[item] = Err(kind.into()),
            _ => {}
        }
        match *self.surplus.lock().unwrap() {
            (batch, _) if batch != batches.len() => {}
            (_, surplus @ ..0) => results.truncate(results.len() - surplus.unsigned_abs()),
            (_, surplus) => {
                results.extend((0..surplus).map(|_| Err(ProviderErrorKind::Rejected.into())));
            }
        }
        // As of a remote key.
        ProviderFuture::boxed(async move { results })
    }
}

/// A key that takes batches only.
struct Batching(MasterKey, Arc<Service>);

impl KeyWrapper for Batching {
    fn wrap_key<'a>(
        &'a self,
        _request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        panic!("a batch is asked for as a batch")
    }

    fn wrap_keys<'a>(
        &'a self,
        requests: &'a [WrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<Vec<u8>, ProviderError>>> {
        let bodies = requests.iter().map(|request| self.0.wrap_key(*request).into_ready().unwrap());
        let name = format!("wrap[{}]:{}", requests.len(), requests[0].key_id());
        self.1.answer(name, bodies.collect())
    }
}

impl MasterKeyProvider for Batching {
    fn unwrap_key<'a>(
        &'a self,
        _request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        panic!("a batch is asked for as a batch")
    }

    fn unwrap_keys<'a>(
        &'a self,
        requests: &'a [UnwrapRequest<'a>],
    ) -> ProviderFuture<'a, Vec<Result<DataKey, ProviderError>>> {
        let keys = requests.iter().map(|request| self.0.unwrap_key(*request).into_ready().unwrap());
        let name = format!("unwrap[{}]:{}", requests.len(), requests[0].key_id());
        self.1.answer(name, keys.collect())
    }
}

/// What wraps as [`Batching`] does, of the same kind, and is ready.
struct Ready(MasterKey);

impl KeyWrapper for Ready {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.0.wrap_key(request)
    }
}

impl MasterKeyProvider for Ready {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.0.unwrap_key(request)
    }
}

/// A key that is ready the first few times, and then has to be waited for.
struct ReadyAtFirst {
    key: MasterKey,
    ready: usize,
    asked: AtomicUsize,
    log: Arc<Log>,
}

impl ReadyAtFirst {
    fn answer<'a, T: Send + 'a>(
        &'a self,
        call: String,
        answer: ProviderFuture<'a, T>,
    ) -> ProviderFuture<'a, T> {
        self.log.record(call);
        if self.asked.fetch_add(1, Ordering::SeqCst) < self.ready {
            answer
        } else {
            ProviderFuture::boxed(answer)
        }
    }
}

impl KeyWrapper for ReadyAtFirst {
    fn wrap_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.answer(format!("wrap:{}", request.key_id()), self.key.wrap_key(request))
    }
}

impl MasterKeyProvider for ReadyAtFirst {
    fn unwrap_key<'a>(
        &'a self,
        request: UnwrapRequest<'a>,
    ) -> ProviderFuture<'a, Result<DataKey, ProviderError>> {
        self.answer(format!("unwrap:{}", request.key_id()), self.key.unwrap_key(request))
    }
}

/// Returns the ring with primary `p`, escrow `e` and retired `o`, of keys that `key` makes.
fn ring_of<P: MasterKeyProvider + 'static>(key: impl Fn(MasterKey) -> P) -> Keyring {
    Keyring::new(key_id("p"), key(master_key(1)))
        .and_then(|ring| ring.with_escrow(key_id("e"), key(master_key(2))))
        .and_then(|ring| ring.with_retired(key_id("o"), key(master_key(3))))
        .and_then(|ring| ring.with_leaked(key_id("l")))
        .unwrap()
}

fn batching() -> (Keyring, Arc<Service>) {
    let service = Arc::new(Service::default());
    (ring_of(|key| Batching(key, Arc::clone(&service))), service)
}

/// Returns a row that is wrapped for these keys, of these numbers.
fn row(keys: &[(&str, u8)], seed: u8) -> Envelope {
    let (id, number) = keys[0];
    let mut ring = Keyring::new(key_id(id), Ready(master_key(number))).unwrap();
    for (id, number) in &keys[1..] {
        ring = ring.with_escrow(key_id(id), Ready(master_key(*number))).unwrap();
    }
    ring.seal_with_rng(&secret(), &acme(), &mut Counting(seed)).unwrap()
}

fn altered(row: &Envelope) -> Envelope {
    let mut bytes = row.as_bytes().to_vec();
    let at = bytes.len() - row.ciphertext().len() - 1;
    bytes[at] ^= 1;
    Envelope::from_bytes(&bytes).unwrap()
}

/// Rows of each sort.
fn rows() -> Vec<(u32, Envelope)> {
    let rows = [
        row(&[("o", 3)], 1),
        row(&[("p", 1), ("e", 2)], 2),
        row(&[("p", 1)], 3),
        // Its first wrap is of other material, so that the second one is asked for.
        row(&[("e", 2), ("p", 9)], 4),
        altered(&row(&[("o", 3)], 5)),
        row(&[("unknown", 7)], 6),
        row(&[("o", 3), ("l", 8)], 7),
        row(&[("o", 3)], 8),
        row(&[("e", 2)], 9),
    ];
    (0..).zip(rows).collect()
}

fn rewrap(ring: &Keyring, rows: &[(u32, Envelope)]) -> Batch<u32> {
    pollster::block_on(ring.rewrap_batch_async(rows.iter().map(|(id, row)| (*id, row.clone()))))
}

#[test]
fn each_key_is_asked_once_for_the_rows_that_need_it() {
    let (ring, service) = batching();
    let rows = rows();
    let batch = rewrap(&ring, &rows);
    assert_eq!(
        service.take_batches(),
        "unwrap[2]:p unwrap[2]:e unwrap[3]:o wrap[5]:p wrap[5]:e unwrap[6]:p unwrap[6]:e"
    );
    let single = ring_of(Ready);
    let mut told = Vec::new();
    for (id, row) in &rows {
        let result = result_of(&batch, *id);
        assert_eq!(rewrap_outcome(&result), rewrap_outcome(&single.rewrap(row)), "row {id}");
        assert_eq!(result.ok(), single.rewrap(row).ok(), "row {id}");
        told.push(rewrap_outcome(&result_of(&batch, *id)));
    }
    assert_eq!(
        told.join(" "),
        "done current done done envelope_altered unknown_key(unknown) key_leaked(l) done done"
    );
    // All results are in the order of the rows.
    let ids = |n| batch.changes.iter().map(|change| change.id).nth(n);
    assert!((1..5).all(|n| ids(n - 1) < ids(n)));
    assert_eq!(batch.failures.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(batch.current, 1);
    for change in &batch.changes {
        assert_eq!(ring_of(Ready).open(&change.fresh, &acme()).unwrap(), secret());
    }
    assert_eq!(rewrap(&ring, &[]).changes.len(), 0);
    assert_eq!(service.take_batches(), "");
}

#[test]
fn one_failure_is_one_rows() {
    let (ring, service) = batching();
    let rows = rows();
    let whole = rewrap(&ring, &rows);
    service.take_batches();
    // In the order of the commitments, and the first row twice.
    let mut checked: [u32; 5] = [0, 2, 3, 7, 8];
    checked
        .sort_by_key(|row| *rows.iter().find(|(id, _)| id == row).expect("a row").1.commitment());
    let checked = [checked.as_slice(), &[0]].concat();
    let mut tried = 0;
    for kind in KINDS {
        // The row of each item of each batch while nothing fails.
        for (batch, rows_asked) in [
            (1, [2, 3].as_slice()),
            (2, &[3, 8]),
            (3, &[0, 4, 7]),
            (4, &[0, 2, 3, 7, 8]),
            (5, &[0, 2, 3, 7, 8]),
            (6, &checked),
            (7, &checked),
        ] {
            for (item, failing) in rows_asked.iter().enumerate() {
                *service.fault.lock().unwrap() = Some((batch, item, kind));
                let result = rewrap(&ring, &rows);
                service.take_batches();
                for (id, _) in &rows {
                    let (found, before) = (result_of(&result, *id), result_of(&whole, *id));
                    let at = format!("{kind:?}, batch {batch}, item {item}, row {id}");
                    // Row 3 has failed at its first wrap anyway.
                    if id == failing && (batch, *id) != (1, 3) {
                        assert_ne!(rewrap_outcome(&found), rewrap_outcome(&before), "{at}");
                    } else {
                        assert_eq!(rewrap_outcome(&found), rewrap_outcome(&before), "{at}");
                        assert_eq!(found.ok(), before.ok(), "{at}");
                    }
                    tried += 1;
                }
            }
        }
    }
    assert_eq!(tried, 9 * 29 * 9);
}

/// Nobody knows which result belongs to which row.
#[test]
fn a_provider_that_miscounts_changes_no_row() {
    let (ring, service) = batching();
    let rows =
        [(1, row(&[("o", 3)], 1)), (2, row(&[("o", 3)], 2)), (3, row(&[("p", 1), ("e", 2)], 3))];
    let mut tried = 0;
    for surplus in [-2, -1, 1, 500] {
        for (at, key) in [(1, "o"), (2, "p"), (3, "e"), (4, "p"), (5, "e")] {
            *service.surplus.lock().unwrap() = (at, surplus);
            let batch = rewrap(&ring, &rows);
            service.take_batches();
            assert!(batch.changes.is_empty() && batch.current == 1, "{surplus} at batch {at}");
            for id in [1, 2] {
                let error = result_of(&batch, id).unwrap_err();
                let (RewrapError::Unwrap(UnwrapError::Provider { key_id, source, .. })
                | RewrapError::Wrap { key_id, source, .. }) = error
                else {
                    panic!("{surplus} at batch {at}: {error}");
                };
                assert_eq!((key_id.as_ref(), source.kind()), (key, ProviderErrorKind::Other));
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 4 * 5 * 2);
    *service.surplus.lock().unwrap() = (0, 0);
    assert_eq!(rewrap(&ring, &rows).changes.len(), 2);
}

/// The batches that a provider has without doing anything for it.
#[test]
fn a_provider_without_batches_is_asked_for_one_row_after_the_other() {
    let rows = [1, 2, 3].map(|seed| (seed.into(), row(&[("o", 3)], seed)));
    // One key is ready for all rows, for some, or for none.
    for ready in 0..=6 {
        let log = Arc::new(Log::default());
        let asked = AtomicUsize::new(0);
        let key = ReadyAtFirst { key: master_key(1), ready, asked, log: Arc::clone(&log) };
        let ring = Keyring::new(key_id("p"), key)
            .and_then(|ring| ring.with_escrow(key_id("e"), remote(2, When::Later(1), &log)))
            .and_then(|ring| ring.with_retired(key_id("o"), remote(3, When::Later(2), &log)))
            .unwrap();
        let batch = rewrap(&ring, &rows);
        for (id, row) in &rows {
            assert_eq!(result_of(&batch, *id).unwrap(), ring_of(Ready).rewrap(row).unwrap());
        }
        let calls = "unwrap:o unwrap:o unwrap:o wrap:p wrap:p wrap:p wrap:e wrap:e wrap:e \
            unwrap:p unwrap:p unwrap:p unwrap:p unwrap:e unwrap:e unwrap:e unwrap:e";
        assert_eq!(log.take_calls(), calls, "ready for {ready}");
    }
}

#[test]
fn rows_that_are_no_envelopes_and_rings_that_do_not_seal() {
    let (ring, service) = batching();
    let good = row(&[("o", 3)], 1).to_string();
    let rows = [(1, "sk-in-the-clear"), (2, good.as_str()), (3, "")];
    let batch = pollster::block_on(ring.rewrap_batch_async(rows));
    assert_eq!((batch.changes.len(), batch.current), (1, 0));
    let formats = batch.failures.iter().filter(|(_, error)| matches!(error, RowError::Format(_)));
    assert_eq!(formats.map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(batch.changes[0].id, 2);
    assert_eq!(service.take_batches(), "unwrap[1]:o wrap[1]:p wrap[1]:e unwrap[1]:p unwrap[1]:e");

    let drill = Keyring::opening_only().with_retired(key_id("o"), master_key(3)).unwrap();
    let batch = pollster::block_on(drill.rewrap_batch_async(rows));
    assert_eq!(batch.failures.len(), 3);
    assert!(matches!(batch.failures[1], (2, RowError::Rewrap(RewrapError::NoPrimary))));
}

/// An id that may not be shared between threads, and rows that are gone before the future is polled.
#[test]
fn the_future_owns_what_it_needs() {
    const fn is_send<T: Send>(value: T) -> T {
        value
    }

    let (ring, service) = batching();
    let future = {
        let text = row(&[("o", 3)], 1).to_string();
        is_send(ring.rewrap_batch_async([(Cell::new(1), text.as_str())]))
    };
    assert_eq!(service.take_batches(), "");
    let batch = pollster::block_on(future);
    assert_eq!(batch.changes.len(), 1);
    assert_ne!(service.take_batches(), "");
    drop(ring.rewrap_batch_async([((), row(&[("o", 3)], 1))]));
    assert_eq!(service.take_batches(), "");
}

/// Over keys in memory and rows of any mixture, both batches and both single forms return the same.
#[test]
fn all_forms_agree() {
    let ring = ring_of(|key| key);
    let other = Keyring::new(key_id("o"), master_key(3)).unwrap();
    let context = EncryptionContext::empty();
    let rows: Vec<(u32, Envelope)> = (0..60)
        .map(|n: u8| {
            let sealer = if n.is_multiple_of(3) { &ring } else { &other };
            let row = sealer.seal_with_rng(&secret(), &context, &mut Counting(n)).unwrap();
            (n.into(), if n.is_multiple_of(7) { altered(&row) } else { row })
        })
        .collect();
    let now = ring.rewrap_batch(rows.clone());
    let later = rewrap(&ring, &rows);
    assert_eq!(now.changes, later.changes);
    assert_eq!(now.current, later.current);
    let told = |batch: &Batch<u32>| format!("{:?}", batch.failures);
    assert_eq!(told(&now), told(&later));
    assert!(now.changes.len() > 20 && now.current > 10 && now.failures.len() > 3);
}
