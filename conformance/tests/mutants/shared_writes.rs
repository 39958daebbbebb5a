//! File storages whose removes, batches and listings several processes cannot share: clauses A2, A3, A4, C5, D1, D6, K3. Within
//! one process they are right.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use token_storage_core::{
    Cursor, Enumerate, Error, ErrorKind, Page, Precondition, Result, StoredToken, TokenKey, TokenStorage as _,
    TokenStorageExt as _, Write, async_trait,
};

use crate::{
    Mutant,
    files::{Broken, Change, Done, around, beside, error, owners_file},
    flaw::keys_of,
    registry::file,
    shared::exclusive,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        file::<RemovedIsKnown>(
            "what others remove is still known",
            "processes::each_sees_what_the_other_removes",
        ),
        file::<ChecksThenRemoves>(
            "processes check, then remove",
            "processes::of_racing_removes_one_finds_it",
        ),
        file::<ChecksThenWritesBatches>(
            "processes check, then write a batch",
            "processes::of_racing_batches_one_wins",
        ),
        file::<LocksRecordByRecord>(
            "a batch locks record by record",
            "processes::batches_that_overlap_do_not_block_each_other",
        ),
        file::<ListsWhatItKnows>(
            "lists what this process knows",
            "processes::each_lists_what_the_other_writes",
        ),
        file::<BatchesAreLoops>("a batch is a loop under a lock", "kills::a_batch_is_whole"),
        file::<IndexesAfterwards>(
            "the index is written after the record",
            "kills::all_acknowledged_records_survive",
        ),
    ]
}

/// Calls of this process take turns.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

static KNOWN: Mutex<BTreeMap<(PathBuf, TokenKey), StoredToken>> = Mutex::new(BTreeMap::new());

around!(
    /// What this process has read, and finds no longer, it takes for a damaged file, and goes by what it knows.
    RemovedIsKnown {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let place = (broken.path.clone(), key.clone());
            let read = broken.inner.get(key).await?;
            let mut known = KNOWN.lock().unwrap();
            match read {
                Some(stored) => drop(known.insert(place.clone(), stored)),
                None if !broken.path.exists() => drop(known.remove(&place)),
                None => {}
            }
            Ok(known.get(&place).cloned())
        }

        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let done = change.apply(&broken.inner).await?;
            KNOWN.lock().unwrap().retain(|(path, _), _| *path != broken.path);
            Ok(done)
        }
    }
);

/// Whether the record is as the precondition says, at some time.
async fn holds<A>(broken: &Broken<A>, key: &TokenKey, precondition: Precondition) -> Result<bool> {
    let there = broken.inner.get(key).await?;
    Ok(precondition.holds(there.map(|stored| stored.revision)))
}

around!(
    /// Looks whether it is there, then removes it.
    ChecksThenRemoves {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let _turn = TURN.lock().await;
            let Change::Remove(key, precondition) = change else {
                return change.apply(&broken.inner).await;
            };
            let there = broken.inner.get(key).await.is_ok_and(|there| there.is_some());
            if !there || !holds(broken, key, precondition).await? {
                return change.apply(&broken.inner).await;
            }
            crate::pause().await;
            Change::Remove(key, Precondition::Any).apply(&broken.inner).await?;
            Ok(Done::Removed(true))
        }
    }
);

around!(
    /// Checks the preconditions of a batch, then writes it.
    ChecksThenWritesBatches {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let _turn = TURN.lock().await;
            let Change::Store(writes @ [_, _, ..]) = change else {
                return change.apply(&broken.inner).await;
            };
            for write in writes {
                if !holds(broken, write.key, write.precondition).await? {
                    return change.apply(&broken.inner).await;
                }
            }
            crate::pause().await;
            let unconditional: Vec<_> = writes
                .iter()
                .map(|write| Write::new(write.key, write.data, Precondition::Any))
                .collect();
            Change::Store(&unconditional).apply(&broken.inner).await
        }
    }
);

/// Waits for about a second.
async fn record_lock(path: &Path, key: &TokenKey) -> Result<File> {
    let name = format!(".{}.lock", key.resource_server().len() + key.namespace().len());
    let of_key = key
        .resource_server()
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let file = owners_file(&beside(path, &format!("{name}{of_key}"))).expect("a lock file can be made");
    for _ in 0..500 {
        if file.try_lock().is_ok() {
            crate::pause().await;
            return Ok(file);
        }
        crate::pause().await;
    }
    Err(error(
        ErrorKind::Busy,
        "another process has locked a record of the batch",
    ))
}

around!(
    /// Locks the records of a batch in the order that they are given in.
    LocksRecordByRecord {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let _turn = TURN.lock().await;
            let mut locks = Vec::new();
            if let Change::Store(writes @ [_, _, ..]) = change {
                for write in writes.iter().take(8) {
                    locks.push(record_lock(&broken.path, write.key).await?);
                }
            }
            change.apply(&broken.inner).await
        }
    }
);

static LISTED: Mutex<BTreeMap<(PathBuf, String), Vec<TokenKey>>> = Mutex::new(BTreeMap::new());

around!(
    /// Remembers what it has listed until it writes itself.
    ListsWhatItKnows {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let done = change.apply(&broken.inner).await;
            LISTED.lock().unwrap().retain(|(path, _), _| *path != broken.path);
            done
        }

        fn enumerate(broken: &Broken<Self>) -> Option<Box<dyn Enumerate + '_>> {
            let (inner, path) = (broken.inner.enumerate()?, broken.path.clone());
            Some(Box::new(Known { inner, path }))
        }
    }
);

around!(
    /// Stores a record, then its name in the file that listings are made of.
    IndexesAfterwards {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let names: Vec<TokenKey> = match &change {
                Change::Store(writes) => writes.iter().map(|write| write.key.clone()).collect(),
                Change::Remove(..) => Vec::new(),
            };
            let done = change.apply(&broken.inner).await?;
            crate::pause().await;
            let index = beside(&broken.path, ".index");
            let mut file = owners_file(&index).map_err(|_| error(ErrorKind::Unavailable, "no index can be made"))?;
            let _ = file.seek(SeekFrom::End(0));
            for name in names {
                let line = serde_json::to_string(&(name.namespace(), name.resource_server())).unwrap();
                let _ = file.write_all(format!("{line}\n").as_bytes());
            }
            Ok(done)
        }

        fn enumerate(broken: &Broken<Self>) -> Option<Box<dyn Enumerate + '_>> {
            let (inner, path) = (broken.inner.enumerate()?, broken.path.clone());
            Some(Box::new(Indexed(Known { inner, path })))
        }
    }
);

struct Indexed<'a>(Known<'a>);

#[async_trait]
impl Enumerate for Indexed<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let index = std::fs::read_to_string(beside(&self.0.path, ".index")).unwrap_or_default();
        let named: BTreeSet<(String, String)> = index
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let mut keys = keys_of(&*self.0.inner, namespace).await?;
        keys.retain(|key| named.contains(&(key.namespace().to_owned(), key.resource_server().to_owned())));
        Ok(Page::after(keys.into_iter(), after, 64, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.0.list_namespaces(after).await
    }
}

struct Known<'a> {
    inner: Box<dyn Enumerate + 'a>,
    path: PathBuf,
}

#[async_trait]
impl Enumerate for Known<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let place = (self.path.clone(), namespace.to_owned());
        let known = LISTED.lock().unwrap().get(&place).cloned();
        let keys = match known {
            Some(keys) => keys,
            None => keys_of(&*self.inner, namespace).await?,
        };
        LISTED.lock().unwrap().insert(place, keys.clone());
        Ok(Page::after(keys.into_iter(), after, 64, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.inner.list_namespaces(after).await
    }
}

around!(
    /// Checks a batch and stores record after record, under a lock: who is killed leaves the half of it.
    BatchesAreLoops {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let _lock = exclusive(&beside(&broken.path, ".mutex")).await?;
            let Change::Store(writes @ [_, _, ..]) = change else {
                return change.apply(&broken.inner).await;
            };
            for write in writes {
                if !holds(broken, write.key, write.precondition).await? {
                    return Err(Error::precondition_failed(write.key.clone(), None));
                }
            }
            let mut revisions = Vec::new();
            for write in writes {
                revisions.push(broken.inner.store(write.key, write.data, Precondition::Any).await?);
            }
            Ok(Done::Stored(revisions))
        }
    }
);
