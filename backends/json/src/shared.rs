//! What all clones of a handle and its two threads share.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use token_storage_core::{Durability, Error, backend::Clock};

use crate::{
    document::Document,
    error, load,
    snapshot::{Content, PATH_CHECK, Snapshot},
    warnings::Warnings,
};

#[derive(Debug)]
pub(crate) struct Shared {
    /// Resolved: no symbolic link in its last component.
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) warnings: Warnings,
    /// A call was dropped whose write is under way: a later `get` waits for it (A7).
    abandoned: AtomicBool,
    #[cfg(test)]
    pub(crate) rewrites: std::sync::atomic::AtomicUsize,
    current: Mutex<Option<Arc<Snapshot>>>,
}

impl Shared {
    pub(crate) fn new(path: PathBuf, durability: Durability, busy_timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            path,
            durability,
            busy_timeout,
            clock,
            warnings: Warnings::default(),
            abandoned: AtomicBool::new(false),
            #[cfg(test)]
            rewrites: Default::default(),
            current: Mutex::new(None),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The content, if what is known of it can be trusted. Never blocks for longer than an `fstat`.
    pub(crate) fn trusted(&self) -> Option<Arc<Snapshot>> {
        self.trusted_within(PATH_CHECK)
    }

    fn trusted_within(&self, path_age: Duration) -> Option<Arc<Snapshot>> {
        let known = match self.known() {
            Some(known) => known,
            None => Arc::new(Snapshot::absent()),
        };
        // What the file system refuses here it refuses again when the file is read, and is reported then.
        known
            .is_current(&self.path, &*self.clock, path_age)
            .unwrap_or(false)
            .then_some(known)
    }

    /// Reads the file unless its content is known. Blocks. What was known before is for the caller to drop, after he
    /// has answered whoever waits.
    pub(crate) fn load(&self) -> Result<(Arc<Snapshot>, Retired), Error> {
        // What is written next rests on it, so the path is looked at in any case.
        if let Some(snapshot) = self.trusted_within(Duration::ZERO) {
            return Ok((snapshot, Retired(None)));
        }
        let opened = || self.warnings.tighten(&self.path);
        let loaded = load::load(&self.path, self.known(), &*self.clock, &opened);
        let snapshot = loaded.map_err(|error| error::load(&self.path, error))?;
        let retired = self.publish(Arc::clone(&snapshot));
        Ok((snapshot, retired))
    }

    /// Makes a content known. It may be older than the known one: then its file is not the path's any more, and the
    /// next look at it tells.
    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>) -> Retired {
        Retired(self.current().replace(snapshot))
    }

    /// Forgets what is known, after a write whose outcome is not.
    pub(crate) fn forget(&self) -> Retired {
        Retired(self.current().take())
    }

    fn known(&self) -> Option<Arc<Snapshot>> {
        self.current().clone()
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Snapshot>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has gone away while a write of his was under way.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }

    /// Whether a `get` must wait for the write that is under way, since nobody else does.
    pub(crate) fn has_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// No write is under way.
    pub(crate) fn settled(&self) {
        self.abandoned.store(false, Ordering::SeqCst);
    }
}

/// A content that is not current any more. Dropping it may close a large deleted file and wipe its text, which takes
/// milliseconds: so it is done by the thread that replaced it and not by an executor's thread that was still reading.
#[must_use = "dropping it takes time: answer first"]
#[derive(Debug)]
pub(crate) struct Retired(Option<Arc<Snapshot>>);

impl Drop for Retired {
    fn drop(&mut self) {
        /// A `get` keeps a content for about a microsecond; who takes longer drops it himself.
        const PATIENCE: usize = 200;
        /// From this size on it is worth a thread: the next write need not wait until the old file is freed.
        const LARGE: u64 = 1024 * 1024;
        let Some(snapshot) = self.0.take() else { return };
        for _ in 0..PATIENCE {
            if Arc::strong_count(&snapshot) == 1 {
                break;
            }
            std::thread::yield_now();
        }
        if snapshot
            .sighting
            .as_ref()
            .is_some_and(|seen| seen.stamp.size() >= LARGE)
        {
            // If no thread can be had, the closure is dropped here and the snapshot with it.
            let name = "token-storage-json-free".to_owned();
            let _ = std::thread::Builder::new().name(name).spawn(move || drop(snapshot));
        }
    }
}

/// The document of a snapshot; `None`: there is no file.
pub(crate) fn document<'a>(shared: &Shared, snapshot: &'a Snapshot) -> Result<Option<&'a Arc<Document>>, Error> {
    match &snapshot.content {
        Content::Absent => Ok(None),
        Content::Document(document) => Ok(Some(document)),
        Content::Damaged(damage) => Err(error::damage(&shared.path, damage)),
    }
}
