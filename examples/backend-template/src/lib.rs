//! A backend to be filled in. Every method says what is to be written; `cargo test` says what is missing.
//!
//! In files? `token-storage-files` has what is hard about them: owner-only files, durable replacement, the lock between
//! processes, and leases. Add it to the dependencies.

use token_storage_core::{
    Enumerate, Error, ErrorKind, Limits, Operation, Precondition, RefreshLease, Result, Revision, StorageInfo,
    StoredToken, TokenKey, TokenStorage, Write, async_trait,
};

/// Tokens in whatever it is that you have.
#[derive(Debug)]
pub struct MyStorage;

impl MyStorage {
    /// What your storage takes. The suite tries the limits, so let them be true.
    pub const LIMITS: Limits = Limits::UNLIMITED
        .with_keys(1024, 1024)
        .with_records(256 * 1024)
        .with_batches(25, 1024 * 1024);

    /// A handle onto the data of `place`.
    ///
    /// # Errors
    /// - What opening fails with: a place that cannot be used is `Misconfigured`.
    pub fn open(_place: &str) -> Result<Self> {
        Ok(Self)
    }
}

/// Not `Unavailable`, which would tell the suite that nothing can be known.
fn not_written(operation: Operation, step: &str) -> Error {
    let message = format!("not written yet; see {step} of docs/writing-a-backend.md");
    Error::new(ErrorKind::Misconfigured, message).with_operation(operation)
}

#[async_trait]
impl TokenStorage for MyStorage {
    async fn get(&self, _key: &TokenKey) -> Result<Option<StoredToken>> {
        // Find the text of this key, and make a record of it: `record::decode` yields data and revision.
        Err(not_written(Operation::Get, "step 3"))
    }

    async fn store_all(&self, _writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        // `Limits::check_batch`; a new `WriteMark` for each; `record::encode`; then, in one step and all or nothing: the
        // preconditions and the writes. Most batches are of one record.
        Err(not_written(Operation::StoreAll, "step 4"))
    }

    async fn remove(&self, _key: &TokenKey, _precondition: Precondition) -> Result<bool> {
        Err(not_written(Operation::Remove, "step 4"))
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        // What the next `store` would fail with, without writing.
        Err(not_written(Operation::Store, "step 5"))
    }

    fn describe(&self) -> StorageInfo {
        // Say what is true, and no more; the suite holds you to it. Step 7 has the choices.
        StorageInfo::new("mine", "nowhere", Self::LIMITS)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        // `None` is a good answer. If keys can be listed: `Some(Box::new(self))`, and step 8.
        None
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        // `None` is a good answer. Several processes that share tokens want leases: step 9.
        None
    }
}
