//! A stranger's storage that has no leases.

use token_storage::{
    Enumerate, MemoryStorage, Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenKey,
    TokenStorage, Write, async_trait,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Leaseless(MemoryStorage);

#[async_trait]
impl TokenStorage for Leaseless {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.0.get(key).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.0.store_all(writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.0.remove(key, precondition).await
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        self.0.prove_writable(key).await
    }

    fn describe(&self) -> StorageInfo {
        let mut info = self.0.describe();
        info.lease = None;
        info
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        None
    }
}
