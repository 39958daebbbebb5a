//! A storage in memory whose calls can be counted and made to fail.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use token_storage::{
    Acquisition, Enumerate, Error, ErrorKind, Intent, LeaseGuard, MemoryStorage, Operation, Precondition, RefreshLease,
    Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey, TokenStorage, Write, async_trait,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    storage: MemoryStorage,
    gets: AtomicUsize,
    stores: AtomicUsize,
    fail_gets: AtomicBool,
    fail_stores: AtomicUsize,
    lose_answers: AtomicUsize,
    fail_leases: AtomicBool,
    unwritable: AtomicBool,
}

impl Faulty {
    pub(crate) fn gets(&self) -> usize {
        self.0.gets.load(Ordering::SeqCst)
    }

    pub(crate) fn stores(&self) -> usize {
        self.0.stores.load(Ordering::SeqCst)
    }

    pub(crate) fn fail_gets(&self, fail: bool) {
        self.0.fail_gets.store(fail, Ordering::SeqCst);
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
    Error::new(ErrorKind::Unavailable, operation, "the test made it fail")
}

#[async_trait]
impl TokenStorage for Faulty {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.0.gets.fetch_add(1, Ordering::SeqCst);
        if self.0.fail_gets.load(Ordering::SeqCst) {
            return Err(unavailable(Operation::Get));
        }
        self.0.storage.get(key).await
    }

    async fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.0.stores.fetch_add(1, Ordering::SeqCst);
        if take(&self.0.fail_stores) {
            return Err(unavailable(Operation::Store));
        }
        let stored = self.0.storage.store(key, data, precondition).await?;
        if take(&self.0.lose_answers) {
            return Err(unavailable(Operation::Store).with_unknown_outcome());
        }
        Ok(stored)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.0.storage.store_all(writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.0.storage.remove(key, precondition).await
    }

    fn describe(&self) -> StorageInfo {
        self.0.storage.describe()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        self.0.storage.enumerate()
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
        let lease: &dyn RefreshLease = &&self.0.storage;
        Ok(match lease.try_acquire(key).await? {
            Acquisition::Acquired(guard) => Acquisition::Acquired(Box::new(FaultyGuard {
                guard,
                storage: Faulty::clone(self),
            })),
            held => held,
        })
    }
}

#[derive(Debug)]
struct FaultyGuard {
    guard: Box<dyn LeaseGuard>,
    storage: Faulty,
}

#[async_trait]
impl LeaseGuard for FaultyGuard {
    fn intent(&self) -> Option<&Intent> {
        self.guard.intent()
    }

    fn remaining(&self) -> Option<std::time::Duration> {
        self.guard.remaining()
    }

    async fn renew(&mut self) -> Result<()> {
        self.guard.renew().await
    }

    async fn prove_writable(&mut self) -> Result<()> {
        if self.storage.0.unwritable.load(Ordering::SeqCst) {
            let message = "the test made it read-only";
            return Err(Error::new(ErrorKind::PermissionDenied, Operation::Lease, message));
        }
        self.guard.prove_writable().await
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.guard.record_intent(intent).await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.guard.clear_intent().await
    }

    async fn release(self: Box<Self>) -> Result<()> {
        self.guard.release().await
    }
}
