use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use token_storage_core::{
    Enumerate, Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey,
    TokenStorage, Write, async_trait,
};

use crate::{
    check::Show,
    history::{History, short},
};

/// The storage under test, every call and answer written down.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) inner: Arc<dyn TokenStorage>,
    pub(crate) handle: usize,
    pub(crate) history: Arc<History>,
    pub(crate) touched: Arc<Touched>,
}

/// The keys that a run's cases may have written, to be removed in the end: a case that hangs or panics cannot do it
/// itself.
#[derive(Debug, Default)]
pub(crate) struct Touched(Mutex<BTreeSet<TokenKey>>);

impl Touched {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<TokenKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, key: &TokenKey) {
        let mut keys = self.lock();
        if !keys.contains(key) {
            keys.insert(key.clone());
        }
    }

    /// Those whose namespace begins with this.
    pub(crate) fn beginning_with(&self, prefix: &str) -> Vec<TokenKey> {
        let first = TokenKey::new(prefix, "");
        let own = |key: &&TokenKey| key.namespace().starts_with(prefix);
        self.lock().range(first..).take_while(own).cloned().collect()
    }

    pub(crate) fn forget(&self, key: &TokenKey) {
        self.lock().remove(key);
    }
}

impl Recorder {
    fn note(&self, call: String, answer: String) {
        self.history.note(format!("h{} {call} -> {answer}", self.handle));
    }

    fn failure(&self, error: &token_storage_core::Error) -> String {
        match error.conflict().and_then(|conflict| conflict.current) {
            Some(current) => format!("{:?}, at {}", error.kind(), self.history.revision(&current)),
            None => format!("{:?}", error.kind()),
        }
    }

    fn write(&self, write: &Write<'_>) -> String {
        let condition = self.history.precondition(&write.precondition);
        let token = short(write.data.access_token.expose());
        format!("{} := {token}{condition}", write.key.show())
    }
}

#[async_trait]
impl TokenStorage for Recorder {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let answer = self.inner.get(key).await;
        let shown = match &answer {
            Ok(Some(stored)) => format!(
                "{} at {}",
                short(stored.data.access_token.expose()),
                self.history.revision(&stored.revision)
            ),
            Ok(None) => "nothing".to_owned(),
            Err(error) => self.failure(error),
        };
        self.note(format!("get {}", key.show()), shown);
        answer
    }

    async fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.touched.add(key);
        let answer = self.inner.store(key, data, precondition).await;
        let shown = match &answer {
            Ok(revision) => self.history.revision(revision),
            Err(error) => self.failure(error),
        };
        self.note(
            format!("store {}", self.write(&Write::new(key, data, precondition))),
            shown,
        );
        answer
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        writes.iter().for_each(|write| self.touched.add(write.key));
        let answer = self.inner.store_all(writes).await;
        let shown = match &answer {
            Ok(revisions) => revisions
                .iter()
                .map(|r| self.history.revision(r))
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => self.failure(error),
        };
        let batch: Vec<String> = writes.iter().take(8).map(|write| self.write(write)).collect();
        self.note(format!("store_all of {} [{}]", writes.len(), batch.join("; ")), shown);
        answer
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let answer = self.inner.remove(key, precondition).await;
        let shown = match &answer {
            Ok(there) => there.to_string(),
            Err(error) => self.failure(error),
        };
        let condition = self.history.precondition(&precondition);
        self.note(format!("remove {}{condition}", key.show()), shown);
        answer
    }

    fn describe(&self) -> StorageInfo {
        self.inner.describe()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        self.inner.enumerate()
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        self.inner.lease()
    }
}
