use std::future::Future;

use crate::{
    Error, ErrorContext as _, ErrorKind, Operation, Precondition, Result, Revision, TokenData, TokenKey, TokenStorage,
    Write,
};

mod sealed {
    pub trait Sealed {}
    impl<S: ?Sized> Sealed for S {}
}

/// What every storage can do, and no backend has to write. Sealed: it is for calling, not for implementing.
pub trait TokenStorageExt: TokenStorage + sealed::Sealed {
    /// Replaces the whole record of a key, atomically, and touches no other (K2, A1): a
    /// [`store_all`](TokenStorage::store_all) of one. Storing what is already there is still a write with a new
    /// revision. Returns the new revision.
    ///
    /// # Errors
    /// - [`Conflict`](ErrorKind::Conflict): the precondition did not hold; nothing changed (A4). Never reported for the
    ///   caller's own success (A5).
    /// - [`Corrupt`](ErrorKind::Corrupt): there is a precondition, and a damaged record, which has no revision to
    ///   compare. Without a precondition the damaged record is replaced: that is how a person logs in again.
    /// - [`TooLarge`](ErrorKind::TooLarge): larger than declared; nothing was written (K4, K7).
    fn store(
        &self,
        key: &TokenKey,
        data: &TokenData,
        precondition: Precondition,
    ) -> impl Future<Output = Result<Revision>> + Send {
        async move {
            let stored = self.store_all(&[Write::new(key, data, precondition)]).await;
            let stored = stored.and_then(|revisions| only(&revisions)).during(Operation::Store);
            match stored {
                // It may be the key that is too long to be shown.
                Err(error) if error.kind() == ErrorKind::TooLarge => Err(error),
                stored => stored.about(key),
            }
        }
    }
}

impl<S: TokenStorage + ?Sized> TokenStorageExt for S {}

/// The suite finds such a backend (K2); a caller must not panic on it.
fn only(revisions: &[Revision]) -> Result<Revision> {
    match revisions {
        [revision] => Ok(*revision),
        _ => {
            let message = format!(
                "the storage was given one record and answered with {} revisions: a fault of its backend",
                revisions.len()
            );
            Err(Error::new(ErrorKind::Misconfigured, message).with_unknown_outcome())
        }
    }
}
