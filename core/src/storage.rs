use async_trait::async_trait;

use crate::{Enumerate, Precondition, RefreshLease, Result, Revision, StorageInfo, TokenData, TokenKey};

/// What [`TokenStorage::get`] returns: the record and the revision it is in. Exhaustive on purpose: these two are what a
/// read is, and backends and wrappers make them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// The record.
    pub data: TokenData,
    /// The state it was read in, to make a later write conditional.
    pub revision: Revision,
}

/// One record of a [`TokenStorage::store_all`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Write<'a> {
    /// Where it goes.
    pub key: &'a TokenKey,
    /// What is stored.
    pub data: &'a TokenData,
    /// What must hold of the record that is there.
    pub precondition: Precondition,
}

impl<'a> Write<'a> {
    /// One record of a batch.
    pub fn new(key: &'a TokenKey, data: &'a TokenData, precondition: Precondition) -> Self {
        Self {
            key,
            data,
            precondition,
        }
    }
}

/// A place where OAuth tokens are kept: the contract between a backend and everything built on it.
///
/// It is kept to the minimum that every backend must do itself, compare-and-swap included, since rotating refresh tokens
/// are not safe without it. No method has a default: a default that is right for one backend is a silent hole in
/// another. The clauses named below are those of `docs/contract.md`; the crate `token-storage-conformance` runs them all
/// against a backend.
///
/// Calls may be dropped at any await point: that leaves the old record or the new one and a usable storage. The write
/// may still happen, but never after a later call of the same handle on that key was acknowledged; a `get` is such a call,
/// too (A7).
///
/// # Errors of every method
/// - [`Busy`](crate::ErrorKind::Busy): others held the storage for longer than the documented wait.
/// - [`Unavailable`](crate::ErrorKind::Unavailable), [`PermissionDenied`](crate::ErrorKind::PermissionDenied),
///   [`StorageFull`](crate::ErrorKind::StorageFull), [`Misconfigured`](crate::ErrorKind::Misconfigured): the storage
///   cannot be used, for the reason that the kind says.
#[async_trait]
pub trait TokenStorage: std::fmt::Debug + Send + Sync {
    /// Reads the record of a key: every field as it was stored. Absent is `Ok(None)` (K1). After an acknowledged write,
    /// every later `get` within the storage's sharing scope sees it or a newer one (A3).
    ///
    /// A write of this handle on this key whose caller went away is waited for: it must not happen after this call has
    /// answered (A7). It may have to be waited for as long as a write may take.
    ///
    /// # Errors
    /// - [`Corrupt`](crate::ErrorKind::Corrupt): the record, or what holds it, is damaged. Never "absent" (D3).
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>>;

    /// Writes records, one or several, all or nothing: all preconditions are checked before anything is written, and nobody
    /// sees a record of a batch that is refused (A2). Each record is replaced as a whole and atomically; no other is touched
    /// (K2, A1). Storing what is already there is still a write with a new revision. Returns the new revisions in the order
    /// of the batch. An empty batch succeeds. A single record is what is stored most often, by
    /// [`store`](crate::TokenStorageExt::store): a backend may well have a shorter way for it.
    ///
    /// # Errors
    /// - [`Conflict`](crate::ErrorKind::Conflict): names the first key, in the order of the batch, whose precondition did
    ///   not hold; nothing changed (A4). Never reported for the caller's own success (A5).
    /// - [`Corrupt`](crate::ErrorKind::Corrupt): there is a precondition, and a damaged record, which has no revision to
    ///   compare. Without a precondition the damaged record is replaced: that is how a person logs in again.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge): a key, a record or the batch is larger than declared; nothing was written
    ///   (K4, K7).
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): two records of one key.
    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>>;

    /// Removes the record of a key and says whether it was there (K3). A precondition works as in
    /// [`store_all`](TokenStorage::store_all); `Absent` holds if there is nothing, and the answer then is `false`. A damaged record
    /// can be removed without one.
    ///
    /// # Errors
    /// - [`Conflict`](crate::ErrorKind::Conflict): the precondition did not hold; nothing changed.
    /// - [`Corrupt`](crate::ErrorKind::Corrupt): there is a precondition, and the record is damaged.
    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool>;

    /// Proves that the record of a key can be written now, without changing it, so that no refresh token is spent whose
    /// successor cannot be kept (L6). Does what the next store of this key would do, short of changing or making a record.
    ///
    /// # Errors
    /// - Whatever that store would fail with.
    async fn prove_writable(&self, key: &TokenKey) -> Result<()>;

    /// What this storage is and promises (C3). Costs no request, and never changes.
    fn describe(&self) -> StorageInfo;

    /// The listing capability; `None` if this storage cannot list. Having the value means that it works (C1).
    ///
    /// Implement [`Enumerate`] for `&YourStorage`, and this is `Some(Box::new(self))`.
    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>>;

    /// The lease capability; `None` if this storage has no leases. Having the value means that it works (C1).
    ///
    /// What a timed lease remembers of others' marks belongs into the storage, not into the value returned here: each call
    /// may make a new one.
    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>>;
}
