//! A cache that declares how stale it may be: clauses A3, C4.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use token_storage_core::{
    MemoryStorage, Precondition, Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey, TokenStorage as _,
    TokenStorageExt as _, Write, async_trait,
};

use crate::{Mutant, flaw::Flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![memory::<Cached<100, 2000>>(
        "is staler than it says",
        "handles::another_handle_sees_a_remove",
    )]
}

/// A handle that answers from memory for `FOR` milliseconds, and says that it does so for `SAYS`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cached<const SAYS: u64, const FOR: u64> {
    base: MemoryStorage,
    known: Arc<Mutex<HashMap<TokenKey, Answer>>>,
}

/// When it was asked for, and what it was.
type Answer = (Instant, Option<StoredToken>);

#[async_trait]
impl<const SAYS: u64, const FOR: u64> Flaw for Cached<SAYS, FOR> {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.base
    }

    fn handle(&self) -> Self {
        Self {
            base: self.base.clone(),
            known: Arc::default(),
        }
    }

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        if let Some((since, known)) = self.known.lock().unwrap().get(key)
            && since.elapsed() < Duration::from_millis(FOR)
        {
            return Ok(known.clone());
        }
        let asked = Instant::now();
        let stored = self.base.get(key).await?;
        self.known.lock().unwrap().insert(key.clone(), (asked, stored.clone()));
        Ok(stored)
    }

    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        let stored = self.base.store(key, data, precondition).await;
        self.known.lock().unwrap().remove(key);
        stored
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let stored = self.base.store_all(writes).await;
        self.known.lock().unwrap().clear();
        stored
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let removed = self.base.remove(key, precondition).await;
        self.known.lock().unwrap().remove(key);
        removed
    }

    fn describe(&self) -> StorageInfo {
        self.base.describe().with_staleness(Duration::from_millis(SAYS))
    }
}
