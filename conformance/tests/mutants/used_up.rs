//! Storages that run out of something: clauses A2, A3, A4, D6.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use token_storage_core::{
    Error, ErrorKind, MemoryStorage, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey,
    TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};
use tokio::{sync::Semaphore, task::yield_now};

use crate::{
    Mutant,
    flaw::{Flaw, flaw},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    const REFUSALS: &str = "preconditions::refusals_use_nothing_up";
    vec![
        memory::<ConflictsLeak>("a conflict keeps its connection", REFUSALS),
        memory::<RefusedRemovesLeak>("a refused remove keeps its connection", REFUSALS),
        memory::<RefusedKeysLeak>("a refused key keeps its connection", "keys::refusals_use_nothing_up"),
        memory::<RefusedBatchesLeak>(
            "a refused batch keeps its connection",
            "batches::refusals_use_nothing_up",
        ),
        memory::<HandlesLeak>(
            "a closed handle keeps its connection",
            "handles::closed_ones_use_nothing_up",
        ),
        memory::<TwoConnectionsEach>(
            "a store waits for a second connection",
            "concurrency::many_calls_at_once_are_answered",
        ),
        memory::<RoomForFewReaders>("few readers at once", "concurrency::many_calls_at_once_are_answered"),
    ]
}

/// How many connections have not come back.
#[derive(Debug, Default)]
pub(crate) struct Lost(usize);

const ALL: usize = 32;

fn spent(operation: Operation) -> Error {
    Error::new(ErrorKind::Busy, "all connections are in use").with_operation(operation)
}

/// Keeps a connection if the call is refused in this way.
fn keeping<T>(lost: &Mutex<Lost>, kind: ErrorKind, done: Result<T>) -> Result<T> {
    let mut lost = lost.lock().unwrap();
    if lost.0 == ALL {
        return Err(spent(Operation::StoreAll));
    }
    if done.as_ref().is_err_and(|error| error.kind() == kind) {
        lost.0 += 1;
    }
    done
}

flaw!(
    /// A store that ends with a conflict does not give its connection back.
    ConflictsLeak with Lost {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            keeping(&self.1, ErrorKind::Conflict, self.0.store(key, data, precondition).await)
        }
    }
);

flaw!(
    /// The same of a remove.
    RefusedRemovesLeak with Lost {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            keeping(&self.1, ErrorKind::Conflict, self.0.remove(key, precondition).await)
        }
    }
);

flaw!(
    /// The same of a key that is too long.
    RefusedKeysLeak with Lost {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            keeping(&self.1, ErrorKind::TooLarge, self.0.store(key, data, precondition).await)
        }
    }
);

flaw!(
    /// The same of a batch of two records of one key.
    RefusedBatchesLeak with Lost {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            keeping(&self.1, ErrorKind::InvalidInput, self.0.store_all(writes).await)
        }
    }
);

/// A handle that is closed keeps its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct HandlesLeak(MemoryStorage, Arc<Mutex<Lost>>);

#[async_trait]
impl Flaw for HandlesLeak {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    fn handle(&self) -> Self {
        self.1.lock().unwrap().0 += 1;
        self.clone()
    }

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let opened = self.1.lock().unwrap().0;
        match opened > ALL {
            true => Err(spent(Operation::Get)),
            false => self.0.get(key).await,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Connections(Arc<Semaphore>);

impl Default for Connections {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(16)))
    }
}

flaw!(
    /// Each store has a connection and asks for one more: sixteen at once wait for each other for ever.
    TwoConnectionsEach with Connections {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let pool = Arc::clone(&self.1.lock().unwrap().0);
            let _one = pool.acquire().await.unwrap();
            yield_now().await;
            let another = tokio::time::timeout(Duration::from_secs(5), pool.acquire()).await;
            let Ok(Ok(_another)) = another else {
                return Err(spent(Operation::Store));
            };
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// There is room for so many readers, and no more are let in.
    RoomForFewReaders with Connections {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let room = Arc::clone(&self.1.lock().unwrap().0);
            let Ok(_room) = room.try_acquire() else {
                return Err(spent(Operation::Get));
            };
            yield_now().await;
            self.0.get(key).await
        }
    }
);
