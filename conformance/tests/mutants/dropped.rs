//! Calls that go wrong when their caller drops them: clause A7. Each has an await point where it is dropped, and what
//! then goes wrong comes with a later call, however fast or slow the machine is.

use std::sync::{Arc, Mutex};

use token_storage_core::{
    Error, ErrorKind, Operation, Precondition, Result, Revision, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, Write,
};
use tokio::task::yield_now;

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<DroppedStoreComesLate>(
            "a dropped store comes late",
            "cancellation::a_dropped_write_does_not_come_late",
        ),
        memory::<DroppedRemoveComesLate>(
            "a dropped remove comes late",
            "cancellation::a_dropped_remove_does_not_come_late",
        ),
        memory::<DroppedBatchIsTorn>(
            "a dropped batch is torn",
            "cancellation::a_dropped_batch_is_all_or_nothing",
        ),
        memory::<DroppedStoreKeepsLock>(
            "a dropped store keeps the lock",
            "cancellation::a_dropped_call_does_not_block_others",
        ),
    ]
}

/// Does something if it is dropped before it is told that all is done.
struct Unless<F: FnMut()>(Option<F>);

impl<F: FnMut()> Unless<F> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl<F: FnMut()> Drop for Unless<F> {
    fn drop(&mut self) {
        if let Some(dropped) = &mut self.0 {
            dropped();
        }
    }
}

/// Takes out what was left behind for a key.
fn left<T>(all: &Mutex<Vec<(TokenKey, T)>>, key: &TokenKey) -> Vec<T> {
    let (its, others) = std::mem::take(&mut *all.lock().unwrap())
        .into_iter()
        .partition(|(left, _)| left == key);
    *all.lock().unwrap() = others;
    let its: Vec<(TokenKey, T)> = its;
    its.into_iter().map(|(_, left)| left).collect()
}

flaw!(
    /// A store that was dropped happens after the next one.
    DroppedStoreComesLate with Vec<(TokenKey, TokenData)> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let late = Unless(Some(|| self.1.lock().unwrap().push((key.clone(), data.clone()))));
            yield_now().await;
            late.done();
            let revision = self.0.store(key, data, precondition).await?;
            for late in left(&self.1, key) {
                self.0.store(key, &late, Precondition::Any).await?;
            }
            Ok(revision)
        }
    }
);

flaw!(
    /// A remove that was dropped happens after the next store.
    DroppedRemoveComesLate with Vec<(TokenKey, ())> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            for () in left(&self.1, key) {
                self.0.remove(key, Precondition::Any).await?;
            }
            Ok(revision)
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let late = Unless(Some(|| self.1.lock().unwrap().push((key.clone(), ()))));
            yield_now().await;
            late.done();
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// A batch that is dropped has written the records up to there.
    DroppedBatchIsTorn {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let mut revisions = Vec::new();
            for write in writes {
                revisions.push(self.0.store(write.key, write.data, write.precondition).await?);
                yield_now().await;
            }
            Ok(revisions)
        }
    }
);

flaw!(
    /// A store that is dropped keeps the lock.
    DroppedStoreKeepsLock with bool {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let lock = Arc::clone(&self.1);
            if std::mem::replace(&mut *lock.lock().unwrap(), true) {
                return Err(Error::new(ErrorKind::Busy, "another call holds the lock").with_operation(Operation::Store));
            }
            yield_now().await;
            *lock.lock().unwrap() = false;
            self.0.store(key, data, precondition).await
        }
    }
);
