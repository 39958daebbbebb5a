//! A storage in memory whose calls can be counted and made to fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage::{
    Acquisition, Error, ErrorKind, LeaseGuard, LeaseKind, LeaseView, MemoryStorage, Operation, Precondition,
    RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, async_trait,
    backend::{Intent, forward},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    storage: MemoryStorage,
    gets: AtomicUsize,
    stores: AtomicUsize,
    fail_gets: AtomicBool,
    busy_gets: AtomicBool,
    fail_stores: AtomicUsize,
    lose_answers: AtomicUsize,
    fail_leases: AtomicBool,
    unwritable: AtomicBool,
    lose_intents: AtomicUsize,
    store_delay: AtomicU64,
    lease_ttl: AtomicU64,
    lapses: AtomicUsize,
}

impl Faulty {
    /// Its leases are timed, on tokio's clock. They are not taken over: it is counted when that could happen.
    pub(crate) fn timed(ttl: Duration) -> Self {
        let storage = Self::default();
        storage
            .0
            .lease_ttl
            .store(ttl.as_millis().try_into().unwrap(), Ordering::SeqCst);
        storage
    }

    fn ttl(&self) -> Option<Duration> {
        let millis = self.0.lease_ttl.load(Ordering::SeqCst);
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// How often a holder came back to a lease that had run out.
    pub(crate) fn lapses(&self) -> usize {
        self.0.lapses.load(Ordering::SeqCst)
    }

    /// How long each store takes, on tokio's clock.
    pub(crate) fn delay_stores(&self, delay: Duration) {
        self.0
            .store_delay
            .store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    /// The next intents are recorded, and it is said that they may not have been.
    pub(crate) fn lose_intents(&self, times: usize) {
        self.0.lose_intents.store(times, Ordering::SeqCst);
    }

    pub(crate) fn gets(&self) -> usize {
        self.0.gets.load(Ordering::SeqCst)
    }

    pub(crate) fn stores(&self) -> usize {
        self.0.stores.load(Ordering::SeqCst)
    }

    pub(crate) fn fail_gets(&self, fail: bool) {
        self.0.fail_gets.store(fail, Ordering::SeqCst);
    }

    /// Reading does not end, and takes all the time that a task is given.
    pub(crate) fn keep_gets_busy(&self) {
        self.0.busy_gets.store(true, Ordering::SeqCst);
    }

    /// The next stores fail, and do nothing.
    pub(crate) fn fail_stores(&self, times: usize) {
        self.0.fail_stores.store(times, Ordering::SeqCst);
    }

    /// The next stores succeed, and say that they may not have.
    pub(crate) fn lose_answers(&self, times: usize) {
        self.0.lose_answers.store(times, Ordering::SeqCst);
    }

    pub(crate) fn fail_leases(&self, fail: bool) {
        self.0.fail_leases.store(fail, Ordering::SeqCst);
    }

    pub(crate) fn set_unwritable(&self, unwritable: bool) {
        self.0.unwritable.store(unwritable, Ordering::SeqCst);
    }
}

fn take(counter: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
}

fn unavailable(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "the test made it fail").with_operation(operation)
}

#[async_trait]
impl TokenStorage for Faulty {
    forward!(self.0.storage => enumerate);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.0.gets.fetch_add(1, Ordering::SeqCst);
        if self.0.fail_gets.load(Ordering::SeqCst) {
            return Err(unavailable(Operation::Get));
        }
        while self.0.busy_gets.load(Ordering::SeqCst) {
            tokio::task::coop::consume_budget().await;
        }
        self.0.storage.get(key).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let [_] = writes else {
            return self.0.storage.store_all(writes).await;
        };
        self.0.stores.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(self.0.store_delay.load(Ordering::SeqCst))).await;
        if take(&self.0.fail_stores) {
            return Err(unavailable(Operation::StoreAll));
        }
        let stored = self.0.storage.store_all(writes).await?;
        if take(&self.0.lose_answers) {
            return Err(unavailable(Operation::StoreAll).with_unknown_outcome());
        }
        Ok(stored)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let removed = self.0.storage.remove(key, precondition).await;
        // So that the call can be dropped when it is done and has not said so.
        tokio::task::yield_now().await;
        removed
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        if self.0.unwritable.load(Ordering::SeqCst) {
            let message = "the test made it read-only";
            return Err(Error::new(ErrorKind::PermissionDenied, message).with_operation(Operation::Store));
        }
        self.0.storage.prove_writable(key).await
    }

    fn describe(&self) -> StorageInfo {
        let info = self.0.storage.describe();
        match self.ttl() {
            Some(ttl) => info.with_lease(LeaseKind::Timed { ttl }),
            None => info,
        }
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(self))
    }
}

#[async_trait]
impl RefreshLease for &Faulty {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        if self.0.fail_leases.load(Ordering::SeqCst) {
            return Err(unavailable(Operation::Lease));
        }
        let lease = self.0.storage.lease().expect("memory has leases");
        Ok(match lease.try_acquire(key).await? {
            Acquisition::Acquired(guard) => Acquisition::Acquired(Box::new(FaultyGuard {
                guard,
                storage: Faulty::clone(self),
                renewed: tokio::time::Instant::now(),
            })),
            held => held,
        })
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let lease = self.0.storage.lease().expect("memory has leases");
        lease.look(key).await
    }
}

#[derive(Debug)]
struct FaultyGuard {
    guard: Box<dyn LeaseGuard>,
    storage: Faulty,
    renewed: tokio::time::Instant,
}

impl FaultyGuard {
    /// Each write to the lease starts its time anew.
    fn touch(&mut self) {
        if self.remaining().is_some_and(|left| left.is_zero()) {
            self.storage.0.lapses.fetch_add(1, Ordering::SeqCst);
        }
        self.renewed = tokio::time::Instant::now();
    }
}

#[async_trait]
impl LeaseGuard for FaultyGuard {
    forward!(self.guard => intent, release);

    fn remaining(&self) -> Option<Duration> {
        let ttl = self.storage.ttl()?;
        Some(ttl.saturating_sub(self.renewed.elapsed()))
    }

    async fn renew(&mut self) -> Result<()> {
        self.touch();
        self.guard.renew().await
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.touch();
        self.guard.record_intent(intent).await?;
        if take(&self.storage.0.lose_intents) {
            return Err(unavailable(Operation::Lease).with_unknown_outcome());
        }
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.touch();
        self.guard.clear_intent().await
    }
}
