//! The connections that read, and who uses which.

use std::{
    cell::Cell,
    fs,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use token_storage_core::{Error, ErrorKind, TokenKey};
use token_storage_files::io_error;

use crate::{
    codec::Row,
    config::{Options, close_merging, connect, open},
    create::Tightened,
    error::{self, Trouble},
    look::{self, Access},
    place::Place,
    reader::Reader,
    schema, warnings,
    writer::{DAMAGE_PATIENCE, DAMAGE_PAUSE},
};

/// Reads that take longer than this on the average are kept off the runtime's workers.
const SLOW_US: u32 = 250;

/// As many connections as there are cores, each behind a lock that is only ever tried on a runtime's worker.
pub(crate) struct Readers {
    slots: Box<[Slot]>,
    place: Arc<Place>,
    path: Arc<Path>,
    options: Arc<Options>,
}

/// On cache lines of its own, as its neighbours are used by other cores.
#[derive(Default)]
#[repr(align(128))]
struct Slot(Mutex<Option<Reader>>);

/// What a read that must not wait comes to.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would be an allocation per read"
)]
pub(crate) enum Quick {
    Done(Row),
    /// There is no database.
    Absent,
    /// It would have to wait, or to open a connection, or went wrong: do it on another thread, with this connection.
    Slow(usize),
}

impl Readers {
    pub(crate) fn new(place: Arc<Place>, options: Arc<Options>) -> Self {
        Self {
            slots: (0..options.readers).map(|_| Slot::default()).collect(),
            path: place.path().into(),
            place,
            options,
        }
    }

    /// Reads a key on a connection that is open, free, and has been fast lately.
    pub(crate) fn quick(&self, key: &TokenKey) -> Quick {
        let start = Instant::now();
        let own = own_slot(self.slots.len());
        let epoch = match self.place.epoch(start) {
            Ok(Some(epoch)) => epoch,
            Ok(None) => return Quick::Absent,
            Err(_) => return Quick::Slow(own),
        };
        let Some((index, mut slot)) = self.free_slot(own) else {
            return Quick::Slow(own);
        };
        if index != own {
            OWN.set(index);
        }
        let usable = |reader: &&mut Reader| reader.epoch == epoch && reader.mean_us < SLOW_US;
        let Some(reader) = slot.as_mut().filter(usable) else {
            return Quick::Slow(index);
        };
        match reader.get(key, true) {
            Ok(row) => {
                reader.took(start.elapsed());
                Quick::Done(row)
            }
            Err(_) => Quick::Slow(index),
        }
    }

    /// As [`Readers::quick`], waiting for whatever is in the way; for threads of our own.
    pub(crate) fn get(&self, index: usize, key: &TokenKey, deadline: Instant) -> Result<Row, Error> {
        let read = |reader: &mut Reader| {
            let start = Instant::now();
            let row = reader.get(key, false)?;
            reader.took(start.elapsed());
            Ok(row)
        };
        Ok(self.read(index, deadline, "token_storage", read)?.flatten())
    }

    /// Reads anything from a table; `None` if there is no database or no such table.
    pub(crate) fn read<T>(
        &self,
        index: usize,
        deadline: Instant,
        table: &str,
        mut read: impl FnMut(&mut Reader) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let mut damaged_since = None;
        loop {
            let error = match self.attempt(index, deadline, table, &mut read) {
                // Who writes in place what was damaged empties it first: that is not "no tokens".
                Ok(None) if damaged_since.is_some_and(|since: Instant| since.elapsed() < DAMAGE_PATIENCE) => {
                    thread::sleep(DAMAGE_PAUSE);
                    continue;
                }
                Ok(found) => return Ok(found),
                Err(Trouble::Error(fault)) => return Err(fault),
                Err(Trouble::Sql(error)) => error,
            };
            let fault = error::from_sqlite(&error, self.place.path());
            let now = Instant::now();
            if error::is_damage(&error) {
                if damaged_since.get_or_insert(now).elapsed() >= DAMAGE_PATIENCE {
                    return Err(fault);
                }
                thread::sleep(DAMAGE_PAUSE);
            } else if error::is_busy(&error) || self.has_moved() {
                if now >= deadline {
                    return Err(error::locked(&self.place.path().display()));
                }
                thread::sleep(Duration::from_millis(1));
            } else {
                return Err(fault);
            }
        }
    }

    fn attempt<T>(
        &self,
        index: usize,
        deadline: Instant,
        table: &str,
        read: &mut impl FnMut(&mut Reader) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Trouble> {
        let look = || self.place.look().map_err(|error| self.cannot_look(error));
        let Some(epoch) = look()? else {
            return Ok(None);
        };
        let (_, mut slot) = self
            .free_slot(index)
            .unwrap_or_else(|| (index, lock(&self.slots[index].0)));
        let kept = slot.take().filter(|reader| reader.epoch == epoch);
        let mut reader = match kept {
            Some(reader) => reader,
            None => self.open(epoch, deadline)?,
        };
        if look()? != Some(epoch) {
            // Another file has come in between; SQLite would say busy in its place.
            return Err(Trouble::Sql(error::busy()));
        }
        wait_until(reader.connection(), deadline)?;
        let found = match read(&mut reader) {
            Ok(found) => Some(found),
            Err(error) if is_missing(&error) && !schema::has_table(reader.connection(), table)? => None,
            Err(error) => return Err(error.into()),
        };
        reader.connection().busy_timeout(Duration::ZERO)?;
        // On every way out before this the connection is closed: it may be what went wrong.
        if reader.keep {
            *slot = Some(reader);
        }
        Ok(found)
    }

    fn open(&self, epoch: u64, deadline: Instant) -> Result<Reader, Trouble> {
        look::vet(&self.place, &self.options, epoch)?;
        let tightened = Tightened::begin(&self.place);
        if tightened.is_wide() {
            warnings::wide(&self.place);
            if look::access(self.place.path()) != Access::Shared {
                return self.open_immutable(epoch);
            }
        }
        let connection = connect(self.place.path())?;
        wait_until(&connection, deadline)?;
        // Some pragmas read the file already.
        let set_up = self.options.set_up_reader(&connection).map_err(Trouble::from);
        // Again: the first look may not have seen what is in the log.
        let has_tokens = |connection: &_| look::has_tokens(connection, &self.place, &self.options, epoch);
        let (reader, has_tokens) = match set_up.and_then(|()| has_tokens(&connection)) {
            Ok(found) => (Reader::new(connection, self.path.clone(), epoch), found),
            Err(Trouble::Sql(error)) if cannot_share(&error) => {
                let reader = self.open_immutable(epoch)?;
                let found = has_tokens(reader.connection())?;
                (reader, found)
            }
            Err(trouble) => return Err(trouble),
        };
        if has_tokens {
            tightened.keep();
        }
        Ok(reader)
    }

    /// For a database in a folder that cannot be written, or on a full disk, so that the files of its write-ahead log
    /// cannot be made.
    fn open_immutable(&self, epoch: u64) -> Result<Reader, Trouble> {
        let log = self.place.beside("-wal");
        if fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
            let message = format!(
                "{} holds writes that are brought in only where the folder can be written to; make room, or read it once \
                 as a user who may write there",
                log.display()
            );
            return Err(Trouble::Error(Error::new(ErrorKind::PermissionDenied, message)));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = open(uri(self.place.path(), "immutable=1"), flags)?;
        self.options.set_up_reader(&connection)?;
        let mut reader = Reader::new(connection, self.path.clone(), epoch);
        // Such a connection never notices a change, so it serves one read.
        reader.keep = false;
        Ok(reader)
    }

    fn free_slot(&self, first: usize) -> Option<(usize, MutexGuard<'_, Option<Reader>>)> {
        let count = self.slots.len();
        (first..first + count)
            .map(|index| index % count)
            .find_map(|index| match self.slots[index].0.try_lock() {
                Ok(slot) => Some((index, slot)),
                Err(TryLockError::Poisoned(poisoned)) => Some((index, poisoned.into_inner())),
                Err(TryLockError::WouldBlock) => None,
            })
    }

    /// Whether a failure may be due to the file having been replaced or removed.
    fn has_moved(&self) -> bool {
        let before = self.place.epoch(Instant::now()).ok().flatten();
        self.place.look().ok().flatten() != before
    }

    pub(crate) fn close(&self) {
        for slot in &self.slots {
            if let Some(reader) = lock(&slot.0).take() {
                close_merging(reader.into_connection());
            }
        }
    }

    fn cannot_look(&self, error: std::io::Error) -> Trouble {
        Trouble::Error(io_error(self.place.path(), "use", error))
    }
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
}

/// Each thread tries the same connection first: less contention, and its cache is warm. Threads that meet at one part, as whoever
/// finds it taken stays with the one that was free.
fn own_slot(count: usize) -> usize {
    OWN.get() % count
}

/// No read panics half-way, so a poisoned lock guards a sound connection.
fn lock(slot: &Mutex<Option<Reader>>) -> MutexGuard<'_, Option<Reader>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_until(connection: &Connection, deadline: Instant) -> rusqlite::Result<()> {
    connection.busy_timeout(deadline.saturating_duration_since(Instant::now()))
}

/// Whether the database could not be read for want of the right, or of room, to make or change the files beside it.
fn cannot_share(error: &rusqlite::Error) -> bool {
    error::is_without_room_beside(error)
        || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
        )
}

/// Whether it may be that the table is missing.
fn is_missing(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

/// A URI of SQLite's, with parameters.
pub(crate) fn uri(path: &Path, parameters: &str) -> std::ffi::OsString {
    let mut uri = std::ffi::OsString::from("file:");
    uri.push(escape(path));
    uri.push("?");
    uri.push(parameters);
    uri
}

#[cfg(unix)]
fn escape(path: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => escaped.extend(format!("%{byte:02x}").bytes()),
            _ => escaped.push(byte),
        }
    }
    std::ffi::OsString::from_vec(escaped)
}

#[cfg(not(unix))]
fn escape(path: &Path) -> std::ffi::OsString {
    let text = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("/{}", text.replace('\\', "/")).into()
}
