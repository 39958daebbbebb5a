//! A stranger's storage that has no leases.

use token_storage::{Enumerate, MemoryStorage, RefreshLease, StorageInfo, TokenStorage, backend::forward};

#[derive(Clone, Debug, Default)]
pub(crate) struct Leaseless(MemoryStorage);

impl TokenStorage for Leaseless {
    forward!(self.0 => get, store_all, remove, prove_writable);

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
