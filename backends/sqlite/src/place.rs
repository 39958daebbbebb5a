//! The path of a database, and noticing when another file has taken its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::warnings::Warnings;

/// How long readers may go on before they look whether the path still names the file they have open.
///
/// SQLite itself never looks: a connection goes on with the old file. Within one file nothing depends on this time; it
/// bounds only how long another file at the same path can go unnoticed. Our own writers, when they put a new database in
/// the place of a damaged one, wait longer than this before they acknowledge their first write. A fuzzer, most of whose
/// files are damaged, would do nothing but wait.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(if cfg!(fuzzing) { 0 } else { 100 });

/// A path, and which of the files that it has named is the current one.
pub(crate) struct Place {
    path: PathBuf,
    start: Instant,
    /// When the path was looked at last, in microseconds since `start`, plus one; 0 if the file was absent.
    looked: AtomicU64,
    epoch: AtomicU64,
    identity: Mutex<Option<Identity>>,
    /// The epoch of the file that was found to be ours to use; 0: none.
    pub(crate) vetted: AtomicU64,
    pub(crate) warnings: Warnings,
}

/// Tells files apart while at least one of them is open (or else the number could be used again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Place {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            start: Instant::now(),
            looked: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            identity: Mutex::new(None),
            vetted: AtomicU64::new(0),
            warnings: Warnings::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file beside the database: `-wal`, `-shm`, `-journal`.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        token_storage_files::beside(&self.path, suffix)
    }

    /// The epoch of the file that is there: it changes whenever another file is. `None`: there is none. Looks at most
    /// every [`LOOK_EVERY`], but always if there was no file.
    pub(crate) fn epoch(&self, now: Instant) -> io::Result<Option<u64>> {
        let looked = self.looked.load(Ordering::Acquire);
        let now = now.saturating_duration_since(self.start).as_micros() as u64;
        if looked > 0 && now < looked - 1 + LOOK_EVERY.as_micros() as u64 {
            return Ok(Some(self.epoch.load(Ordering::Acquire)));
        }
        self.look()
    }

    /// As [`Place::epoch`], and always looks.
    pub(crate) fn look(&self) -> io::Result<Option<u64>> {
        let mut known = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.start.elapsed().as_micros() as u64;
        let found = identify(&self.path)?;
        if *known != found {
            *known = found;
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        self.looked.store(found.map_or(0, |_| now + 1), Ordering::Release);
        Ok(found.map(|_| self.epoch.load(Ordering::Acquire)))
    }
}

fn identify(path: &Path) -> io::Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) => Ok(Some(identity(&found))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Identity(found.dev(), found.ino())
}

/// Without inode numbers: the time of creation. An open database cannot be replaced on such systems anyway.
#[cfg(not(unix))]
fn identity(found: &fs::Metadata) -> Identity {
    let created = found
        .created()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Identity(0, created.map_or(0, |time| time.as_nanos() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_another_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().join("db"));
        assert_eq!(place.look().unwrap(), None);
        fs::write(place.path(), "1").unwrap();
        let kept_open = fs::File::open(place.path()).unwrap();
        let first = place.epoch(Instant::now()).unwrap();
        assert!(first.is_some(), "an absent file is looked for each time");
        fs::write(place.path(), "2").unwrap();
        assert_eq!(place.look().unwrap(), first);
        fs::remove_file(place.path()).unwrap();
        fs::write(place.path(), "3").unwrap();
        assert_ne!(place.look().unwrap(), first);
        drop(kept_open);
    }

    #[test]
    fn looks_again_after_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().join("db"));
        fs::write(place.path(), "1").unwrap();
        let before = Instant::now();
        assert!(place.look().unwrap().is_some());
        fs::remove_file(place.path()).unwrap();
        assert!(place.epoch(before).unwrap().is_some(), "not yet");
        assert_eq!(place.epoch(Instant::now() + LOOK_EVERY).unwrap(), None);
    }

    #[test]
    fn a_directory_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Place::new(folder.path().to_owned()).look().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }
}
