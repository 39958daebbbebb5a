//! Broken storages in a file: clauses D1 to D6, A6, L1 between processes. They are the JSON storage with a flaw.

use std::{
    fmt::Debug,
    fs::{self, File, OpenOptions},
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use token_storage_conformance::{FileBacked, Harness, MultiProcess, Suite};
use token_storage_core::{
    Enumerate, Error, ErrorKind, LeaseKind, Operation, Precondition, RefreshLease, Result, Revision, StorageInfo,
    StoredToken, TokenKey, TokenStorage, Write, async_trait,
};
use token_storage_json::JsonStorage;

/// What a broken file storage does differently from the correct one.
#[async_trait]
pub(crate) trait Around: Sized + Send + Sync + 'static {
    fn open(path: &Path) -> Result<JsonStorage> {
        JsonStorage::open(path)
    }

    async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
        broken.inner.get(key).await
    }

    async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
        change.apply(&broken.inner).await
    }

    fn enumerate(broken: &Broken<Self>) -> Option<Box<dyn Enumerate + '_>> {
        broken.inner.enumerate()
    }

    fn lease(broken: &Broken<Self>) -> Option<Box<dyn RefreshLease + '_>> {
        broken.inner.lease()
    }

    fn lease_kind() -> LeaseKind {
        LeaseKind::Process
    }
}

/// No flaw at all.
pub(crate) struct Nothing;

impl Around for Nothing {}

/// A call that writes.
#[derive(Clone, Copy)]
pub(crate) enum Change<'a> {
    Store(&'a [Write<'a>]),
    Remove(&'a TokenKey, Precondition),
}

/// What it answers.
pub(crate) enum Done {
    Stored(Vec<Revision>),
    Removed(bool),
}

impl Change<'_> {
    pub(crate) async fn apply(self, storage: &JsonStorage) -> Result<Done> {
        match self {
            Self::Store(writes) => storage.store_all(writes).await.map(Done::Stored),
            Self::Remove(key, precondition) => storage.remove(key, precondition).await.map(Done::Removed),
        }
    }
}

/// A copy of the storage that nobody else sees, for flaws that change the file themselves.
pub(crate) struct Private {
    folder: TempDir,
    pub(crate) storage: JsonStorage,
}

impl Private {
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().expect("the temporary directory can be written");
        let file = folder.path().join("copy");
        // Not there before the first write.
        let _ = fs::copy(path, &file);
        let storage = JsonStorage::open(file)?;
        Ok(Self { folder, storage })
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("copy")
    }

    /// In one step; a conditional write that was refused has left nothing to put there.
    pub(crate) fn put_in_place(self, path: &Path) {
        let _ = fs::rename(self.file(), path);
    }
}

/// A path beside the storage's file.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(name + suffix)
}

/// Creates or opens a file that is its owner's only.
pub(crate) fn owners_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(crate) fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, message).with_operation(Operation::Store)
}

/// The storage that the suite sees.
pub(crate) struct Broken<A> {
    pub(crate) path: PathBuf,
    pub(crate) inner: JsonStorage,
    /// What this handle remembers.
    pub(crate) memory: Mutex<Vec<TokenKey>>,
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
            memory: Mutex::default(),
            around: PhantomData,
        }))
    }
}

#[async_trait]
impl<A: Around> TokenStorage for Broken<A> {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        A::get(self, key).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        match A::write(self, Change::Store(writes)).await? {
            Done::Stored(revisions) => Ok(revisions),
            Done::Removed(_) => unreachable!("a store was asked for"),
        }
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        match A::write(self, Change::Remove(key, precondition)).await? {
            Done::Removed(there) => Ok(there),
            Done::Stored(_) => unreachable!("a remove was asked for"),
        }
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        self.inner.prove_writable(key).await
    }

    fn describe(&self) -> StorageInfo {
        self.inner.describe().with_lease(A::lease_kind())
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        A::enumerate(self)
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        A::lease(self)
    }
}

/// Opens them.
pub(crate) struct InFile<A>(PhantomData<fn() -> A>);

#[async_trait]
impl<A: Around> Harness for InFile<A> {
    type Place = TempDir;

    async fn fresh(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir().expect("the temporary directory can be written"))
    }

    async fn reopen(&self, place: &TempDir) -> Result<Arc<dyn TokenStorage>> {
        Broken::<A>::open(&self.file(place))
    }
}

impl<A: Around> FileBacked for InFile<A> {
    fn file(&self, place: &TempDir) -> PathBuf {
        place.path().join("tokens.json")
    }

    fn open_path(&self, path: &Path) -> Result<Arc<dyn TokenStorage>> {
        Broken::<A>::open(path)
    }
}

#[async_trait]
impl<A: Around> MultiProcess for InFile<A> {
    fn spec(&self, place: &TempDir) -> String {
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
    let suite = Suite::new(name, InFile::<A>(PhantomData)).enumerates();
    let suite = match A::lease_kind() {
        LeaseKind::Process => suite.process_leases(),
        _ => suite.timed_leases(),
    };
    suite.durable().files().processes()
}

/// Declares a broken file storage: what it is called, and what it does differently.
macro_rules! around {
    ($(#[$meta:meta])* $name:ident { $($overridden:tt)* }) => {
        $(#[$meta])*
        pub(crate) struct $name;

        #[::token_storage_core::async_trait]
        impl $crate::files::Around for $name {
            $($overridden)*
        }
    };
}
pub(crate) use around;
