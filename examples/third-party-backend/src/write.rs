//! What happens to records while the lock is held.

use std::{
    fs,
    io::{self, Read as _},
    time::Instant,
};

use token_storage_core::{Error, ErrorKind, Precondition, Result, Revision, StoredToken, TokenKey};
use token_storage_files::{Replacement, io_error};
use zeroize::Zeroizing;

use crate::{
    batch::Batch,
    damage::{corrupt, keep_aside},
    folder::Folder,
    record,
};

/// One record that is to be written, encoded before the lock is taken.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: TokenKey,
    pub(crate) text: Zeroizing<String>,
    pub(crate) revision: Revision,
    pub(crate) precondition: Precondition,
}

impl Folder {
    /// The record of a key, and never one that another key's file holds.
    pub(crate) fn record(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let (name, path) = (record::file_name(key), self.path(key));
        let batch = self.batch()?;
        let stored = batch.into_iter().find(|(stored, _)| *stored == name);
        let text = match stored {
            Some((_, text)) => Some(text),
            None => Self::read(&path).map_err(|error| error.with_key(key))?,
        };
        let Some(text) = text else { return Ok(None) };
        let damaged = |what: &dyn std::fmt::Display| corrupt(&path, what).with_key(key);
        match record::split(&text) {
            Some((found, json)) if found == *key => match token_storage_core::record::decode(json) {
                Ok(record) => Ok(Some(record)),
                Err(error) => Err(damaged(&error)),
            },
            Some(_) => Err(damaged(&"it holds the record of another key")),
            None => Err(damaged(&"its first line is not a key")),
        }
    }

    /// All preconditions are checked before anything is written.
    pub(crate) fn write(&self, changes: Vec<Change>, deadline: Instant) -> Result<()> {
        self.locked(deadline, || self.write_locked(changes))
    }

    fn write_locked(&self, changes: Vec<Change>) -> Result<()> {
        let mut damaged = Vec::new();
        for change in &changes {
            if self.is_damaged(&change.key, change.precondition)? {
                damaged.push(self.path(&change.key));
            }
        }
        for path in damaged {
            keep_aside(&path)?;
        }
        if let [change] = &changes[..] {
            return Self::replace(&self.path(&change.key), &change.text).map_err(|error| error.with_key(&change.key));
        }
        let batch: Batch = changes
            .into_iter()
            .map(|change| (record::file_name(&change.key), change.text))
            .collect();
        self.store_batch(&batch)
    }

    pub(crate) fn remove(&self, key: &TokenKey, precondition: Precondition, deadline: Instant) -> Result<bool> {
        // Nothing to remove, then nothing to create either.
        if !self.root.exists() && precondition.holds(None) {
            return Ok(false);
        }
        self.locked(deadline, || {
            if precondition != Precondition::Any {
                let current = self.record(key)?.map(|record| record.revision);
                holds(key, precondition, current)?;
            }
            Self::delete(&self.path(key)).map_err(|error| error.with_key(key))
        })
    }

    /// Does what a store does, with as many bytes as the record has and some more, short of putting it in place.
    pub(crate) fn prove_writable(&self, key: &TokenKey, deadline: Instant) -> Result<()> {
        const MORE: u64 = 8 * 1024;
        let path = self.path(key);
        let filled = || {
            let bytes = fs::metadata(&path).map_or(0, |found| found.len()) + MORE;
            let replacement = Replacement::begin(&path, true)?;
            io::copy(&mut io::repeat(b' ').take(bytes), &mut replacement.file())?;
            replacement.file().sync_all()?;
            replacement.discard()
        };
        self.locked(deadline, || {
            filled().map_err(|error| io_error(&path, "write", error).with_key(key))
        })
    }

    /// Whether what is there is damaged; an error if the precondition does not hold. Damage has no revision to compare:
    /// only a write without precondition replaces it.
    fn is_damaged(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        match self.record(key) {
            Ok(record) => holds(key, precondition, record.map(|record| record.revision)).map(|()| false),
            Err(error) if error.kind() == ErrorKind::Corrupt && precondition == Precondition::Any => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn holds(key: &TokenKey, precondition: Precondition, current: Option<Revision>) -> Result<()> {
    if precondition.holds(current) {
        return Ok(());
    }
    Err(Error::precondition_failed(key.clone(), current))
}
