//! What a process keeps: the keys of branches, each for a time, and which branch the next row goes to.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use sealwax::companion::IntermediateKey;
use sealwax::{KeyId, Suite, UnwrapRequest};

use crate::body::BRANCH_ID_LEN;

/// How many pairs of a key id and a suite have a branch for new rows. A process has a few.
const MAKERS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// For how long others wait for a call, at least.
const MIN_PATIENCE: Duration = Duration::from_secs(1);

/// What a branch serves.
pub(crate) type Served = (KeyId, Suite);

/// The public part of a branch that this process made.
pub(crate) struct Head {
    pub(crate) id: [u8; BRANCH_ID_LEN],
    /// W.
    pub(crate) wrap: Vec<u8>,
}

/// What is known of a branch.
pub(crate) enum Found {
    Fresh(Arc<IntermediateKey>),
    /// The key may be used, but somebody should ask the service.
    Due(Arc<IntermediateKey>),
    Unknown,
}

struct Entry {
    served: Served,
    /// W.
    wrap: Box<[u8]>,
    /// Wiped when it is evicted and the last operation that uses it has ended.
    key: Arc<IntermediateKey>,
    /// When the service was asked that said yes last.
    confirmed: Duration,
    /// When the service should be asked again.
    due: Duration,
}

/// Where new rows go.
struct Maker {
    head: Arc<Head>,
    left: u32,
    /// When the service was asked for its wrap.
    made: Duration,
}

pub(crate) struct Known {
    pub(crate) max_age: Duration,
    /// By branch_id. An entry is found only if key id, suite and W are the same too.
    branches: LruCache<[u8; BRANCH_ID_LEN], Entry>,
    makers: LruCache<Served, Maker>,
    /// How often the branches were forgotten. A call that began before leaves no key here.
    pub(crate) keys_epoch: u64,
    /// How often the makers were renewed or forgotten. A call that began before leaves no maker here.
    pub(crate) makers_epoch: u64,
}

impl Known {
    pub(crate) fn new(max_age: Duration, capacity: NonZeroUsize) -> Self {
        let (branches, makers) = (LruCache::new(capacity), LruCache::new(MAKERS));
        Self { max_age, branches, makers, keys_epoch: 0, makers_epoch: 0 }
    }

    pub(crate) fn set_capacity(&mut self, capacity: NonZeroUsize) {
        self.branches.resize(capacity);
    }

    /// Finds the branch that the provider is asked about.
    pub(crate) fn find(&mut self, outer: UnwrapRequest<'_>, now: Duration) -> Found {
        let max_age = self.max_age;
        match self.branches.get(outer.commitment()).filter(|entry| entry.is_of(outer)) {
            None => Found::Unknown,
            Some(entry) if is_over(entry.confirmed, now, max_age) => {
                self.evict(outer);
                Found::Unknown
            }
            Some(Entry { key, due, .. }) if now >= *due => Found::Due(Arc::clone(key)),
            Some(Entry { key, .. }) => Found::Fresh(Arc::clone(key)),
        }
    }

    fn entry(&mut self, outer: UnwrapRequest<'_>) -> Option<&mut Entry> {
        self.branches.peek_mut(outer.commitment()).filter(|entry| entry.is_of(outer))
    }

    /// Keeps others from asking the service until this call had time to return, or failed.
    pub(crate) fn postpone(&mut self, outer: UnwrapRequest<'_>, now: Duration) {
        let later = now.saturating_add(part_of(self.max_age, 16));
        if let Some(entry) = self.entry(outer) {
            entry.due = later;
        }
    }

    /// Notes that the service, asked at this time, said yes.
    pub(crate) fn confirm(&mut self, outer: UnwrapRequest<'_>, asked: Duration, now: Duration) {
        let due = self.due_after(asked);
        if let Some(entry) = self.entry(outer) {
            (entry.confirmed, entry.due) = (asked, due);
        }
        self.purge(now);
    }

    /// Keeps a key that the service, asked at this time, unwrapped.
    ///
    /// Another wrap of a key that is kept does not replace it.
    pub(crate) fn keep(
        &mut self,
        outer: UnwrapRequest<'_>,
        key: Arc<IntermediateKey>,
        asked: Duration,
        now: Duration,
    ) {
        self.purge(now);
        if self.branches.peek(outer.commitment()).is_some_and(|entry| !entry.is_of(outer)) {
            return;
        }
        let entry = Entry {
            served: (outer.key_id().clone(), outer.suite()),
            wrap: outer.body().into(),
            key,
            confirmed: asked,
            due: self.due_after(asked),
        };
        self.branches.put(*outer.commitment(), entry);
    }

    /// Drops the branches that are over.
    fn purge(&mut self, now: Duration) {
        let over = |entry: &Entry| is_over(entry.confirmed, now, self.max_age);
        let over: Vec<_> =
            self.branches.iter().filter(|(_, entry)| over(entry)).map(|(id, _)| *id).collect();
        for id in over {
            self.branches.pop(&id);
        }
    }

    pub(crate) fn evict(&mut self, outer: UnwrapRequest<'_>) {
        if self.entry(outer).is_some() {
            self.branches.pop(outer.commitment());
        }
    }

    /// Returns the branch that the next row goes to, if there is one that has room and is not over.
    pub(crate) fn maker(&mut self, served: &Served, now: Duration) -> Option<Arc<Head>> {
        let maker = self.makers.get(served)?;
        let takes_rows = maker.left > 0 && !is_over(maker.made, now, self.max_age);
        takes_rows.then(|| Arc::clone(&maker.head))
    }

    pub(crate) fn make(
        &mut self,
        served: Served,
        head: Arc<Head>,
        rows: NonZeroU32,
        made: Duration,
    ) {
        self.makers.put(served, Maker { head, left: rows.get(), made });
    }

    /// Takes the place of one row in a branch, if new rows still go there.
    ///
    /// The age is not asked for: with a maximum age of zero, the row that a branch was made for must find a place there.
    pub(crate) fn take_place(&mut self, served: &Served, head: &Arc<Head>) -> bool {
        let Some(maker) = self.makers.get_mut(served) else { return false };
        match maker.left.checked_sub(1) {
            Some(left) if Arc::ptr_eq(&maker.head, head) => {
                maker.left = left;
                true
            }
            _ => false,
        }
    }

    /// Gives back the place of a row that did not come to be.
    pub(crate) fn give_place_back(&mut self, served: &Served, head: &Arc<Head>) {
        let maker = self.makers.peek_mut(served).filter(|maker| Arc::ptr_eq(&maker.head, head));
        if let Some(maker) = maker {
            maker.left = maker.left.saturating_add(1);
        }
    }

    /// Sends no more rows to a branch.
    pub(crate) fn close(&mut self, served: &Served, head: &Arc<Head>) {
        if self.makers.peek(served).is_some_and(|maker| Arc::ptr_eq(&maker.head, head)) {
            self.makers.pop(served);
        }
    }

    pub(crate) fn renew(&mut self) {
        self.makers.clear();
        self.makers_epoch = self.makers_epoch.wrapping_add(1);
    }

    pub(crate) fn forget(&mut self) {
        self.renew();
        self.branches.clear();
        self.keys_epoch = self.keys_epoch.wrapping_add(1);
    }

    pub(crate) fn len(&self) -> usize {
        self.branches.len()
    }

    /// For how long others wait for a call: one that takes longer may belong to a future that nobody polls.
    pub(crate) fn patience(&self) -> Duration {
        part_of(self.max_age, 16).max(MIN_PATIENCE)
    }

    /// Where the last quarter of the maximum age begins.
    fn due_after(&self, asked: Duration) -> Duration {
        asked.saturating_add(self.max_age.saturating_sub(part_of(self.max_age, 4)))
    }
}

impl Entry {
    fn is_of(&self, outer: UnwrapRequest<'_>) -> bool {
        let (key_id, suite) = &self.served;
        key_id == outer.key_id() && *suite == outer.suite() && *self.wrap == *outer.body()
    }
}

fn part_of(max_age: Duration, parts: u32) -> Duration {
    max_age.checked_div(parts).unwrap_or_default()
}

/// Returns whether the maximum age has passed since a time, or the clock went back since.
///
/// Threads that read the clock, and then wait for the lock, see small steps back; those do not count.
fn is_over(since: Duration, now: Duration, max_age: Duration) -> bool {
    let back = since.saturating_sub(now);
    now.saturating_sub(since) >= max_age || back > part_of(max_age, 16)
}
