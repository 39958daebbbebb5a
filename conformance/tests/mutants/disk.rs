//! File storages that treat their files badly: clauses D1 to D4.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU8, Ordering},
};

use token_storage_core::{
    Cursor, Enumerate, ErrorKind, Page, Precondition, Result, StoredToken, TokenKey, TokenStorage as _, Write,
    async_trait,
};
use token_storage_json::JsonStorage;

use crate::{
    Mutant,
    files::{Broken, Change, Done, Private, around, beside, error, owners_file},
    own_views::masked,
    registry::file,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        file::<ForgetsOnExit>("forgets on exit", "durability::records_outlive_all_handles"),
        file::<RemovesInMemory>("removes in memory", "durability::removed_records_stay_removed"),
        file::<LeavesTempFiles>("leaves temporary files", "files::writing_leaves_nothing_behind"),
        file::<LeavesTempFilesWhenKilled>("leaves temporary files when killed", "kills::nothing_is_left_behind"),
        file::<WideMode>("creates files with a wide mode", "files::are_the_owners_only"),
        file::<KeepsWideModes>("keeps wide modes", "files::wider_modes_are_tightened"),
        file::<ChangesTheMask>(
            "changes the mask of the process",
            "files::are_the_owners_only_whatever_the_mask",
        ),
        file::<ReplacesSymlinks>("replaces a symlink", "files::a_symlink_stays_a_symlink"),
        file::<OpeningCreatesFiles>("opening creates files", "files::opening_and_reading_create_nothing"),
        file::<ReadingWrites>("reading writes", "files::reading_leaves_the_file_as_it_is"),
        file::<ReadingLocks>("reading locks", "files::reading_needs_no_writable_directory"),
        file::<LosesOldDataWhenFull>(
            "loses the old data when full",
            "files::a_failed_write_leaves_the_old_data",
        ),
        file::<RevisionsOfEachOpening>("revisions of each opening", "durability::revisions_outlive_all_handles"),
        file::<MissingFileIsAnError>(
            "a file that is not there is an error",
            "durability::reading_a_place_that_was_never_written_finds_nothing",
        ),
        file::<DamageAtOnce>("damaged at once", "damage::a_file_that_is_being_written_is_read_again"),
        file::<DamageListsNothing>("damage lists nothing", "damage::a_truncated_file_is_corrupt_and_kept"),
    ]
}

around!(
    /// Each handle writes to a file of its own, which the next one does not find.
    ForgetsOnExit {
        fn open(path: &Path) -> Result<JsonStorage> {
            let random = token_storage_core::WriteMark::random()?;
            JsonStorage::open(beside(path, &format!("-{random}")))
        }
    }
);

around!(
    /// A remove is remembered by its handle alone.
    RemovesInMemory {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let removed = broken.memory.lock().unwrap().contains(key);
            if removed { Ok(None) } else { broken.inner.get(key).await }
        }

        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            if let Change::Remove(key, _) = change {
                broken.memory.lock().unwrap().push(key.clone());
                return Ok(Done::Removed(broken.inner.get(key).await?.is_some()));
            }
            change.apply(&broken.inner).await
        }
    }
);

around!(
    /// Each write leaves its temporary file.
    LeavesTempFiles {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let random = token_storage_core::WriteMark::random()?;
            owners_file(&beside(&broken.path, &format!("-{random}.tmp"))).unwrap();
            change.apply(&broken.inner).await
        }
    }
);

around!(
    /// The temporary file of a writer that was killed stays for good.
    LeavesTempFilesWhenKilled {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let random = token_storage_core::WriteMark::random()?;
            let temp = beside(&broken.path, &format!("-{random}.tmp"));
            owners_file(&temp).unwrap();
            crate::pause().await;
            let done = change.apply(&broken.inner).await;
            let _ = fs::remove_file(temp);
            done
        }
    }
);

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode())
}

#[cfg(unix)]
around!(
    /// Everybody may read the file.
    WideMode {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let done = change.apply(&broken.inner).await;
            set_mode(&broken.path, 0o644);
            done
        }
    }
);

#[cfg(unix)]
around!(
    /// The file keeps whatever mode it was given.
    KeepsWideModes {
        fn open(path: &Path) -> Result<JsonStorage> {
            let before = mode(path);
            let opened = JsonStorage::open(path);
            before.inspect(|before| set_mode(path, *before));
            opened
        }

        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let before = mode(&broken.path);
            let got = broken.inner.get(key).await;
            before.inspect(|before| set_mode(&broken.path, *before));
            got
        }

        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let before = mode(&broken.path);
            let done = change.apply(&broken.inner).await;
            before.inspect(|before| set_mode(&broken.path, *before));
            done
        }
    }
);

#[cfg(unix)]
around!(
    /// Protects its files by the mask of the whole process, and leaves it changed.
    ChangesTheMask {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
            change.apply(&broken.inner).await
        }
    }
);

around!(
    /// Puts the new file where the symlink was.
    ReplacesSymlinks {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let copy = Private::of(&broken.path)?;
            let done = change.apply(&copy.storage).await;
            copy.put_in_place(&broken.path);
            done
        }
    }
);

around!(
    /// Opening creates a lock file.
    OpeningCreatesFiles {
        fn open(path: &Path) -> Result<JsonStorage> {
            owners_file(&beside(path, ".lock")).unwrap();
            JsonStorage::open(path)
        }
    }
);

around!(
    /// Reading writes the file anew.
    ReadingWrites {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            if let Ok(bytes) = fs::read(&broken.path) {
                fs::write(&broken.path, [&bytes, &b"\n"[..]].concat()).unwrap();
            }
            broken.inner.get(key).await
        }
    }
);

around!(
    /// Reading takes a lock, for which it must write to the directory.
    ReadingLocks {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let lock = beside(&broken.path, ".reading");
            owners_file(&lock).map_err(|_| error(ErrorKind::PermissionDenied, "the lock cannot be taken"))?;
            let _ = fs::remove_file(lock);
            broken.inner.get(key).await
        }
    }
);

around!(
    /// Takes the old file away before the new one is written.
    LosesOldDataWhenFull {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let copy = Private::of(&broken.path)?;
            let _ = fs::remove_file(&broken.path);
            let done = change.apply(&copy.storage).await?;
            copy.put_in_place(&broken.path);
            Ok(done)
        }
    }
);

around!(
    /// A revision is good for the handle that gave it out.
    RevisionsOfEachOpening {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let mask = mask(broken);
            Ok(broken.inner.get(key).await?.map(|mut stored| {
                stored.revision = masked(stored.revision, mask);
                stored
            }))
        }

        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let mask = mask(broken);
            let own = |precondition| match precondition {
                Precondition::Unchanged(revision) => Precondition::Unchanged(masked(revision, mask)),
                other => other,
            };
            let Change::Store(writes) = change else {
                return change.apply(&broken.inner).await;
            };
            let writes: Vec<_> = writes
                .iter()
                .map(|write| Write::new(write.key, write.data, own(write.precondition)))
                .collect();
            let revisions = broken.inner.store_all(&writes).await?;
            Ok(Done::Stored(revisions.into_iter().map(|revision| masked(revision, mask)).collect()))
        }
    }
);

/// Another one for each handle.
fn mask<A>(broken: &Broken<A>) -> u8 {
    static HANDLES: AtomicU8 = AtomicU8::new(1);
    let mut memory = broken.memory.lock().unwrap();
    if memory.is_empty() {
        let number = HANDLES.fetch_add(1, Ordering::Relaxed);
        memory.push(TokenKey::in_default(number.to_string()));
    }
    memory[0].resource_server().parse().unwrap_or_default()
}

around!(
    /// Who has stored nothing is told that something is wrong.
    MissingFileIsAnError {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            if !broken.path.exists() {
                return Err(error(ErrorKind::Misconfigured, "there is no such file"));
            }
            broken.inner.get(key).await
        }
    }
);

around!(
    /// It does not wait for whoever is writing.
    DamageAtOnce {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let parses = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
            if fs::read(&broken.path).is_ok_and(|bytes| !bytes.is_empty() && !parses(bytes)) {
                let name = broken.path.display();
                return Err(error(ErrorKind::Corrupt, format!("{name} is damaged")));
            }
            broken.inner.get(key).await
        }
    }
);

around!(
    /// What cannot be read has no keys.
    DamageListsNothing {
        fn enumerate(broken: &Broken<Self>) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Lenient(broken.inner.enumerate()?)))
        }
    }
);

struct Lenient<'a>(Box<dyn Enumerate + 'a>);

#[async_trait]
impl Enumerate for Lenient<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        match self.0.list_keys(namespace, after).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                Ok(Page::after(std::iter::empty(), after, 1, TokenKey::resource_server))
            }
            other => other,
        }
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.0.list_namespaces(after).await
    }
}
