//! What a stranger would break, found by trying: each of these once got through the suite.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use token_storage_core::{
    Acquisition, Cursor, Enumerate, Error, ErrorKind, LeaseView, Page, Precondition, RefreshLease, Result, Revision,
    StoredToken, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};

use crate::{
    Mutant,
    files::{Broken, Change, Done, around, beside, owners_file},
    flaw::{flaw, namespaces_of},
    registry::{file, memory},
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<NoProofOfLongKeys>(
            "a long key cannot be proven writable",
            "records::proving_writable_changes_nothing",
        ),
        memory::<UncertainOfNothing>(
            "a conflict with nothing may have happened",
            "preconditions::a_conflict_is_certain",
        ),
        memory::<UncertainBatches>(
            "a refused batch with nothing in place may have happened",
            "batches::one_refusal_refuses_all",
        ),
        memory::<InternationalNames>(
            "takes names of hosts in both spellings for one",
            "keys::what_a_codec_folds_is_distinct",
        ),
        memory::<ListsSmall>("lists no large records", "enumeration::lists_each_key_once"),
        memory::<NamespacesEnd>(
            "a listing of namespaces ends when its cursor's is gone",
            "paging::the_cursors_namespace_may_go",
        ),
        file::<DeletesWhenEmpty>(
            "removing the last record deletes the file",
            "concurrency::a_store_beside_the_last_remove_is_kept",
        ),
        file::<ReadsMakeAFile>("a read makes a file", "files::reading_leaves_the_file_as_it_is"),
        file::<WideDirectories>("makes directories with a wide mode", "files::are_the_owners_only"),
        file::<WideLockFile>("keeps a wide lock file", "files::wider_modes_are_tightened"),
        file::<OneCopyOfDamage>(
            "keeps the last damaged file only",
            "damage::a_truncated_file_is_corrupt_and_kept",
        ),
        file::<LooksAtItself>(
            "a look shows leases of this process only",
            "lease::one_holder_among_processes",
        ),
        file::<AsksItself>(
            "an intent of another process is denied",
            "lease::the_intent_of_a_killed_holder_is_found",
        ),
    ]
}

flaw!(
    /// The proof is a file of the key's name.
    NoProofOfLongKeys {
        async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
            match key.resource_server().len() {
                0..=255 => self.0.prove_writable(key).await,
                _ => Err(Error::new(ErrorKind::Unavailable, "the name is too long for a file")),
            }
        }
    }
);

fn uncertain(error: Error) -> Error {
    match error.conflict() {
        Some(conflict) if conflict.current.is_none() => error.with_unknown_outcome(),
        _ => error,
    }
}

flaw!(
    /// Who finds nothing does not know why.
    UncertainOfNothing {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            self.0.store(key, data, precondition).await.map_err(uncertain)
        }

        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            self.0.store_all(writes).await.map_err(uncertain)
        }
    }
);

flaw!(
    /// The transaction was taken back, and nobody asked why.
    UncertainBatches {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            self.0.store_all(writes).await.map_err(uncertain)
        }
    }
);

flaw!(
    /// As an address bar does.
    InternationalNames {
        fn key(&self, key: &TokenKey) -> TokenKey {
            let name = key.resource_server().replace("xn--bcher-kva", "b\u{fc}cher");
            TokenKey::new(key.namespace(), name)
        }
    }
);

type Large = BTreeSet<TokenKey>;

struct Small<'a>(Box<dyn Enumerate + 'a>, &'a Arc<Mutex<Large>>);

#[async_trait]
impl Enumerate for Small<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let mut page = self.0.list_keys(namespace, after).await?;
        let large = self.1.lock().unwrap();
        page.items.retain(|key| !large.contains(key));
        Ok(page)
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.0.list_namespaces(after).await
    }
}

flaw!(
    /// Large ones lie elsewhere.
    ListsSmall with Large {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            let mut large = self.1.lock().unwrap();
            match data.access_token.expose().len() {
                0..=8192 => drop(large.remove(key)),
                _ => drop(large.insert(key.clone())),
            }
            Ok(revision)
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Small(self.0.enumerate()?, &self.1)))
        }
    }
);

struct Ending<'a>(Box<dyn Enumerate + 'a>);

#[async_trait]
impl Enumerate for Ending<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        self.0.list_keys(namespace, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let mut names = namespaces_of(&*self.0).await?;
        if let Some(after) = after {
            let at = names.iter().position(|name| name == after.as_str());
            names.drain(..at.map_or(names.len(), |at| at + 1));
        }
        let more = names.len() > 50;
        names.truncate(50);
        let next = names.last().filter(|_| more).map(|name| Cursor::new(name.as_str()));
        Ok(Page::new(names, next))
    }
}

flaw!(
    /// It looks for the cursor's place among those that are there.
    NamespacesEnd {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Ending(self.0.enumerate()?)))
        }
    }
);

around!(
    /// Looks whether anything is left, then deletes the file.
    DeletesWhenEmpty {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let done = change.apply(&broken.inner).await?;
            if let (Change::Remove(..), Some(listing)) = (change, broken.inner.enumerate())
                && namespaces_of(&*listing).await?.is_empty()
            {
                crate::pause().await;
                crate::pause().await;
                let _ = fs::remove_file(&broken.path);
            }
            Ok(done)
        }
    }
);

around!(
    /// A read notes that it was there.
    ReadsMakeAFile {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            let read = broken.inner.get(key).await;
            if broken.path.exists() {
                let _ = owners_file(&beside(&broken.path, ".read"));
            }
            read
        }
    }
);

around!(
    /// Makes directories as everybody does.
    WideDirectories {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            if let Some(directory) = broken.path.parent().filter(|directory| !directory.exists()) {
                let _ = fs::create_dir_all(directory);
                set_mode(directory, 0o755);
            }
            change.apply(&broken.inner).await
        }
    }
);

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

around!(
    /// Only the file itself is looked at.
    WideLockFile {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let lock = beside(&broken.path, ".lock");
            let before = mode(&lock);
            let done = change.apply(&broken.inner).await;
            if let Some(before) = before {
                set_mode(&lock, before);
            }
            done
        }
    }
);

fn is_damaged(path: &Path) -> bool {
    let parsed = |bytes: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    fs::read(path).is_ok_and(|bytes| bytes.len() > 8 && !parsed(&bytes))
}

around!(
    /// The copy has one name.
    OneCopyOfDamage {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let kept = broken.path.parent().map(fs::read_dir);
            if let (true, Some(Ok(entries))) = (is_damaged(&broken.path), kept) {
                let others = entries.flatten().map(|entry| entry.path()).filter(|path| *path != broken.path);
                others.filter(|path| is_damaged(path)).for_each(|path| drop(fs::remove_file(path)));
            }
            change.apply(&broken.inner).await
        }
    }
);

/// The leases that this process has asked for.
static ASKED: Mutex<BTreeSet<TokenKey>> = Mutex::new(BTreeSet::new());

struct Own<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    sees_holders: bool,
}

impl Own<'_> {
    fn knows(&self, key: &TokenKey) -> bool {
        ASKED.lock().unwrap().contains(key)
    }
}

#[async_trait]
impl RefreshLease for Own<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        ASKED.lock().unwrap().insert(key.clone());
        self.inner.try_acquire(key).await
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let view = self.inner.look(key).await?;
        if self.knows(key) {
            return Ok(view);
        }
        let held = self.sees_holders && view.is_some_and(|view| view.held);
        Ok(Some(LeaseView::new(held, None)))
    }
}

around!(
    /// What it shows it has from its own memory.
    LooksAtItself {
        fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            let inner = broken.inner.lease()?;
            Some(Box::new(Own {
                inner,
                sees_holders: false,
            }))
        }
    }
);

around!(
    /// It has recorded none, so there is none.
    AsksItself {
        fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
            let inner = broken.inner.lease()?;
            Some(Box::new(Own {
                inner,
                sees_holders: true,
            }))
        }
    }
);
