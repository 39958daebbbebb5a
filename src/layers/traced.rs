//! What happens, told to whoever subscribes.

use std::{future::Future, time::Instant};

use token_storage_core::{
    Acquisition, Begin, Cursor, Enumerate, Error, ErrorKind, Intent, LeaseGuard, LeaseView, Page, Precondition,
    RefreshLease, Result, Revision, ShowOutline, ShownOutline, StoredToken, TokenKey, TokenStorage, Write, async_trait,
    backend::forward,
};
use tracing::{Instrument as _, Span, debug, debug_span, field::Empty, warn};

/// The target of its spans and events.
const TARGET: &str = "token_storage::storage";

/// A storage whose calls can be seen by the crate `tracing`: each is a span, and its end an event in it, of the target
/// `token_storage::storage`. Nothing else changes.
///
/// | field | of | says |
/// |---|---|---|
/// | `operation` | span | `get`, `store_all`, `remove`, `list_keys`, `list_namespaces`, `list_outlines`, `try_acquire`, `try_begin`, `look`, `renew`, `prove_writable`, `record_intent`, `clear_intent`, `release`, `finish` |
/// | `namespace`, `resource_server` | span | of the key; control characters are escaped. Of a batch, that of its first record |
/// | `records` | span | how many a batch has |
/// | `outcome` | event | `ok`, `found`, `absent`, `removed`, `acquired`, `held`, the [`ErrorKind`] of an error, or `dropped` if the caller went away |
/// | `may_have_applied` | event | of an error: whether the write may have happened |
/// | `duration_us` | event | from the call to its end, in microseconds |
///
/// Spans, and events of what went well, are of the level DEBUG, as are conflicts: they are an answer. Errors are WARN. No
/// token, no other part of a record, no revision and no error's text is in any of them (S1). Namespaces may name
/// people: leave them out of logs that others read.
///
/// ```
/// use token_storage::{MemoryStorage, layers::Traced};
///
/// let storage = Traced::new(MemoryStorage::new());
/// ```
#[derive(Clone, Debug)]
pub struct Traced<S> {
    storage: S,
}

impl<S: TokenStorage> Traced<S> {
    /// This storage, seen.
    pub fn new(storage: S) -> Self {
        Self { storage }
    }
}

/// A call that has begun. It is told when it has ended, and also when its caller went away before.
struct Call {
    span: Span,
    began: Instant,
    ended: bool,
}

impl Call {
    fn of(operation: &'static str) -> Self {
        let span = debug_span!(
            target: TARGET,
            "storage",
            operation,
            namespace = Empty,
            resource_server = Empty,
            records = Empty,
        );
        Self {
            span,
            began: Instant::now(),
            ended: false,
        }
    }

    fn on(operation: &'static str, key: &TokenKey) -> Self {
        Self::of(operation).about(key)
    }

    fn about(self, key: &TokenKey) -> Self {
        self.in_namespace(key.namespace())
            .with("resource_server", key.resource_server())
    }

    fn in_namespace(self, namespace: &str) -> Self {
        self.with("namespace", namespace)
    }

    /// Names come from configuration and servers: none may forge a line of a log.
    fn with(self, field: &str, name: &str) -> Self {
        if !self.span.is_disabled() {
            self.span.record(field, tracing::field::display(name.escape_debug()));
        }
        self
    }

    fn records(self, count: usize) -> Self {
        self.span.record("records", count);
        self
    }

    async fn run<T>(
        mut self,
        call: impl Future<Output = Result<T>>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> Result<T> {
        let answer = call.instrument(self.span.clone()).await;
        self.ended = true;
        let duration_us = self.duration_us();
        self.span.in_scope(|| match &answer {
            Ok(answer) => debug!(target: TARGET, outcome = outcome(answer), duration_us),
            Err(error) => failed(error, duration_us),
        });
        answer
    }

    fn duration_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            let duration_us = self.duration_us();
            self.span
                .in_scope(|| debug!(target: TARGET, outcome = "dropped", duration_us));
        }
    }
}

/// Without its text: what a storage puts there is its own affair.
fn failed(error: &Error, duration_us: u64) {
    let (outcome, may_have_applied) = (tracing::field::debug(error.kind()), error.may_have_applied());
    if error.kind() == ErrorKind::Conflict {
        debug!(target: TARGET, outcome, may_have_applied, duration_us);
    } else {
        warn!(target: TARGET, outcome, may_have_applied, duration_us);
    }
}

fn ok<T>(_: &T) -> &'static str {
    "ok"
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for Traced<S> {
    forward!(self.storage => describe);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let outcome = |stored: &Option<StoredToken>| if stored.is_some() { "found" } else { "absent" };
        Call::on("get", key).run(self.storage.get(key), outcome).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let call = Call::of("store_all").records(writes.len());
        let call = match writes.first() {
            Some(write) => call.about(write.key),
            None => call,
        };
        call.run(self.storage.store_all(writes), ok).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let outcome = |removed: &bool| if *removed { "removed" } else { "absent" };
        Call::on("remove", key)
            .run(self.storage.remove(key, precondition), outcome)
            .await
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        Call::on("prove_writable", key)
            .run(self.storage.prove_writable(key), ok)
            .await
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(Listing(self.storage.enumerate()?)))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(Lease(self.storage.lease()?)))
    }
}

struct Listing<'a>(Box<dyn Enumerate + 'a>);

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let call = Call::of("list_keys").in_namespace(namespace);
        call.run(self.0.list_keys(namespace, after), ok).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        Call::of("list_namespaces").run(self.0.list_namespaces(after), ok).await
    }

    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        let outcome = |page: &Option<Page<ShownOutline>>| if page.is_some() { "ok" } else { "absent" };
        let call = Call::of("list_outlines").in_namespace(namespace);
        call.run(self.0.list_outlines(namespace, after, show), outcome).await
    }
}

struct Lease<'a>(Box<dyn RefreshLease + 'a>);

#[async_trait]
impl RefreshLease for Lease<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let call = Call::on("try_acquire", key);
        let acquired = call.run(self.0.try_acquire(key), told).await?;
        Ok(acquired.map(|inner| Guard::boxed(key, inner)))
    }

    async fn try_begin(&self, key: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let outcome = |begun: &Begin| match begun {
            Begin::Begun(_) => "begun",
            Begin::Tried(acquisition) => told(acquisition),
        };
        let call = Call::on("try_begin", key);
        let begun = call.run(self.0.try_begin(key, revision, intent), outcome).await?;
        Ok(begun.map(|inner| Guard::boxed(key, inner)))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        Call::on("look", key).run(self.0.look(key), ok).await
    }
}

fn told(acquisition: &Acquisition) -> &'static str {
    match acquisition {
        Acquisition::Acquired(_) => "acquired",
        Acquisition::Held { .. } => "held",
    }
}

#[derive(Debug)]
struct Guard {
    key: TokenKey,
    inner: Box<dyn LeaseGuard>,
}

impl Guard {
    fn boxed(key: &TokenKey, inner: Box<dyn LeaseGuard>) -> Box<dyn LeaseGuard> {
        let key = key.clone();
        Box::new(Self { key, inner })
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent, remaining);

    async fn renew(&mut self) -> Result<()> {
        Call::on("renew", &self.key).run(self.inner.renew(), ok).await
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        Call::on("record_intent", &self.key)
            .run(self.inner.record_intent(intent), ok)
            .await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        Call::on("clear_intent", &self.key)
            .run(self.inner.clear_intent(), ok)
            .await
    }

    async fn release(self: Box<Self>) -> Result<()> {
        Call::on("release", &self.key).run(self.inner.release(), ok).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        Call::on("finish", &self.key).run(self.inner.finish(), ok).await
    }
}
