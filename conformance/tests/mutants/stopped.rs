//! File storages that cannot cope with a process that is stopped: clauses A5, D4, D6, L1.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use token_storage_core::{
    Acquisition, Cursor, Enumerate, ErrorKind, LeaseGuard, LeaseView, Page, RefreshLease, Result, TokenKey,
    TokenStorage as _, async_trait, backend::forward,
};

use crate::{
    Mutant,
    files::{Broken, Change, Done, around, beside, error, owners_file},
    flaw::Inner,
    registry::file,
    shared::{exclusive, replace},
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        file::<ListingsWaitForWriters>(
            "listings wait for writers",
            "processes::a_stopped_writer_does_not_stop_readers",
        ),
        file::<WaitsForEver>("waits for ever", "processes::waiting_for_a_stopped_writer_is_bounded"),
        file::<BusyIsOutOfReach>(
            "a busy storage is out of reach",
            "processes::waiting_for_a_stopped_writer_is_bounded",
        ),
        file::<BusyIsDone>(
            "busy, and written all the same",
            "processes::waiting_for_a_stopped_writer_is_bounded",
        ),
        file::<HoldersLockWriters>(
            "the holder of a lease stops writers",
            "lease::a_stopped_holder_does_not_stop_writers",
        ),
    ]
}

fn mutex(path: &Path) -> PathBuf {
    beside(path, ".mutex")
}

/// Holds the lock until a while after the write, so that a stopped process is likely to have it.
async fn write_locked<A>(broken: &Broken<A>, change: Change<'_>, lock: File) -> Result<Done> {
    let done = change.apply(&broken.inner).await;
    crate::pause().await;
    drop(lock);
    done
}

/// The lock, or `None` after about two seconds.
async fn patiently(path: &Path) -> Option<File> {
    let file = owners_file(&mutex(path)).expect("a lock file can be made");
    for _ in 0..800 {
        if file.try_lock().is_ok() {
            return Some(file);
        }
        crate::pause().await;
    }
    None
}

around!(
    /// Its lock has no time limit.
    WaitsForEver {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let lock = exclusive(&mutex(&broken.path)).await?;
            write_locked(broken, change, lock).await
        }
    }
);

around!(
    /// Whoever has waited in vain is told that the storage is out of reach.
    BusyIsOutOfReach {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            match patiently(&broken.path).await {
                Some(lock) => write_locked(broken, change, lock).await,
                None => Err(error(ErrorKind::Unavailable, "the lock cannot be had")),
            }
        }
    }
);

around!(
    /// Whoever has waited in vain writes without the lock, and says that it has not.
    BusyIsDone {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            match patiently(&broken.path).await {
                Some(lock) => write_locked(broken, change, lock).await,
                None => {
                    replace(&broken.path, change).await?;
                    Err(error(ErrorKind::Busy, "the lock cannot be had"))
                }
            }
        }
    }
);

around!(
    /// Whoever lists waits for writers, and in vain for stopped ones.
    ListingsWaitForWriters {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let lock = exclusive(&mutex(&broken.path)).await?;
            write_locked(broken, change, lock).await
        }

        fn enumerate(broken: &Broken<Self>) -> Option<Box<dyn Enumerate + '_>> {
            let (inner, path) = (broken.inner.enumerate()?, broken.path.clone());
            Some(Box::new(Waiting { inner, path }))
        }
    }
);

struct Waiting<'a> {
    inner: Box<dyn Enumerate + 'a>,
    path: PathBuf,
}

impl Waiting<'_> {
    async fn lock(&self) -> Result<File> {
        let lock = patiently(&self.path).await;
        lock.ok_or_else(|| error(ErrorKind::Busy, "a writer does not end"))
    }
}

#[async_trait]
impl Enumerate for Waiting<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let _lock = self.lock().await?;
        self.inner.list_keys(namespace, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let _lock = self.lock().await?;
        self.inner.list_namespaces(after).await
    }
}

/// How many leases of a place this process holds, and the lock that goes with them.
static HOLDING: Mutex<BTreeMap<PathBuf, (usize, Option<File>)>> = Mutex::new(BTreeMap::new());

around!(
    /// The holder of a lease has the lock of writers, for its own process.
    HoldersLockWriters {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            if HOLDING.lock().unwrap().contains_key(&broken.path) {
                return change.apply(&broken.inner).await;
            }
            match patiently(&broken.path).await {
                Some(lock) => write_locked(broken, change, lock).await,
                None => Err(error(ErrorKind::Busy, "a holder of a lease does not end")),
            }
        }

        fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            let (inner, path) = (broken.inner.lease()?, broken.path.clone());
            Some(Box::new(Leases { inner, path }))
        }
    }
);

struct Leases<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    path: PathBuf,
}

#[async_trait]
impl RefreshLease for Leases<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let acquired = self.inner.try_acquire(key).await?;
        let Acquisition::Acquired(guard) = acquired else {
            return Ok(acquired);
        };
        let mut holding = HOLDING.lock().unwrap();
        let (count, _) = holding.entry(self.path.clone()).or_insert_with(|| {
            let file = owners_file(&mutex(&self.path)).expect("a lock file can be made");
            (0, file.try_lock().is_ok().then_some(file))
        });
        *count += 1;
        let inner = Inner(Some(guard));
        let path = self.path.clone();
        Ok(Acquisition::Acquired(Box::new(Guard { inner, path })))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        self.inner.look(key).await
    }
}

#[derive(Debug)]
struct Guard {
    inner: Inner,
    path: PathBuf,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut holding = HOLDING.lock().unwrap();
        if let Some((count, _)) = holding.get_mut(&self.path) {
            *count -= 1;
            if *count == 0 {
                holding.remove(&self.path);
            }
        }
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent);
    forward!(self.inner.inner() => renew, record_intent, clear_intent);

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.inner.release().await
    }
}
