//! What was read is remembered.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use token_storage_core::{
    Acquisition, Begin, Intent, LeaseGuard, Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken,
    TokenKey, TokenStorage, Write, async_trait, backend::forward,
};

/// How many records are remembered if nothing is said.
const RECORDS: usize = 1000;
/// Calls on different keys rarely wait for each other.
const SHARDS: usize = 64;

/// A storage that remembers what it has read, for as long as it is told.
///
/// It weakens one clause, A3, and says so in [`StorageInfo::staleness`]: what others wrote, through another handle or
/// from another process, may be seen late by the age that was given, never more. All else holds:
///
/// - **Own writes are seen at once.** A write through this handle or a clone of it forgets the record when it begins and when it
///   ends, however it ends, dropped included; what was being read meanwhile is not remembered.
/// - **No refresh is decided by what is remembered.** From the moment at which a lease is gone for until its guard is gone, the
///   record is read from the storage. So a token manager above this layer hands out from memory what is valid, and sees what
///   another process brought before it spends a refresh token.
/// - **Absent is not remembered**, so that a login is seen at once, unless [that is asked for](Cached::absent_too).
/// - A write on condition of a remembered revision that is outdated is refused as any other, and the next read is fresh.
///
/// Tokens stay in memory until they are forgotten: when the record is written or asked for again past its age, or when
/// others take its place. Clones share one memory.
///
/// ```
/// use std::time::Duration;
/// use token_storage::{MemoryStorage, TokenStorage, layers::Cached};
///
/// let storage = Cached::new(MemoryStorage::new(), Duration::from_secs(5));
/// assert_eq!(storage.describe().staleness, Some(Duration::from_secs(5)));
/// ```
#[derive(Clone)]
pub struct Cached<S> {
    storage: S,
    age: Duration,
    absent: bool,
    memory: Arc<Memory>,
}

impl<S: TokenStorage> Cached<S> {
    /// Answers are remembered until they are so old. Up to 1000 records; those that are asked for least make room.
    pub fn new(storage: S, age: Duration) -> Self {
        Self {
            storage,
            age,
            absent: false,
            memory: Arc::new(Memory::of(RECORDS)),
        }
    }

    /// How many records are remembered. What is remembered already is forgotten, and clones no longer share.
    #[must_use]
    pub fn records(mut self, records: usize) -> Self {
        self.memory = Arc::new(Memory::of(records));
        self
    }

    /// Remembers, too, that there is no record: somebody who logs in through another process is then seen late.
    #[must_use]
    pub fn absent_too(mut self) -> Self {
        self.absent = true;
        self
    }
}

/// Nothing of what is remembered.
impl<S: fmt::Debug> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("storage", &self.storage)
            .field("age", &self.age)
            .field("absent", &self.absent)
            .finish_non_exhaustive()
    }
}

/// An answer, and when it was asked for.
#[derive(Clone)]
struct Remembered {
    answer: Option<StoredToken>,
    asked: Instant,
}

/// What is remembered, and what must not be now.
struct Memory {
    answers: Cache<TokenKey, Remembered>,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// Answers are added and taken away under its lock.
#[derive(Default)]
struct Shard {
    /// Grows whenever something begins or ends that makes older answers doubtful.
    epoch: u64,
    /// By how many writes and leases each of these keys is concerned.
    past: HashMap<TokenKey, usize>,
}

impl Memory {
    fn of(records: usize) -> Self {
        Self {
            answers: Cache::new(records),
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Nothing panics while it is held, so a poisoned lock is consistent.
    fn shard(&self, key: &TokenKey) -> MutexGuard<'_, Shard> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered and not too old.
    fn recall(&self, key: &TokenKey, age: Duration) -> Option<Option<StoredToken>> {
        let remembered = self.answers.get(key)?;
        if remembered.asked.elapsed() < age {
            return Some(remembered.answer);
        }
        // No longer than needed in memory. Should a newer one have come meanwhile, it is read once more.
        self.answers.remove(key);
        None
    }

    fn epoch(&self, key: &TokenKey) -> u64 {
        self.shard(key).epoch
    }

    /// Unless something happened since the epoch in which it was asked for.
    fn remember(&self, key: &TokenKey, epoch: u64, remembered: Remembered) {
        let shard = self.shard(key);
        if shard.epoch == epoch && !shard.past.contains_key(key) {
            self.answers.insert(key.clone(), remembered);
        }
    }
}

/// As long as it is there, these keys are read past the memory.
struct Past {
    memory: Arc<Memory>,
    keys: Vec<TokenKey>,
}

impl Past {
    fn new(memory: &Arc<Memory>, keys: Vec<TokenKey>) -> Self {
        for key in &keys {
            let mut shard = memory.shard(key);
            shard.epoch += 1;
            *shard.past.entry(key.clone()).or_default() += 1;
            memory.answers.remove(key);
        }
        Self {
            memory: Arc::clone(memory),
            keys,
        }
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        for key in &self.keys {
            let mut shard = self.memory.shard(key);
            shard.epoch += 1;
            if let Some(count) = shard.past.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    shard.past.remove(key);
                }
            }
        }
    }
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for Cached<S> {
    forward!(self.storage => prove_writable, enumerate);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        if let Some(answer) = self.memory.recall(key, self.age) {
            return Ok(answer);
        }
        let (epoch, asked) = (self.memory.epoch(key), Instant::now());
        let answer = self.storage.get(key).await?;
        if answer.is_some() || self.absent {
            let remembered = Remembered {
                answer: answer.clone(),
                asked,
            };
            self.memory.remember(key, epoch, remembered);
        }
        Ok(answer)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let keys = writes.iter().map(|write| write.key.clone()).collect();
        let _past = Past::new(&self.memory, keys);
        self.storage.store_all(writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let _past = Past::new(&self.memory, vec![key.clone()]);
        self.storage.remove(key, precondition).await
    }

    fn describe(&self) -> StorageInfo {
        let info = self.storage.describe();
        let staleness = info.staleness.unwrap_or_default().saturating_add(self.age);
        info.with_staleness(staleness)
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(Lease {
            memory: &self.memory,
            inner: self.storage.lease()?,
        }))
    }
}

struct Lease<'a> {
    memory: &'a Arc<Memory>,
    inner: Box<dyn RefreshLease + 'a>,
}

#[async_trait]
impl RefreshLease for Lease<'_> {
    forward!(self.inner => look);

    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let past = Past::new(self.memory, vec![key.clone()]);
        let acquired = self.inner.try_acquire(key).await?;
        Ok(acquired.map(|inner| Box::new(Guard { inner, _past: past })))
    }

    async fn try_begin(&self, key: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let past = Past::new(self.memory, vec![key.clone()]);
        let begun = self.inner.try_begin(key, revision, intent).await?;
        Ok(begun.map(|inner| Box::new(Guard { inner, _past: past })))
    }
}

struct Guard {
    inner: Box<dyn LeaseGuard>,
    _past: Past,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent, remaining, renew, record_intent, clear_intent);

    async fn release(self: Box<Self>) -> Result<()> {
        self.inner.release().await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish().await
    }
}
