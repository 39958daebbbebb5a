//! Leases in a file that processes cannot rely on: clauses L1, L2, L5.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
    time::Duration,
};

use token_storage_core::{
    Acquisition, Intent, LeaseGuard, LeaseKind, LeaseView, MemoryStorage, RefreshLease, Result, TokenKey,
    TokenStorage as _, async_trait,
};

use crate::{
    Mutant,
    files::{Broken, around, beside, owners_file},
    flaw::Inner,
    registry::file,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        file::<LeasesOfEachProcess>("leases of each process", "lease::one_holder_among_processes"),
        file::<IntentDiesWithProcess>(
            "the intent dies with its process",
            "lease::the_intent_of_a_killed_holder_is_found",
        ),
        file::<KilledHolderKeepsLease>("a killed holder keeps the lease", "lease::a_killed_holder_frees_it"),
        file::<LeaseDeletesLockFile>(
            "a lease deletes its lock file",
            "lease::work_of_its_holders_does_not_overlap",
        ),
        file::<LooksThenTakes>(
            "processes look, then take the lease",
            "lease::of_racing_processes_one_gets_it",
        ),
        file::<StoppedHolderLosesLease>("a stopped holder loses the lease", "lease::a_stopped_holder_keeps_it"),
        file::<TimedLeasesOfEachProcess>("timed leases of each process", "lease::one_holder_among_processes"),
        file::<TimedLeaseStaysForOthers>(
            "a timed lease never runs out for others",
            "lease::a_killed_holder_of_a_timed_one_is_succeeded",
        ),
        file::<TakenOverUnnoticed>(
            "a lost lease is renewed by its old process",
            "lease::a_holder_that_was_stopped_too_long_has_lost_it",
        ),
    ]
}

static OF_THIS_PROCESS: LazyLock<MemoryStorage> = LazyLock::new(MemoryStorage::new);

around!(
    /// No other process sees its leases.
    LeasesOfEachProcess {
        fn lease(_: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            OF_THIS_PROCESS.lease()
        }
    }
);

/// The time to live of those that are timed.
const TTL: Duration = Duration::from_millis(300);

around!(
    /// No other process sees its leases, which run out.
    TimedLeasesOfEachProcess {
        fn lease(_: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            OF_THIS_PROCESS.lease()
        }

        fn lease_kind() -> LeaseKind {
            LeaseKind::Timed { ttl: TTL }
        }
    }
);

/// What a flaw adds to a lease of the correct storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    IntentInMemory,
    MarkedByFile,
    FileDeletedOnRelease,
    TakenOverUnnoticed,
    LooksThenTakes,
    SignOfLife,
}

/// For how long others wait for a holder's sign of life.
const LIFE: Duration = Duration::from_secs(1);

struct Leases<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    path: PathBuf,
    flaw: Flaw,
}

#[async_trait]
impl RefreshLease for Leases<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let file = beside(&self.path, &format!(".{}", key.resource_server().len()));
        let held = Acquisition::Held {
            retry_after: Duration::from_millis(5),
        };
        let lock = match self.flaw {
            Flaw::IntentInMemory => None,
            Flaw::MarkedByFile => match OpenOptions::new().write(true).create_new(true).open(&file) {
                Ok(file) => Some(file),
                Err(_) => return Ok(held),
            },
            Flaw::FileDeletedOnRelease => {
                let opened = owners_file(&file).expect("a lock file can be made");
                crate::pause().await;
                if opened.try_lock().is_err() {
                    return Ok(held);
                }
                Some(opened)
            }
            Flaw::LooksThenTakes => {
                if file.exists() {
                    return Ok(held);
                }
                crate::pause().await;
                Some(owners_file(&file).expect("a lock file can be made"))
            }
            Flaw::SignOfLife => {
                if age(&file).is_some_and(|age| age < LIFE) {
                    return Ok(held);
                }
                fs::write(&file, "alive").expect("a lock file can be made");
                show_life(file.clone());
                Some(owners_file(&file).expect("a lock file can be made"))
            }
            Flaw::TakenOverUnnoticed => {
                if age(&file).is_some_and(|age| age < TTL) {
                    return Ok(held);
                }
                fs::write(&file, "held").expect("a lock file can be made");
                None
            }
        };
        // The correct lease is asked only for what this flaw is not about.
        let guard = match self.flaw {
            Flaw::IntentInMemory => match self.inner.try_acquire(key).await? {
                Acquisition::Acquired(guard) => Some(guard),
                Acquisition::Held { .. } => return Ok(held),
            },
            _ => None,
        };
        let intent = INTENTS.lock().unwrap().get(&file).cloned();
        Ok(Acquisition::Acquired(Box::new(Guard {
            guard: Inner(guard),
            lock,
            file,
            intent,
        })))
    }

    async fn look(&self, _key: &TokenKey) -> Result<Option<LeaseView>> {
        Ok(None)
    }
}

/// As long as the file is there.
fn show_life(file: PathBuf) {
    std::thread::spawn(move || {
        while file.exists()
            && fs::OpenOptions::new()
                .append(true)
                .open(&file)
                .is_ok_and(|mut f| f.write_all(b".").is_ok())
        {
            std::thread::sleep(LIFE / 10);
        }
    });
}

/// For how long the file stands unchanged.
fn age(file: &Path) -> Option<Duration> {
    let changed = fs::metadata(file).and_then(|metadata| metadata.modified()).ok()?;
    Some(changed.elapsed().unwrap_or_default())
}

static INTENTS: Mutex<BTreeMap<PathBuf, Intent>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Guard {
    guard: Inner,
    lock: Option<File>,
    file: PathBuf,
    intent: Option<Intent>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = fs::remove_file(&self.file);
        }
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn renew(&mut self) -> Result<()> {
        Ok(())
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.intent = Some(intent.clone());
        INTENTS.lock().unwrap().insert(self.file.clone(), intent.clone());
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.intent = None;
        INTENTS.lock().unwrap().remove(&self.file);
        Ok(())
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.guard.release().await
    }
}

macro_rules! leases {
    ($(#[$meta:meta])* $name:ident, $flaw:expr $(, $kind:expr)?) => {
        around!(
            $(#[$meta])*
            $name {
                fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
                    let (inner, path) = (broken.inner.lease()?, broken.path.clone());
                    Some(Box::new(Leases { inner, path, flaw: $flaw }))
                }

                $(fn lease_kind() -> LeaseKind {
                    $kind
                })?
            }
        );
    };
}

leases!(
    /// An intent dies with its process.
    IntentDiesWithProcess,
    Flaw::IntentInMemory
);
leases!(
    /// A lease is that a file exists; two processes find none.
    LooksThenTakes,
    Flaw::LooksThenTakes
);
leases!(
    /// Who shows no sign of life has died, others think.
    StoppedHolderLosesLease,
    Flaw::SignOfLife
);
leases!(
    /// A lease is that a file exists; who is killed never gives it back.
    KilledHolderKeepsLease,
    Flaw::MarkedByFile
);
leases!(
    /// The lock file of a lease is deleted when it is released.
    LeaseDeletesLockFile,
    Flaw::FileDeletedOnRelease
);
leases!(
    /// A timed lease that runs out for its own process alone: for others, its file is there for good.
    TimedLeaseStaysForOthers,
    Flaw::MarkedByFile,
    LeaseKind::Timed { ttl: TTL }
);
leases!(
    /// A timed lease that is taken over, and its old holder renews it all the same.
    TakenOverUnnoticed,
    Flaw::TakenOverUnnoticed,
    LeaseKind::Timed { ttl: TTL }
);
