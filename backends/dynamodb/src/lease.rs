//! The timed lease: an item of its own in the same table (clauses L1 to L3).
//!
//! A holder puts a fresh mark into the item with every write. A waiter that has watched one mark stand still for the
//! holder's time to live, on its own monotonic clock, replaces it. So clocks of machines need not agree, and a holder
//! that was paused finds its mark gone. The item is removed on release, unless an intent has to stay behind.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use token_storage_core::{
    Acquisition, Begin, Error, ErrorContext as _, ErrorKind, Intent, LeaseView, Operation, RefreshLease, Result,
    Revision, TokenKey, WriteMark, backend::Deadline,
};

use crate::{
    attempts::Attempts,
    condition::Expected,
    guard::TimedLease,
    inner::{Answer, Inner, string},
    item::{CLEAN_UP, Item, KEY},
    key::lease_key,
    lease_requests::change,
};

/// The mark of the lease's last write.
pub(crate) const LEASE: &str = "token-storage.lease";
/// `held` or, where only an intent was left behind, `free`.
pub(crate) const STATE: &str = "token-storage.lease-state";
/// The holder's time to live in milliseconds.
pub(crate) const TTL: &str = "token-storage.lease-ttl";
/// The recorded intent.
pub(crate) const INTENT: &str = "token-storage.intent";

/// The longest time to live that a waiter believes; longer ones are taken for this.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// The pauses between two looks at a held lease, half as long as it was watched: at first short, as most refreshes are over
/// soon, and two a second in the end.
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Observations kept before those that nobody waits for any more are dropped.
const MANY: usize = 1024;

/// What this handle has seen of leases that others hold, by the lease's key.
#[derive(Debug, Default)]
pub(crate) struct Observations(Mutex<HashMap<String, Observation>>);

#[derive(Clone, Debug)]
struct Observation {
    mark: WriteMark,
    /// Since when this mark stands still.
    since: Duration,
    /// Since when the lease is watched.
    first: Duration,
}

impl Observations {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Observation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.map().contains_key(key)
    }

    pub(crate) fn forget(&self, key: &str) {
        self.map().remove(key);
    }

    /// Notes what was seen at `now`, and returns for how long it has stood still and for how long it was watched.
    fn note(&self, key: &str, mark: WriteMark, now: Duration) -> (Duration, Duration) {
        let mut map = self.map();
        if map.len() >= MANY {
            map.retain(|_, seen| now.saturating_sub(seen.since) < MAX_TTL);
        }
        let seen = map.entry(key.to_owned()).or_insert(Observation {
            mark,
            since: now,
            first: now,
        });
        if seen.mark != mark {
            (seen.mark, seen.since) = (mark, now);
        }
        (now.saturating_sub(seen.since), now.saturating_sub(seen.first))
    }
}

/// What a lease item says.
struct Lease {
    mark: WriteMark,
    free: bool,
    ttl: Duration,
}

impl Lease {
    fn read(item: &Item, key: &TokenKey, default_ttl: Duration) -> Result<Self> {
        let Some(mark) = item.text(LEASE).and_then(WriteMark::parse) else {
            let message = format!("the lease item {:?} is damaged; remove it", lease_key(key));
            return Err(Error::new(ErrorKind::Corrupt, message).with_key(key));
        };
        let ttl = item
            .number(TTL)
            .and_then(|number| number.parse().ok())
            .map(Duration::from_millis);
        Ok(Self {
            mark,
            free: item.text(STATE) == Some("free"),
            ttl: ttl.unwrap_or(default_ttl).min(MAX_TTL),
        })
    }
}

/// The lease capability of a [`DynamoDbStorage`](crate::DynamoDbStorage).
#[derive(Debug)]
pub(crate) struct Leases(pub(crate) Arc<Inner>);

#[async_trait]
impl RefreshLease for Leases {
    async fn try_acquire(&self, of: &TokenKey) -> Result<Acquisition> {
        let (inner, key) = (self.0.clone(), of.clone());
        let acquired = in_a_task(async move { inner.try_acquire(&key).await });
        acquired.await.during(Operation::Lease).about(of)
    }

    async fn try_begin(&self, of: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let (inner, key, intent) = (self.0.clone(), of.clone(), intent.cloned());
        let begun = in_a_task(async move { inner.try_begin(&key, revision, intent.as_ref()).await });
        begun.await.during(Operation::Lease).about(of)
    }

    async fn look(&self, of: &TokenKey) -> Result<Option<LeaseView>> {
        let Some(item) = self.item(of).await? else {
            return Ok(Some(LeaseView::default()));
        };
        let lease = Lease::read(&item, of, self.0.options.lease_ttl);
        let lease = lease.during(Operation::Lease).about(of)?;
        Ok(Some(LeaseView::new(!lease.free, intent_of(Some(&item)))))
    }
}

/// A caller that goes away while the answer is under way must not leave a lease behind that nobody knows of: what nobody takes
/// is dropped there, which releases it.
async fn in_a_task<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let _ = sender.send(work.await);
    });
    receiver.await.unwrap_or_else(|_| {
        let message = "the runtime ended while the lease was being acquired";
        Err(Error::new(ErrorKind::Unavailable, message).with_unknown_outcome())
    })
}

impl Leases {
    /// The item of a lease, in one consistent read.
    async fn item(&self, of: &TokenKey) -> Result<Option<Item>> {
        let looked = async {
            self.0.limits().check_key(of)?;
            self.0.read(&lease_key(of)).await
        };
        looked.await.during(Operation::Lease).about(of)
    }
}

impl Inner {
    pub(crate) async fn try_acquire(self: &Arc<Self>, key: &TokenKey) -> Result<Acquisition> {
        self.limits().check_key(key)?;
        let id = lease_key(key);
        // Whoever is already waiting looks first: a read costs less than a refused write.
        let seen = if self.observations.has(&id) {
            self.read(&id).await.map_err(|error| error.with_key(key))?
        } else {
            None
        };
        match seen {
            None => self.create(key, id).await,
            Some(item) => self.look_at(key, id, item).await,
        }
    }

    /// Takes a lease that nobody has.
    pub(crate) async fn create(self: &Arc<Self>, key: &TokenKey, id: String) -> Result<Acquisition> {
        let mark = WriteMark::random()?;
        let deadline = Deadline::start(&*self.clock, self.options.lease_ttl);
        let item = self.lease_item(&id, &mark);
        let condition = Expected::Absent.condition(key)?;
        match self.send_put(item, condition, &Attempts::default()).await {
            Answer::Applied(()) => Ok(self.acquired(key, id, mark, deadline, None)),
            Answer::Contended | Answer::Refused(None) => Ok(held(SHORTEST_PAUSE)),
            Answer::Refused(Some(item)) if item.text(LEASE).and_then(WriteMark::parse) == Some(mark) => {
                Ok(self.acquired(key, id, mark, deadline, None))
            }
            Answer::Refused(Some(item)) => self.look_at(key, id, item).await,
            Answer::Failed(error) => {
                self.give_up(key, id, mark, deadline, None);
                Err(error.with_key(key))
            }
        }
    }

    /// The item of a lease that is held.
    pub(crate) fn lease_item(&self, id: &str, mark: &WriteMark) -> HashMap<String, AttributeValue> {
        let mut item = HashMap::from([
            (KEY.to_owned(), string(id)),
            (LEASE.to_owned(), string(&mark.to_string())),
            (STATE.to_owned(), string("held")),
            (TTL.to_owned(), self.ttl_attribute()),
        ]);
        if let Some(seconds) = self.clean_up_at() {
            item.insert(CLEAN_UP.to_owned(), AttributeValue::N(seconds.to_string()));
        }
        item
    }

    /// A lease item is there: takes it over if it is free or has stood still for its time to live.
    pub(crate) async fn look_at(self: &Arc<Self>, key: &TokenKey, id: String, item: Item) -> Result<Acquisition> {
        let lease = Lease::read(&item, key, self.options.lease_ttl)?;
        let (still, watched) = self.observations.note(&id, lease.mark, self.clock.monotonic());
        if !lease.free && still < lease.ttl {
            let pause = (watched / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            return Ok(held(pause.min((lease.ttl - still).max(Duration::from_millis(1)))));
        }
        self.take_over(key, id, lease.mark).await
    }

    async fn take_over(self: &Arc<Self>, key: &TokenKey, id: String, old: WriteMark) -> Result<Acquisition> {
        let mark = WriteMark::random()?;
        let deadline = Deadline::start(&*self.clock, self.options.lease_ttl);
        let update = change(&[old], mark).state("held").ttl(self.ttl_attribute());
        match self.send_update(&id, update, &Attempts::default()).await {
            // The intent, if there is one, stays in the item and comes back with it.
            Answer::Applied(item) => Ok(self.acquired(key, id, mark, deadline, intent_of(item.as_ref()))),
            Answer::Contended | Answer::Refused(None) => Ok(held(SHORTEST_PAUSE)),
            Answer::Refused(Some(item)) => {
                let lease = Lease::read(&item, key, self.options.lease_ttl)?;
                if lease.mark == mark {
                    return Ok(self.acquired(key, id, mark, deadline, intent_of(Some(&item))));
                }
                self.observations.note(&id, lease.mark, self.clock.monotonic());
                Ok(held(SHORTEST_PAUSE))
            }
            Answer::Failed(error) => {
                // Whether it holds an intent is not known, so releasing must keep it.
                self.give_up(key, id, mark, deadline, Some(Intent::unreadable()));
                Err(error.with_key(key))
            }
        }
    }

    fn acquired(
        self: &Arc<Self>,
        key: &TokenKey,
        id: String,
        mark: WriteMark,
        deadline: Deadline,
        intent: Option<Intent>,
    ) -> Acquisition {
        self.observations.forget(&id);
        Acquisition::Acquired(Box::new(TimedLease::new(
            self.clone(),
            key.clone(),
            id,
            mark,
            deadline,
            intent,
        )))
    }

    /// The lease may have been acquired without our hearing of it: dropping a guard for it tries to release it.
    pub(crate) fn give_up(
        self: &Arc<Self>,
        key: &TokenKey,
        id: String,
        mark: WriteMark,
        deadline: Deadline,
        intent: Option<Intent>,
    ) {
        drop(TimedLease::new(self.clone(), key.clone(), id, mark, deadline, intent));
    }

    pub(crate) fn ttl_attribute(&self) -> AttributeValue {
        AttributeValue::N(self.options.lease_ttl.as_millis().to_string())
    }
}

pub(crate) fn held(retry_after: Duration) -> Acquisition {
    Acquisition::Held { retry_after }
}

fn intent_of(item: Option<&Item>) -> Option<Intent> {
    let item = item?;
    item.has(INTENT).then(|| {
        item.bytes(INTENT)
            .and_then(Intent::from_bytes)
            .unwrap_or_else(Intent::unreadable)
    })
}
