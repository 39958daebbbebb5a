use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Cursor, Enumerate, Error, ErrorContext as _, LeaseKind, Limits, Operation, Page, Precondition, ProcessLeases,
    RefreshLease, Result, Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark,
    record::{self, revision_of},
};

/// A storage that lasts as long as the process: for tests, and for programs that keep nothing.
///
/// Clones share their records and leases; two storages made by [`MemoryStorage::new`] share nothing.
///
/// ```
/// use token_storage_core::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage_core::Result<()> {
/// let storage = MemoryStorage::new();
/// let key = TokenKey::in_default("groups.api.globus.org");
/// let data = TokenData::new("groups.api.globus.org", "view_my_groups", "access");
/// let revision = storage.store(&key, &data, Precondition::Absent).await?;
/// assert_eq!(storage.get(&key).await?.unwrap().revision, revision);
/// assert!(storage.remove(&key, Precondition::Unchanged(revision)).await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
    leases: ProcessLeases,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<TokenKey, StoredToken>,
}

const PAGE: usize = 256;

impl MemoryStorage {
    /// The sizes it takes. Memory itself has no limits; these keep it interchangeable with the other local storages.
    pub const LIMITS: Limits = Limits::UNLIMITED
        .with_keys(64 * 1024, 64 * 1024)
        .with_records(1024 * 1024)
        .with_batches(1000, 16 * 1024 * 1024);

    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// No call panics while it holds the lock, so a poisoned one is still consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let prepared = prepare(writes)?;
        let mut state = self.state();
        for write in writes {
            state.check(write.key, write.precondition)?;
        }
        let revisions = prepared.iter().map(|stored| stored.revision).collect();
        state
            .records
            .extend(writes.iter().map(|write| write.key.clone()).zip(prepared));
        Ok(revisions)
    }
}

impl State {
    fn check(&self, key: &TokenKey, precondition: Precondition) -> Result<()> {
        let current = self.records.get(key).map(|stored| stored.revision);
        if precondition.holds(current) {
            return Ok(());
        }
        Err(Error::precondition_failed(key.clone(), current))
    }
}

#[async_trait]
impl TokenStorage for MemoryStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        Ok(self.state().records.get(key).cloned())
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write_all(writes).during(Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let mut state = self.state();
        state.check(key, precondition).during(Operation::Remove)?;
        Ok(state.records.remove(key).is_some())
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        Ok(())
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("memory", "this process", Self::LIMITS)
            .with_sharing(SharingScope::Handle)
            .with_enumeration()
            .with_lease(LeaseKind::Process)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(self.leases.clone()))
    }
}

/// Everything that can be refused or fail before the lock is taken.
fn prepare(writes: &[Write<'_>]) -> Result<Vec<StoredToken>> {
    let sizes: Vec<usize> = writes
        .iter()
        .map(|w| record::encode(w.data, &WriteMark::from_bytes([0; 16])).len())
        .collect();
    MemoryStorage::LIMITS.check_batch(writes, &sizes)?;
    writes
        .iter()
        .map(|write| {
            let revision = revision_of(write.data, Some(&WriteMark::random()?));
            Ok(StoredToken {
                data: write.data.clone(),
                revision,
            })
        })
        .collect()
}

#[async_trait]
impl Enumerate for &MemoryStorage {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let state = self.state();
        let keys = state.records.keys().filter(|key| key.namespace() == namespace).cloned();
        Ok(Page::after(keys, after, PAGE, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let state = self.state();
        let mut namespaces: Vec<String> = state.records.keys().map(|key| key.namespace().to_owned()).collect();
        namespaces.dedup();
        Ok(Page::after(namespaces.into_iter(), after, PAGE, String::as_str))
    }
}
