//! A storage that tells what its user does with it, and fails where the case says so.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use token_storage_core::{
    Acquisition, Begin, Error, ErrorKind, Intent, LeaseGuard, Operation, RefreshLease, Result, Revision, StoredToken,
    TokenKey, TokenStorage, Write, async_trait, backend::forward,
};
use tokio::sync::Notify;

use crate::auth_server::Gate;

/// How it goes on with a handle; shared with the case.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Notified once a record has been read, or the lease is gone for.
    pub(super) seen: Notify,
    pub(super) reads_fail: AtomicBool,
    /// Notified once a read has failed.
    pub(super) unread: Notify,
    /// So many stores fail; with `stores_happen` only their answers.
    pub(super) failing_stores: AtomicUsize,
    pub(super) stores_happen: AtomicBool,
    pub(super) proofs_fail: AtomicBool,
    pub(super) intents_fail: AtomicBool,
    pub(super) leases_fail: AtomicBool,
    /// Intents cannot be cleared, and leases not be given back: they are freed as if their holder had died.
    pub(super) ends_fail: AtomicBool,
    /// Notified once the lease was another's.
    pub(super) turned_away: Notify,
    /// How many intents were to be recorded.
    pub(super) intents: AtomicUsize,
    /// The one that is recorded now.
    pub(super) intent: Mutex<Option<Intent>>,
    /// Each store of one record waits there, if there is one.
    pub(super) store_gate: Option<Gate>,
    /// The first to go for a lease waits there, and panics.
    pub(super) panic_gate: Option<Gate>,
    pub(super) panicked: AtomicBool,
}

impl Stage {
    /// One whose stores wait at this gate.
    pub(super) fn with_store_gate(gate: &Gate) -> Arc<Self> {
        Arc::new(Self {
            store_gate: Some(gate.clone()),
            ..Self::default()
        })
    }

    /// The intent that is recorded now.
    pub(super) fn intent(&self) -> Option<Intent> {
        self.intent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, intent: Option<&Intent>) {
        *self.intent.lock().unwrap_or_else(PoisonError::into_inner) = intent.cloned();
    }
}

#[derive(Debug)]
pub(super) struct Staged {
    inner: Arc<dyn TokenStorage>,
    stage: Arc<Stage>,
}

impl Staged {
    pub(super) fn new(inner: Arc<dyn TokenStorage>, stage: Arc<Stage>) -> Arc<Self> {
        Arc::new(Self { inner, stage })
    }

    /// Whether this store is to fail.
    fn takes_a_failure(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.stage.failing_stores.fetch_update(SeqCst, SeqCst, less).is_ok()
    }
}

fn failure(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "the case lets it fail").with_operation(operation)
}

fn fail_if(flag: &AtomicBool, operation: Operation) -> Result<()> {
    match flag.load(SeqCst) {
        true => Err(failure(operation)),
        false => Ok(()),
    }
}

#[async_trait]
impl TokenStorage for Staged {
    forward!(self.inner => remove, describe, enumerate);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let answer = match fail_if(&self.stage.reads_fail, Operation::Get) {
            Ok(()) => self.inner.get(key).await,
            Err(error) => {
                self.stage.unread.notify_one();
                Err(error)
            }
        };
        self.stage.seen.notify_one();
        answer
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        if let (Some(gate), [_]) = (&self.stage.store_gate, writes) {
            gate.pass().await;
        }
        if !self.takes_a_failure() {
            return self.inner.store_all(writes).await;
        }
        if self.stage.stores_happen.load(SeqCst) {
            self.inner.store_all(writes).await?;
        }
        Err(failure(Operation::StoreAll).with_unknown_outcome())
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        fail_if(&self.stage.proofs_fail, Operation::Store)?;
        self.inner.prove_writable(key).await
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        self.stage.seen.notify_one();
        let inner = self.inner.lease()?;
        let stage = &self.stage;
        Some(Box::new(StagedLease { inner, stage }))
    }
}

struct StagedLease<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    stage: &'a Arc<Stage>,
}

#[async_trait]
impl RefreshLease for StagedLease<'_> {
    forward!(self.inner => look);

    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        if let Some(gate) = &self.stage.panic_gate
            && !self.stage.panicked.swap(true, SeqCst)
        {
            gate.pass().await;
            panic!("the case lets whoever goes for the lease panic");
        }
        fail_if(&self.stage.leases_fail, Operation::Lease)?;
        let acquired = self.inner.try_acquire(key).await?;
        self.notice(&acquired);
        Ok(acquired.map(|inner| self.guard(inner)))
    }

    /// As long as no step of it is to fail.
    async fn try_begin(&self, key: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let stage = self.stage;
        let fails = [&stage.leases_fail, &stage.proofs_fail, &stage.intents_fail];
        if stage.panic_gate.is_some() || fails.iter().any(|flag| flag.load(SeqCst)) {
            return self.try_acquire(key).await.map(Begin::Tried);
        }
        let begun = self.inner.try_begin(key, revision, intent).await?;
        match &begun {
            Begin::Begun(_) if intent.is_some() => {
                stage.intents.fetch_add(1, SeqCst);
                stage.note(intent);
            }
            Begin::Begun(_) => {}
            Begin::Tried(acquired) => self.notice(acquired),
        }
        Ok(begun.map(|inner| self.guard(inner)))
    }
}

impl StagedLease<'_> {
    fn notice(&self, acquired: &Acquisition) {
        if let Acquisition::Held { .. } = acquired {
            self.stage.turned_away.notify_one();
        }
    }

    fn guard(&self, inner: Box<dyn LeaseGuard>) -> Box<dyn LeaseGuard> {
        let stage = Arc::clone(self.stage);
        Box::new(StagedGuard { inner, stage })
    }
}

#[derive(Debug)]
struct StagedGuard {
    inner: Box<dyn LeaseGuard>,
    stage: Arc<Stage>,
}

#[async_trait]
impl LeaseGuard for StagedGuard {
    forward!(self.inner => intent, remaining, renew);

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.stage.intents.fetch_add(1, SeqCst);
        fail_if(&self.stage.intents_fail, Operation::Lease)?;
        self.inner.record_intent(intent).await?;
        self.stage.note(Some(intent));
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        fail_if(&self.stage.ends_fail, Operation::Lease)?;
        self.inner.clear_intent().await?;
        self.stage.note(None);
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<()> {
        fail_if(&self.stage.ends_fail, Operation::Lease)?;
        self.inner.release().await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        fail_if(&self.stage.ends_fail, Operation::Lease)?;
        let Self { inner, stage } = *self;
        inner.finish().await?;
        stage.note(None);
        Ok(())
    }
}
