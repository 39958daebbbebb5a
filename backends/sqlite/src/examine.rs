//! A look at the database that changes nothing: what `token-storage doctor` prints.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use token_storage_core::{ErrorKind, Finding, Operation, Severity, TokenKey};
use token_storage_files as files;

use crate::{
    codec, create,
    error::{self, Fault},
    readers::uri,
    schema,
    writers::{self, Writing},
};

/// Examines the database at a path, and what lies beside it, without changing or creating anything: permissions, layout,
/// integrity, damaged records, who writes, what was left behind. Blocks, in proportion to the size of the database.
///
/// What is well is said too, as [`Severity::Info`]. No finding quotes anything of a record.
pub fn examine(path: impl AsRef<Path>) -> Vec<Finding> {
    let mut findings = Findings::default();
    match files::resolve(path.as_ref()) {
        Ok(path) => findings.file(&path),
        Err(error) => findings.error(path.as_ref(), format!("cannot be used: {error}"), "name another path"),
    }
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

/// How a database can be opened so that nothing is created: SQLite makes the files of the write-ahead log even for a
/// reader, if it may.
enum Access {
    /// As any reader, but leaving the shared memory of the log alone.
    Shared,
    /// Without locks: the log is empty or there is none, and its files must not appear.
    Immutable,
    /// The log holds writes, but its shared memory is missing, and making it is not for us.
    None,
}

impl Findings {
    fn info(&mut self, place: &Path, message: impl Into<String>) {
        self.add(Severity::Info, place.display(), message, "");
    }

    fn warning(&mut self, place: &Path, message: impl Into<String>, advice: &str) {
        self.add(Severity::Warning, place.display(), message, advice);
    }

    fn error(&mut self, place: &Path, message: impl Into<String>, advice: &str) {
        self.add(Severity::Error, place.display(), message, advice);
    }

    fn add(&mut self, severity: Severity, place: impl ToString, message: impl Into<String>, advice: &str) {
        self.0.push(Finding::new(severity, place.to_string(), message, advice));
    }

    fn file(&mut self, path: &Path) {
        self.0.extend(files::examine(path));
        for companion in create::COMPANIONS {
            self.0.extend(files::examine_mode(
                &files::beside(path, companion),
                "a file of the database",
            ));
        }
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => self.error(path, "is not a file", "name the path of a database"),
            Ok(found) if found.len() == 0 && size(path, "-wal") == 0 => {
                self.info(path, "the database is empty; the first write fills it");
            }
            Ok(_) => self.database(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.absent(path),
            Err(error) => self.error(
                path,
                format!("cannot be used: {error}"),
                "check its owner and permissions",
            ),
        }
        self.aside(path);
    }

    fn absent(&mut self, path: &Path) {
        self.info(path, "there is no database yet; the first write creates it");
        for companion in create::COMPANIONS {
            if size(path, companion) > 0 {
                self.warning(
                    &files::beside(path, companion),
                    "belongs to a database that is gone",
                    "put the database back if it still exists; the next write keeps this file aside",
                );
            }
        }
    }

    fn database(&mut self, path: &Path) {
        let log = size(path, "-wal");
        if log > 0 {
            self.info(
                &files::beside(path, "-wal"),
                format!("the write-ahead log has {log} bytes; it belongs to the database: never delete it"),
            );
        }
        for writing in writers::find(path) {
            let Writing { process, what } = writing;
            self.info(path, format!("process {process} {what}"));
        }
        match self.open(path) {
            Ok(Some(connection)) => {
                if let Err(error) = self.content(path, &connection) {
                    self.failed(path, &error);
                }
            }
            Ok(None) => self.warning(
                path,
                "its write-ahead log was left by a program that ended without closing it, so its content was not examined",
                "nothing: the next use brings it in",
            ),
            Err(error) => self.failed(path, &error),
        }
    }

    fn open(&mut self, path: &Path) -> rusqlite::Result<Option<Connection>> {
        let parameters = match access(path) {
            Access::Shared => "mode=ro&readonly_shm=1",
            Access::Immutable => "immutable=1",
            Access::None => return Ok(None),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri(path, parameters), flags)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
        Ok(Some(connection))
    }

    fn failed(&mut self, path: &Path, error: &rusqlite::Error) {
        let fault = Fault::from_sqlite(error, path).into_error(Operation::Manage);
        let advice = if fault.kind() == ErrorKind::Misconfigured {
            "name another path"
        } else if error::is_damage(error) {
            "put back a sound copy; or log in again, which keeps this database aside and starts a new one"
        } else if error::is_busy(error) {
            "try again when the program that writes has finished"
        } else {
            "see to it that you may read the file"
        };
        self.error(path, fault.message(), advice);
    }

    fn content(&mut self, path: &Path, connection: &Connection) -> rusqlite::Result<()> {
        let problems = integrity(connection)?;
        if problems > 0 {
            self.error(
                path,
                format!("SQLite's integrity check finds {problems} problems (at least)"),
                "put back a sound copy; `sqlite3 FILE .recover` may save records",
            );
        }
        if !schema::has_table(connection, "token_storage")? {
            self.info(path, "it has no table token_storage yet; the first write creates it");
            return Ok(());
        }
        let version =
            schema::version(connection)?.map_or_else(|| "unknown schema".to_owned(), |v| format!("schema {v}"));
        let records = self.records(path, connection)?;
        self.info(path, format!("{version}, {records} records"));
        Ok(())
    }

    fn records(&mut self, path: &Path, connection: &Connection) -> rusqlite::Result<u64> {
        let (mut records, mut unnameable) = (0, 0);
        let mut statement =
            connection.prepare("SELECT namespace, resource_server, token_data_json FROM token_storage")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            records += 1;
            let (ValueRef::Text(namespace), ValueRef::Text(resource_server)) = (row.get_ref(0)?, row.get_ref(1)?)
            else {
                unnameable += 1;
                continue;
            };
            let (Ok(namespace), Ok(resource_server)) = (str::from_utf8(namespace), str::from_utf8(resource_server))
            else {
                unnameable += 1;
                continue;
            };
            if let Err(damage) = codec::decode(row.get_ref(2)?) {
                let key = TokenKey::new(namespace, resource_server);
                let message = format!("the record is damaged: {damage}");
                self.add(
                    Severity::Error,
                    key,
                    message,
                    "store this token anew, by logging in again, or remove it",
                );
            }
        }
        if unnameable > 0 {
            self.warning(
                path,
                format!("{unnameable} keys are not valid Unicode; they are kept, but nothing can name them"),
                "the program that wrote them can remove them",
            );
        }
        Ok(records)
    }

    fn aside(&mut self, path: &Path) {
        for kept in create::kept_aside(path) {
            self.warning(
                &kept,
                "a damaged database that was kept aside; it may hold tokens",
                "delete it, with the files beside it that have its name, when you no longer need it",
            );
        }
    }
}

fn size(path: &Path, companion: &str) -> u64 {
    fs::metadata(files::beside(path, companion)).map_or(0, |found| found.len())
}

fn exists(path: &Path, companion: &str) -> bool {
    let beside: PathBuf = files::beside(path, companion);
    beside.exists()
}

fn access(path: &Path) -> Access {
    if exists(path, "-shm") && exists(path, "-wal") || size(path, "-journal") > 0 {
        Access::Shared
    } else if size(path, "-wal") > 0 {
        Access::None
    } else {
        Access::Immutable
    }
}

/// How many problems the integrity check names, up to ten. Their texts are not taken over.
fn integrity(connection: &Connection) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare("PRAGMA integrity_check(10)")?;
    let mut rows = statement.query([])?;
    let mut problems = 0;
    while let Some(row) = rows.next()? {
        if row.get_ref(0)?.as_str() != Ok("ok") {
            problems += 1;
        }
    }
    Ok(problems)
}
