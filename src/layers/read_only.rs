//! Nothing is written.

use token_storage_core::{
    Acquisition, Error, ErrorKind, Operation, Precondition, RefreshLease, Result, Revision, TokenKey, TokenStorage,
    Write, async_trait, backend::forward,
};

/// A storage that can be read and listed, and that refuses every write as [`PermissionDenied`](ErrorKind::PermissionDenied).
///
/// Taking a lease is a write, so a token manager on it hands out what is valid and refreshes nothing. Whether an intent is
/// recorded can be asked.
///
/// It keeps a program from writing by mistake. It is no wall against code that has the storage below.
#[derive(Clone, Debug)]
pub struct ReadOnly<S> {
    storage: S,
}

impl<S: TokenStorage> ReadOnly<S> {
    /// This storage, as long as nobody writes.
    pub fn new(storage: S) -> Self {
        Self { storage }
    }
}

fn refused(operation: Operation, key: &TokenKey) -> Error {
    let message = "this program has opened the storage to read only; open it without the layer `readonly` to write";
    Error::new(ErrorKind::PermissionDenied, message)
        .with_operation(operation)
        .with_key(key)
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for ReadOnly<S> {
    forward!(self.storage => get, describe, enumerate);

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        match writes.first() {
            Some(write) => Err(refused(Operation::StoreAll, write.key)),
            None => Ok(Vec::new()),
        }
    }

    async fn remove(&self, key: &TokenKey, _: Precondition) -> Result<bool> {
        Err(refused(Operation::Remove, key))
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        Err(refused(Operation::Store, key))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(ReadOnlyLease(self.storage.lease()?)))
    }
}

struct ReadOnlyLease<'a>(Box<dyn RefreshLease + 'a>);

#[async_trait]
impl RefreshLease for ReadOnlyLease<'_> {
    forward!(self.0 => look);

    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        Err(refused(Operation::Lease, key))
    }
}
