//! What a write does inside its transaction.

use rusqlite::{
    Connection,
    types::{FromSqlError, ValueRef},
};
use token_storage_core::{
    Error, Limits, Precondition, Result, Revision, TokenKey, Write, WriteMark,
    record::{encode, revision_of},
};
use zeroize::Zeroizing;

use crate::{
    audit::{self, Audit},
    codec, error, schema,
};

/// One logical operation: it happens as a whole or not at all, whatever else is in the same transaction.
pub(crate) enum Work {
    Store {
        records: Vec<Prepared>,
    },
    Remove {
        key: TokenKey,
        precondition: Precondition,
    },
    StoreConfig {
        namespace: String,
        name: String,
        json: Zeroizing<String>,
    },
    RemoveConfig {
        namespace: String,
        name: String,
    },
    /// Changes a row of a table of our own, to show that writing works.
    Prove,
    /// Nothing: it is done when everything before it is.
    Barrier,
}

/// A record that is ready to be written: everything that can be refused or computed beforehand has been.
pub(crate) struct Prepared {
    pub(crate) key: TokenKey,
    pub(crate) json: Zeroizing<String>,
    pub(crate) revision: Revision,
    pub(crate) precondition: Precondition,
}

/// What a piece of work says when it is done: for removals, whether there was something.
pub(crate) type Outcome = Result<bool>;

/// Encodes and marks the records of a batch, and refuses what is too large or given twice.
pub(crate) fn prepare(writes: &[Write<'_>], limits: &Limits) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::with_capacity(writes.len());
    for write in writes {
        limits.check_key(write.key)?;
        let mark = WriteMark::random()?;
        prepared.push(Prepared {
            key: write.key.clone(),
            json: encode(write.data, &mark),
            revision: revision_of(write.data, Some(&mark)),
            precondition: write.precondition,
        });
    }
    let sizes: Vec<usize> = prepared.iter().map(|record| record.json.len()).collect();
    limits.check_batch(writes, &sizes)?;
    Ok(prepared)
}

impl Work {
    /// Does the work in the transaction that is open. Outer errors are SQLite's; inner ones are refusals, after which
    /// nothing of this work has been written.
    pub(crate) fn apply(&self, connection: &Connection, audit: &mut Audit) -> rusqlite::Result<Outcome> {
        match self {
            Self::Store { records } => store(connection, audit, records),
            Self::Remove { key, precondition } => remove(connection, audit, key, *precondition),
            Self::StoreConfig { namespace, name, json } => {
                connection.execute_batch(schema::CREATE_CONFIG)?;
                let mut upsert = connection.prepare_cached(schema::UPSERT_CONFIG)?;
                one(upsert.execute((namespace, name, json.as_str()))?)?;
                let is_it = |value: ValueRef<'_>| value == ValueRef::Text(json.as_bytes());
                match codec::select_with(connection, schema::SELECT_CONFIG, (namespace, name), is_it)? {
                    Some(true) => Ok(Ok(true)),
                    _ => Err(error::index_disagrees()),
                }
            }
            Self::RemoveConfig { namespace, name } => {
                if !schema::has_table(connection, "config_storage")? {
                    return Ok(Ok(false));
                }
                if select_config(connection, namespace, name)?.is_none() {
                    return Ok(Ok(false));
                }
                let mut delete = connection.prepare_cached(schema::DELETE_CONFIG)?;
                one(delete.execute((namespace, name))?)?;
                Ok(Ok(true))
            }
            Self::Prove => {
                connection.execute_batch(schema::CREATE_PROOF)?;
                one(connection.prepare_cached(schema::PROVE)?.execute([])?)?;
                Ok(Ok(true))
            }
            Self::Barrier => Ok(Ok(true)),
        }
    }

    /// Whether it consists of several statements that write, so that it needs a savepoint in a shared transaction.
    fn writes_in_steps(&self) -> bool {
        match self {
            Self::Store { records, .. } => records.len() > 1,
            Self::StoreConfig { .. } | Self::Prove => true,
            Self::Remove { .. } | Self::RemoveConfig { .. } | Self::Barrier => false,
        }
    }
}

fn store(connection: &Connection, audit: &mut Audit, records: &[Prepared]) -> rusqlite::Result<Outcome> {
    // All preconditions first: a refusal then has nothing to undo.
    for record in records {
        if let Err(refusal) = check(connection, audit, &record.key, record.precondition)? {
            return Ok(Err(refusal));
        }
    }
    let mut upsert = connection.prepare_cached(schema::UPSERT)?;
    for record in records {
        let key = &record.key;
        one(upsert.execute((key.namespace(), key.resource_server(), record.json.as_str()))?)?;
        // An index that led the update to another's row does not lead to this text under this key.
        if !codec::holds(connection, key, &record.json)? {
            return Err(error::index_disagrees());
        }
    }
    Ok(Ok(true))
}

fn remove(
    connection: &Connection,
    audit: &mut Audit,
    key: &TokenKey,
    precondition: Precondition,
) -> rusqlite::Result<Outcome> {
    if let Err(refusal) = check(connection, audit, key, precondition)? {
        return Ok(Err(refusal));
    }
    // Read first: an index that leads elsewhere would delete another's row.
    if codec::select(connection, key)?.is_none() {
        audit.check(connection)?;
        return Ok(Ok(false));
    }
    let mut delete = connection.prepare_cached(schema::DELETE)?;
    one(delete.execute((key.namespace(), key.resource_server()))?)?;
    Ok(Ok(true))
}

/// A statement about one key that changes no row, or several, has met an index that does not fit its table.
fn one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 {
        Ok(())
    } else {
        Err(error::index_disagrees())
    }
}

/// Checks a precondition. Without one nothing is read, so that a damaged record can be replaced and removed.
fn check(
    connection: &Connection,
    audit: &mut Audit,
    key: &TokenKey,
    precondition: Precondition,
) -> rusqlite::Result<Result<()>> {
    if precondition == Precondition::Any {
        return Ok(Ok(()));
    }
    let current = match codec::select(connection, key)? {
        Some(Ok(record)) => Some(record.revision),
        Some(Err(damage)) => return Ok(Err(damage.into_error(key))),
        None => {
            audit.check(connection)?;
            None
        }
    };
    if precondition.holds(current) {
        return Ok(Ok(()));
    }
    Ok(Err(Error::precondition_failed(key.clone(), current)))
}

/// Where a transaction failed.
pub(crate) enum Failure {
    /// Before COMMIT: nothing was written.
    Before(rusqlite::Error),
    /// In COMMIT.
    Commit(rusqlite::Error),
}

/// Runs a group of works in one transaction, in order: later ones see earlier ones. An error of one is that one's alone,
/// unless it concerns the database as a whole.
pub(crate) fn transact<'a>(
    connection: &Connection,
    audit: &mut Audit,
    works: impl Iterator<Item = &'a Work>,
    fault: impl Fn(&rusqlite::Error) -> Error,
) -> Result<Vec<Outcome>, Failure> {
    connection
        .prepare_cached("BEGIN IMMEDIATE")
        .and_then(|mut s| s.execute([]))
        .map_err(Failure::Before)?;
    let mut outcomes = Vec::new();
    for work in works {
        match apply_as_a_whole(connection, audit, work) {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) if is_its_own(connection, &error) => outcomes.push(Err(fault(&error))),
            Err(error) => {
                roll_back(connection);
                return Err(Failure::Before(error));
            }
        }
    }
    let committed = connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([]));
    committed.map_err(|error| {
        roll_back(connection);
        Failure::Commit(error)
    })?;
    Ok(outcomes)
}

fn apply_as_a_whole(connection: &Connection, audit: &mut Audit, work: &Work) -> rusqlite::Result<Outcome> {
    if !work.writes_in_steps() {
        return work.apply(connection, audit);
    }
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let outcome = work.apply(connection, audit);
    if outcome.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE work")?.execute([])?;
    }
    outcome
}

/// Whether an error is about one statement and what it was given. Then the others in the transaction may go on.
fn is_its_own(connection: &Connection, error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch, Unknown};
    let of_statement = match error.sqlite_error_code() {
        None => true,
        Some(code) => matches!(code, ConstraintViolation | TooBig | TypeMismatch | Unknown),
    };
    of_statement && !connection.is_autocommit()
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // Fails only if SQLite has rolled back by itself meanwhile.
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// The JSON text of a configuration entry.
pub(crate) fn select_config(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> rusqlite::Result<Option<Zeroizing<Vec<u8>>>> {
    if !schema::has_table(connection, "config_storage")? {
        return Ok(None);
    }
    let bytes = |value: ValueRef<'_>| {
        let bytes = value.as_bytes_or_null()?.unwrap_or_default();
        Ok::<_, FromSqlError>(Zeroizing::new(bytes.to_vec()))
    };
    match codec::select_with(connection, schema::SELECT_CONFIG, (namespace, name), bytes)? {
        Some(bytes) => Ok(Some(bytes?)),
        None if audit::is_sound(connection, "config_storage")? => Ok(None),
        None => Err(error::index_disagrees()),
    }
}
