//! Preconditions and revisions that do not mean what they say: clauses A2, A4, K2.

use std::collections::HashMap;

use token_storage_core::{
    Error, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, Write, record::revision_of,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<ForgetsCompareAndSwap>(
            "forgets compare-and-swap",
            "preconditions::unchanged_stores_only_over_its_revision",
        ),
        memory::<ForgetsCompareAndSwapInBatches>(
            "forgets compare-and-swap in batches",
            "batches::preconditions_hold_each_for_its_own_record",
        ),
        memory::<RemoveIgnoresPrecondition>(
            "remove ignores its precondition",
            "preconditions::remove_keeps_to_its_revision",
        ),
        memory::<AbsentIsIgnored>(
            "absent is ignored",
            "preconditions::absent_stores_only_what_is_not_there",
        ),
        memory::<UnchangedMeansPresent>(
            "unchanged means present",
            "preconditions::unchanged_stores_only_over_its_revision",
        ),
        memory::<UnchangedHoldsOfNothing>("unchanged holds of nothing", "preconditions::unchanged_does_not_create"),
        memory::<ComparesOnlyAccessToken>("compares only the access token", "preconditions::every_field_counts"),
        memory::<ChecksThenWrites>("checks, then writes", "concurrency::of_racing_swaps_one_wins"),
        memory::<ChecksThenRemoves>("checks, then removes", "concurrency::of_racing_removes_one_finds_it"),
        memory::<RevisionRepeatsForEqualContent>(
            "the revision repeats for equal content",
            "preconditions::equal_content_is_a_change",
        ),
        memory::<RevisionStartsAgainAfterRemove>(
            "the revision starts again after a remove",
            "preconditions::changed_and_changed_back_is_a_change",
        ),
        memory::<RevisionIsAClock>("the revision is a clock", "records::equal_content_has_a_new_revision"),
        memory::<RevisionOfSomeFields>("the revision is of some fields", "preconditions::every_field_counts"),
        memory::<RevisionOfEachRead>(
            "each read has another revision",
            "records::reading_does_not_change_the_revision",
        ),
        memory::<StoreAnswersOldRevision>(
            "store answers the old revision",
            "records::the_revision_read_is_the_one_written",
        ),
        memory::<BatchRevisionsOutOfOrder>("batch revisions out of order", "batches::revisions_come_in_order"),
        memory::<ConflictWithoutRevision>(
            "a conflict without the revision",
            "preconditions::a_conflict_says_what_is_there",
        ),
        memory::<ConflictNamesFirstKey>("a conflict names the first key", "batches::the_refused_key_is_named"),
        memory::<ConflictAsBusy>(
            "a conflict is busy",
            "preconditions::absent_stores_only_what_is_not_there",
        ),
    ]
}

flaw!(
    /// Has never heard of compare-and-swap.
    ForgetsCompareAndSwap {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, _: Precondition) -> Result<Revision> {
            self.0.store(key, data, Precondition::Any).await
        }
    }
);

flaw!(
    /// Has never heard of compare-and-swap in batches.
    ForgetsCompareAndSwapInBatches {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let bare: Vec<_> = writes.iter().map(|w| Write::new(w.key, w.data, Precondition::Any)).collect();
            self.0.store_all(&bare).await
        }
    }
);

flaw!(
    /// Ignores the precondition of a remove.
    RemoveIgnoresPrecondition {
        async fn remove(&self, key: &TokenKey, _: Precondition) -> Result<bool> {
            self.0.remove(key, Precondition::Any).await
        }
    }
);

flaw!(
    /// Takes "absent" for "whatever is there".
    AbsentIsIgnored {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let precondition = match precondition {
                Precondition::Absent => Precondition::Any,
                other => other,
            };
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Takes "unchanged since" for "there is one".
    UnchangedMeansPresent {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let current = self.0.get(key).await?.map(|stored| stored.revision);
            let precondition = match (precondition, current) {
                (Precondition::Unchanged(_), Some(current)) => Precondition::Unchanged(current),
                (other, _) => other,
            };
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Takes a removed record for an unchanged one.
    UnchangedHoldsOfNothing {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let precondition = match (precondition, self.0.get(key).await?) {
                (Precondition::Unchanged(_), None) => Precondition::Absent,
                (other, _) => other,
            };
            self.0.store(key, data, precondition).await
        }
    }
);

flaw!(
    /// Compares the access token alone.
    ComparesOnlyAccessToken with HashMap<Revision, TokenData> {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let stored = self.0.get(key).await?;
            if let Some(stored) = &stored {
                self.1.lock().unwrap().insert(stored.revision, stored.data.clone());
            }
            Ok(stored)
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let current = self.0.get(key).await?;
            let precondition = match (precondition, current) {
                (Precondition::Unchanged(revision), Some(current)) => {
                    let known = self.1.lock().unwrap().get(&revision).cloned();
                    let same = known.is_some_and(|known| known.access_token == current.data.access_token);
                    Precondition::Unchanged(if same { current.revision } else { revision })
                }
                (other, _) => other,
            };
            let revision = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().insert(revision, data.clone());
            Ok(revision)
        }
    }
);

flaw!(
    /// Checks the precondition, and then writes whatever has happened since.
    ChecksThenWrites {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let current = self.0.get(key).await?.map(|stored| stored.revision);
            if !precondition.holds(current) {
                return Err(Error::precondition_failed(key.clone(), current).with_operation(Operation::Store));
            }
            crate::pause().await;
            self.0.store(key, data, Precondition::Any).await
        }
    }
);

flaw!(
    /// The same for removing.
    ChecksThenRemoves {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let current = self.0.get(key).await?.map(|stored| stored.revision);
            if !precondition.holds(current) {
                return Err(Error::precondition_failed(key.clone(), current).with_operation(Operation::Remove));
            }
            crate::pause().await;
            self.0.remove(key, Precondition::Any).await?;
            Ok(current.is_some())
        }
    }
);

/// A storage whose revisions are made of something else than the base's: the correct one's are looked up behind them.
macro_rules! revised {
    ($(#[$meta:meta])* $name:ident, $revision:expr) => {
        flaw!(
            $(#[$meta])*
            $name with HashMap<TokenKey, u64> {
                async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
                    let writes = self.1.lock().unwrap().get(key).copied().unwrap_or_default();
                    let stored = self.0.get(key).await?;
                    Ok(stored.map(|stored| StoredToken { revision: ($revision)(&stored.data, writes), data: stored.data }))
                }

                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    let current = self.get(key).await?.map(|stored| stored.revision);
                    if !precondition.holds(current) {
                        return Err(Error::precondition_failed(key.clone(), current).with_operation(Operation::Store));
                    }
                    self.0.store(key, data, Precondition::Any).await?;
                    let mut writes = self.1.lock().unwrap();
                    let writes = writes.entry(key.clone()).or_default();
                    *writes += 1;
                    Ok(($revision)(data, *writes))
                }

                async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    for write in writes {
                        let current = self.get(write.key).await?.map(|stored| stored.revision);
                        if !write.precondition.holds(current) {
                            return Err(Error::precondition_failed(write.key.clone(), current).with_operation(Operation::StoreAll));
                        }
                    }
                    let bare: Vec<_> = writes.iter().map(|w| Write::new(w.key, w.data, Precondition::Any)).collect();
                    self.0.store_all(&bare).await?;
                    let mut revisions = Vec::new();
                    for write in writes {
                        *self.1.lock().unwrap().entry(write.key.clone()).or_default() += 1;
                        revisions.push(self.get(write.key).await?.unwrap().revision);
                    }
                    Ok(revisions)
                }

                async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
                    let current = self.get(key).await?.map(|stored| stored.revision);
                    if !precondition.holds(current) {
                        return Err(Error::precondition_failed(key.clone(), current).with_operation(Operation::Remove));
                    }
                    self.1.lock().unwrap().remove(key);
                    self.0.remove(key, Precondition::Any).await
                }
            }
        );
    };
}

revised!(
    /// The revision is a digest of the content, so that equal contents have the same.
    RevisionRepeatsForEqualContent,
    |data: &TokenData, _| revision_of(data, None)
);

revised!(
    /// The revision counts the writes of a record, and starts again after a remove.
    RevisionStartsAgainAfterRemove,
    |_: &TokenData, writes: u64| Revision::from_bytes(&writes.to_be_bytes()).unwrap()
);

revised!(
    /// The revision is of whole seconds: writes of one second have the same.
    RevisionIsAClock,
    |_: &TokenData, _| {
        let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        Revision::from_bytes(&(seconds / 60).to_be_bytes()).unwrap()
    }
);

revised!(
    /// The revision digests the tokens, but not the other members.
    RevisionOfSomeFields,
    |data: &TokenData, writes: u64| {
        let refresh = data.refresh_token.as_ref().map_or("", |token| token.expose());
        let text = format!("{} {refresh}", data.access_token.expose());
        let _ = writes;
        revision_of(&TokenData::new("", "", text), None)
    }
);

flaw!(
    /// Each read has another revision.
    RevisionOfEachRead {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let stored = self.0.get(key).await?;
            Ok(stored.map(|stored| {
                let mark = token_storage_core::WriteMark::random().unwrap();
                StoredToken { revision: revision_of(&stored.data, Some(&mark)), data: stored.data }
            }))
        }
    }
);

flaw!(
    /// The answer of a store is not the revision of what it stored.
    StoreAnswersOldRevision with HashMap<TokenKey, Revision> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            let old = self.1.lock().unwrap().insert(key.clone(), revision);
            Ok(old.unwrap_or(revision))
        }
    }
);

flaw!(
    /// Answers a batch's revisions in the order in which it wrote them.
    BatchRevisionsOutOfOrder {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let mut revisions = self.0.store_all(writes).await?;
            revisions.reverse();
            Ok(revisions)
        }
    }
);

/// A conflict that says something else.
fn distorted(error: Error, key: impl FnOnce(&TokenKey) -> TokenKey, current: Option<Option<Revision>>) -> Error {
    match error.conflict() {
        Some(conflict) => {
            let current = current.unwrap_or(conflict.current);
            Error::precondition_failed(key(&conflict.key), current)
        }
        None => error,
    }
}

flaw!(
    /// Says "conflict", but not what is there.
    ConflictWithoutRevision {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let answer = self.0.store(key, data, precondition).await;
            answer.map_err(|error| distorted(error, TokenKey::clone, Some(None)))
        }
    }
);

flaw!(
    /// Names the first key of a batch, whichever was refused.
    ConflictNamesFirstKey {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let answer = self.0.store_all(writes).await;
            answer.map_err(|error| distorted(error, |_| writes[0].key.clone(), None))
        }
    }
);

flaw!(
    /// Reports a conflict as something that a retry would help with.
    ConflictAsBusy {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(|error| match error.conflict() {
                Some(_) => Error::new(token_storage_core::ErrorKind::Busy, "somebody else was first").with_operation(Operation::Store),
                None => error,
            })
        }
    }
);
