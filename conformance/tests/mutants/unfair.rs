//! A correct storage with an unfair lock, as many databases have: who asks in the right moment gets it, however long others
//! have waited. Waiting is bounded (D6): a writer that has had no luck for five seconds is told that others are at work.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use token_storage_core::{ErrorKind, Result};
use token_storage_files::{LockGuard, SidecarLock, beside, resolve};

use crate::files::{Broken, Change, Done, around, error};

const PATIENCE: Duration = Duration::from_secs(5);

around!(
    /// No flaw at all: its writers poll.
    UnfairLock {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let _lock = polled(&broken.path).await?;
            change.apply(&broken.inner).await
        }
    }
);

/// The lock is beside the file that is meant, not beside a link to it.
async fn polled(path: &Path) -> Result<LockGuard> {
    let failed = |_| error(ErrorKind::Unavailable, "no lock file can be made");
    let lock = SidecarLock::new(&beside(&resolve(path).map_err(failed)?, ".writers"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(guard) = lock.try_acquire().map_err(failed)? {
            return Ok(guard);
        }
        if Instant::now() >= deadline {
            return Err(error(ErrorKind::Busy, "others write all the time; try again"));
        }
        crate::pause().await;
    }
}
