//! Whether this process may open the files that a command needs. It is found out before anything is touched: a limit that
//! is met half-way would be one that is met after a refresh token was spent.

use std::io;

use crate::{Exit, Failure, Result};

/// More than any command has open at once: the runtime takes 6, a storage up to 9, a connection to a server 2.
const NEEDED: usize = 32;

/// Fails unless so many more can be opened.
pub(crate) fn check() -> Result<()> {
    let mut held = Vec::with_capacity(NEEDED);
    while held.len() < NEEDED {
        // A copy needs no file, and so fails for want of a number alone. Nothing is started meanwhile that would inherit it.
        let copy = rustix::io::dup(io::stderr());
        held.push(copy.map_err(|error| too_few(held.len(), &error.into()))?);
    }
    Ok(())
}

fn too_few(found: usize, error: &io::Error) -> Failure {
    let message = format!(
        "a command needs to open up to {NEEDED} files, and this process may open {found} more: {error}; raise the limit \
         (ulimit -n), or close what was left open for it"
    );
    Failure::new(Exit::Unavailable, message)
}
