//! `:memory:`: one connection under a mutex. A second one would see a database of its own.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;
use token_storage_core::{Error, ProcessLeases, Result, StoredToken, TokenKey};

use crate::{
    audit::Audit,
    codec, error, schema,
    work::{self, Failure, Outcome, Work},
};

pub(crate) struct Memory {
    connection: Mutex<Connection>,
    /// In the process, as is right for a database that no other process sees.
    pub(crate) leases: ProcessLeases,
}

impl Memory {
    pub(crate) fn open() -> Result<Self> {
        let open = || {
            let connection = Connection::open_in_memory()?;
            connection.execute_batch("PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY")?;
            schema::create(&connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| fault(&error))?;
        Ok(Self {
            connection: Mutex::new(connection),
            leases: ProcessLeases::default(),
        })
    }

    /// Never held across an await, and what it guards is consistent whenever it is free.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let row = codec::select(&self.connection(), key).map_err(|error| fault(&error))?;
        row.transpose().map_err(|damage| damage.into_error(key))
    }

    pub(crate) fn write(&self, work: &Work) -> Outcome {
        let outcomes = work::transact(&self.connection(), &mut Audit::default(), std::iter::once(work), fault);
        match outcomes {
            Ok(mut outcomes) => outcomes.pop().unwrap_or(Ok(true)),
            Err(Failure::Before(error) | Failure::Commit(error)) => Err(fault(&error)),
        }
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection()).map_err(|error| fault(&error))
    }
}

fn fault(error: &rusqlite::Error) -> Error {
    error::from_sqlite(error, Path::new(":memory:"))
}
