//! Calls whose work goes on, or whose permit stays away, when their caller drops them while they wait: clause A7.

use std::sync::{Arc, Mutex};

use token_storage_core::{
    Cursor, Enumerate, Error, ErrorKind, MemoryStorage, Operation, Page, Precondition, Result, Revision, StoredToken,
    TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write, async_trait,
};
use tokio::{sync::Mutex as Turn, task::yield_now};

use crate::{Mutant, flaw::flaw, pause, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const STORE: &str = "cancellation::a_dropped_write_does_not_come_late";
    const USED_UP: &str = "cancellation::many_dropped_calls_use_nothing_up";
    vec![
        memory::<StoreGoesOnInATask>("a store goes on in a task", STORE),
        memory::<RemoveGoesOnInATask>(
            "a remove goes on in a task",
            "cancellation::a_dropped_remove_does_not_come_late",
        ),
        memory::<BatchGoesOnInATask>(
            "a batch goes on in a task",
            "cancellation::a_dropped_batch_does_not_come_late",
        ),
        memory::<ReadsDoNotWait>(
            "reads do not wait for dropped writes",
            "cancellation::a_get_is_not_overtaken_by_a_dropped_write",
        ),
        memory::<ConditionalStoreGoesOnInATask>(
            "a conditional store goes on in a task",
            "cancellation::a_get_is_not_overtaken_by_a_dropped_write",
        ),
        memory::<ConditionalRemoveGoesOnInATask>(
            "a conditional remove goes on in a task",
            "cancellation::a_get_is_not_overtaken_by_a_dropped_write",
        ),
        memory::<BatchesDoNotWait>(
            "batches do not wait for dropped writes",
            "cancellation::a_batch_waits_for_dropped_writes",
        ),
        memory::<DroppedStoreLeavesHalf>(
            "a dropped store leaves half a record",
            "cancellation::a_dropped_store_leaves_the_old_or_the_new_record",
        ),
        memory::<ContendedBatchIsTorn>(
            "a batch that is dropped under contention is torn",
            "cancellation::batches_dropped_under_contention_stay_whole",
        ),
        memory::<DroppedGetTakesAlong>(
            "a dropped get takes the record along",
            "cancellation::a_dropped_get_harms_nothing",
        ),
        memory::<DroppedGetLeaks>("a dropped get keeps its connection", USED_UP),
        memory::<DroppedStoreLeaks>("a dropped store keeps its connection", USED_UP),
        memory::<DroppedBatchLeaks>("a dropped batch keeps its connection", USED_UP),
        memory::<DroppedRemoveLeaks>("a dropped remove keeps its connection", USED_UP),
        memory::<DroppedListingLeaks>(
            "a dropped listing keeps its connection",
            "cancellation::dropped_listings_use_nothing_up",
        ),
    ]
}

type Owned = (TokenKey, TokenData, Precondition);

fn owned(writes: &[Write<'_>]) -> Vec<Owned> {
    let owned = |write: &Write<'_>| (write.key.clone(), write.data.clone(), write.precondition);
    writes.iter().map(owned).collect()
}

async fn write(storage: &MemoryStorage, writes: &[Owned]) -> Result<Vec<Revision>> {
    let writes: Vec<_> = writes
        .iter()
        .map(|(key, data, condition)| Write::new(key, data, *condition))
        .collect();
    storage.store_all(&writes).await
}

/// In a task of its own that nobody waits for once its caller has gone.
async fn in_a_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let task = tokio::spawn(async move {
        pause().await;
        work.await
    });
    task.await.expect("the work does not panic")
}

flaw!(
    /// A store goes on in a task when its caller has gone, whatever else is done meanwhile.
    StoreGoesOnInATask {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let (storage, writes) = (self.0.clone(), owned(&[Write::new(key, data, precondition)]));
            Ok(in_a_task(async move { write(&storage, &writes).await }).await?[0])
        }
    }
);

flaw!(
    /// A remove goes on in a task.
    RemoveGoesOnInATask {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let (storage, key) = (self.0.clone(), key.clone());
            in_a_task(async move { storage.remove(&key, precondition).await }).await
        }
    }
);

flaw!(
    /// A batch goes on in a task.
    BatchGoesOnInATask {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let (storage, writes) = (self.0.clone(), owned(writes));
            in_a_task(async move { write(&storage, &writes).await }).await
        }
    }
);

/// Writes wait for each other, and for those whose caller has gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ordered(Arc<Turn<()>>);

impl Ordered {
    async fn after_the_others<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let turn = Arc::clone(&self.0).lock_owned().await;
        in_a_task(async move {
            let done = work.await;
            drop(turn);
            done
        })
        .await
    }
}

flaw!(
    /// Writes keep their order, but reads do not wait for one whose caller has gone.
    ReadsDoNotWait with Ordered {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let (storage, writes) = (self.0.clone(), owned(&[Write::new(key, data, precondition)]));
            let order = self.1.lock().unwrap().clone();
            Ok(order.after_the_others(async move { write(&storage, &writes).await }).await?[0])
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let (storage, writes) = (self.0.clone(), owned(writes));
            let order = self.1.lock().unwrap().clone();
            order.after_the_others(async move { write(&storage, &writes).await }).await
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let (storage, key, order) = (self.0.clone(), key.clone(), self.1.lock().unwrap().clone());
            order.after_the_others(async move { storage.remove(&key, precondition).await }).await
        }
    }
);

flaw!(
    /// A store that depends on what was read goes on in a task, as a compare-and-swap that a server is asked for.
    ConditionalStoreGoesOnInATask {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if !matches!(precondition, Precondition::Unchanged(_)) {
                return self.0.store(key, data, precondition).await;
            }
            let (storage, writes) = (self.0.clone(), owned(&[Write::new(key, data, precondition)]));
            Ok(in_a_task(async move { write(&storage, &writes).await }).await?[0])
        }
    }
);

flaw!(
    /// The same of removes.
    ConditionalRemoveGoesOnInATask {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            if precondition == Precondition::Any {
                return self.0.remove(key, precondition).await;
            }
            let (storage, key) = (self.0.clone(), key.clone());
            in_a_task(async move { storage.remove(&key, precondition).await }).await
        }
    }
);

flaw!(
    /// Calls of one record wait for those whose caller has gone; a batch does not.
    BatchesDoNotWait with Ordered {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let order = self.1.lock().unwrap().clone();
            let _turn = order.0.lock().await;
            self.0.get(key).await
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let (storage, writes) = (self.0.clone(), owned(&[Write::new(key, data, precondition)]));
            let order = self.1.lock().unwrap().clone();
            Ok(order.after_the_others(async move { write(&storage, &writes).await }).await?[0])
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let (storage, key, order) = (self.0.clone(), key.clone(), self.1.lock().unwrap().clone());
            order.after_the_others(async move { storage.remove(&key, precondition).await }).await
        }
    }
);

flaw!(
    /// A store that is dropped leaves a record without its refresh token.
    DroppedStoreLeavesHalf {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let mut half = data.clone();
            half.refresh_token = None;
            let first = self.0.store(key, &half, precondition).await?;
            yield_now().await;
            self.0.store(key, data, Precondition::Unchanged(first)).await
        }
    }
);

flaw!(
    /// Batches that meet each other wait for their turn and then write record by record.
    ContendedBatchIsTorn with Ordered {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let order = self.1.lock().unwrap().clone();
            if let Ok(_turn) = order.0.try_lock() {
                pause().await;
                return self.0.store_all(writes).await;
            }
            let _turn = order.0.lock().await;
            let mut revisions = Vec::new();
            for write in writes {
                revisions.push(self.0.store(write.key, write.data, write.precondition).await?);
                yield_now().await;
            }
            Ok(revisions)
        }
    }
);

/// Connections that are in use.
#[derive(Debug, Default)]
pub(crate) struct Pool(usize);

impl Pool {
    /// Uses one, and gives it back only if the caller stays until then.
    pub(crate) async fn leaky(pool: &Mutex<Self>, operation: Operation) -> Result<()> {
        {
            let mut pool = pool.lock().unwrap();
            if pool.0 == 16 {
                return Err(Error::new(ErrorKind::Busy, "all connections are in use").with_operation(operation));
            }
            pool.0 += 1;
        }
        yield_now().await;
        pool.lock().unwrap().0 -= 1;
        Ok(())
    }
}

flaw!(
    /// A get that is dropped keeps its connection.
    DroppedGetLeaks with Pool {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            Pool::leaky(&self.1, Operation::Get).await?;
            self.0.get(key).await
        }
    }
);

flaw!(
    /// A store that is dropped keeps its connection.
    DroppedStoreLeaks with Pool {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            Pool::leaky(&self.1, Operation::Store).await?;
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// A batch that is dropped keeps its connection, which stores need too.
    DroppedBatchLeaks with Pool {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if self.1.lock().unwrap().0 == 16 {
                return Err(Error::new(ErrorKind::Busy, "all connections are in use").with_operation(Operation::Store));
            }
            self.0.store(key, data, precondition).await
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            Pool::leaky(&self.1, Operation::StoreAll).await?;
            self.0.store_all(writes).await
        }
    }
);

flaw!(
    /// A remove that is dropped keeps its connection.
    DroppedRemoveLeaks with Pool {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            Pool::leaky(&self.1, Operation::Remove).await?;
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// A listing that is dropped keeps its connection.
    DroppedListingLeaks with Pool {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(self))
        }
    }
);

#[async_trait]
impl Enumerate for &DroppedListingLeaks {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        Pool::leaky(&self.1, Operation::List).await?;
        (&self.0).list_keys(namespace, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        Pool::leaky(&self.1, Operation::List).await?;
        (&self.0).list_namespaces(after).await
    }
}

flaw!(
    /// A read takes the record out and puts it back.
    DroppedGetTakesAlong {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let stored = self.0.get(key).await?;
            let Some(there) = stored else {
                return Ok(None);
            };
            self.0.remove(key, Precondition::Any).await?;
            yield_now().await;
            let revision = self.0.store(key, &there.data, Precondition::Any).await?;
            Ok(Some(StoredToken { revision, ..there }))
        }
    }
);
