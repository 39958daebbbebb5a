//! A correct storage with timed leases, in memory, and the ways to break it: clauses L1 to L3.

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

/// What is wrong with a lease.
pub(crate) trait Rules: Clone + std::fmt::Debug + Default + Send + Sync + 'static {
    const TTL: Duration = Duration::from_millis(300);
    /// After how long of standing still a waiter takes a lease over.
    const TAKEN_OVER_AFTER: Option<Duration> = Some(Self::TTL);
    const EXCLUSIVE: bool = true;
    /// Whether only the holder can release.
    const RELEASE_CHECKS_HOLDER: bool = true;
    const RELEASE_FREES: bool = true;
    const RENEW_CHECKS_HOLDER: bool = true;
    const RENEW_RENEWS: bool = true;
    const INTENT_IS_KEPT: bool = true;
    const INTENT_IS_CLEARED: bool = true;
    const RELEASE_KEEPS_INTENT: bool = true;
    const INTENT_CHECKS_HOLDER: bool = true;
    const REMAINING_COUNTS: bool = true;
    const PER_KEY: bool = true;
    /// Whether what a handle has leased is leased for the others.
    const SHARED: bool = true;
    /// Whether observing starts anew when the mark moves.
    const WATCHES_MARK: bool = true;
    /// Whether clearing an intent is the holder's only.
    const CLEAR_CHECKS_HOLDER: bool = true;
    /// Whether dropping a guard frees the lease, whoever has it.
    const DROP_FREES: bool = false;
    /// Whether a lost lease can be renewed while nobody has it.
    const RENEWS_WHEN_FREE: bool = false;
    /// Whether a take-over moves the mark.
    const TAKE_OVER_MOVES_MARK: bool = true;
    /// Whether a holder is a handle, and not an acquisition.
    const HANDLES_HOLD: bool = false;
    /// Whether renewing starts what remains anew.
    const RENEWING_COUNTS: bool = true;
    /// By how much more than its time to live a lease seems to remain.
    const SEEMS_LONGER_BY: Duration = Duration::ZERO;
    /// Whether the handle remembers what it has seen of marks, and not only the value that it gives out.
    const REMEMBERS: bool = true;
    /// The part of the time to live, in percent, after which a server that ends leases does so.
    const ENDS_AFTER: u32 = 100;
    /// Whether a server ends leases by its own clock, whoever watches.
    const SERVER_ENDS: bool = false;
    /// The part of the time to live that a holder does without.
    const MARGIN: Duration = Duration::ZERO;
    /// Whether a holder's mark is its name, and not new each time.
    const MARKED_BY_HOLDER: bool = false;
    /// Whether a waiter remembers the mark of the last lease alone.
    const REMEMBERS_ONE: bool = false;
    /// Whether recording an intent gives its holder more time, and no other knows.
    const INTENT_COUNTS: bool = false;
    /// Whether a renewal gives a time to live more than there was.
    const RENEWALS_ADD_UP: bool = false;
    /// Whether what a holder has recorded is there for who takes over.
    const TAKE_OVER_KEEPS_INTENT: bool = true;
    /// How long the answer to the acquisition of a free lease is on its way, which its holder does not count.
    const ANSWERS_AFTER: Duration = Duration::ZERO;
    /// Whether a lease that is over by the holder's wall clock is taken over by the waiter's.
    const TRUSTS_WALL_CLOCKS: bool = false;
}

/// Every rule is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Correct;

impl Rules for Correct {}

/// As `SET key token NX PX ttl` has it: the server ends the lease, by its clock, from when it carried the request out. The
/// holder counts from before it was sent, with a margin.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndedByServer;

impl Rules for EndedByServer {
    const TTL: Duration = Duration::from_millis(500);
    const TAKEN_OVER_AFTER: Option<Duration> = None;
    const SERVER_ENDS: bool = true;
    const MARGIN: Duration = Duration::from_millis(50);
}

/// A server that ends a lease when half of its time to live has passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndedEarly;

impl Rules for EndedEarly {
    const TTL: Duration = Duration::from_millis(600);
    const TAKEN_OVER_AFTER: Option<Duration> = None;
    const SERVER_ENDS: bool = true;
    const ENDS_AFTER: u32 = 50;
    const MARGIN: Duration = Duration::from_millis(50);
}

/// A server that ends leases, and a holder that counts from when it heard of having one, to the last moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountsFromTheAnswer;

impl Rules for CountsFromTheAnswer {
    const TTL: Duration = Duration::from_millis(500);
    const TAKEN_OVER_AFTER: Option<Duration> = None;
    const SERVER_ENDS: bool = true;
    const ANSWERS_AFTER: Duration = Duration::from_millis(150);
}

/// A waiter takes over only long after the time to live.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakenOverLate;

impl Rules for TakenOverLate {
    const TAKEN_OVER_AFTER: Option<Duration> = Some(Duration::from_secs(4));
}

macro_rules! lease_flaw {
    ($($(#[$meta:meta])* $name:ident: $constant:ident: $type:ty = $value:expr;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default)]
            pub(crate) struct $name;

            impl Rules for $name {
                const $constant: $type = $value;
            }
        )*
    };
}

lease_flaw! {
    /// A lease whose holder is gone is never freed.
    NeverExpires: TAKEN_OVER_AFTER: Option<Duration> = None;
    /// Everybody gets it.
    NotExclusive: EXCLUSIVE: bool = false;
    /// A release by a holder that has lost the lease frees it under its successor.
    StrangerReleases: RELEASE_CHECKS_HOLDER: bool = false;
    /// A release does nothing: the lease must run out.
    ReleaseDoesNothing: RELEASE_FREES: bool = false;
    /// A holder that has lost the lease renews it.
    StrangerRenews: RENEW_CHECKS_HOLDER: bool = false;
    /// Renewing moves no mark, so that waiters take over.
    RenewDoesNothing: RENEW_RENEWS: bool = false;
    /// The intent is gone with its holder.
    ForgetsIntent: INTENT_IS_KEPT: bool = false;
    /// A cleared intent is still there for the next holder.
    KeepsClearedIntent: INTENT_IS_CLEARED: bool = false;
    /// An orderly release takes the intent along.
    ReleaseDropsIntent: RELEASE_KEEPS_INTENT: bool = false;
    /// A holder that has lost the lease overwrites its successor's intent.
    StrangerRecordsIntent: INTENT_CHECKS_HOLDER: bool = false;
    /// The lease always seems to be young.
    RemainingStandsStill: REMAINING_COUNTS: bool = false;
    /// One intent for all keys.
    MixesKeys: PER_KEY: bool = false;
    /// Each handle has leases of its own.
    LeasesPerHandle: SHARED: bool = false;
    /// A waiter counts from when it first looked, although the holder has renewed since.
    IgnoresRenewals: WATCHES_MARK: bool = false;
    /// A holder that has lost the lease clears its successor's intent.
    StrangerClears: CLEAR_CHECKS_HOLDER: bool = false;
    /// Dropping a lost guard frees the lease of its successor.
    DropFreesSuccessor: DROP_FREES: bool = true;
    /// A lost lease comes back when its successor has gone.
    RenewsWhenFree: RENEWS_WHEN_FREE: bool = true;
    /// A second waiter does not see that the first one was faster.
    TakeOverIsUnseen: TAKE_OVER_MOVES_MARK: bool = false;
    /// What a handle has acquired again its older guards hold, too.
    HandlesHold: HANDLES_HOLD: bool = true;
    /// What remains is not more after a renewal.
    RenewingCountsForNothing: RENEWING_COUNTS: bool = false;
    /// A lease seems to remain for longer than its time to live.
    SeemsLonger: SEEMS_LONGER_BY: Duration = Duration::from_millis(120);
    /// Each value that stands for the leases sees all marks for the first time.
    ForgetsMarks: REMEMBERS: bool = false;
    /// Who acquires again has the mark that it had before.
    MarkedByHolder: MARKED_BY_HOLDER: bool = true;
    /// Who waits for two leases never takes one over.
    RemembersOne: REMEMBERS_ONE: bool = true;
    /// The holder reckons with more time when it has recorded an intent.
    IntentCounts: INTENT_COUNTS: bool = true;
    /// Two renewals are twice the time.
    RenewalsAddUp: RENEWALS_ADD_UP: bool = true;
    /// The successor writes the entry anew.
    TakeOverForgetsIntent: TAKE_OVER_KEEPS_INTENT: bool = false;
    /// Machines' clocks must agree, or a lease is taken over while it is held.
    TrustsWallClocks: TRUSTS_WALL_CLOCKS: bool = true;
}

/// A lease is taken over while its holder may still use it: so early that no busy machine hides it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpiresEarly;

impl Rules for ExpiresEarly {
    const TTL: Duration = Duration::from_secs(10);
    const TAKEN_OVER_AFTER: Option<Duration> = Some(Duration::from_millis(40));
}

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

    async fn may_have_intent(&self, key: &TokenKey) -> Result<bool> {
        (&self.0).may_have_intent(key).await
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

    async fn may_have_intent(&self, key: &TokenKey) -> Result<bool> {
        Ok(locked(&self.leases)
            .1
            .get(key)
            .is_some_and(|entry| entry.intent.is_some()))
    }

    async fn look(&self, _key: &TokenKey) -> Result<Option<LeaseView>> {
        Ok(None)
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
