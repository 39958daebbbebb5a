//! File storages whose lock files come and go, or that do not notice it when they do: clauses A6, D2, L1.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use token_storage_core::{
    Acquisition, Intent, LeaseGuard, LeaseView, RefreshLease, Result, TokenKey, TokenStorage as _, async_trait,
};

use crate::{
    Mutant,
    files::{Broken, Change, Done, around, beside, owners_file},
    registry::file,
    shared::replace,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    const STAY: &str = "files::lock_files_stay";
    const GONE: &str = "files::a_lock_file_that_is_gone_excludes_nobody";
    vec![
        file::<LockIsAFile>("its lock is a file that comes and goes", STAY),
        file::<LeaseIsAFile>("a lease is a file that comes and goes", STAY),
        file::<LockStaysOpen>("keeps its lock file open, whatever becomes of it", GONE),
        file::<LeaseStaysOpen>("keeps the file of a lease open, whatever becomes of it", GONE),
    ]
}

around!(
    /// Who can make the file has the lock; it is deleted on release.
    LockIsAFile {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let path = beside(&broken.path, ".mutex");
            while made(&path).is_none() {
                crate::pause().await;
            }
            crate::pause().await;
            let done = change.apply(&broken.inner).await;
            let _ = fs::remove_file(path);
            done
        }
    }
);

fn made(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).ok()
}

/// Calls of this process take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The lock files that this process has opened.
static OPEN: Mutex<BTreeMap<PathBuf, Arc<File>>> = Mutex::new(BTreeMap::new());

fn opened_once(path: &Path) -> Arc<File> {
    let mut open = OPEN.lock().unwrap();
    let file = open
        .entry(path.to_owned())
        .or_insert_with(|| Arc::new(owners_file(path).expect("a lock file can be made")));
    Arc::clone(file)
}

around!(
    /// Opens its lock file once.
    LockStaysOpen {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let _turn = TURN.lock().await;
            let file = opened_once(&beside(&broken.path, ".mutex"));
            while file.try_lock().is_err() {
                crate::pause().await;
            }
            crate::pause().await;
            let done = replace(&broken.path, change).await;
            let _ = file.unlock();
            done
        }
    }
);

around!(
    /// Who can make the file has the lease; it is deleted on release.
    LeaseIsAFile {
        fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Leases { inner: broken.inner.lease()?, path: beside(&broken.path, ".lease"), is_a_file: true }))
        }
    }
);

around!(
    /// Opens the file of its leases once.
    LeaseStaysOpen {
        fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Leases { inner: broken.inner.lease()?, path: beside(&broken.path, ".lease"), is_a_file: false }))
        }
    }
);

/// The correct lease is asked only for intents.
struct Leases<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    path: PathBuf,
    is_a_file: bool,
}

#[async_trait]
impl RefreshLease for Leases<'_> {
    async fn try_acquire(&self, _: &TokenKey) -> Result<Acquisition> {
        let taken = match self.is_a_file {
            true => made(&self.path).map(Arc::new),
            false => Some(opened_once(&self.path)).filter(|file| file.try_lock().is_ok()),
        };
        Ok(match taken {
            Some(file) => Acquisition::Acquired(Box::new(Guard {
                file,
                deleted: self.is_a_file.then(|| self.path.clone()),
            })),
            None => Acquisition::Held {
                retry_after: Duration::from_millis(5),
            },
        })
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        self.inner.look(key).await
    }
}

#[derive(Debug)]
struct Guard {
    file: Arc<File>,
    deleted: Option<PathBuf>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.file.unlock();
        if let Some(path) = &self.deleted {
            let _ = fs::remove_file(path);
        }
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    fn intent(&self) -> Option<&Intent> {
        None
    }

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn renew(&mut self) -> Result<()> {
        Ok(())
    }

    async fn record_intent(&mut self, _: &Intent) -> Result<()> {
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        Ok(())
    }

    async fn release(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
