//! Handles that trust what they remember, or end more than themselves: clauses A3, A4, A6, C4, C5.

use std::{
    collections::{BTreeSet, HashMap},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use token_storage_core::{
    Cursor, Enumerate, Error, MemoryStorage, Page, Precondition, Result, Revision, StoredToken, TokenData, TokenKey,
    TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};

use crate::{
    Mutant,
    flaw::{Flaw, flaw, keys_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<LockOfEachHandle>(
            "each handle has a lock of its own",
            "concurrency::of_racing_handles_one_wins",
        ),
        memory::<RewritesAll>(
            "a handle writes all it has read",
            "concurrency::handles_writing_different_keys_lose_nothing",
        ),
        memory::<RevisionsOfEachHandle>(
            "each handle has revisions of its own",
            "handles::a_revision_is_good_for_every_handle",
        ),
        memory::<WritesItsView>(
            "a handle writes its view of all",
            "handles::writers_in_turn_lose_nothing",
        ),
        memory::<KeepsWhatWasThere>("keeps what was there", "handles::another_handle_sees_a_remove"),
        memory::<BatchesEmptyNoCache>("a batch empties no cache", "handles::another_handle_sees_a_batch"),
        memory::<TakesItAlong>(
            "a handle takes its records along",
            "handles::a_handle_outlives_the_one_that_wrote",
        ),
        memory::<ReadsItsOwnWrite>(
            "a handle reads what it wrote last",
            "histories::calls_of_several_handles_are_linearizable",
        ),
        memory::<LosesEachSecond>(
            "a handle loses each second of its writes",
            "model::random_sequences_through_several_handles",
        ),
        memory::<ListsItsOwn>(
            "lists what this handle wrote",
            "enumeration::another_handle_lists_the_same",
        ),
    ]
}

type Lock = Arc<tokio::sync::Mutex<()>>;

/// It locks as it should, and the lock is the handle's.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockOfEachHandle(MemoryStorage, Lock);

#[async_trait]
impl Flaw for LockOfEachHandle {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    fn handle(&self) -> Self {
        Self(self.0.clone(), Lock::default())
    }

    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        let _locked = self.1.lock().await;
        let there = self.0.get(key).await?.map(|stored| stored.revision);
        if !precondition.holds(there) {
            return Err(Error::precondition_failed(key.clone(), there));
        }
        crate::pause().await;
        self.0.store(key, data, Precondition::Any).await
    }
}

/// It reads all records, changes one and writes all, under a lock that is the handle's.
#[derive(Clone, Debug, Default)]
pub(crate) struct RewritesAll(MemoryStorage, Lock);

#[async_trait]
impl Flaw for RewritesAll {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    fn handle(&self) -> Self {
        Self(self.0.clone(), Lock::default())
    }

    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        let _locked = self.1.lock().await;
        let read = keys_of(&&self.0, key.namespace()).await?;
        crate::pause().await;
        let revision = self.0.store(key, data, precondition).await?;
        forget_all_but(&self.0, key, &read.into_iter().collect()).await?;
        Ok(revision)
    }
}

/// As a file that is written anew has only what the writer knew.
async fn forget_all_but(base: &MemoryStorage, written: &TokenKey, known: &BTreeSet<TokenKey>) -> Result<()> {
    for key in keys_of(&base, written.namespace()).await? {
        if key != *written && !known.contains(&key) {
            base.remove(&key, Precondition::Any).await?;
        }
    }
    Ok(())
}

flaw!(
    /// What one handle calls a revision no other knows.
    RevisionsOfEachHandle with u8 {
        fn handle(&self) -> Self {
            let mut handles = self.1.lock().unwrap();
            *handles = handles.wrapping_add(1);
            Self(self.0.clone(), Arc::new(Mutex::new(*handles)))
        }

        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let mut stored = self.0.get(key).await?;
            if let Some(stored) = &mut stored {
                stored.revision = masked(stored.revision, *self.1.lock().unwrap());
            }
            Ok(stored)
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let own = *self.1.lock().unwrap();
            let precondition = match precondition {
                Precondition::Unchanged(revision) => Precondition::Unchanged(masked(revision, own)),
                other => other,
            };
            Ok(masked(self.0.store(key, data, precondition).await?, own))
        }
    }
);

/// The same bytes for whoever has the mask.
pub(crate) fn masked(revision: Revision, mask: u8) -> Revision {
    let bytes: Vec<u8> = revision.as_bytes().iter().map(|byte| byte ^ mask).collect();
    Revision::from_bytes(&bytes).unwrap_or(revision)
}

flaw!(
    /// It reads once, and each write is all that it knows.
    WritesItsView with Option<BTreeSet<TokenKey>> {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Arc::default())
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let read: BTreeSet<_> = keys_of(&&self.0, key.namespace()).await?.into_iter().collect();
            let revision = self.0.store(key, data, precondition).await?;
            let known = {
                let mut known = self.1.lock().unwrap();
                let known = known.get_or_insert(read);
                known.insert(key.clone());
                known.clone()
            };
            forget_all_but(&self.0, key, &known).await?;
            Ok(revision)
        }
    }
);

flaw!(
    /// That something is gone may be a replica that lags, it thinks.
    KeepsWhatWasThere with HashMap<TokenKey, StoredToken> {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Arc::default())
        }

        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let stored = self.0.get(key).await?;
            let mut known = self.1.lock().unwrap();
            if let Some(stored) = &stored {
                known.insert(key.clone(), stored.clone());
            }
            Ok(known.get(key).cloned())
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.1.lock().unwrap().remove(key);
            self.0.remove(key, precondition).await
        }
    }
);

/// What handles know, and a number that tells them when to look again.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchesEmptyNoCache {
    base: MemoryStorage,
    changes: Arc<Mutex<u64>>,
    known: Arc<Mutex<(u64, HashMap<TokenKey, StoredToken>)>>,
}

#[async_trait]
impl Flaw for BatchesEmptyNoCache {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.base
    }

    fn handle(&self) -> Self {
        Self {
            known: Arc::default(),
            ..self.clone()
        }
    }

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        {
            let changes = *self.changes.lock().unwrap();
            let (at, known) = &mut *self.known.lock().unwrap();
            if *at != changes {
                known.clear();
                *at = changes;
            }
            if let Some(stored) = known.get(key) {
                return Ok(Some(stored.clone()));
            }
        }
        let stored = self.base.get(key).await?;
        let known = &mut self.known.lock().unwrap().1;
        known.extend(stored.iter().map(|stored| (key.clone(), stored.clone())));
        Ok(stored)
    }

    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        let stored = self.base.store(key, data, precondition).await;
        *self.changes.lock().unwrap() += 1;
        stored
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let stored = self.base.store_all(writes).await;
        self.known.lock().unwrap().1.clear();
        stored
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let removed = self.base.remove(key, precondition).await;
        *self.changes.lock().unwrap() += 1;
        removed
    }
}

/// When the last clone of a handle goes, what it wrote goes, too.
#[derive(Debug, Default)]
struct Written(MemoryStorage, Mutex<Vec<(TokenKey, Revision)>>);

impl Drop for Written {
    fn drop(&mut self) {
        for (key, revision) in self.1.lock().unwrap().drain(..) {
            // In memory nothing has to be waited for.
            let removing = pin!(self.0.remove(&key, Precondition::Unchanged(revision)));
            let _ = removing.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// It closes what it has opened, for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakesItAlong(MemoryStorage, Arc<Written>);

#[async_trait]
impl Flaw for TakesItAlong {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    fn handle(&self) -> Self {
        Self(self.0.clone(), Arc::new(Written(self.0.clone(), Mutex::default())))
    }

    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        let revision = self.0.store(key, data, precondition).await?;
        self.1.1.lock().unwrap().push((key.clone(), revision));
        Ok(revision)
    }
}

flaw!(
    /// Without looking, until it writes or removes again.
    ReadsItsOwnWrite with HashMap<TokenKey, StoredToken> {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Arc::default())
        }

        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let own = self.1.lock().unwrap().get(key).cloned();
            match own {
                Some(own) => Ok(Some(own)),
                None => self.0.get(key).await,
            }
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            // Others write meanwhile.
            crate::pause().await;
            let data = data.clone();
            self.1.lock().unwrap().insert(key.clone(), StoredToken { data, revision });
            Ok(revision)
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.1.lock().unwrap().remove(key);
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// A buffer of the handle that is emptied without being written.
    LosesEachSecond with u8 {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Arc::default())
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let before = self.0.get(key).await?;
            let revision = self.0.store(key, data, precondition).await?;
            let lost = {
                let mut count = self.1.lock().unwrap();
                *count = (*count + 1) % 2;
                *count == 0
            };
            if lost && let Some(before) = before {
                self.0.store(key, &before.data, Precondition::Any).await?;
            }
            Ok(revision)
        }
    }
);

flaw!(
    /// An index that is in the handle's memory.
    ListsItsOwn with BTreeSet<TokenKey> {
        fn handle(&self) -> Self {
            Self(self.0.clone(), Arc::default())
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().insert(key.clone());
            Ok(revision)
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(self))
        }
    }
);

#[async_trait]
impl Enumerate for &ListsItsOwn {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let own = self.1.lock().unwrap().clone();
        let mut keys = keys_of(&&self.0, namespace).await?;
        keys.retain(|key| own.contains(key));
        Ok(Page::after(keys.into_iter(), after, 100, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        (&self.0).list_namespaces(after).await
    }
}
