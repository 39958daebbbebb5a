use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::{Acquisition, Intent, LeaseGuard, LeaseView, RefreshLease, Result, TokenKey};

/// Leases among the tasks of one process: those of [`MemoryStorage`](crate::MemoryStorage), and the stand-in for a storage
/// that has none and that no other process uses. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ProcessLeases(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    keys: HashSet<TokenKey>,
    intents: HashMap<TokenKey, Intent>,
}

impl ProcessLeases {
    /// No call panics while it holds the lock, so a poisoned one is still consistent.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RefreshLease for ProcessLeases {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let mut held = self.held();
        if !held.keys.insert(key.clone()) {
            return Ok(Acquisition::Held {
                retry_after: Duration::from_millis(5),
            });
        }
        Ok(Acquisition::Acquired(Box::new(ProcessLease {
            intent: held.intents.get(key).cloned(),
            leases: self.clone(),
            key: key.clone(),
        })))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let held = self.held();
        let intent = held.intents.get(key).cloned();
        Ok(Some(LeaseView::new(held.keys.contains(key), intent)))
    }
}

#[derive(Debug)]
struct ProcessLease {
    leases: ProcessLeases,
    key: TokenKey,
    intent: Option<Intent>,
}

impl Drop for ProcessLease {
    fn drop(&mut self) {
        self.leases.held().keys.remove(&self.key);
    }
}

#[async_trait]
impl LeaseGuard for ProcessLease {
    fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn renew(&mut self) -> Result<()> {
        Ok(())
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.leases.held().intents.insert(self.key.clone(), intent.clone());
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.leases.held().intents.remove(&self.key);
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
