//! The connection that writes.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, MAIN_DB, wal::CheckpointMode};
use token_storage_core::{Error, ErrorKind};
use token_storage_files::{SidecarLock, io_error};

use crate::{
    audit::{self, Audit},
    config::{Options, close_merging, connect},
    create::{self, Tightened},
    error::{self, Trouble},
    look,
    place::{LOOK_EVERY, Place},
    schema, warnings,
    work::{self, Failure, Outcome, Work},
};

/// From this many pages on, the write-ahead log is copied into the database in the background.
const CHECKPOINT_PAGES: i32 = 1000;
/// From this many pages on, writers wait for it: else a steady stream of commits would let the log grow without end,
/// since it can start anew only when all of it has been copied.
const LONGEST_LOG_PAGES: i32 = 8000;
/// How long a damaged database is looked at again before it is believed to be damaged: another program may be copying it
/// into place. A fuzzer is not.
pub(crate) const DAMAGE_PATIENCE: Duration = Duration::from_millis(if cfg!(fuzzing) { 0 } else { 250 });
pub(crate) const DAMAGE_PAUSE: Duration = Duration::from_millis(25);
/// How long switching to the write-ahead log is tried while others use the database. Writing works without.
const SWITCH_PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of a checkpoint waits for its turn among the writers.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// How long a call may wait where it is.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all: the caller is a task of an async runtime.
    Now,
    /// Until then: the caller is a thread of our own.
    Until(Instant),
}

/// Why a write was not done.
pub(crate) enum Refusal {
    /// It would have to wait or to do something slow.
    WouldWait,
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The one writing connection of a storage handle. All its methods are called with the lock file held.
pub(crate) struct Writer {
    place: Arc<Place>,
    options: Arc<Options>,
    open: Option<Open>,
    next_checkpoint: i32,
}

struct Open {
    connection: Connection,
    epoch: u64,
    audit: Audit,
    /// Whether the journal mode is still to be looked at.
    may_switch: bool,
    /// The length of the write-ahead log after the last commit, in pages.
    pages: Arc<AtomicI32>,
}

enum Attempt {
    Refused(Refusal),
    Sql(Failure),
}

impl From<Error> for Attempt {
    fn from(fault: Error) -> Self {
        Self::Refused(fault.into())
    }
}

impl From<Trouble> for Attempt {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Error(fault) => fault.into(),
            Trouble::Sql(error) => error.into(),
        }
    }
}

impl From<rusqlite::Error> for Attempt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(Failure::Before(error))
    }
}

impl Writer {
    pub(crate) fn new(place: Arc<Place>, options: Arc<Options>) -> Self {
        Self {
            place,
            options,
            open: None,
            next_checkpoint: CHECKPOINT_PAGES,
        }
    }

    /// Commits a group of works in one transaction. A refusal means that none of them happened, unless it says so.
    pub(crate) fn run(&mut self, works: &[&Work], patience: Patience) -> Result<Vec<Outcome>, Refusal> {
        let mut damaged_since = None;
        let mut replaced = false;
        loop {
            let error = match self.attempt(works, patience) {
                Ok(outcomes) => {
                    if replaced {
                        // Until now readers elsewhere may still be looking at the damaged file.
                        thread::sleep(LOOK_EVERY + LOOK_EVERY / 2);
                    }
                    return Ok(outcomes);
                }
                Err(Attempt::Refused(refusal)) => return Err(refusal),
                Err(Attempt::Sql(Failure::Commit(error))) => return Err(self.commit_failed(&error).into()),
                Err(Attempt::Sql(Failure::Before(error))) => error,
            };
            let waits = error::is_busy(&error) || error::is_damage(&error);
            if waits && matches!(patience, Patience::Now) {
                return Err(Refusal::WouldWait);
            }
            if !error::is_damage(&error) || replaced {
                return Err(self.fault(&error).into());
            }
            self.open = None;
            if damaged_since.get_or_insert_with(Instant::now).elapsed() < DAMAGE_PATIENCE {
                thread::sleep(DAMAGE_PAUSE);
            } else if self.fault(&error).kind() != ErrorKind::Corrupt {
                return Err(self.fault(&error).into());
            } else {
                create::replace(&self.place, &self.options)?;
                replaced = true;
            }
        }
    }

    fn attempt(&mut self, works: &[&Work], patience: Patience) -> Result<Vec<Outcome>, Attempt> {
        let epoch = self.place.look().map_err(|error| self.cannot_look(error))?;
        let is_current = |open: &Open| Some(open.epoch) == epoch;
        if !self.open.as_ref().is_some_and(is_current) {
            let Patience::Until(deadline) = patience else {
                return Err(Attempt::Refused(Refusal::WouldWait));
            };
            self.open = None;
            self.open = Some(self.connect(deadline)?);
        }
        let Some(open) = &mut self.open else {
            return Err(Attempt::Refused(Refusal::WouldWait));
        };
        if open.pages.load(Ordering::Relaxed) >= LONGEST_LOG_PAGES {
            if matches!(patience, Patience::Now) {
                return Err(Attempt::Refused(Refusal::WouldWait));
            }
            // If it fails, the log just grows on; the commit that follows tells of real trouble.
            let _ = open
                .connection
                .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
        }
        let timeout = match patience {
            Patience::Now => Duration::ZERO,
            Patience::Until(deadline) => deadline.saturating_duration_since(Instant::now()),
        };
        open.connection.busy_timeout(timeout)?;
        let fault = |error: &rusqlite::Error| error::from_sqlite(error, self.place.path());
        audit::check_length(&open.connection, self.place.path())?;
        open.audit.quick = matches!(patience, Patience::Now);
        let outcomes =
            work::transact(&open.connection, &mut open.audit, works.iter().copied(), fault).map_err(Attempt::Sql)?;
        if mem::take(&mut open.may_switch) {
            // Only now: a database that turns out to be damaged is kept as it was found. Writing works without.
            let _ = switch_to_wal(&open.connection, Instant::now() + timeout);
        }
        Ok(outcomes)
    }

    /// Opens the database for writing; creates it if it is not there.
    fn connect(&self, deadline: Instant) -> Result<Open, Attempt> {
        let path = self.place.path();
        let look = || self.place.look().map_err(|error| self.cannot_look(error));
        let epoch = match look()? {
            Some(epoch) => epoch,
            None => {
                create::create(&self.place, &self.options)?;
                let vanished = || Error::new(ErrorKind::Unavailable, format!("{} keeps vanishing", path.display()));
                look()?.ok_or_else(vanished)?
            }
        };
        create::tidy(&self.place);
        // Before the first token goes in, but not for good before it is known to be a database.
        let tightened = Tightened::begin(&self.place);
        tightened.refuse_wide()?;
        if let Some(names) = look::refuse_other_names(path)? {
            warnings::other_names(&self.place, names);
        }
        let mut connection = connect(path)?;
        if connection.is_readonly(MAIN_DB)? {
            return Err(look::read_only(path).into());
        }
        let pages = Arc::new(AtomicI32::new(0));
        let reported = pages.clone();
        self.options.set_up_writer(&connection)?;
        connection.wal_hook(Some(move |_: &mut _, length| {
            reported.store(length, Ordering::Relaxed);
            Ok(())
        }))?;
        connection.busy_timeout(deadline.saturating_duration_since(Instant::now()))?;
        if !look::has_tokens(&connection, &self.place, &self.options, epoch)? {
            schema::create(&connection)?;
        }
        audit::check_free_pages(&connection)?;
        // A store that goes into a damaged index would hide other keys, and would not mend it.
        let mut audit = Audit::default();
        audit.check(&*connection.unchecked_transaction()?)?;
        tightened.keep();
        Ok(Open {
            connection,
            epoch,
            audit,
            may_switch: self.options.write_ahead_log,
            pages,
        })
    }

    /// Whether the write-ahead log has grown enough since the last time that it should be copied into the database.
    pub(crate) fn wants_checkpoint(&mut self) -> bool {
        let pages = self.open.as_ref().map_or(0, |open| open.pages.load(Ordering::Relaxed));
        if pages < self.next_checkpoint - CHECKPOINT_PAGES {
            // It has started anew.
            self.next_checkpoint = CHECKPOINT_PAGES;
        }
        if pages < self.next_checkpoint {
            return false;
        }
        self.next_checkpoint = pages + CHECKPOINT_PAGES;
        true
    }

    /// Closes the connection; `merges`: copies the log into the database first.
    pub(crate) fn close(&mut self, merges: bool) {
        let Some(open) = self.open.take() else { return };
        if merges {
            // Closing would do that in silence, and say nothing if it fails.
            match open
                .connection
                .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
            {
                Err(error) if !error::is_busy(&error) => warnings::log_stays(&self.place, &self.fault(&error)),
                _ => {}
            }
        }
        close_merging(open.connection);
    }

    fn fault(&self, error: &rusqlite::Error) -> Error {
        error::from_sqlite(error, self.place.path())
    }

    fn cannot_look(&self, error: std::io::Error) -> Error {
        io_error(self.place.path(), "use", error)
    }

    fn commit_failed(&self, error: &rusqlite::Error) -> Error {
        let fault = self.fault(error);
        if error::commit_may_have_happened(error) {
            fault.with_unknown_outcome()
        } else {
            fault
        }
    }
}

/// Switches a database to the write-ahead log, which stays so for all programs. SQLite's busy time-out does not cover
/// this, so the waiting is done here. If others never let go, the rollback journal does as well, only slower.
fn switch_to_wal(connection: &Connection, deadline: Instant) -> rusqlite::Result<()> {
    let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    if mode("PRAGMA journal_mode")? == "wal" {
        return Ok(());
    }
    let until = deadline.min(Instant::now() + SWITCH_PATIENCE);
    connection.busy_timeout(Duration::ZERO)?;
    loop {
        match mode("PRAGMA journal_mode = WAL") {
            Err(error) if error::is_busy(&error) && Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            Err(error) if error::is_busy(&error) => break,
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    connection.busy_timeout(deadline.saturating_duration_since(Instant::now()))
}

/// Copies the write-ahead log into the database, on a connection of its own.
///
/// The bulk is copied while commits go on. What came meanwhile is copied with the lock file held: only a log that has
/// been copied whole starts anew, and one that never does is not only long but slow, since each commit then makes the
/// file longer, which costs an fsync of the file system's own journal.
pub(crate) fn checkpoint(place: &Place, options: &Options) -> Result<(), Error> {
    let fault = |error: rusqlite::Error| error::from_sqlite(&error, place.path());
    let connection = connect(place.path()).map_err(fault)?;
    options.set_up_writer(&connection).map_err(fault)?;
    connection
        .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
        .map_err(fault)?;
    // A lock of its own: that of the storage is one and the same for all its threads.
    let lock = SidecarLock::new(place.path());
    let deadline = Instant::now() + LOCK_PATIENCE;
    let held = lock
        .acquire_until(deadline)
        .map_err(|error| io_error(lock.path(), "lock", error))?;
    if held.is_none() {
        // Others write without a pause; the next one tries again.
        return Ok(());
    }
    connection
        .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
        .map_err(fault)?;
    drop(held);
    Ok(())
}
