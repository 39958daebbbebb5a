use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use token_storage_core::{
    Acquisition, Error, ErrorContext as _, ErrorKind, LeaseKind, LeaseView, Operation, RefreshLease, Result, TokenKey,
    backend::{Clock, Deadline, SystemClock},
};

use crate::{guard::Guard, value::Value};

/// What [`TimedLeases`] asks of a storage: three requests on one value for each key.
///
/// The value of a lease is another one than the record of its key, at most 116 bytes, and may be kept anywhere that all
/// who share the storage reach. The three requests must be linearizable: read from the leader, not from a replica.
#[async_trait]
pub trait LeaseStore: fmt::Debug + Send + Sync + 'static {
    /// The value of a key's lease; `None` if there is none.
    ///
    /// # Errors
    /// - Those of every read. Out of reach is `Unavailable`, never `None`.
    async fn get(&self, key: &TokenKey) -> Result<Option<Vec<u8>>>;

    /// Puts a value in one step with the check that what is there is `expected`, byte for byte; `None`: that nothing is
    /// there. `false`: something else is there, and nothing changed.
    ///
    /// # Errors
    /// - Those of every write. It may be repeated blindly: a repetition of what was carried out is `false`, and is seen
    ///   through.
    async fn put_if(&self, key: &TokenKey, expected: Option<&[u8]>, value: &[u8]) -> Result<bool>;

    /// Deletes the value in one step with the check that it is `expected`. `false`: something else is there, or nothing.
    ///
    /// # Errors
    /// - Those of every write.
    async fn delete_if(&self, key: &TokenKey, expected: &[u8]) -> Result<bool>;
}

/// Refresh leases that run out (clauses L1 to L3), as [`FileLease`](https://docs.rs/token-storage-files) is for files.
///
/// A holder puts new bytes with every write. A waiter that has watched the same bytes for the holder's time to live, on
/// its own monotonic clock, replaces them: clocks of machines need not agree, and a holder that was paused finds its
/// value gone. Intents are in the value, and stay behind on release. Clones share what they have seen; a storage keeps
/// one for each handle, as what was seen is worth nothing to another.
#[derive(Clone, Debug)]
pub struct TimedLeases(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) ttl: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// What others hold: the bytes, and since when they stand still.
    seen: Mutex<HashMap<TokenKey, (Vec<u8>, Duration)>>,
}

/// Between two looks at a held lease: half as long as it was watched, at first short, as most refreshes are over soon.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// What is remembered of keys that nobody may wait for any more.
const MANY: usize = 1024;

impl TimedLeases {
    /// Leases of this time to live. It must cover a refresh with its time-outs, a minute, say: a holder that is slower
    /// loses its lease.
    pub fn new(store: Arc<dyn LeaseStore>, ttl: Duration) -> Self {
        Self::with_clock(store, ttl, Arc::new(SystemClock::default()))
    }

    /// The same, on other clocks.
    pub fn with_clock(store: Arc<dyn LeaseStore>, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let seen = Mutex::default();
        Self(Arc::new(Inner {
            store,
            ttl,
            clock,
            seen,
        }))
    }

    /// What to say in the storage's description.
    pub fn kind(&self) -> LeaseKind {
        LeaseKind::Timed { ttl: self.0.ttl }
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, HashMap<TokenKey, (Vec<u8>, Duration)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long this value has been standing still.
    fn still(&self, key: &TokenKey, value: &Value) -> Duration {
        let (now, mut seen) = (self.clock.monotonic(), self.seen());
        if seen.len() >= MANY {
            seen.retain(|_, (_, since)| now.saturating_sub(*since) < self.ttl * 2);
        }
        let (bytes, since) = seen.entry(key.clone()).or_insert_with(|| (value.bytes.clone(), now));
        if *bytes != value.bytes {
            (*bytes, *since) = (value.bytes.clone(), now);
        }
        now.saturating_sub(*since)
    }

    pub(crate) async fn read(&self, key: &TokenKey) -> Result<Option<Value>> {
        let Some(bytes) = self.store.get(key).await? else {
            return Ok(None);
        };
        let damaged = || {
            let message = "the value of the lease is damaged; remove it";
            Error::new(ErrorKind::Corrupt, message)
        };
        Value::read(bytes).map(Some).ok_or_else(damaged)
    }

    /// Puts the value, and looks again if that is not known to have succeeded: what is there may be ours.
    async fn take(&self, key: &TokenKey, old: Option<&Value>, new: &Value) -> Result<bool> {
        let expected = old.map(|old| old.bytes.as_slice());
        match self.store.put_if(key, expected, &new.bytes).await {
            Ok(true) => Ok(true),
            Ok(false) => Ok(self.read(key).await?.as_ref() == Some(new)),
            Err(error) => match self.read(key).await {
                Ok(there) if there.as_ref() == Some(new) => Ok(true),
                // It may still come: it is then freed as if its holder had died.
                _ => Err(error),
            },
        }
    }
}

#[async_trait]
impl RefreshLease for TimedLeases {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        try_acquire(&self.0, key).await.during(Operation::Lease).about(key)
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let read = self.0.read(key).await.during(Operation::Lease).about(key)?;
        let view = read.map(|value| LeaseView::new(value.is_held(), value.intent()));
        Ok(Some(view.unwrap_or_default()))
    }
}

async fn try_acquire(inner: &Arc<Inner>, key: &TokenKey) -> Result<Acquisition> {
    let old = inner.read(key).await?;
    if let Some(value) = old.as_ref().filter(|value| value.is_held()) {
        let (still, ttl) = (inner.still(key, value), value.ttl());
        if still < ttl {
            let pause = (still / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            let retry_after = pause.min((ttl - still).max(Duration::from_millis(1)));
            return Ok(Acquisition::Held { retry_after });
        }
    }
    let intent = old.as_ref().map_or(&[][..], Value::intent_bytes);
    let new = Value::new(true, inner.ttl, intent)?;
    let deadline = Deadline::start(&*inner.clock, inner.ttl);
    if !inner.take(key, old.as_ref(), &new).await? {
        return Ok(Acquisition::Held {
            retry_after: SHORTEST_PAUSE,
        });
    }
    inner.seen().remove(key);
    let guard = Guard::new(Arc::clone(inner), key.clone(), new, deadline);
    Ok(Acquisition::Acquired(Box::new(guard)))
}
