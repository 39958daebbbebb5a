//! Giving a database back to programs that want no write-ahead log.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use token_storage_core::{Error, ErrorContext as _, ErrorKind, Operation, Result};
use token_storage_files::{SidecarLock, io_error, resolve};

use crate::{
    config::{Options, close_merging, connect},
    error::{self, Trouble},
    look,
    place::Place,
};

/// How long the others have between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Copies the write-ahead log into the database and switches it back to a rollback journal, as the Globus SDK makes it:
/// then it is one file again, which can be read where nothing can be written, on a read-only mount too. The tokens stay
/// as they are. The next write through this library turns the log on again, unless it is opened with
/// [`without_write_ahead_log`](crate::Builder::without_write_ahead_log).
///
/// Blocks; waits up to ten seconds for other programs to close the database, which go on reading and writing meanwhile.
///
/// # Errors
/// - [`ErrorKind::Misconfigured`]: there is no database, or it is not one of tokens; nothing was touched.
/// - [`ErrorKind::Busy`]: others have it open.
/// - [`ErrorKind::Corrupt`], [`ErrorKind::PermissionDenied`], [`ErrorKind::StorageFull`], [`ErrorKind::Unavailable`].
pub fn give_back(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let path = resolve(path)
        .map_err(|error| io_error(path, "use", error))
        .during(Operation::Manage)?;
    let place = Place::new(path);
    let switched = switch(&place).map_err(|trouble| match trouble {
        Trouble::Error(fault) => fault,
        Trouble::Sql(error) => error::from_sqlite(&error, place.path()),
    });
    switched.during(Operation::Manage)
}

fn switch(place: &Place) -> std::result::Result<(), Trouble> {
    let (path, options) = (place.path(), Options::default());
    let look = || place.look().map_err(|error| io_error(path, "use", error));
    let absent = || {
        Error::new(
            ErrorKind::Misconfigured,
            format!("there is no database {}", path.display()),
        )
    };
    let epoch = look()?.ok_or_else(absent)?;
    look::refuse_other_names(path)?;
    look::vet(place, &options, epoch)?;
    look::refuse_read_only(path)?;
    let deadline = Instant::now() + options.busy_timeout;
    let lock = SidecarLock::new(path);
    loop {
        let held = lock
            .acquire_until(deadline)
            .map_err(|error| io_error(lock.path(), "lock", error))?;
        let held = held.ok_or_else(|| error::locked(&path.display()))?;
        match try_to_switch(place, &options, look()?.ok_or_else(absent)?) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(Trouble::Sql(error)) if error::is_busy(&error) => {}
            Err(trouble) => return Err(trouble),
        }
        // Whoever waits for the lock has the database open, and is let through first: else both would wait in vain.
        drop(held);
        if Instant::now() >= deadline {
            return Err(error::locked(&path.display()).into());
        }
        thread::sleep(PAUSE);
    }
}

/// With the lock file held, which it must not be for long.
fn try_to_switch(place: &Place, options: &Options, epoch: u64) -> std::result::Result<bool, Trouble> {
    let connection = connect(place.path())?;
    look::has_tokens(&connection, place, options, epoch)?;
    options.set_up_writer(&connection)?;
    connection.busy_timeout(Duration::ZERO)?;
    let switched = is_switched(&connection)?;
    close_merging(connection);
    Ok(switched)
}

/// SQLite does it only for the last connection, and its busy time-out does not cover it.
fn is_switched(connection: &Connection) -> rusqlite::Result<bool> {
    let mode = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
    match mode {
        Ok(mode) => Ok(mode == "delete"),
        Err(error) if error::is_busy(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
