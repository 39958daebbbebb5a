use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use token_storage_core::{Error, ErrorKind, Finding, Result, Severity, TokenKey, backend::Warnings};
use token_storage_files::{self as files, LockGuard, SidecarLock, io_error};
use zeroize::Zeroizing;

use crate::record::file_name;

/// The folder, and what one thread at a time does in it. Everything here blocks.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) root: PathBuf,
    lock: SidecarLock,
    pub(crate) warnings: Warnings,
}

/// How long a call waits while other processes hold the lock (D6).
pub(crate) const WAIT: Duration = Duration::from_secs(10);
/// Many times what a write takes.
const PATIENCE_OF_READERS: Duration = Duration::from_millis(500);

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        let lock = SidecarLock::new(&root.join(crate::batch::NAME));
        Self {
            root,
            lock,
            warnings: Warnings::default(),
        }
    }

    pub(crate) fn path(&self, key: &TokenKey) -> PathBuf {
        self.root.join(file_name(key))
    }

    /// Does a writer's work under the lock. Before it does anything else, it tidies up after one that died, or that failed.
    pub(crate) fn locked<T>(&self, deadline: Instant, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut lock = self.lock_for_writing(deadline)?;
        let done = work()?;
        lock.finish_work();
        Ok(done)
    }

    fn lock_for_writing(&self, deadline: Instant) -> Result<LockGuard> {
        let failed = |error| io_error(self.lock.path(), "lock", error);
        files::create_parents(self.lock.path()).map_err(failed)?;
        self.tighten();
        let Some(mut guard) = self.lock.acquire_until(deadline).map_err(failed)? else {
            return Err(self.busy());
        };
        guard.begin_work_with(|_| self.sweep()).map_err(failed)?;
        self.finish_batch()?;
        Ok(guard)
    }

    /// Keeps writers away while the folder is listed, as a directory that changes meanwhile may be read incompletely; but
    /// not for longer than a writer takes: one that was stopped must not stop readers (D4). `None`: it is listed without.
    pub(crate) fn lock_for_listing(&self) -> Result<Option<LockGuard>> {
        if !self.lock.path().exists() {
            return Ok(None);
        }
        match self.lock.acquire_until(Instant::now() + PATIENCE_OF_READERS) {
            Ok(held) => Ok(held),
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(None),
            Err(error) => Err(io_error(self.lock.path(), "lock", error)),
        }
    }

    fn busy(&self) -> Error {
        let message = format!(
            "other processes have held {} for {} s; try again",
            self.lock.path().display(),
            WAIT.as_secs()
        );
        Error::new(ErrorKind::Busy, message)
    }

    /// A folder that others may enter is made owner-only, and said to have been open (D4).
    fn tighten(&self) {
        if let Ok(Some(mode)) = files::tighten(&self.root) {
            let message = format!("others could use it (mode {mode:04o}); it is owner-only now");
            let advice = "if they should not have seen the tokens in it, log in again";
            let root = self.root.display().to_string();
            self.warnings
                .add(Finding::new(Severity::Warning, root, message, advice));
        }
    }

    /// Removes what killed writers left. The folder is ours, so nothing else in it has such a name.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') && name.ends_with(".tmp") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The file's text; `None` if there is no such file. The error keeps no bytes that it found (S1).
    pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(path, "read", error)),
        };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(crate::damage::corrupt(path, "it is not UTF-8"))
            }
        }
    }

    /// Puts a new content in the place of the old one, durably and in one step (A1, D1).
    pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
        let failed = |error| io_error(path, "write", error);
        let replacement = files::Replacement::begin(path, true).map_err(failed)?;
        io::Write::write_all(&mut replacement.file(), text.as_bytes()).map_err(failed)?;
        match replacement.commit() {
            Ok(_) => Ok(()),
            Err((error, false)) => Err(failed(error)),
            Err((error, true)) => Err(failed(error).with_unknown_outcome()),
        }
    }

    /// Removes a file durably and says whether it was there.
    pub(crate) fn delete(path: &Path) -> Result<bool> {
        let failed = |error| io_error(path, "remove", error);
        // Opened before anything is done: afterwards it must not be what fails.
        let directory = files::Directory::of(path).map_err(failed)?;
        match fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
        match directory.sync() {
            Ok(()) => Ok(true),
            Err(error) => Err(failed(error).with_unknown_outcome()),
        }
    }
}
