//! A memory that counts its calls, and fails or waits as the test says.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use token_storage::{
    Error, ErrorKind, MemoryStorage, Precondition, Result, Revision, StoredToken, TokenKey, TokenStorage, Write,
    async_trait, backend::forward,
};
use tokio::sync::Notify;

#[derive(Clone, Debug, Default)]
pub(crate) struct Flaky(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    storage: MemoryStorage,
    calls: AtomicUsize,
    /// The next calls fail so, the last one first.
    errors: Mutex<Vec<Error>>,
    gate: Mutex<Option<Arc<Gate>>>,
}

/// A call waits there, having said that it came.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) came: Notify,
    pub(crate) open: Notify,
}

impl Flaky {
    pub(crate) fn storage(&self) -> &MemoryStorage {
        &self.0.storage
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self, error: Error, times: usize) {
        self.0.errors.lock().unwrap().extend(vec![error; times]);
    }

    /// The next call waits there once it has done what it does.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        let gate = Arc::<Gate>::default();
        *self.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    fn begin(&self) -> Result<()> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        match self.0.errors.lock().unwrap().pop() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn end<T>(&self, answer: T) -> T {
        let gate = self.0.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.came.notify_one();
            gate.open.notified().await;
        }
        answer
    }
}

pub(crate) fn busy() -> Error {
    Error::new(ErrorKind::Busy, "the test keeps it busy")
}

#[async_trait]
impl TokenStorage for Flaky {
    forward!(self.0.storage => prove_writable, describe, enumerate, lease);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.begin()?;
        let answer = self.0.storage.get(key).await;
        self.end(answer).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.begin()?;
        let answer = self.0.storage.store_all(writes).await;
        self.end(answer).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.begin()?;
        let answer = self.0.storage.remove(key, precondition).await;
        self.end(answer).await
    }
}
