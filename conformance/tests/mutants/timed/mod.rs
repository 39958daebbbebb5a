//! A correct storage with timed leases, in memory, and the ways to break it: clauses L1 to L3.

mod rules;

pub(crate) use self::rules::*;

use std::{
    collections::HashMap,
    marker::PhantomData,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, LeaseKind, LeaseView, MemoryStorage, Operation, RefreshLease,
    Result, StorageInfo, TokenKey, TokenStorage, async_trait,
};

use token_storage_conformance::ClockShifting;

use crate::flaw::{self, Flaw, InMemory};

#[derive(Debug, Default)]
struct Entry {
    holder: Option<u64>,
    mark: u64,
    intent: Option<Intent>,
    /// When it is over by its holder's wall clock.
    over_at: Option<SystemTime>,
    /// When the server ends it.
    ends_at: Option<Instant>,
}

impl Entry {
    fn has_ended(&self) -> bool {
        self.ends_at.is_some_and(|ends_at| Instant::now() >= ends_at)
    }
}

type Leases = Arc<Mutex<(u64, HashMap<TokenKey, Entry>)>>;

/// The storage: records in a [`MemoryStorage`], leases here.
#[derive(Clone, Debug)]
pub(crate) struct Timed<R> {
    base: MemoryStorage,
    leases: Leases,
    /// What this handle has seen: the mark of a lease, and since when it stands still.
    seen: Arc<Mutex<HashMap<TokenKey, (u64, Instant)>>>,
    number: u64,
    /// By how many seconds this handle's wall clock is wrong.
    off_by: i64,
    /// How often wrong wall clocks were looked at, through any handle.
    looks: Arc<AtomicUsize>,
    rules: PhantomData<R>,
}

#[async_trait]
impl<R: Rules> Flaw for Timed<R> {
    fn new() -> Self {
        Self {
            base: MemoryStorage::new(),
            leases: Leases::default(),
            seen: Arc::default(),
            number: 0,
            off_by: 0,
            looks: Arc::default(),
            rules: PhantomData,
        }
    }

    fn base(&self) -> &MemoryStorage {
        &self.base
    }

    fn handle(&self) -> Self {
        let leases = if R::SHARED {
            Arc::clone(&self.leases)
        } else {
            Leases::default()
        };
        static HANDLES: AtomicU64 = AtomicU64::new(1);
        Self {
            leases,
            seen: Arc::default(),
            number: HANDLES.fetch_add(1, Ordering::Relaxed),
            ..self.clone()
        }
    }

    fn describe(&self) -> StorageInfo {
        self.base.describe().with_lease(LeaseKind::Timed { ttl: R::TTL })
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        match R::REMEMBERS {
            true => Some(Box::new(self)),
            false => Some(Box::new(Forgetful(Self {
                seen: Arc::default(),
                ..self.clone()
            }))),
        }
    }
}

/// What it has seen of marks goes with it.
struct Forgetful<R>(Timed<R>);

#[async_trait]
impl<R: Rules> RefreshLease for Forgetful<R> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        (&self.0).try_acquire(key).await
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        (&self.0).look(key).await
    }
}

#[async_trait]
impl<R: Rules> ClockShifting for InMemory<Timed<R>> {
    async fn reopen_shifted(&self, place: &Timed<R>, seconds: i64) -> Result<Arc<dyn TokenStorage>> {
        Ok(flaw::open(Timed {
            off_by: seconds,
            ..place.handle()
        }))
    }

    fn looked(&self, place: &Timed<R>) -> usize {
        place.looks.load(Ordering::Relaxed)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl<R: Rules> RefreshLease for &Timed<R> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let late = self.answers_after(key);
        let acquired = self.try_now(key, late);
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        acquired
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let leases = locked(&self.leases);
        let view = |entry: &Entry| LeaseView::new(entry.holder.is_some(), entry.intent.clone());
        Ok(Some(leases.1.get(key).map(view).unwrap_or_default()))
    }
}

impl<R: Rules> Timed<R> {
    fn answers_after(&self, key: &TokenKey) -> Duration {
        let held = |entry: &Entry| entry.holder.is_some();
        match locked(&self.leases).1.get(key).is_some_and(held) {
            true => Duration::ZERO,
            false => R::ANSWERS_AFTER,
        }
    }

    /// The holder counts from when it hears of it, which is so much later.
    fn try_now(&self, key: &TokenKey, late: Duration) -> Result<Acquisition> {
        let sent = Instant::now() + late;
        let (next, entries) = &mut *locked(&self.leases);
        let entry = entries.entry(key.clone()).or_default();
        let over = R::TRUSTS_WALL_CLOCKS && entry.over_at.is_some_and(|over_at| self.wall() > over_at);
        let over = over || R::SERVER_ENDS && entry.has_ended();
        if entry.holder.is_some() && R::EXCLUSIVE && !over && !self.stood_still(key, entry.mark) {
            return Ok(Acquisition::Held {
                retry_after: Duration::from_millis(10),
            });
        }
        *next += 1;
        let before = entry.holder.is_some();
        let holder = if R::HANDLES_HOLD { self.number } else { *next };
        entry.holder = Some(holder);
        if R::TAKE_OVER_MOVES_MARK || !before {
            entry.mark = if R::MARKED_BY_HOLDER { self.number } else { *next };
        }
        if before && !R::TAKE_OVER_KEEPS_INTENT {
            entry.intent = None;
        }
        entry.ends_at = Some(Instant::now() + R::TTL * R::ENDS_AFTER / 100);
        entry.over_at = Some(self.wall() + R::TTL);
        let intent = if R::PER_KEY {
            entry.intent.clone()
        } else {
            entries.values().find_map(|entry| entry.intent.clone())
        };
        Ok(Acquisition::Acquired(Box::new(Guard::<R> {
            leases: Arc::clone(&self.leases),
            key: key.clone(),
            holder,
            intent,
            deadline: sent + R::TTL - R::MARGIN + R::SEEMS_LONGER_BY,
            drop_frees: R::DROP_FREES,
            rules: PhantomData,
        })))
    }

    fn wall(&self) -> SystemTime {
        if self.off_by != 0 {
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
        let shift = Duration::from_secs(self.off_by.unsigned_abs());
        let now = SystemTime::now();
        if self.off_by < 0 { now - shift } else { now + shift }
    }

    fn stood_still(&self, key: &TokenKey, mark: u64) -> bool {
        let mut seen = locked(&self.seen);
        if R::REMEMBERS_ONE {
            seen.retain(|other, _| other == key);
        }
        let (known, since) = seen.entry(key.clone()).or_insert((mark, Instant::now()));
        if *known != mark && R::WATCHES_MARK {
            (*known, *since) = (mark, Instant::now());
        }
        let over = R::TAKEN_OVER_AFTER.is_some_and(|after| since.elapsed() > after);
        if over {
            seen.remove(key);
        }
        over
    }
}

#[derive(Debug)]
struct Guard<R> {
    leases: Leases,
    key: TokenKey,
    holder: u64,
    intent: Option<Intent>,
    deadline: Instant,
    drop_frees: bool,
    rules: PhantomData<R>,
}

impl<R> Drop for Guard<R> {
    fn drop(&mut self) {
        if self.drop_frees
            && let Some(entry) = locked(&self.leases).1.get_mut(&self.key)
        {
            entry.holder = None;
        }
    }
}

impl<R: Rules> Guard<R> {
    /// Changes the entry, if it is still this holder's.
    fn change(&self, checked: bool, change: impl FnOnce(&mut Entry, &mut u64)) -> Result<()> {
        let (next, entries) = &mut *locked(&self.leases);
        let entry = entries.entry(self.key.clone()).or_default();
        let free = R::RENEWS_WHEN_FREE && entry.holder.is_none();
        let ended = R::SERVER_ENDS && entry.has_ended();
        if checked && !free && (entry.holder != Some(self.holder) || ended) {
            let message = "another holder has taken the lease over";
            return Err(Error::new(ErrorKind::LeaseLost, message)
                .with_operation(Operation::Lease)
                .with_key(&self.key));
        }
        change(entry, next);
        Ok(())
    }
}

#[async_trait]
impl<R: Rules> LeaseGuard for Guard<R> {
    fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    fn remaining(&self) -> Option<Duration> {
        Some(match R::REMAINING_COUNTS {
            true => self.deadline.saturating_duration_since(Instant::now()),
            false => R::TTL,
        })
    }

    async fn renew(&mut self) -> Result<()> {
        let sent = Instant::now();
        self.change(R::RENEW_CHECKS_HOLDER, |entry, next| {
            if R::RENEW_RENEWS {
                *next += 1;
                entry.mark = *next;
                entry.ends_at = Some(Instant::now() + R::TTL * R::ENDS_AFTER / 100);
            }
        })?;
        if R::RENEWING_COUNTS {
            let from = if R::RENEWALS_ADD_UP { self.deadline } else { sent };
            self.deadline = from + R::TTL - R::MARGIN + R::SEEMS_LONGER_BY;
        }
        Ok(())
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.change(R::INTENT_CHECKS_HOLDER, |entry, _| {
            entry.intent = R::INTENT_IS_KEPT.then(|| intent.clone());
        })?;
        if R::INTENT_COUNTS {
            self.deadline = Instant::now() + R::TTL;
        }
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.change(R::CLEAR_CHECKS_HOLDER, |entry, _| {
            if R::INTENT_IS_CLEARED {
                entry.intent = None;
            }
        })
    }

    async fn release(self: Box<Self>) -> Result<()> {
        let freed = self.change(R::RELEASE_CHECKS_HOLDER, |entry, _| {
            if R::RELEASE_FREES {
                entry.holder = None;
            }
            if !R::RELEASE_KEEPS_INTENT {
                entry.intent = None;
            }
        });
        match freed {
            Err(error) if error.kind() == ErrorKind::LeaseLost => Ok(()),
            other => other,
        }
    }
}
