//! Writes that happen in part, too early, too late or twice: clauses A1 to A3, A5, A7.

use std::collections::HashMap;

use token_storage_core::{
    Error, ErrorKind, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, Write,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<TearsWrites>("tears writes", "atomicity::a_reader_sees_the_old_or_the_new_record"),
        memory::<RemovesBeforeStoring>(
            "removes before storing",
            "atomicity::a_reader_sees_the_old_or_the_new_record",
        ),
        memory::<AcknowledgesBeforeWriting>(
            "acknowledges before writing",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<AcknowledgesBeforeRemoving>("acknowledges before removing", "removal::removed_records_are_gone"),
        memory::<ReadsStale>("reads stale", "records::a_store_replaces_the_whole_record"),
        memory::<CachesAcrossHandles>("caches across handles", "handles::another_handle_sees_a_store"),
        memory::<CachesAbsence>("caches absence", "handles::what_was_absent_is_seen_when_it_comes"),
        memory::<LateDuplicate>(
            "a late duplicate undoes a newer write",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<OwnSuccessIsAConflict>(
            "its own success is a conflict",
            "preconditions::absent_stores_only_what_is_not_there",
        ),
        memory::<PartialBatch>("partial batch", "batches::one_refusal_refuses_all"),
        memory::<ChecksBatchThenWrites>(
            "checks a batch, then writes",
            "atomicity::a_batch_is_never_half_replaced",
        ),
        memory::<LastOfTwoWins>("the last of two wins", "batches::two_records_of_one_key_are_invalid"),
        memory::<EmptyBatchFails>("an empty batch fails", "batches::an_empty_batch_succeeds"),
        memory::<WritesWhatFits>("writes what fits", "batches::one_too_large_record_refuses_all"),
        memory::<LosesConcurrentUpdates>(
            "loses concurrent updates",
            "concurrency::writers_of_different_keys_lose_nothing",
        ),
    ]
}

flaw!(
    /// Writes the new access token first and the rest a little later.
    TearsWrites {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if let Some(mut torn) = self.0.get(key).await?.map(|stored| stored.data) {
                torn.access_token = data.access_token.clone();
                let revision = self.0.store(key, &torn, precondition).await?;
                crate::pause().await;
                return self.0.store(key, data, Precondition::Unchanged(revision)).await;
            }
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Replaces a record by removing it and storing the new one.
    RemovesBeforeStoring {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if precondition == Precondition::Any && self.0.remove(key, Precondition::Any).await? {
                crate::pause().await;
            }
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Says "stored" and then stores.
    AcknowledgesBeforeWriting {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if precondition != Precondition::Any {
                return self.0.store(key, data, precondition).await;
            }
            let (base, key, data) = (self.0.clone(), key.clone(), data.clone());
            tokio::spawn(async move {
                crate::pause().await;
                base.store(&key, &data, Precondition::Any).await
            });
            Revision::from_bytes(b"soon")
        }
    }
);

flaw!(
    /// Says "removed" and then removes.
    AcknowledgesBeforeRemoving {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            if precondition != Precondition::Any {
                return self.0.remove(key, precondition).await;
            }
            let (base, gone) = (self.0.clone(), key.clone());
            let there = base.get(key).await?.is_some();
            tokio::spawn(async move {
                crate::pause().await;
                base.remove(&gone, Precondition::Any).await
            });
            Ok(there)
        }
    }
);

flaw!(
    /// Reads from a replica that lags one write behind.
    ReadsStale with HashMap<TokenKey, Option<StoredToken>> {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let lagging = self.1.lock().unwrap().remove(key);
            match lagging {
                Some(Some(old)) => Ok(Some(old)),
                _ => self.0.get(key).await,
            }
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let old = self.0.get(key).await?;
            let revision = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().insert(key.clone(), old);
            Ok(revision)
        }
    }
);

flaw!(
    /// Each handle keeps what it has read, and sees none of the other handles' writes.
    CachesAcrossHandles with HashMap<TokenKey, StoredToken> {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Default::default())
        }

        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            if let Some(cached) = self.1.lock().unwrap().get(key).cloned() {
                return Ok(Some(cached));
            }
            let stored = self.0.get(key).await?;
            self.1.lock().unwrap().extend(stored.clone().map(|stored| (key.clone(), stored)));
            Ok(stored)
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            let cached = StoredToken { data: data.clone(), revision };
            self.1.lock().unwrap().insert(key.clone(), cached);
            Ok(revision)
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            self.1.lock().unwrap().clear();
            self.0.store_all(writes).await
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.1.lock().unwrap().remove(key);
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// Each handle remembers that there was nothing.
    CachesAbsence with std::collections::HashSet<TokenKey> {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Default::default())
        }

        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            if self.1.lock().unwrap().contains(key) {
                return Ok(None);
            }
            let stored = self.0.get(key).await?;
            if stored.is_none() {
                self.1.lock().unwrap().insert(key.clone());
            }
            Ok(stored)
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.1.lock().unwrap().remove(key);
            self.0.store(key, data, precondition).await
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            self.1.lock().unwrap().clear();
            self.0.store_all(writes).await
        }
    }
);

flaw!(
    /// Sends a write twice, and the second one arrives after the next write of that key.
    LateDuplicate with HashMap<TokenKey, TokenData> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            let late = self.1.lock().unwrap().insert(key.clone(), data.clone());
            if let Some(late) = late {
                self.0.store(key, &late, Precondition::Any).await?;
            }
            Ok(revision)
        }
    }
);

flaw!(
    /// Sends a conditional write again when its answer is late, and takes its own success for somebody else's.
    OwnSuccessIsAConflict {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            match precondition {
                Precondition::Any => Ok(revision),
                condition => self.0.store(key, data, condition).await,
            }
        }
    }
);

flaw!(
    /// Writes a batch record by record, and stops at the first that is refused.
    PartialBatch {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let mut revisions = Vec::new();
            for write in writes {
                revisions.push(self.0.store(write.key, write.data, write.precondition).await?);
            }
            Ok(revisions)
        }
    }
);

flaw!(
    /// Writes a batch record by record after it has checked all, whatever has happened since.
    ChecksBatchThenWrites {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            for write in writes {
                let current = self.0.get(write.key).await?.map(|stored| stored.revision);
                if !write.precondition.holds(current) {
                    return Err(Error::precondition_failed(write.key.clone(), current).with_operation(Operation::StoreAll));
                }
            }
            let mut revisions = Vec::new();
            for write in writes {
                crate::pause().await;
                revisions.push(self.0.store(write.key, write.data, Precondition::Any).await?);
            }
            Ok(revisions)
        }
    }
);

flaw!(
    /// Of two records of one key in a batch, the last wins.
    LastOfTwoWins {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let last: Vec<_> = writes
                .iter()
                .enumerate()
                .filter(|(i, w)| writes[i + 1..].iter().all(|later| later.key != w.key))
                .map(|(_, write)| *write)
                .collect();
            self.0.store_all(&last).await
        }
    }
);

flaw!(
    /// Takes a batch of nothing for an error.
    EmptyBatchFails {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            if writes.is_empty() {
                return Err(Error::new(ErrorKind::InvalidInput, "the batch is empty").with_operation(Operation::StoreAll));
            }
            self.0.store_all(writes).await
        }
    }
);

flaw!(
    /// Writes what fits of a batch that does not.
    WritesWhatFits {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let answer = self.0.store_all(writes).await;
            if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::TooLarge) {
                for write in writes.iter().take(2) {
                    let _ = self.0.store(write.key, write.data, write.precondition).await;
                }
            }
            answer
        }
    }
);

flaw!(
    /// Updates of different keys write the whole document back that each has read.
    LosesConcurrentUpdates with HashMap<TokenKey, TokenData> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let before = self.1.lock().unwrap().clone();
            crate::pause().await;
            let revision = self.0.store(key, data, precondition).await?;
            let lost: Vec<_> = {
                let mut document = self.1.lock().unwrap();
                let lost = document.keys().filter(|other| !before.contains_key(other) && *other != key).cloned().collect();
                *document = before;
                document.insert(key.clone(), data.clone());
                lost
            };
            for other in &lost {
                self.0.remove(other, Precondition::Any).await?;
            }
            Ok(revision)
        }
    }
);
