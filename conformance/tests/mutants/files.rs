//! Broken storages in a file: clauses D1 to D6, A6, L1 between processes. They are the JSON storage with a flaw.

use std::{
    fmt::Debug,
    fs,
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::Arc,
};

use token_storage_conformance::{FileBacked, Harness, MultiProcess, Suite};
use token_storage_core::{
    Enumerate, Error, MemoryStorage, Precondition, RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenData,
    TokenKey, TokenStorage, Write, async_trait,
};
use token_storage_json::JsonStorage;

/// What a broken file storage does around the calls of the correct one.
pub(crate) trait Around: Send + Sync + 'static {
    fn open(path: &Path) -> Result<JsonStorage> {
        JsonStorage::open(path)
    }

    /// Before a write.
    fn before(_path: &Path) {}

    /// After a write that succeeded.
    fn after(_path: &Path) {}

    /// What a read answers that failed.
    fn failed(_path: &Path, error: Error) -> Result<Option<StoredToken>> {
        Err(error)
    }

    /// Before a read.
    fn reading(_path: &Path) {}

    /// The file that a write goes to; it is put into place afterwards.
    fn written(path: &Path) -> PathBuf {
        path.to_owned()
    }

    /// Leases that others cannot see.
    fn lease() -> Option<&'static MemoryStorage> {
        None
    }
}

/// No flaw at all.
pub(crate) struct Nothing;

impl Around for Nothing {}

/// Each handle writes to a file of its own, which the next one does not find.
pub(crate) struct ForgetsOnExit;

impl Around for ForgetsOnExit {
    fn open(path: &Path) -> Result<JsonStorage> {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let random = token_storage_core::WriteMark::random()?;
        JsonStorage::open(path.with_file_name(format!("{name}-{random}")))
    }
}

/// The storage that the suite sees.
struct Broken<A> {
    path: PathBuf,
    inner: JsonStorage,
    around: PhantomData<fn() -> A>,
}

impl<A> Debug for Broken<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Broken")
    }
}

impl<A: Around> Broken<A> {
    fn open(path: &Path) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(Self {
            inner: A::open(path)?,
            path: path.to_owned(),
            around: PhantomData,
        }))
    }
}

#[async_trait]
impl<A: Around> TokenStorage for Broken<A> {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        A::reading(&self.path);
        match self.inner.get(key).await {
            Err(error) => A::failed(&self.path, error),
            answer => answer,
        }
    }

    async fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        let write = Write::new(key, data, precondition);
        Ok(self.store_all(&[write]).await?[0])
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        A::before(&self.path);
        let target = A::written(&self.path);
        let other = (target != self.path).then(|| JsonStorage::open(&target)).transpose()?;
        let revisions = other.as_ref().unwrap_or(&self.inner).store_all(writes).await?;
        self.put_in_place(&target);
        Ok(revisions)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        A::before(&self.path);
        let target = A::written(&self.path);
        let other = (target != self.path).then(|| JsonStorage::open(&target)).transpose()?;
        let removed = other.as_ref().unwrap_or(&self.inner).remove(key, precondition).await?;
        self.put_in_place(&target);
        Ok(removed)
    }

    fn describe(&self) -> StorageInfo {
        self.inner.describe()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        self.inner.enumerate()
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        match A::lease() {
            Some(leases) => leases.lease(),
            None => self.inner.lease(),
        }
    }
}

impl<A: Around> Broken<A> {
    fn put_in_place(&self, target: &Path) {
        if target != self.path {
            let _ = fs::rename(target, &self.path);
        }
        A::after(&self.path);
    }
}

/// Opens them.
pub(crate) struct InFile<A>(PhantomData<fn() -> A>);

#[async_trait]
impl<A: Around> Harness for InFile<A> {
    type Place = tempfile::TempDir;

    async fn fresh(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::tempdir().expect("the temporary directory can be written"))
    }

    async fn reopen(&self, place: &tempfile::TempDir) -> Result<Arc<dyn TokenStorage>> {
        Broken::<A>::open(&self.file(place))
    }
}

impl<A: Around> FileBacked for InFile<A> {
    fn file(&self, place: &tempfile::TempDir) -> PathBuf {
        place.path().join("tokens.json")
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        Broken::<A>::open(path)
    }
}

#[async_trait]
impl<A: Around> MultiProcess for InFile<A> {
    fn spec(&self, place: &tempfile::TempDir) -> String {
        self.file(place)
            .to_str()
            .expect("a temporary path is Unicode")
            .to_owned()
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        Broken::<A>::open(Path::new(spec))
    }
}

/// The suite over a mutant in a file.
pub(crate) fn suite<A: Around>(name: &str) -> Suite<InFile<A>> {
    Suite::new(name, InFile::<A>(PhantomData))
        .enumerates()
        .process_leases()
        .durable()
        .files()
        .processes()
}
