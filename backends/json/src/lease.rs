//! Proving that the file can be written before a refresh token is spent.

use std::{io::Write as _, sync::Arc, time::Instant};

use token_storage_core::{Durability, Result};
use token_storage_files::{self as files, FileLease, Replacement, SidecarLock};

use crate::{document::Document, error, shared::Shared, snapshot::Content, writer};

/// The leases of a file.
pub(crate) fn leases(shared: &Arc<Shared>) -> FileLease {
    let looked = Arc::clone(shared);
    // Over a damaged file a login is stored.
    FileLease::new(&shared.path, move || writer::look(&looked).map(drop))
}

/// Room for what the new token may be longer than the old one.
const MARGIN: usize = 64 * 1024;

/// Does what the coming rewrite does, under the same lock, up to the point of no return: the temporary file is created
/// and filled, and then removed. That it can take the file's place is proven without doing it.
pub(crate) fn prove(shared: &Shared) -> Result<()> {
    let failed = |doing: &'static str| move |error| files::io_error(&shared.path, doing, error);
    let lock = SidecarLock::new(&shared.path);
    let deadline = Instant::now() + shared.busy_timeout;
    let Some(mut guard) = lock.acquire_until(deadline).map_err(failed("lock"))? else {
        return Err(error::busy(shared));
    };
    guard.begin_work().map_err(failed("clear up beside"))?;
    let (snapshot, _retired) = shared.load()?;
    let document = match &snapshot.content {
        Content::Absent => Arc::new(Document::empty()),
        Content::Document(document) => Arc::clone(document),
        Content::Damaged(damage) => return Err(error::damage(&shared.path, damage)),
    };
    files::prove_replaceable(&shared.path)?;
    let durable = shared.durability == Durability::PowerLoss;
    let replacement = Replacement::begin(&shared.path, durable).map_err(failed("create a file beside"))?;
    let mut file = replacement.file();
    let filled = document
        .write_to(&mut file)
        .and_then(|()| file.write_all(&[b' '; MARGIN]));
    filled.map_err(failed("write a file beside"))?;
    if durable {
        // Some file systems find out only now that there is no room.
        file.sync_data().map_err(failed("write a file beside"))?;
    }
    replacement.discard().map_err(failed("remove a file beside"))?;
    guard.finish_work();
    Ok(())
}
