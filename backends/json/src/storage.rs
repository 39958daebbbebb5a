//! The storage: the trait's calls, turned into lookups in a snapshot and jobs for the writing thread.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use token_storage_core::{
    Enumerate, ErrorContext as _, Finding, LeaseKind, Limits, MemoryStorage, Operation, Precondition, RefreshLease,
    Result, Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark, async_trait,
    record,
};
use token_storage_files as files;

use crate::{
    Builder, error,
    job::Change,
    kept,
    lease::{self, leases},
    reader::Reader,
    shared::{self, Shared},
    snapshot::Snapshot,
    text::RawText,
    writer::Writer,
};

/// Tokens in one JSON file, in the format 2.0 of the Globus SDK.
///
/// Clones share the file's cached content and the two threads that read and write it; the threads start when they are
/// first needed and end with the last clone. Any executor will do.
///
/// ```
/// use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};
/// use token_storage_json::JsonStorage;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("tokens.json");
/// let storage = JsonStorage::open(&path)?;
/// let key = TokenKey::in_default("groups.api.globus.org");
/// assert_eq!(storage.get(&key).await?, None);
/// assert!(!path.exists(), "the first write creates the file");
///
/// let data = TokenData::new("groups.api.globus.org", "view_my_groups", "access");
/// storage.store(&key, &data, Precondition::Any).await?;
/// assert_eq!(storage.get(&key).await?.unwrap().data, data);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct JsonStorage {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    reader: Reader,
    writer: Writer,
}

impl JsonStorage {
    /// The sizes it takes. There is no limit to the number of records, but each write writes the whole file: beyond
    /// some 10,000 records another backend serves better.
    pub const LIMITS: Limits = MemoryStorage::LIMITS;

    /// Opens the storage at a path with the default options. Nothing needs to be there: reads then find nothing, and
    /// the first write creates the file and its directories.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// Options, then [`Builder::open`].
    pub fn builder(path: impl AsRef<Path>) -> Builder {
        Builder::new(path.as_ref())
    }

    pub(crate) fn new(shared: Shared) -> Self {
        let inner = Inner {
            shared: Arc::new(shared),
            reader: Reader::new(),
            writer: Writer::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The file, with symbolic links resolved.
    pub fn path(&self) -> &Path {
        self.inner.shared.path()
    }

    /// What a person should know although every call went well: modes that were tightened, files that were kept aside,
    /// copies that still hold tokens. Collected since this storage was opened, each kept once.
    pub fn warnings(&self) -> Vec<Finding> {
        self.inner.shared.warnings.0.all()
    }

    /// The files beside this one that were kept because a write would have thrown something away: the original of an
    /// upgraded file, damaged files. They may hold tokens: name them to a user who has removed the last one. Lists the
    /// directory, so it may block for a moment.
    ///
    /// # Errors
    /// - Those of listing the directory. A directory that does not exist yet has no such files.
    pub fn kept_files(&self) -> Result<Vec<PathBuf>> {
        let path = self.path();
        kept::list(path)
            .map_err(|error| files::io_error(path, "list what lies beside", error))
            .during(Operation::List)
    }

    pub(crate) async fn content(&self) -> Result<Arc<Snapshot>> {
        let inner = &*self.inner;
        if inner.shared.has_abandoned() {
            inner.writer.settle(&inner.shared).await?;
        }
        inner.reader.content(&inner.shared).await
    }

    async fn read(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let snapshot = self.content().await?;
        let shared = &self.inner.shared;
        match shared::document(shared, &snapshot)? {
            None => Ok(None),
            Some(document) => match document.get(key) {
                Ok(stored) => Ok(stored.cloned()),
                Err(damage) => Err(error::record(&shared.path, key, damage)),
            },
        }
    }

    async fn write_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let (changes, revisions) = prepare(writes)?;
        if !changes.is_empty() {
            self.write(changes).await?;
        }
        Ok(revisions)
    }

    async fn write(&self, changes: Vec<Change>) -> Result<crate::job::Applied> {
        self.inner.writer.write(&self.inner.shared, changes).await
    }
}

#[async_trait]
impl TokenStorage for JsonStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.read(key).await.during(Operation::Get)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write_all(writes).await.during(Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let change = Change {
            key: key.clone(),
            text: None,
            precondition,
        };
        let applied = self.write(vec![change]).await.during(Operation::Remove)?;
        Ok(applied.removed)
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        let shared = Arc::clone(&self.inner.shared);
        let proven = files::on_own_thread(move || lease::prove(&shared)).await;
        proven.during(Operation::Store).about(key)
    }

    fn describe(&self) -> StorageInfo {
        let shared = &self.inner.shared;
        StorageInfo::new("json", shared.path.display().to_string(), Self::LIMITS)
            .with_durability(shared.durability)
            .with_sharing(SharingScope::Host)
            .with_enumeration()
            .with_lease(LeaseKind::Process)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(leases(&self.inner.shared)))
    }
}

/// Everything that can be refused before the file is looked at, done on the caller's thread: the records' texts and
/// their revisions.
fn prepare(writes: &[Write<'_>]) -> Result<(Vec<Change>, Vec<Revision>)> {
    let mut encoded = Vec::with_capacity(writes.len());
    for write in writes {
        let mark = WriteMark::random()?;
        encoded.push((
            record::encode(write.data, &mark),
            record::revision_of(write.data, Some(&mark)),
        ));
    }
    let sizes: Vec<usize> = encoded.iter().map(|(text, _)| text.len()).collect();
    JsonStorage::LIMITS.check_batch(writes, &sizes)?;
    let changes = writes.iter().zip(encoded).map(|(write, (mut text, revision))| {
        let change = Change {
            key: write.key.clone(),
            // Taken out of its wiping wrapper into ours, without a copy.
            text: Some(RawText::new(std::mem::take(&mut *text))),
            precondition: write.precondition,
        };
        (change, revision)
    });
    Ok(changes.unzip())
}
