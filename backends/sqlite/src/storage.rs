use std::{fmt, path::Path, sync::Arc};

use token_storage_core::{
    Durability, Enumerate, Error, ErrorContext as _, ErrorKind, Finding, LeaseKind, Limits, Operation, Precondition,
    RefreshLease, Result, Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, async_trait,
    backend::Warnings,
};

use token_storage_files::{SidecarLock, io_error, network_file_system, resolve};

use crate::{
    config::{Builder, Options},
    file::File,
    lease,
    memory::Memory,
    place::Place,
    work::{self, Outcome, Work},
};

/// Tokens in a SQLite database, in the layout of the Globus SDK.
///
/// Databases of the SDK (schema 1 and 2) are opened and stay readable by it; the first write switches them to a
/// write-ahead log, which all programs then use. Several programs may share a database on a local file system: readers
/// never wait for writers, writers queue up for at most the [busy time-out](Builder::busy_timeout).
///
/// Clones share one handle. When the last one is dropped, connections are closed and the log is merged into the database.
#[derive(Clone)]
pub struct SqliteStorage(pub(crate) Inner);

#[derive(Clone)]
pub(crate) enum Inner {
    File(Arc<Handle>),
    Memory(Arc<Memory>),
}

/// What the clones share; the threads hold the [`File`] itself, and so do not keep the handle alive.
pub(crate) struct Handle {
    pub(crate) file: Arc<File>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.file.close();
    }
}

impl SqliteStorage {
    /// The sizes it takes. SQLite itself takes a thousand times more; these keep it interchangeable with the other local
    /// storages and a group commit short.
    pub const LIMITS: Limits = Limits::UNLIMITED
        .with_keys(64 * 1024, 64 * 1024)
        .with_records(1024 * 1024)
        .with_batches(1000, 16 * 1024 * 1024);

    /// A storage in the database at `path`, with the usual configuration. Nothing is created or changed: a database that
    /// is not there is created by the first write, owner-only, its folders too. `:memory:` is
    /// [`SqliteStorage::open_in_memory`].
    ///
    /// # Errors
    /// - As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Configures a storage in the database at `path`.
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref())
    }

    /// A storage that is gone with its last clone: a database in memory, on one connection.
    ///
    /// # Errors
    /// - [`ErrorKind::Unavailable`]: no memory.
    pub fn open_in_memory() -> Result<Self> {
        Ok(Self(Inner::Memory(Arc::new(Memory::open().during(Operation::Open)?))))
    }

    pub(crate) fn open_with(path: &Path, mut options: Options, allow_network: bool) -> Result<Self> {
        if path.as_os_str() == ":memory:" {
            return Self::open_in_memory();
        }
        let path = resolve(path).map_err(|error| io_error(path, "use", error))?;
        match std::fs::metadata(&path) {
            Ok(found) if !found.is_file() => {
                let message = format!("{} is not a file; name the path of a database", path.display());
                return Err(Error::new(ErrorKind::Misconfigured, message));
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error(&path, "use", error));
            }
            _ => {}
        }
        if let Some(kind) = network_file_system(&path) {
            if !allow_network {
                let message = format!(
                    "{} is on a network file system ({kind}), where SQLite's locks cannot be trusted; use a local folder",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Misconfigured, message));
            }
            options.write_ahead_log = false;
        }
        let lock = SidecarLock::new(&path);
        let file = File::new(Place::new(path), options, lock);
        Ok(Self(Inner::File(Arc::new(Handle { file }))))
    }

    /// What a person should know although every call went well: modes that were tightened, a damaged database that was kept
    /// aside. Collected since this storage was opened, each kept once.
    pub fn warnings(&self) -> Vec<Finding> {
        self.collected().all()
    }

    pub(crate) fn collected(&self) -> Warnings {
        match &self.0 {
            Inner::File(handle) => handle.file.place.warnings.0.clone(),
            Inner::Memory(_) => Warnings::default(),
        }
    }

    pub(crate) async fn work(&self, work: Work) -> Outcome {
        match &self.0 {
            Inner::File(handle) => handle.file.write(work).await,
            Inner::Memory(memory) => memory.write(&work),
        }
    }

    async fn write(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let records = work::prepare(writes, &Self::LIMITS)?;
        let revisions = records.iter().map(|record| record.revision).collect();
        self.work(Work::Store { records }).await?;
        Ok(revisions)
    }
}

#[async_trait]
impl TokenStorage for SqliteStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        match &self.0 {
            Inner::File(handle) => handle.file.get(key).await,
            Inner::Memory(memory) => memory.get(key),
        }
        .during(Operation::Get)
        .about(key)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write(writes).await.during(Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let work = Work::Remove {
            key: key.clone(),
            precondition,
        };
        self.work(work).await.during(Operation::Remove).about(key)
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        lease::prove(self, key).await.during(Operation::Store).about(key)
    }

    fn describe(&self) -> StorageInfo {
        let described = |location: String| {
            StorageInfo::new("sqlite", location, Self::LIMITS)
                .with_enumeration()
                .with_lease(LeaseKind::Process)
        };
        match &self.0 {
            Inner::File(handle) => described(handle.file.place.path().display().to_string())
                .with_durability(handle.file.options.durability)
                .with_sharing(SharingScope::Host),
            Inner::Memory(_) => described(":memory:".to_owned())
                .with_durability(Durability::Volatile)
                .with_sharing(SharingScope::Handle),
        }
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        lease::of(self)
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SqliteStorage");
        match &self.0 {
            Inner::File(handle) => debug
                .field("path", &handle.file.place.path())
                .field("options", &handle.file.options),
            Inner::Memory(_) => debug.field("path", &":memory:"),
        };
        debug.finish()
    }
}
