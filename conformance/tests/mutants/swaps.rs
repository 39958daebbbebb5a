//! Preconditions that are forgotten, told wrongly or checked too early, and batches that write something else: clauses
//! A1, A2, A4, A5, K7.

use std::collections::HashMap;

use token_storage_core::{
    Error, MemoryStorage, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage as _,
    TokenStorageExt as _, Write, WriteMark, record,
};

use crate::{
    Mutant,
    flaw::{flaw, keys_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<RefusalWrites>(
            "a refused store writes again what is there",
            "preconditions::a_conflict_changes_nothing",
        ),
        memory::<UncertainConflict>("a conflict may have happened", "preconditions::a_conflict_is_certain"),
        memory::<AnyonesRevision>(
            "a revision of any record will do",
            "preconditions::a_revision_belongs_to_its_key",
        ),
        memory::<EmptyIsNone>(
            "an empty revision is no precondition",
            "preconditions::a_strange_revision_is_a_conflict",
        ),
        memory::<OpenTransaction>(
            "a refusal leaves its transaction open",
            "preconditions::the_refused_writer_can_go_on",
        ),
        memory::<RemoveIgnoresAbsent>(
            "a remove ignores Absent",
            "preconditions::remove_of_what_must_be_absent_conflicts",
        ),
        memory::<LooksThenCreates>("looks, then creates", "concurrency::of_racing_creations_one_wins"),
        memory::<EqualIsOurs>(
            "what is equal is its own",
            "concurrency::of_racing_swaps_of_equal_values_one_wins",
        ),
        memory::<OvertakenGoesOn>(
            "a swap that is overtaken goes on",
            "concurrency::counting_by_swaps_loses_no_step",
        ),
        memory::<ComesAndGoes>(
            "an unacknowledged write comes and goes",
            "atomicity::a_reader_never_sees_an_older_record_again",
        ),
        memory::<NamesWhatItReadFirst>(
            "a conflict names what the call read first",
            "histories::calls_of_one_handle_are_linearizable",
        ),
        memory::<LosesEachSecond>(
            "loses each second of its writes",
            "model::random_sequences_do_what_the_model_does",
        ),
        memory::<CountsEqualWrites>(
            "counts equal writes only",
            "records::a_record_changed_back_has_a_new_revision",
        ),
        memory::<OneRecordForAll>("a batch writes one record everywhere", "batches::all_are_stored"),
        memory::<OneNamespace>("a batch is of one namespace", "batches::namespaces_may_be_mixed"),
        memory::<BatchReplacesNamespace>("a batch replaces its namespace", "batches::other_records_stay"),
        memory::<LosesTheLastOfMany>(
            "a full batch loses its last record",
            "batches::as_many_records_as_declared",
        ),
    ]
}

/// The revision in which a record is now.
async fn current(base: &MemoryStorage, key: &TokenKey) -> Result<Option<Revision>> {
    Ok(base.get(key).await?.map(|stored| stored.revision))
}

flaw!(
    /// It takes its lock by writing.
    RefusalWrites {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let stored = self.0.store(key, data, precondition).await;
            if stored.is_err() && let Some(there) = self.0.get(key).await? {
                self.0.store(key, &there.data, Precondition::Any).await?;
            }
            stored
        }
    }
);

flaw!(
    /// All errors of writes are uncertain.
    UncertainConflict {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(Error::with_unknown_outcome)
        }
    }
);

flaw!(
    /// It looks whether there is such a revision, not where.
    AnyonesRevision {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if let Precondition::Unchanged(revision) = precondition {
                for other in keys_of(&&self.0, key.namespace()).await? {
                    if current(&self.0, &other).await? == Some(revision) {
                        return self.0.store(key, data, Precondition::Any).await;
                    }
                }
            }
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// `If-Match` without a value is left out.
    EmptyIsNone {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let precondition = match precondition {
                Precondition::Unchanged(revision) if revision.as_bytes().is_empty() => Precondition::Any,
                other => other,
            };
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// The next write of the same key is refused, too: the transaction of the one before was never ended.
    OpenTransaction with std::collections::HashSet<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if self.1.lock().unwrap().remove(key) {
                let there = current(&self.0, key).await?;
                return Err(Error::precondition_failed(key.clone(), there));
            }
            let stored = self.0.store(key, data, precondition).await;
            if stored.is_err() {
                self.1.lock().unwrap().insert(key.clone());
            }
            stored
        }
    }
);

flaw!(
    /// For a remove, only a revision is a condition.
    RemoveIgnoresAbsent {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let precondition = match precondition {
                Precondition::Absent => Precondition::Any,
                other => other,
            };
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// Swaps are atomic, creating is not.
    LooksThenCreates {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if precondition != Precondition::Absent {
                return self.0.store(key, data, precondition).await;
            }
            if let Some(there) = current(&self.0, key).await? {
                return Err(Error::precondition_failed(key.clone(), Some(there)));
            }
            crate::pause().await;
            self.0.store(key, data, Precondition::Any).await
        }
    }
);

flaw!(
    /// It knows its own writes by what is in them, if they come while it writes.
    EqualIsOurs {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let held = precondition.holds(current(&self.0, key).await?);
            crate::pause().await;
            let stored = self.0.store(key, data, precondition).await;
            match self.0.get(key).await? {
                Some(there) if held && stored.is_err() && there.data == *data => Ok(there.revision),
                _ => stored,
            }
        }
    }
);

flaw!(
    /// It checks once, and then swaps until it gets through.
    OvertakenGoesOn {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let mut there = current(&self.0, key).await?;
            if !precondition.holds(there) {
                return Err(Error::precondition_failed(key.clone(), there));
            }
            loop {
                crate::pause().await;
                let unchanged = there.map_or(Precondition::Absent, Precondition::Unchanged);
                match self.0.store(key, data, unchanged).await {
                    Err(error) if error.conflict().is_some() => there = current(&self.0, key).await?,
                    done => return done,
                }
            }
        }
    }
);

flaw!(
    /// While a write is not acknowledged, every other reader sees the record of before.
    ComesAndGoes with (HashMap<TokenKey, StoredToken>, usize) {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            {
                let (before, reads) = &mut *self.1.lock().unwrap();
                *reads += 1;
                if *reads % 2 == 0 && let Some(old) = before.get(key) {
                    return Ok(Some(old.clone()));
                }
            }
            self.0.get(key).await
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if let Some(old) = self.0.get(key).await? {
                self.1.lock().unwrap().0.insert(key.clone(), old);
            }
            let stored = self.0.store(key, data, precondition).await;
            crate::pause().await;
            self.1.lock().unwrap().0.remove(key);
            stored
        }
    }
);

flaw!(
    /// And not what was there when it was refused.
    NamesWhatItReadFirst {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let first = current(&self.0, key).await?;
            crate::pause().await;
            match self.0.store(key, data, precondition).await {
                Err(error) if error.conflict().is_some() => {
                    Err(Error::precondition_failed(key.clone(), first))
                }
                done => done,
            }
        }
    }
);

flaw!(
    /// A buffer that is emptied without being written, each second time.
    LosesEachSecond with bool {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let before = self.0.get(key).await?;
            let revision = self.0.store(key, data, precondition).await?;
            let lost = {
                let mut lost = self.1.lock().unwrap();
                *lost = !*lost;
                *lost
            };
            if lost && let Some(before) = before {
                self.0.store(key, &before.data, Precondition::Any).await?;
            }
            Ok(revision)
        }
    }
);

/// What a revision is made of, and the record it is the revision of.
type Numbered = HashMap<TokenKey, (TokenData, u64)>;

flaw!(
    /// A revision is a digest of the record, and of how often in a row it was the same.
    CountsEqualWrites with Numbered {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let Some(mut stored) = self.0.get(key).await? else {
                return Ok(None);
            };
            stored.revision = numbered(&self.1.lock().unwrap(), key, stored.revision);
            Ok(Some(stored))
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let there = self.0.get(key).await?.map(|stored| stored.revision);
            let shown = there.map(|revision| numbered(&self.1.lock().unwrap(), key, revision));
            if !precondition.holds(shown) {
                return Err(Error::precondition_failed(key.clone(), shown));
            }
            let revision = self.0.store(key, data, Precondition::Any).await?;
            let mut known = self.1.lock().unwrap();
            let number = match (there, known.get(key)) {
                (Some(_), Some((before, number))) if before == data => number + 1,
                _ => 0,
            };
            known.insert(key.clone(), (data.clone(), number));
            Ok(numbered(&known, key, revision))
        }
    }
);

fn numbered(known: &Numbered, key: &TokenKey, otherwise: Revision) -> Revision {
    let Some((data, number)) = known.get(key) else {
        return otherwise;
    };
    let mut text = format!("{key:?}");
    let mark = WriteMark::from_bytes([0; 16]);
    text.push_str(&record::encode(data, &mark));
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let bytes = [digest.to_be_bytes(), number.to_be_bytes()].concat();
    Revision::from_bytes(&bytes).unwrap_or(otherwise)
}

flaw!(
    /// The statement keeps the first record that was bound to it.
    OneRecordForAll {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let all: Vec<_> = writes.iter().map(|write| Write::new(write.key, writes[0].data, write.precondition)).collect();
            self.0.store_all(&all).await
        }
    }
);

flaw!(
    /// That of its first record.
    OneNamespace {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let of_first = |write: &Write<'_>| TokenKey::new(writes[0].key.namespace(), write.key.resource_server());
            let keys: Vec<_> = writes.iter().map(of_first).collect();
            let all: Vec<_> = writes.iter().zip(&keys).map(|(write, key)| Write::new(key, write.data, write.precondition)).collect();
            self.0.store_all(&all).await
        }
    }
);

flaw!(
    /// What is not in the batch is not there any more.
    BatchReplacesNamespace {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let revisions = self.0.store_all(writes).await?;
            for write in writes.iter().take(1) {
                for key in keys_of(&&self.0, write.key.namespace()).await? {
                    if writes.iter().all(|write| *write.key != key) {
                        self.0.remove(&key, Precondition::Any).await?;
                    }
                }
            }
            Ok(revisions)
        }
    }
);

flaw!(
    /// An index that ends one too early.
    LosesTheLastOfMany {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let revisions = self.0.store_all(writes).await?;
            if writes.len() == MemoryStorage::LIMITS.batch_records
                && let Some(last) = writes.last()
            {
                self.0.remove(last.key, Precondition::Any).await?;
            }
            Ok(revisions)
        }
    }
);
