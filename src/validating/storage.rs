//! The wrapper as a storage.

use token_storage_core::{
    Enumerate, Error, ErrorKind, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey,
    TokenStorage, Write, async_trait,
    backend::{Rounds, forward},
};

use super::{
    Validating,
    identity::{Identities, changed, unchanged},
};

/// How often others may replace a record between reading and replacing it. More than usual: the caller, who named no
/// precondition, does not reckon with other writers.
const MAX_ROUNDS: usize = 256;

/// Names alone: whether a record may be read is asked of each.
struct Listing<'a>(Box<dyn Enumerate + 'a>);

impl Enumerate for Listing<'_> {
    forward!(self.0 => list_keys, list_namespaces);
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for Validating<S> {
    forward!(self.storage => prove_writable, describe, lease);

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(Listing(self.storage.enumerate()?)))
    }

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let Some(stored) = self.storage.get(key).await? else {
            return Ok(None);
        };
        for validator in &self.validators {
            let checked = validator.after_get(key, &stored.data);
            checked.map_err(|broken| broken.into_error(Operation::Get, key))?;
        }
        if let Some(identities) = &self.identities {
            identities.note(key, &stored.data);
        }
        Ok(Some(stored))
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.check(writes)?;
        let Some(identities) = &self.identities else {
            return self.storage.store_all(writes).await;
        };
        let Some(first) = writes.first() else {
            return self.storage.store_all(writes).await;
        };
        let mut rounds = Rounds::of(first.key, MAX_ROUNDS);
        loop {
            let preconditions = self.pin(identities, writes).await?;
            let pinned = writes.iter().zip(&preconditions);
            let pinned: Vec<Write<'_>> = pinned.map(|(w, pinned)| Write::new(w.key, w.data, *pinned)).collect();
            let stored = self.storage.store_all(&pinned).await;
            if let Err(error) = &stored
                && !lost_only_ours(error, &pinned, writes)
            {
                return stored;
            }
            if let Some(revisions) = rounds.settled(stored)? {
                writes.iter().for_each(|write| identities.note(write.key, write.data));
                return Ok(revisions);
            }
        }
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let removed = self.storage.remove(key, precondition).await?;
        if let Some(identities) = &self.identities {
            identities.forget(key);
        }
        Ok(removed)
    }
}

impl<S: TokenStorage> Validating<S> {
    /// All rules that need no look into the storage.
    fn check(&self, writes: &[Write<'_>]) -> Result<()> {
        for write in writes {
            for validator in &self.validators {
                let checked = validator.before_store(write.key, write.data);
                checked.map_err(|broken| broken.into_error(Operation::StoreAll, write.key))?;
            }
        }
        Ok(())
    }

    /// Checks who logged in, and returns preconditions under which that check still holds when the records are written.
    async fn pin(&self, identities: &Identities, writes: &[Write<'_>]) -> Result<Vec<Precondition>> {
        let mut pinned = Vec::with_capacity(writes.len());
        for (index, write) in writes.iter().enumerate() {
            let current = match self.storage.get(write.key).await {
                // A damaged record says nothing of anybody, and a login must be able to replace it.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.same_as_others(identities, None, write, writes, index).await?;
                    pinned.push(write.precondition);
                    continue;
                }
                current => current?,
            };
            // If the caller's own precondition does not hold, the storage must say so.
            if write.precondition.holds(current.as_ref().map(|stored| stored.revision)) {
                let replaced = current.as_ref().map(|stored| &stored.data);
                self.same_as_others(identities, replaced, write, writes, index).await?;
            }
            pinned.push(match (write.precondition, current) {
                (Precondition::Any, Some(stored)) => Precondition::Unchanged(stored.revision),
                (Precondition::Any, None) => Precondition::Absent,
                (precondition, _) => precondition,
            });
        }
        Ok(pinned)
    }

    /// The same person as in the record that is replaced, earlier in the batch, and in the other records of the namespace.
    async fn same_as_others(
        &self,
        identities: &Identities,
        replaced: Option<&TokenData>,
        write: &Write<'_>,
        batch: &[Write<'_>],
        index: usize,
    ) -> Result<()> {
        let rejected = |broken: super::ValidationError| broken.into_error(Operation::StoreAll, write.key);
        let new = unchanged(write.data, replaced).map_err(rejected)?;
        let namespace = write.key.namespace();
        let mut earlier = batch[..index]
            .iter()
            .filter(|earlier| earlier.key.namespace() == namespace);
        let identity_of = |write: &Write<'_>| write.data.identity_id.clone();
        if let Some(other) = earlier.find_map(|write| identity_of(write).filter(|other| other != new)) {
            return Err(rejected(changed(&other, new)));
        }
        match identities.other_than(&self.storage, new, namespace, batch).await? {
            Some(other) => Err(rejected(changed(&other, new))),
            None => Ok(()),
        }
    }
}

/// Whether a conflict is about a precondition that the caller did not ask for.
fn is_ours(error: &Error, pinned: Precondition, asked: Precondition) -> bool {
    error.kind() == ErrorKind::Conflict && pinned != asked
}

fn lost_only_ours(error: &Error, pinned: &[Write<'_>], asked: &[Write<'_>]) -> bool {
    let Some(conflict) = error.conflict() else {
        return false;
    };
    let refused = pinned.iter().zip(asked).find(|(write, _)| *write.key == conflict.key);
    refused.is_some_and(|(pinned, asked)| is_ours(error, pinned.precondition, asked.precondition))
}
