//! Storages as somebody breaks them who has not seen the cases: threads, new places, checks that look too far.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    thread::ThreadId,
    time::Duration,
};

use token_storage_core::{
    Acquisition, Cursor, Enumerate, Error, ErrorKind, LeaseGuard, LeaseView, Operation, Page, Precondition,
    RefreshLease, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, Write,
    async_trait, backend::forward,
};

use crate::{
    Mutant,
    flaw::{Inner, flaw},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<CachesOfThreads>("a cache of each thread", "handles::each_thread_sees_a_write"),
        memory::<DropNeedsRuntime>(
            "a guard needs a runtime to be dropped",
            "lease::a_guard_can_be_dropped_anywhere",
        ),
        memory::<PanicKeepsLease>("a panic keeps the lease", "lease::a_holder_that_panics_frees_it"),
        memory::<AbsentEverywhere>("absent in every namespace", "keys::a_namespace_sees_nothing_of_another"),
        memory::<CreatesOnce>("creates a record once", "removal::a_removed_record_can_be_stored_again"),
        memory::<NewPlaceRemovesNothing>("no remove in a new place", "removal::says_whether_something_was_there"),
        memory::<NewPlaceShowsNoLease>("no look in a new place", "lease::it_works_without_a_record"),
        memory::<NewPlaceHasNoNamespaces>(
            "no namespaces in a new place",
            "enumeration::an_unknown_namespace_is_empty",
        ),
    ]
}

type Cached = HashMap<(ThreadId, TokenKey), Option<StoredToken>>;

fn here(key: &TokenKey) -> (ThreadId, TokenKey) {
    (std::thread::current().id(), key.clone())
}

flaw!(
    /// What a thread has read it has at hand, until it writes itself.
    CachesOfThreads with Cached {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let at_hand = self.1.lock().unwrap().get(&here(key)).cloned();
            match at_hand {
                Some(stored) => Ok(stored),
                None => {
                    let stored = self.0.get(key).await?;
                    self.1.lock().unwrap().insert(here(key), stored.clone());
                    Ok(stored)
                }
            }
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.1.lock().unwrap().remove(&here(key));
            self.0.store(key, data, precondition).await
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.1.lock().unwrap().remove(&here(key));
            self.0.remove(key, precondition).await
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            for write in writes {
                self.1.lock().unwrap().remove(&here(write.key));
            }
            self.0.store_all(writes).await
        }
    }
);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Ending {
    /// The lease is given back in a task.
    Spawns,
    /// Only by a thread that does not unwind.
    UnlessPanicking,
}

struct Leases<'a>(Box<dyn RefreshLease + 'a>, Ending);

#[async_trait]
impl RefreshLease for Leases<'_> {
    forward!(self.0 => look);

    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let ending = self.1;
        let acquired = self.0.try_acquire(key).await?;
        Ok(acquired.map(|guard| Box::new(Ended(Inner(Some(guard)), ending))))
    }
}

#[derive(Debug)]
struct Ended(Inner, Ending);

impl Drop for Ended {
    fn drop(&mut self) {
        let Some(guard) = self.0.0.take() else {
            return;
        };
        match self.1 {
            Ending::Spawns => drop(tokio::spawn(guard.release())),
            Ending::UnlessPanicking if std::thread::panicking() => std::mem::forget(guard),
            Ending::UnlessPanicking => drop(guard),
        }
    }
}

#[async_trait]
impl LeaseGuard for Ended {
    forward!(self.0 => intent);
    forward!(self.0.inner() => renew, record_intent, clear_intent);

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.0.release().await
    }
}

flaw!(
    /// A guard that is dropped gives the lease back in a task, and so only within a runtime.
    DropNeedsRuntime {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Leases(self.0.lease()?, Ending::Spawns)))
        }
    }
);

flaw!(
    /// A guard that is dropped by a panic keeps the lease, as a lock that is poisoned.
    PanicKeepsLease {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Leases(self.0.lease()?, Ending::UnlessPanicking)))
        }
    }
);

flaw!(
    /// A record must be absent in every namespace to be absent.
    AbsentEverywhere with HashSet<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let elsewhere = |other: &TokenKey| other.resource_server() == key.resource_server();
            let known = self.1.lock().unwrap().iter().any(elsewhere);
            if precondition == Precondition::Absent && known {
                let current = self.0.get(key).await?.map(|stored| stored.revision);
                return Err(Error::precondition_failed(key.clone(), current));
            }
            let revision = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().insert(key.clone());
            Ok(revision)
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let done = self.0.remove(key, precondition).await?;
            self.1.lock().unwrap().remove(key);
            Ok(done)
        }
    }
);

type Created = HashMap<TokenKey, (TokenData, Revision)>;

flaw!(
    /// An equal record that is created again is taken for the same request, sent twice, whatever came between.
    CreatesOnce with Created {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let before = self.1.lock().unwrap().get(key).cloned();
            let absent = precondition == Precondition::Absent && self.0.get(key).await?.is_none();
            if let Some((_, revision)) = before.filter(|(created, _)| absent && created == data) {
                return Ok(revision);
            }
            let revision = self.0.store(key, data, precondition).await?;
            if precondition == Precondition::Absent {
                self.1.lock().unwrap().insert(key.clone(), (data.clone(), revision));
            }
            Ok(revision)
        }
    }
);

fn no_table(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "there is no such table").with_operation(operation)
}

flaw!(
    /// There is no table before something was stored, and so nothing to remove from.
    NewPlaceRemovesNothing with bool {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            *self.1.lock().unwrap() = true;
            self.0.store(key, data, precondition).await
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            *self.1.lock().unwrap() = true;
            self.0.store_all(writes).await
        }

        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            if !*self.1.lock().unwrap() {
                return Err(no_table(Operation::Remove));
            }
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// The same of looks at leases, before one was had.
    NewPlaceShowsNoLease with bool {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(New(self.0.lease()?, &self.1)))
        }
    }
);

struct New<'a>(Box<dyn RefreshLease + 'a>, &'a Arc<Mutex<bool>>);

#[async_trait]
impl RefreshLease for New<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        *self.1.lock().unwrap() = true;
        self.0.try_acquire(key).await
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        match *self.1.lock().unwrap() {
            true => {}
            false => return Err(no_table(Operation::Lease)),
        }
        self.0.look(key).await
    }
}

flaw!(
    /// The same of the namespaces.
    NewPlaceHasNoNamespaces with bool {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            *self.1.lock().unwrap() = true;
            self.0.store(key, data, precondition).await
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(NoTable(self.0.enumerate()?, &self.1)))
        }
    }
);

struct NoTable<'a>(Box<dyn Enumerate + 'a>, &'a Arc<Mutex<bool>>);

#[async_trait]
impl Enumerate for NoTable<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        self.0.list_keys(namespace, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        if !*self.1.lock().unwrap() {
            return Err(no_table(Operation::List));
        }
        self.0.list_namespaces(after).await
    }
}
