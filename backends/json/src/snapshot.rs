//! What is known of the file, and for how long that may be trusted.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use token_storage_core::backend::Clock;

use crate::{
    document::{Damage, Document},
    stamp::{self, Identity, Stamp},
};

/// Linux stamps a file before it copies the data of a write, so a reader in between sees old bytes under the final
/// stamp; what was read this long after the stamp was first seen cannot be such bytes.
pub(crate) const SETTLING: Duration = Duration::from_millis(20);

/// How often to look whether the path still names the file: a swapped parent directory leaves the stamp alone.
pub(crate) const PATH_CHECK: Duration = Duration::from_millis(100);

/// The file's content at one moment. Immutable, shared by everyone who reads.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) content: Content,
    /// `None`: there is no file.
    pub(crate) sighting: Option<Sighting>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// There is no file.
    Absent,
    Document(Arc<Document>),
    Damaged(Damage),
}

/// The file a content was read from, kept open.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) file: Arc<File>,
    pub(crate) stamp: Stamp,
    /// When this stamp was first seen.
    pub(crate) first_seen: Duration,
    trusted: bool,
    path_checked: AtomicU64,
}

impl Sighting {
    /// A content read at `read_at` from a file whose path was checked just now.
    pub(crate) fn read(file: Arc<File>, stamp: Stamp, first_seen: Duration, read_at: Duration, now: Duration) -> Self {
        Self {
            file,
            stamp,
            first_seen,
            trusted: stamp::MEANINGFUL && read_at >= first_seen + SETTLING,
            path_checked: AtomicU64::new(nanos(now)),
        }
    }

    /// A content that this process wrote, under a stamp that no other write can have.
    pub(crate) fn written(file: Arc<File>, stamp: Stamp, unmistakable: bool, now: Duration) -> Self {
        Self {
            file,
            stamp,
            first_seen: now,
            trusted: stamp::MEANINGFUL && unmistakable,
            path_checked: AtomicU64::new(nanos(now)),
        }
    }
}

impl Snapshot {
    pub(crate) fn absent() -> Self {
        Self {
            content: Content::Absent,
            sighting: None,
        }
    }

    /// Whether the content is certainly what the path holds now, the path having been looked at `path_age` ago at most.
    /// Costs one `fstat`; in doubt the answer is no.
    pub(crate) fn is_current(&self, path: &Path, clock: &dyn Clock, path_age: Duration) -> io::Result<bool> {
        let Some(seen) = &self.sighting else {
            return Ok(Identity::at(path)?.is_none());
        };
        if !seen.trusted || Stamp::of(&seen.file)? != seen.stamp {
            return Ok(false);
        }
        let now = clock.monotonic();
        let checked = Duration::from_nanos(seen.path_checked.load(Ordering::Relaxed));
        if now.saturating_sub(checked) >= path_age {
            if Identity::at(path)? != Some(seen.stamp.identity()) {
                return Ok(false);
            }
            seen.path_checked.store(nanos(now), Ordering::Relaxed);
        }
        Ok(true)
    }
}

/// Enough for 584 years.
fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}
