//! Looking at a database before anything about it is touched: whether it is ours to use.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use token_storage_core::{Error, ErrorKind};
use token_storage_files::Obstacle;

use crate::{
    audit,
    config::{Options, connect, open},
    create::COMPANIONS,
    error::{self, Trouble},
    place::Place,
    readers::uri,
    schema,
    shape::{self, Layout},
};

/// How a database can be opened so that nothing is created: SQLite makes the files of the write-ahead log even for a
/// reader, if it may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// As any reader, but leaving the shared memory of the log alone.
    Shared,
    /// Without locks: the log is empty or there is none, and its files must not appear.
    Immutable,
    /// The log holds writes, but its shared memory is missing, and making it is not for who only looks.
    Log,
}

pub(crate) fn access(path: &Path) -> Access {
    let size = |suffix| {
        fs::metadata(token_storage_files::beside(path, suffix))
            .ok()
            .map(|found| found.len())
    };
    let log = size("-wal");
    if log.is_some() && size("-shm").is_some() || size("-journal").unwrap_or(0) > 0 {
        Access::Shared
    } else if log.unwrap_or(0) > 0 {
        Access::Log
    } else {
        Access::Immutable
    }
}

/// What has the name of a file that SQLite keeps beside the database, and is none: a link, a pipe, a folder. SQLite would
/// wait at a pipe for ever.
pub(crate) fn odd_companion(path: &Path) -> Option<PathBuf> {
    let beside = COMPANIONS.map(|companion| token_storage_files::beside(path, companion));
    beside.into_iter().find(|companion| is_odd(companion))
}

pub(crate) fn is_odd(companion: &Path) -> bool {
    fs::symlink_metadata(companion).is_ok_and(|found| !found.is_file())
}

/// Opens a database so that no byte, mode or file beside it changes. With [`Access::Log`] what is in the log is not seen.
pub(crate) fn untouched(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let parameters = match access {
        Access::Shared if odd_companion(path).is_some() => return Err(error::cannot_open()),
        Access::Shared => "mode=ro&readonly_shm=1",
        Access::Immutable | Access::Log => "immutable=1",
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = open(uri(path, parameters), flags)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    Ok(connection)
}

/// How long the look itself waits for others. The connection that comes after it has the time that was given.
const PATIENCE: Duration = Duration::from_millis(100);

/// Refuses a database that is not to be used, with everything as it was found; looks once at each file.
pub(crate) fn vet(place: &Place, options: &Options, epoch: u64) -> Result<(), Trouble> {
    if place.vetted.load(Ordering::Acquire) == epoch {
        return Ok(());
    }
    let path = place.path();
    let access = access(path);
    let connection = match access {
        // Its files are there already, and to leave the shared memory alone takes long if a killed program left it.
        Access::Shared => connect(path),
        Access::Immutable | Access::Log => untouched(path, access),
    };
    let looked = connection.map_err(Trouble::from).and_then(|connection| {
        connection.busy_timeout(PATIENCE)?;
        connection.execute_batch("PRAGMA query_only = ON")?;
        has_tokens(&connection, place, options, epoch)
    });
    match (looked, access) {
        // What the log holds may say otherwise. It is looked at again once that can be seen.
        (Err(_), Access::Log) => Ok(()),
        // Others are at work there: the connection that is to work with them sees for itself.
        (Err(Trouble::Sql(_)), Access::Shared) => Ok(()),
        (looked, _) => looked.map(drop),
    }
}

/// The log and the lock are found by the name of the database: by another name there are others. How many names it has, if
/// more than one.
pub(crate) fn refuse_other_names(path: &Path) -> Result<Option<u64>, Error> {
    let mut several = None;
    for obstacle in token_storage_files::obstacles(path).unwrap_or_default() {
        match obstacle {
            Obstacle::MountPoint | Obstacle::Replaced => {
                let message = format!(
                    "{} is itself a mount point; its log and its lock lie beside it, where programs on the other side do \
                     not find them, and both would damage it; {}",
                    path.display(),
                    obstacle.advice()
                );
                return Err(Error::new(ErrorKind::Misconfigured, message));
            }
            Obstacle::HardLinks(names) => several = Some(names),
            // What SQLite does takes no replacing.
            _ => {}
        }
    }
    Ok(several)
}

/// Refuses a database that this user may not write to. It is not opened for that: closing it would drop the locks of this
/// process's connections.
pub(crate) fn refuse_read_only(path: &Path) -> Result<(), Error> {
    if token_storage_files::may_write(path) {
        Ok(())
    } else {
        Err(read_only(path))
    }
}

pub(crate) fn read_only(path: &Path) -> Error {
    let message = format!(
        "{} is read-only for this user; check owner and permissions",
        path.display()
    );
    Error::new(ErrorKind::PermissionDenied, message)
}

/// Whether the database that is open has its table yet; refuses what is not ours, and what was cut off, unless that was
/// found out before.
pub(crate) fn has_tokens(
    connection: &Connection,
    place: &Place,
    options: &Options,
    epoch: u64,
) -> Result<bool, Trouble> {
    if place.vetted.load(Ordering::Acquire) == epoch {
        return Ok(schema::has_table(connection, "token_storage")?);
    }
    let has_tokens = check(connection, place, options)? == Layout::Tokens;
    if has_tokens {
        place.vetted.store(epoch, Ordering::Release);
    }
    Ok(has_tokens)
}

fn check(connection: &Connection, place: &Place, options: &Options) -> Result<Layout, Trouble> {
    let layout = shape::of(connection)?;
    audit::check_length(connection, place.path())?;
    let refused = match layout {
        Ok(Layout::Foreign) if !options.adopt => format!(
            "{} is the database of another program: it has tables, and none of them is token_storage; name another path",
            place.path().display()
        ),
        Ok(layout) => return Ok(layout),
        Err(misfit) => format!(
            "the table token_storage of {} has another shape than the Globus SDK's: {misfit}; name another path",
            place.path().display()
        ),
    };
    Err(Error::new(ErrorKind::Misconfigured, refused).into())
}
