//! Proving that the file can be written before a refresh token is spent.

use std::{io::Write as _, sync::Arc, time::Instant};

use token_storage_core::{Durability, Operation, Result, TokenKey, async_trait};
use token_storage_files::{self as files, FileLease, ProveWritable, Replacement, SidecarLock};

use crate::{document::Document, error, shared::Shared, snapshot::Content};

/// The leases of a file.
pub(crate) fn leases(shared: &Arc<Shared>) -> FileLease {
    FileLease::new(&shared.path, Arc::new(Prover(Arc::clone(shared))))
}

struct Prover(Arc<Shared>);

#[async_trait]
impl ProveWritable for Prover {
    async fn prove_writable(&self, _key: &TokenKey) -> Result<()> {
        let shared = Arc::clone(&self.0);
        files::on_own_thread(Operation::Lease, move || prove(&shared)).await
    }
}

/// Room for what the new token may be longer than the old one.
const MARGIN: usize = 64 * 1024;

/// Does what the coming rewrite does, under the same lock, up to the point of no return: the temporary file is created
/// and filled, and then removed.
fn prove(shared: &Shared) -> Result<()> {
    let failed = |doing: &'static str| move |error| files::io_error(Operation::Lease, &shared.path, doing, error);
    let lock = SidecarLock::new(&shared.path);
    let deadline = Instant::now() + shared.busy_timeout;
    let Some(mut guard) = lock.acquire_until(deadline).map_err(failed("lock"))? else {
        return Err(error::busy(shared, Operation::Lease));
    };
    if guard.mark_in_use().map_err(failed("lock"))? {
        files::sweep(&shared.path).map_err(failed("clear up beside"))?;
    }
    let (snapshot, _retired) = shared.load()?;
    let document = match &snapshot.content {
        Content::Absent => Arc::new(Document::empty()),
        Content::Document(document) => Arc::clone(document),
        Content::Damaged(damage) => return Err(error::damage(&shared.path, damage, Operation::Lease)),
    };
    let replacement = Replacement::begin(&shared.path).map_err(failed("create a file beside"))?;
    let mut file = replacement.file();
    let filled = document
        .write_to(&mut file)
        .and_then(|()| file.write_all(&[b' '; MARGIN]));
    filled.map_err(failed("write a file beside"))?;
    if shared.durability == Durability::PowerLoss {
        // Some file systems find out only now that there is no room.
        file.sync_data().map_err(failed("write a file beside"))?;
    }
    Ok(())
}
