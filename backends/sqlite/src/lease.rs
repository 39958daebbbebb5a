//! The right to redeem a refresh token.

use std::sync::Arc;

use token_storage_core::{Error, ErrorKind, RefreshLease, Result, TokenKey, TokenStorage};
use token_storage_files::FileLease;

use crate::{SqliteStorage, cache::size, storage::Inner, work::Work};

/// Leases are locks on files beside the database. Not rows in it: a row would outlive its holder's process.
pub(crate) fn of(storage: &SqliteStorage) -> Option<Box<dyn RefreshLease + '_>> {
    match &storage.0 {
        Inner::File(handle) => {
            let looking = Arc::clone(handle);
            let look = move || looking.file.refuse_untouched();
            Some(Box::new(FileLease::new(handle.file.place.path(), look)))
        }
        Inner::Memory(memory) => Some(Box::new(memory.leases.clone())),
    }
}

/// What a store writes besides the record: the pages of table and index that change with it, in the log.
const ROOM_BESIDES: u64 = 64 * 1024;

/// Commits to a table of our own, with all that a store does: the lock, the log, the fsync. And looks whether there is room
/// for a record of twice the size: a server's answer may be longer than the last one.
pub(crate) async fn prove(storage: &SqliteStorage, key: &TokenKey) -> Result<()> {
    storage.work(Work::Prove).await?;
    let Inner::File(handle) = &storage.0 else { return Ok(()) };
    let path = handle.file.place.path();
    // A record that cannot be read is no bar to storing another.
    let size = storage
        .get(key)
        .await
        .ok()
        .flatten()
        .map_or(0, |found| size(key, &found));
    let needed = 2 * size as u64 + ROOM_BESIDES;
    match token_storage_files::free_bytes(path) {
        Some(free) if free < needed => {
            let message = format!(
                "{free} bytes of room are left for {}, and a store may take {needed}; make room and try again",
                path.display()
            );
            Err(Error::new(ErrorKind::StorageFull, message).with_key(key))
        }
        _ => Ok(()),
    }
}
