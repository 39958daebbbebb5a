//! How a storage is opened.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use token_storage_core::{Durability, Error, ErrorContext as _, ErrorKind, Operation, Result, backend::SystemClock};

use token_storage_files as files;

use crate::{JsonStorage, shared::Shared};

/// Options of a [`JsonStorage`].
///
/// ```
/// use std::time::Duration;
/// use token_storage_json::JsonStorage;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("tokens.json");
/// let storage = JsonStorage::builder(path).busy_timeout(Duration::from_secs(2)).open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    path: PathBuf,
    durability: Durability,
    busy_timeout: Duration,
}

impl Builder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            durability: Durability::PowerLoss,
            busy_timeout: Duration::from_secs(10),
        }
    }

    /// The fast mode: an acknowledged write survives the death of the process, `kill -9` included, but perhaps not a
    /// power loss. Nothing waits for the disk then.
    pub fn without_fsync(mut self) -> Self {
        self.durability = Durability::Process;
        self
    }

    /// How long a write waits while other processes hold the lock before it is
    /// [`Busy`](ErrorKind::Busy); 10 seconds if nothing is said. Reads never wait for a lock.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the storage. Looks at the path, but neither reads the file nor creates anything.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: the path is empty, names a directory or something else that is no file, or leads
    ///   through something that is no directory.
    /// - [`ErrorKind::PermissionDenied`]: a directory on the way cannot be searched.
    pub fn open(self) -> Result<JsonStorage> {
        let path = self.checked_path().during(Operation::Open)?;
        let clock = Arc::new(SystemClock::default());
        let shared = Shared::new(path, self.durability, self.busy_timeout, clock);
        shared.warnings.network(&shared.path);
        shared.warnings.obstacles(&shared.path);
        Ok(JsonStorage::new(shared))
    }

    fn checked_path(&self) -> Result<PathBuf> {
        let failed = |error| files::io_error(&self.path, "use", error);
        if self.path.as_os_str().is_empty() {
            let message = "the path of the JSON file is empty; name a file";
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let path = files::resolve(&self.path).map_err(failed)?;
        match std::fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {
                let message = format!("{} is not a file; name the path of a JSON file", path.display());
                Err(Error::new(ErrorKind::Misconfigured, message))
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(path),
        }
    }
}
