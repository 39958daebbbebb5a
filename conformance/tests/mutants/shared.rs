//! File storages that several processes cannot share: clauses A1, A3, A4, A6, D1, D5, D6, S1.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use token_storage_core::{ErrorKind, Precondition, Result, StoredToken, TokenKey, TokenStorage as _, Write};

use crate::{
    Mutant,
    files::{Broken, Change, Done, Private, around, beside, error, owners_file},
    registry::file,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        file::<LosesEntriesOfOthers>(
            "loses entries of other processes",
            "processes::writers_of_different_keys_lose_nothing",
        ),
        file::<DeletesLockFile>(
            "deletes its lock file on release",
            "processes::writers_of_different_keys_lose_nothing",
        ),
        file::<ChecksThenWrites>("processes check, then write", "processes::of_racing_processes_one_wins"),
        file::<TearsInPlace>("tears writes in place", "kills::an_acknowledged_record_survives"),
        file::<AcknowledgesBeforeDisk>(
            "acknowledges before writing to disk",
            "kills::all_acknowledged_records_survive",
        ),
        file::<DatabaseIsLocked>(
            "database is locked",
            "processes::writers_of_different_keys_lose_nothing",
        ),
        file::<OpensRacily>("opens racily", "processes::a_new_place_can_be_opened_by_all_at_once"),
        file::<DeadProcessKeepsLock>("a dead process keeps the lock", "kills::a_killed_writer_blocks_nobody"),
        file::<ReadersWaitForWriters>(
            "readers wait for writers",
            "processes::a_stopped_writer_does_not_stop_readers",
        ),
        file::<CachesAcrossProcesses>("caches across processes", "processes::each_sees_what_the_other_stores"),
        file::<LogsTokens>("logs tokens", "secrets::logs_show_none"),
    ]
}

/// Waits for a lock of its own; what it guards is up to the flaw.
pub(crate) async fn exclusive(path: &Path) -> Result<File> {
    let file = owners_file(path).map_err(|_| error(ErrorKind::Unavailable, "no lock file can be made"))?;
    // Everybody waits with the file open.
    crate::pause().await;
    while file.try_lock().is_err() {
        crate::pause().await;
    }
    Ok(file)
}

/// Changes a copy of the file and puts it in place, without the lock of the correct storage.
pub(crate) async fn replace(path: &Path, change: Change<'_>) -> Result<Done> {
    let copy = Private::of(path)?;
    let done = change.apply(&copy.storage).await?;
    copy.put_in_place(path);
    Ok(done)
}

around!(
    /// Reads, changes and writes the whole file, whoever else does the same.
    LosesEntriesOfOthers {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            replace(&broken.path, change).await
        }
    }
);

around!(
    /// Deletes its lock file when it is done: who waits for the old one and who makes a new one are not alone.
    DeletesLockFile {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let lock = beside(&broken.path, ".mutex");
            let held = exclusive(&lock).await?;
            let done = replace(&broken.path, change).await;
            let _ = fs::remove_file(lock);
            drop(held);
            done
        }
    }
);

around!(
    /// Checks the precondition, then writes.
    ChecksThenWrites {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let Change::Store([write]) = change else {
                return change.apply(&broken.inner).await;
            };
            let there = broken.inner.get(write.key).await?.map(|stored| stored.revision);
            crate::pause().await;
            let holds = match write.precondition {
                Precondition::Any => true,
                Precondition::Absent => there.is_none(),
                Precondition::Unchanged(revision) => there == Some(revision),
            };
            if !holds {
                return change.apply(&broken.inner).await;
            }
            let unconditional = Write::new(write.key, write.data, Precondition::Any);
            Change::Store(&[unconditional]).apply(&broken.inner).await
        }
    }
);

around!(
    /// Writes over the old content, piece by piece.
    TearsInPlace {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let copy = Private::of(&broken.path)?;
            let done = change.apply(&copy.storage).await?;
            let bytes = fs::read(copy.file()).unwrap_or_default();
            let mut file = owners_file(&broken.path).expect("the file can be opened");
            file.set_len(0).expect("the file can be cut");
            for piece in bytes.chunks(bytes.len() / 4 + 1) {
                crate::pause().await;
                file.write_all(piece).expect("the file can be written");
            }
            Ok(done)
        }
    }
);

/// What was acknowledged and is not yet where others see it.
static LATER: Mutex<BTreeMap<PathBuf, Private>> = Mutex::new(BTreeMap::new());

around!(
    /// Acknowledges what it will write some time later.
    AcknowledgesBeforeDisk {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let (path, waiting) = (broken.path.clone(), LATER.lock().unwrap().remove(&broken.path));
            let first = waiting.is_none();
            let copy = waiting.map_or_else(|| Private::of(&path), Ok)?;
            let done = change.apply(&copy.storage).await;
            LATER.lock().unwrap().insert(path.clone(), copy);
            if first {
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_secs(1));
                    if let Some(copy) = LATER.lock().unwrap().remove(&path) {
                        copy.put_in_place(&path);
                    }
                });
            }
            done
        }
    }
);

around!(
    /// Fails at once when another is writing: "database is locked".
    DatabaseIsLocked {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let file = owners_file(&beside(&broken.path, ".mutex")).expect("a lock file can be made");
            if file.try_lock().is_err() {
                return Err(error(ErrorKind::Busy, "database is locked"));
            }
            crate::pause().await;
            change.apply(&broken.inner).await
        }
    }
);

around!(
    /// Whoever finds no file makes an empty one, over what another has made meanwhile.
    OpensRacily {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let missing = !broken.path.exists();
            if missing {
                // Not all at the same moment.
                let differently = u64::from(std::process::id() % 8);
                tokio::time::sleep(Duration::from_millis(100 + 40 * differently)).await;
                let _ = fs::remove_file(&broken.path);
            }
            change.apply(&broken.inner).await
        }
    }
);

around!(
    /// Its lock is that a file exists, and the lock of a killed process stays.
    DeadProcessKeepsLock {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let lock = beside(&broken.path, ".mutex");
            let mut tries = 0;
            while OpenOptions::new().write(true).create_new(true).open(&lock).is_err() {
                tries += 1;
                if tries > 500 {
                    return Err(error(ErrorKind::Busy, "another process is writing"));
                }
                crate::pause().await;
            }
            let done = change.apply(&broken.inner).await;
            let _ = fs::remove_file(lock);
            done
        }
    }
);

around!(
    /// Readers wait for writers, stopped ones too.
    ReadersWaitForWriters {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let file = owners_file(&beside(&broken.path, ".mutex")).expect("a lock file can be made");
            for _ in 0..200 {
                if file.try_lock_shared().is_ok() {
                    return broken.inner.get(key).await;
                }
                crate::pause().await;
            }
            Err(error(ErrorKind::Busy, "a writer does not end"))
        }

        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let held = exclusive(&beside(&broken.path, ".mutex")).await?;
            let done = change.apply(&broken.inner).await;
            crate::pause().await;
            drop(held);
            done
        }
    }
);

type Cached = BTreeMap<(PathBuf, TokenKey), Option<StoredToken>>;

static CACHE: Mutex<Cached> = Mutex::new(BTreeMap::new());

around!(
    /// Believes what this process has read before, whatever others have written since.
    CachesAcrossProcesses {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let place = (broken.path.clone(), key.clone());
            let known = CACHE.lock().unwrap().get(&place).cloned();
            if let Some(known) = known {
                return Ok(known);
            }
            let read = broken.inner.get(key).await?;
            CACHE.lock().unwrap().insert(place, read.clone());
            Ok(read)
        }

        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let done = change.apply(&broken.inner).await;
            CACHE.lock().unwrap().retain(|(path, _), _| *path != broken.path);
            done
        }
    }
);

around!(
    /// Logs what it writes.
    LogsTokens {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            if let Change::Store(writes) = change {
                for write in writes {
                    tracing::trace!(token = write.data.access_token.expose(), "stored");
                }
            }
            change.apply(&broken.inner).await
        }
    }
);
