use std::{
    fmt::Write as _,
    fs::{File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use token_storage_core::{
    Acquisition, ErrorContext as _, Intent, LeaseGuard, LeaseView, Operation, RefreshLease, Result, TokenKey,
};
use tokio::sync::Mutex;

use crate::{
    Directory, beside, io_error,
    lock::names_this,
    on_own_thread,
    path::create_private_directory,
    permissions::{adopt_owner, check_own_directory, open_own},
    private_options, tighten,
};

/// Refuses what no store may touch, whatever it stores: a file of another program, or one that cannot be written. It
/// changes nothing and makes nothing; asked before the first lease file is made beside the storage. May block. Fails as
/// every store would.
type Look = Arc<dyn Fn() -> Result<()> + Send + Sync>;

/// The refresh leases of a file-based storage: for each key an advisory lock of the operating system on
/// `<file>.leases/<digest of the key>`, which dies with its holder's process and with nothing else (clauses L1, L2).
///
/// The content of that file is the [`Intent`], on the disk before any request is sent. The files are never deleted.
#[derive(Clone)]
pub struct FileLease {
    target: PathBuf,
    directory: PathBuf,
    look: Look,
}

/// How long a waiter is told to wait: freeing takes the operating system 3 to 5 ms after a kill.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// Far more than an intent has; what is longer is not one.
const MOST_BYTES: u64 = 4096;

impl FileLease {
    /// The leases of the storage in this file, whose path must be [resolved](crate::resolve). Touches nothing yet.
    ///
    /// `look` refuses what no store may touch, whatever it stores, with the error that every store would fail with: a file
    /// of another program, or one that cannot be written. It changes nothing and makes nothing, and may block; it is asked
    /// before the first lease file is made beside the storage.
    pub fn new(file: &Path, look: impl Fn() -> Result<()> + Send + Sync + 'static) -> Self {
        Self {
            target: file.to_owned(),
            directory: beside(file, ".leases"),
            look: Arc::new(look),
        }
    }

    /// The file that stands for a key. Its name is a digest: keys may be long and hold any byte.
    pub fn path(&self, key: &TokenKey) -> PathBuf {
        let mut digest = Sha256::new();
        digest.update((key.namespace().len() as u64).to_be_bytes());
        digest.update(key.namespace());
        digest.update(key.resource_server());
        let mut name = String::with_capacity(64);
        for byte in digest.finalize() {
            let _ = write!(name, "{byte:02x}");
        }
        self.directory.join(name)
    }
}

impl std::fmt::Debug for FileLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLease")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl RefreshLease for FileLease {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let path = self.path(key);
        let (opened, directory, target) = (path.clone(), self.directory.clone(), self.target.clone());
        let look = Arc::clone(&self.look);
        let found = on_own_thread(move || {
            if !directory.try_exists().unwrap_or(true) {
                look()?;
            }
            check_own_directory(&directory).map_err(|error| io_error(&directory, "use", error))?;
            acquire(&opened, &target).map_err(|error| io_error(&opened, "lock", error))
        });
        let Some((file, intent)) = found.await.during(Operation::Lease)? else {
            return Ok(Acquisition::Held {
                retry_after: RETRY_AFTER,
            });
        };
        Ok(Acquisition::Acquired(Box::new(FileLeaseGuard {
            file: Arc::new(Mutex::new(Locked(file))),
            path,
            intent,
        })))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let path = self.path(key);
        on_own_thread(move || look(&path).map_err(|error| io_error(&path, "look at", error)))
            .await
            .during(Operation::Lease)
            .map(Some)
    }
}

/// Makes no file and needs no right to write one. A lease that is free is locked for the moment of a read, so that who asks
/// for it then is told to ask again.
fn look(path: &Path) -> io::Result<LeaseView> {
    let file = match private_options().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LeaseView::default()),
        Err(error) => return Err(error),
    };
    let mut file = Locked(file);
    let held = match file.0.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    Ok(LeaseView::new(held, read_intent(&mut file.0)?))
}

fn acquire(path: &Path, target: &Path) -> io::Result<Option<(File, Option<Intent>)>> {
    loop {
        let mut file = open(path, target)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // A file that somebody deleted between opening and locking excludes nobody.
        if names_this(path, &file)? {
            let intent = read_intent(&mut file)?;
            return Ok(Some((file, intent)));
        }
    }
}

fn open(path: &Path, target: &Path) -> io::Result<File> {
    let mut options = private_options();
    options.read(true).write(true);
    match open_own(&options, path) {
        Ok(file) => return Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(directory) = path.parent() {
        create_private_directory(directory)?;
        tighten(directory)?;
        if let Ok(directory) = File::open(directory) {
            adopt_owner(&directory, target);
        }
    }
    // The intent that will be written is only as durable as the entries that lead to it. What makes them durable is at
    // hand before they are there: else the next one would find the file, and take it for durable.
    let folders = [Some(path), path.parent()].into_iter().flatten();
    let folders: Vec<Directory> = folders.map(Directory::of).collect::<io::Result<_>>()?;
    let file = open_own(options.create(true).truncate(false), path)?;
    adopt_owner(&file, target);
    folders.iter().try_for_each(Directory::sync)?;
    Ok(file)
}

/// What is kept in the file of a lease.
pub(crate) fn read_intent(file: &mut File) -> io::Result<Option<Intent>> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(Intent::from_bytes(&bytes).unwrap_or_else(Intent::unreadable)))
}

fn write_intent(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    // The new bytes go over the old ones before the length changes: a kill in between never leaves an empty file where
    // an intent was.
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// An open lease file that is locked.
///
/// It is unlocked, not only closed: a program that another thread has begun to start has a copy of the descriptor for a
/// moment, and would keep the lock for as long.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // If that fails, closing frees it.
        let _ = self.0.unlock();
    }
}

/// The lock is freed when this guard and the last work of it are gone: a write that outlives its dropped future still
/// happens under the lock, and before whatever is asked for later (clause A7).
#[derive(Debug)]
struct FileLeaseGuard {
    file: Arc<Mutex<Locked>>,
    path: PathBuf,
    intent: Option<Intent>,
}

impl FileLeaseGuard {
    async fn write(&self, bytes: Vec<u8>) -> Result<()> {
        let (mut file, path) = (Arc::clone(&self.file).lock_owned().await, self.path.clone());
        on_own_thread(move || {
            write_intent(&mut file.0, &bytes).map_err(|error| io_error(&path, "record the intent in", error))
        })
        .await
        .during(Operation::Lease)
    }
}

#[async_trait]
impl LeaseGuard for FileLeaseGuard {
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
        self.write(intent.to_bytes()).await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.write(Vec::new()).await
    }

    async fn release(self: Box<Self>) -> Result<()> {
        // Work whose caller went away keeps the lock until it is over. It is freed here, and not with the last reference,
        // which the thread of that work may hold a moment longer.
        let file = self.file.lock().await;
        let _ = file.0.unlock();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use token_storage_core::{Revision, StoredToken, TokenData};

    use super::*;

    fn lease(folder: &Path) -> FileLease {
        FileLease::new(&folder.join("tokens.json"), || Ok(()))
    }

    async fn acquire(lease: &FileLease, key: &TokenKey) -> Option<Box<dyn LeaseGuard>> {
        match lease.try_acquire(key).await.unwrap() {
            Acquisition::Acquired(guard) => Some(guard),
            Acquisition::Held { .. } => None,
        }
    }

    #[tokio::test]
    async fn l1_one_holder_for_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let (lease, other) = (lease(folder.path()), lease(folder.path()));
        let (a, b) = (TokenKey::new("n", "a"), TokenKey::new("n", "b"));
        let held = acquire(&lease, &a).await.unwrap();
        assert!(acquire(&other, &a).await.is_none());
        assert!(acquire(&other, &b).await.is_some());
        held.release().await.unwrap();
        assert!(acquire(&other, &a).await.is_some());
    }

    #[tokio::test]
    async fn l5_an_intent_outlives_its_holder_and_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        let stored = StoredToken {
            data: TokenData::new("rs", "read", "access"),
            revision: Revision::from_bytes(&[9; 32]).unwrap(),
        };
        let intent = Intent::new(&stored, true, 5);
        let mut guard = acquire(&lease, &key).await.unwrap();
        assert_eq!(guard.intent(), None);
        guard.record_intent(&intent).await.unwrap();
        drop(guard);
        let mut guard = acquire(&lease, &key).await.unwrap();
        assert_eq!(guard.intent(), Some(&intent));
        guard.clear_intent().await.unwrap();
        drop(guard);
        assert_eq!(acquire(&lease, &key).await.unwrap().intent(), None);
        assert!(lease.path(&key).exists(), "lease files are never deleted");
    }

    #[tokio::test]
    async fn an_unreadable_intent_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        drop(acquire(&lease, &key).await);
        std::fs::write(lease.path(&key), "?").unwrap();
        assert_eq!(
            acquire(&lease, &key).await.unwrap().intent(),
            Some(&Intent::unreadable())
        );
    }

    #[tokio::test]
    async fn a_look_makes_no_file_and_needs_no_right_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        let look = async || lease.look(&key).await.unwrap().unwrap();
        assert_eq!(look().await, LeaseView::default());
        assert!(!lease.directory.exists());
        let held = acquire(&lease, &key).await.unwrap();
        assert_eq!(look().await, LeaseView::new(true, None));
        held.release().await.unwrap();
        let mut permissions = std::fs::metadata(lease.path(&key)).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(lease.path(&key), permissions.clone()).unwrap();
        assert_eq!(look().await, LeaseView::default());
        assert_eq!(std::fs::metadata(lease.path(&key)).unwrap().permissions(), permissions);
    }

    #[tokio::test]
    async fn a_lease_that_cannot_be_looked_at_is_not_taken_for_one_without_intent() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        assert_eq!(lease.look(&key).await.unwrap(), Some(LeaseView::default()));
        std::fs::write(&lease.directory, "").unwrap();
        assert!(lease.look(&key).await.is_err());
    }

    /// As a program that is being started has it, between fork and exec.
    #[tokio::test]
    async fn a_copy_of_the_descriptor_does_not_keep_the_lease() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        let path = lease.path(&key);
        drop(acquire(&lease, &key).await);
        let file = super::acquire(&path, &lease.target).unwrap().unwrap().0;
        let copy = file.try_clone().unwrap();
        drop(Locked(file));
        assert!(acquire(&lease, &key).await.is_some());
        drop(copy);
    }

    /// As the thread of a dropped call has it, between the end of its work and its own.
    #[tokio::test]
    async fn a7_a_thread_whose_work_is_over_does_not_keep_the_lease() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        let path = lease.path(&key);
        let file = super::acquire(&path, &lease.target).unwrap().unwrap().0;
        let file = Arc::new(Mutex::new(Locked(file)));
        let of_thread = file.clone();
        let guard = FileLeaseGuard {
            file,
            path,
            intent: None,
        };
        Box::new(guard).release().await.unwrap();
        assert!(acquire(&lease, &key).await.is_some());
        drop(of_thread);
    }

    #[test]
    fn k5_keys_have_files_of_their_own() {
        let lease = lease(Path::new("/x"));
        assert_ne!(
            lease.path(&TokenKey::new("a:b", "c")),
            lease.path(&TokenKey::new("a", "b:c"))
        );
        assert_ne!(
            lease.path(&TokenKey::new("ab", "c")),
            lease.path(&TokenKey::new("a", "bc"))
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn d4_what_is_no_directory_is_not_entered() {
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let victim = folder.path().join("victim");
        std::fs::create_dir(&victim).unwrap();
        std::os::unix::fs::symlink(&victim, &lease.directory).unwrap();
        let key = TokenKey::in_default("rs");
        let refused = async || {
            let error = lease.try_acquire(&key).await.map(drop).unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(source, "what is in its place is not a directory; remove that");
            assert!(error.to_string().contains("tokens.json.leases"), "{error}");
        };
        refused().await;
        assert_eq!(
            std::fs::read_dir(&victim).unwrap().count(),
            0,
            "the link was not followed"
        );
        let told = || crate::examine(&folder.path().join("tokens.json"));
        assert!(
            told()
                .iter()
                .any(|finding| finding.message.contains("is not a directory"))
        );
        std::fs::remove_file(&lease.directory).unwrap();
        std::fs::write(&lease.directory, "").unwrap();
        refused().await;
        std::fs::remove_file(&lease.directory).unwrap();
        assert!(acquire(&lease, &key).await.is_some());
        assert!(told().is_empty());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn d4_lease_files_are_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let lease = lease(folder.path());
        let key = TokenKey::in_default("rs");
        drop(acquire(&lease, &key).await);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&lease.path(&key)), 0o600);
        assert_eq!(mode(&lease.directory), 0o700);
    }
}
