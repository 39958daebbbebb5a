//! A look at the database that changes nothing: what `token-storage doctor` prints.

use std::{fs, io, path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, types::ValueRef};
use token_storage_core::{ErrorKind, Finding, Severity, StoredToken, TokenKey, backend::counted, record};
use token_storage_files as files;

use crate::{
    audit,
    codec::{self, Damage},
    create, error,
    look::{self, Access, access, untouched},
    schema,
    shape::{self, Layout},
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
        let names = |obstacle: &files::Obstacle| matches!(obstacle, files::Obstacle::HardLinks(_));
        if let Some(obstacle) = files::obstacles(path)
            .unwrap_or_default()
            .iter()
            .find(|found| names(found))
        {
            self.error(
                path,
                format!("{obstacle}, and its log and its lock are those of one name: two programs would damage it"),
                obstacle.advice(),
            );
        }
        for left in create::unfinished_files(path) {
            if !left.to_string_lossy().ends_with(".tmp") {
                self.info(
                    &left,
                    "belongs to a database that was never finished; the next write removes it",
                );
            }
        }
        for companion in create::COMPANIONS {
            let companion = files::beside(path, companion);
            if look::is_odd(&companion) {
                let message = "is not a file, and stands where the database keeps one";
                self.error(
                    &companion,
                    message,
                    "remove it: nothing can be written while it is there",
                );
            }
            self.0.extend(files::examine_mode(&companion, "a file of the database"));
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
            Ok(Some(mut connection)) => {
                if let Err(error) = bound(&mut connection) {
                    self.failed(path, &error);
                } else if let Err(error) = self.content(path, &connection) {
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
        let access = access(path);
        if access == Access::Log {
            return Ok(None);
        }
        let connection = untouched(path, access)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        Ok(Some(connection))
    }

    fn failed(&mut self, path: &Path, error: &rusqlite::Error) {
        let fault = error::from_sqlite(error, path);
        let advice = if fault.kind() == ErrorKind::Misconfigured {
            "name another path"
        } else if error::is_damage(error) {
            "put back a sound copy; or log in again, which keeps this database aside and goes on with what can be read of it"
        } else if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            self.error(
                path,
                "to read it takes far more work than its size explains, so its content was not examined",
                "somebody may have made it so on purpose: do not use it",
            );
            return;
        } else if error::is_busy(error) {
            "try again when the program that writes has finished"
        } else {
            "see to it that you may read the file"
        };
        self.error(path, fault.message(), advice);
    }

    fn content(&mut self, path: &Path, connection: &Connection) -> rusqlite::Result<()> {
        match shape::of(connection)? {
            Ok(Layout::Tokens) => {}
            Ok(Layout::Blank) => {
                self.info(path, "it has no table token_storage yet; the first write creates it");
                return Ok(());
            }
            Ok(Layout::Foreign) => {
                self.error(
                    path,
                    "it is the database of another program, without a table token_storage",
                    "name another path",
                );
                return Ok(());
            }
            Err(misfit) => {
                let message = format!("the table token_storage has another shape than the Globus SDK's: {misfit}");
                self.error(
                    path,
                    message,
                    "find out who made it so; do not use it; name another path",
                );
                return Ok(());
            }
        }
        audit::check_length(connection, path)?;
        let problems = integrity(connection)?;
        if problems > 0 {
            self.error(
                path,
                format!(
                    "SQLite's integrity check finds {} (at least)",
                    counted(problems, "problem")
                ),
                "put back a sound copy; `sqlite3 FILE .recover` may save records",
            );
        }
        let version =
            schema::version(connection)?.map_or_else(|| "unknown schema".to_owned(), |v| format!("schema {v}"));
        let records = self.records(path, connection)?;
        self.info(path, format!("{version}, {}", counted(records, "record")));
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
            self.record(
                &TokenKey::new(namespace, resource_server),
                codec::decode(row.get_ref(2)?),
            );
        }
        if unnameable > 0 {
            self.warning(
                path,
                format!(
                    "{} that is not valid Unicode: kept, but nothing can name what it stands for",
                    counted(unnameable, "key")
                ),
                "the program that wrote them can remove them",
            );
        }
        Ok(records)
    }

    fn record(&mut self, key: &TokenKey, decoded: Result<StoredToken, Damage>) {
        match decoded.as_ref().map(|found| record::refusal_of_python_in(&found.data)) {
            Ok(None) => {}
            Ok(Some(why)) => self.add(
                Severity::Warning,
                key,
                format!("the Globus SDK for Python cannot read this namespace, since a member of this record {why}"),
                "if the SDK is to read it, store this token anew",
            ),
            Err(damage) => self.add(
                Severity::Error,
                key,
                format!("the record is damaged: {damage}"),
                "store this token anew, by logging in again, or remove it",
            ),
        }
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

/// Ends statements that take far more steps than any database of that size needs: somebody else may have made it.
pub(crate) fn bound(connection: &mut Connection) -> rusqlite::Result<()> {
    const STEPS_OF_ANY: i64 = 100_000_000;
    /// A page holds some 500 of the smallest rows.
    const STEPS_OF_A_PAGE: i64 = 100_000;
    const AT_ONCE: i32 = 1_000_000;
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let mut left = STEPS_OF_ANY.saturating_add(pages.saturating_mul(STEPS_OF_A_PAGE)) / i64::from(AT_ONCE);
    let spend = move || {
        left -= 1;
        left < 0
    };
    connection.progress_handler(AT_ONCE, Some(spend))
}

fn size(path: &Path, companion: &str) -> u64 {
    fs::metadata(files::beside(path, companion)).map_or(0, |found| found.len())
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
