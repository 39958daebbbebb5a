//! What a person should know although nothing failed.

use std::path::Path;

pub(crate) fn tightened(path: &Path, mode: u32) {
    tracing::warn!(
        "{}: others could use it (mode {mode:04o}); it is owner-only now; if they should not have seen the tokens in it, \
         log in again",
        path.display()
    );
}

pub(crate) fn set_aside(path: &Path, aside: &Path) {
    tracing::warn!(
        "{}: the database was damaged and is kept as {}; a new one is in its place; log in again",
        path.display(),
        aside.display()
    );
}
