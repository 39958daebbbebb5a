use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use token_storage_core::{
    Durability, Enumerate, Error, ErrorContext as _, ErrorKind, LeaseKind, Limits, Operation, Precondition,
    RefreshLease, Result, Revision, SharingScope, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, WriteMark,
    async_trait, backend::Warnings, record as json,
};
use token_storage_files::{FileLease, io_error, on_own_thread};
use tokio::sync::Mutex;

use crate::{
    folder::{Folder, WAIT},
    record,
    write::Change,
};

/// Tokens in a folder, one file a record. Clones share a handle; any number of handles and processes may share a folder.
#[derive(Clone, Debug)]
pub struct FolderStorage {
    folder: Arc<Folder>,
    turn: Arc<Turn>,
    lease: FileLease,
}

/// The order of a handle's writes.
#[derive(Debug, Default)]
struct Turn {
    /// Whoever writes holds it until the write is over, also when its caller has gone away: so no write of this handle
    /// comes after a later one (A7). It is fair, and a call that is dropped while it waits for it never happens.
    lock: Arc<Mutex<()>>,
    /// Whether the caller of a write has gone away since all writes were last known to be over.
    abandoned: AtomicBool,
}

impl Turn {
    /// For reads: waits for writes whose callers have gone away, or they would come after what was read (A7). Costs
    /// nothing where there are none.
    async fn settle(&self) {
        if self.abandoned.load(Ordering::Acquire) {
            let _none_writes = self.lock.lock().await;
            self.abandoned.store(false, Ordering::Release);
        }
    }
}

/// Notes that the caller has gone away, if it is dropped before it is forgotten.
struct Caller<'a>(&'a Turn);

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Release);
    }
}

impl FolderStorage {
    /// The sizes it takes. Keys are in the files, not in their names, so they may be long.
    pub const LIMITS: Limits = Limits::UNLIMITED
        .with_keys(4096, 4096)
        .with_records(1024 * 1024)
        .with_batches(100, 4 * 1024 * 1024);

    /// The storage in this folder, which the first write creates.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: the path is empty, or names something that is no folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // A later change of the working directory must not move the storage.
        let root = std::path::absolute(path).map_err(|error| io_error(path, "use", error))?;
        if root.exists() && !root.is_dir() {
            let message = format!(
                "{} is not a folder; name one, or a path where none is yet",
                path.display()
            );
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let folder = Arc::new(Folder::new(root));
        let turn = Arc::default();
        // Any folder will do.
        let lease = FileLease::new(&folder.root.join(crate::batch::NAME), || Ok(()));
        Ok(Self { folder, turn, lease })
    }

    /// What a person should know although every call went well; later calls add to it.
    pub fn warnings(&self) -> Warnings {
        self.folder.warnings.clone()
    }

    /// Runs what needs the lock, one at a time, on a thread of its own; gives it the end of its patience.
    pub(crate) async fn exclusively<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder, Instant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Counted from here, so that a queue of callers waits together and not one after another.
        let deadline = Instant::now() + WAIT;
        let folder = Arc::clone(&self.folder);
        let held = Arc::clone(&self.turn.lock).lock_owned().await;
        let caller = Caller(&self.turn);
        let done = on_own_thread(move || {
            let result = work(&folder, deadline);
            drop(held);
            result
        })
        .await;
        std::mem::forget(caller);
        done
    }

    async fn write(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let changes = encode(writes)?;
        let revisions = changes.iter().map(|change| change.revision).collect();
        if !changes.is_empty() {
            self.exclusively(move |folder, deadline| folder.write(changes, deadline))
                .await?;
        }
        Ok(revisions)
    }
}

/// Everything that can be refused without looking at the folder.
fn encode(writes: &[Write<'_>]) -> Result<Vec<Change>> {
    let mut sizes = Vec::with_capacity(writes.len());
    let mut changes = Vec::with_capacity(writes.len());
    for write in writes {
        let mark = WriteMark::random()?;
        let text = json::encode(write.data, &mark);
        sizes.push(text.len());
        changes.push(Change {
            key: write.key.clone(),
            text: record::encode(write.key, &text),
            revision: json::revision_of(write.data, Some(&mark)),
            precondition: write.precondition,
        });
    }
    FolderStorage::LIMITS.check_batch(writes, &sizes)?;
    Ok(changes)
}

#[async_trait]
impl TokenStorage for FolderStorage {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.turn.settle().await;
        let (folder, key) = (Arc::clone(&self.folder), key.clone());
        on_own_thread(move || folder.record(&key)).await.during(Operation::Get)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.write(writes).await.during(Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let key = key.clone();
        self.exclusively(move |folder, deadline| folder.remove(&key, precondition, deadline))
            .await
            .during(Operation::Remove)
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        let key = key.clone();
        self.exclusively(move |folder, deadline| folder.prove_writable(&key, deadline))
            .await
            .during(Operation::Store)
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("folder", self.folder.root.display().to_string(), Self::LIMITS)
            .with_durability(Durability::PowerLoss)
            .with_sharing(SharingScope::Host)
            .with_enumeration()
            .with_lease(LeaseKind::Process)
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(self.lease.clone()))
    }
}
