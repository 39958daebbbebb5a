//! What may pass is tried again.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use token_storage_core::{
    Cursor, Enumerate, Error, Page, Precondition, Result, Revision, ShowOutline, ShownOutline, StoredToken, TokenKey,
    TokenStorage, Write, async_trait, backend::forward,
};
use tokio::time::{Instant, sleep};

/// How long is tried if nothing is said.
const BUDGET: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A storage that tries again what may pass: what failed as [`Busy`](token_storage_core::ErrorKind::Busy) or
/// [`Unavailable`](token_storage_core::ErrorKind::Unavailable) (D6) and certainly did not happen.
///
/// A write that [may have happened](Error::may_have_applied) is not tried again: by then another's may stand in its place
/// (A5), and a second try of a conditional one would meet our own success as a conflict. The caller has to read first.
///
/// Pauses grow from a tenth of a second to five seconds, with jitter, and are never shorter than what the service asks for
/// ([`Error::retry_after`]). No try begins when the budget is over, 30 seconds if nothing else is said; the last one takes as
/// long as the storage below lets it. Then the last error is returned. A call that is dropped tries nothing more.
///
/// Leases are forwarded as they are: whoever waits for one, as the token manager does, has a back-off of its own.
///
/// Needs tokio's timer.
///
/// ```
/// use std::time::Duration;
/// use token_storage::{MemoryStorage, layers::Retrying};
///
/// let storage = Retrying::new(MemoryStorage::new()).budget(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct Retrying<S> {
    storage: S,
    budget: Duration,
}

impl<S: TokenStorage> Retrying<S> {
    /// This storage, with a budget of 30 seconds for each call.
    pub fn new(storage: S) -> Self {
        Self {
            storage,
            budget: BUDGET,
        }
    }

    /// How long a call may begin new tries. Zero: there is one.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }
}

/// Tries until it succeeds, or fails for good, or the budget is over.
async fn within<T, F: Future<Output = Result<T>>>(budget: Duration, call: impl FnMut() -> F) -> Result<T> {
    let began = Instant::now();
    let pauses = ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times();
    call.retry(pauses)
        .sleep(sleep)
        .when(|error: &Error| error.is_retryable() && !error.may_have_applied())
        .adjust(|error, pause| {
            let pause = pause?.max(error.retry_after().unwrap_or_default());
            (began.elapsed().saturating_add(pause) < budget).then_some(pause)
        })
        .await
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for Retrying<S> {
    forward!(self.storage => describe, lease);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        within(self.budget, || self.storage.get(key)).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        within(self.budget, || self.storage.store_all(writes)).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        within(self.budget, || self.storage.remove(key, precondition)).await
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        within(self.budget, || self.storage.prove_writable(key)).await
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(Listing {
            inner: self.storage.enumerate()?,
            budget: self.budget,
        }))
    }
}

struct Listing<'a> {
    inner: Box<dyn Enumerate + 'a>,
    budget: Duration,
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        within(self.budget, || self.inner.list_keys(namespace, after)).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        within(self.budget, || self.inner.list_namespaces(after)).await
    }

    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        within(self.budget, || self.inner.list_outlines(namespace, after, show)).await
    }
}
