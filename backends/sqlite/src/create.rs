//! Making a database, and replacing a damaged one. Everything here is done with the lock file held.

use std::{
    ffi::OsString,
    fs,
    io::{self, Seek as _, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;
use token_storage_core::{Error, ErrorKind};
use token_storage_files::{Directory, beside, create_private, io_error, temporaries_with};

use crate::{
    config::{Options, open},
    error,
    place::Place,
    salvage, schema, warnings,
};

/// The files that SQLite keeps beside a database; they belong to it.
pub(crate) const COMPANIONS: [&str; 3] = ["-wal", "-journal", "-shm"];

const ASIDE: &str = ".damaged-";

/// Creates the database, complete with tables and journal mode, in one step: it is made under another name, synced, and
/// then given its own. So no program ever sees half a database, and no descriptor of ours is ever opened and closed on a
/// file that has SQLite connections in this process (which would drop their locks). The `-wal` and `-shm` files get
/// their mode from the database.
///
/// Another program that creates it at the same moment wins: theirs is then used.
pub(crate) fn create(place: &Place, options: &Options) -> Result<(), Error> {
    let path = place.path();
    token_storage_files::create_parents(path).map_err(|error| io_error(path, "create the folder of", error))?;
    let folder = open_folder(path)?;
    put_companions_aside(path)?;
    let (unfinished, _) = make(path, options, |_| Ok(0))?;
    name(unfinished, path)?;
    sync(&folder, path)
}

/// A whole database that has not its name yet, with what `fill` writes into it, which says how many records that are.
fn make(
    path: &Path,
    options: &Options,
    fill: impl FnOnce(&Connection) -> rusqlite::Result<u64>,
) -> Result<(TempPath, u64), Error> {
    let unfinished = unfinished(path).map_err(|error| io_error(path, "create", error))?;
    let records = write(&unfinished, fill).map_err(|error| error::from_sqlite(&error, path))?;
    finish(&unfinished, options.write_ahead_log).map_err(|error| io_error(path, "create", error))?;
    Ok((unfinished, records))
}

/// Whoever was faster wins.
fn name(unfinished: TempPath, path: &Path) -> Result<(), Error> {
    match unfinished.persist_noclobber(path) {
        Err(failed) if failed.error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io_error(path, "create", failed.error))
        }
        _ => Ok(()),
    }
}

/// An empty file with the name of a temporary one, as [`temporaries`] finds them.
fn unfinished(path: &Path) -> io::Result<TempPath> {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .rand_bytes(16)
        .make_in(folder(path), create_private)?;
    // Closes the descriptor, before SQLite opens its own.
    Ok(file.into_temp_path())
}

/// Nothing but this one file is made: what fails half-way is thrown away whole, so that no journal is needed.
fn write(path: &Path, fill: impl FnOnce(&Connection) -> rusqlite::Result<u64>) -> rusqlite::Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY")?;
    connection.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
    schema::create(&connection)?;
    let records = fill(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(records)
}

/// Turns the write-ahead log on and syncs. SQLite itself would make the log's files for that; it comes to two bytes of the
/// header, as its page "Database File Format" says.
fn finish(path: &Path, write_ahead_log: bool) -> io::Result<()> {
    const VERSIONS: u64 = 18;
    const LOG: u8 = 2;
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    if write_ahead_log {
        file.seek(io::SeekFrom::Start(VERSIONS))?;
        file.write_all(&[LOG, LOG])?;
    }
    file.sync_all()
}

/// Puts a new database in the place of a damaged one, with what can be read of that. The damaged one, with what belongs to
/// it, gets another name, which says what it is; nothing of it is changed or lost.
pub(crate) fn replace(place: &Place, options: &Options) -> Result<(), Error> {
    let path = place.path();
    let folder = open_folder(path)?;
    let (unfinished, records) = make(path, options, |new| salvage::copy(path, new, options.busy_timeout))?;
    // The log first: should the process die in between, a damaged database stays without log, and not a log without
    // database, which a new database would take for its own.
    let aside = put_companions_aside(path)?;
    // With a second name for the old one there is a database at every moment.
    if fs::hard_link(path, &aside).is_ok() {
        if let Err(failed) = unfinished.persist(path) {
            let _ = fs::remove_file(&aside);
            COMPANIONS
                .iter()
                .for_each(|end| drop(fs::rename(beside(&aside, end), beside(path, end))));
            return Err(io_error(path, "replace", failed.error));
        }
    } else {
        rename(path, &aside)?;
        name(unfinished, path)?;
    }
    for companion in COMPANIONS.iter().chain([&""]) {
        // It may hold tokens. Its content is what must not change, and what cannot be tightened is kept all the same.
        let _ = token_storage_files::tighten(&beside(&aside, companion));
    }
    warnings::replaced(place, &aside, records);
    sync(&folder, path)
}

fn put_companions_aside(path: &Path) -> Result<PathBuf, Error> {
    let aside = aside_name(path);
    for companion in COMPANIONS {
        rename(&beside(path, companion), &beside(&aside, companion))?;
    }
    Ok(aside)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(from, "put aside", error)),
        _ => Ok(()),
    }
}

/// `tokens.db.damaged-<seconds since the epoch>`, with a number behind it if there is one already.
fn aside_name(path: &Path) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs());
    let name = |number: u32| match number {
        0 => beside(path, &format!("{ASIDE}{seconds}")),
        _ => beside(path, &format!("{ASIDE}{seconds}-{number}")),
    };
    let taken = |aside: &PathBuf| {
        COMPANIONS
            .iter()
            .chain([&""])
            .any(|companion| beside(aside, companion).symlink_metadata().is_ok())
    };
    let mut number = 0;
    while taken(&name(number)) {
        number += 1;
    }
    name(number)
}

/// The databases that were put aside, without their companions.
pub(crate) fn kept_aside(path: &Path) -> Vec<PathBuf> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(ASIDE);
    let is_aside = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(prefix.as_encoded_bytes()) && !COMPANIONS.iter().any(|end| name.ends_with(end.as_bytes()))
    };
    let entries = fs::read_dir(folder(path)).into_iter().flatten().flatten();
    let mut kept: Vec<PathBuf> = entries
        .filter(|entry| is_aside(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    kept.sort();
    kept
}

/// Removes what a process left behind that was killed while it created the database.
pub(crate) fn tidy(place: &Place) {
    // What cannot be removed now may be later; the names do not collide.
    for unfinished in unfinished_files(place.path()) {
        let _ = fs::remove_file(unfinished);
    }
}

/// Databases in the making, and the companions that earlier versions left of them.
pub(crate) fn unfinished_files(path: &Path) -> Vec<PathBuf> {
    let of = |suffix: &&str| temporaries_with(path, suffix).unwrap_or_default();
    COMPANIONS.iter().chain([&""]).flat_map(of).collect()
}

/// Rights of others on the database, taken away before SQLite makes the files beside it, which get its mode.
///
/// Only by path: a descriptor of ours on the database would, when closed, drop the locks of this process's connections.
#[must_use = "when this is dropped, the others get their rights back"]
pub(crate) struct Tightened<'a> {
    place: &'a Place,
    before: Option<u32>,
    wide: bool,
}

impl<'a> Tightened<'a> {
    pub(crate) fn begin(place: &'a Place) -> Self {
        let (before, wide) = match token_storage_files::tighten(place.path()) {
            Ok(before) => (before, false),
            // Another user's. What else cannot be changed, as on a read-only file system, cannot be written either.
            Err(error) => (None, error.kind() == io::ErrorKind::PermissionDenied),
        };
        Self { place, before, wide }
    }

    /// Whether the database stays open to others, since it is another user's. Then so would be what SQLite makes beside
    /// it, with our tokens in it.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide
    }

    pub(crate) fn refuse_wide(&self) -> Result<(), Error> {
        if !self.wide {
            return Ok(());
        }
        let message = format!(
            "{} is open to others and belongs to another user, who alone can change that (chmod 600); the files beside it \
             would be open, too, so nothing was written; name another path",
            self.place.path().display()
        );
        Err(Error::new(ErrorKind::PermissionDenied, message))
    }

    /// It holds tokens, or will: so it stays, with everything beside it, and is told.
    pub(crate) fn keep(mut self) {
        if let Some(mode) = self.before.take() {
            warnings::tightened(self.place, self.place.path(), mode);
        }
        for companion in COMPANIONS {
            let path = self.place.beside(companion);
            if let Ok(Some(mode)) = token_storage_files::tighten(&path) {
                warnings::tightened(self.place, &path, mode);
            }
        }
    }
}

/// A file that was named by mistake keeps the mode that others need.
impl Drop for Tightened<'_> {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(mode) = self.before {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            let _ = fs::set_permissions(self.place.path(), mode);
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// The folder that is to make a new name durable, opened before there is one: it can be that a folder may be written to
/// but not opened, and the next write would take the name that it finds for durable.
fn open_folder(path: &Path) -> Result<Directory, Error> {
    Directory::of(path).map_err(|error| io_error(path, "open the folder of", error))
}

/// Makes the new name durable. SQLite has synced the file itself.
fn sync(folder: &Directory, path: &Path) -> Result<(), Error> {
    folder
        .sync()
        .map_err(|error| io_error(path, "make durable the name of", error))
}
