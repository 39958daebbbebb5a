//! What a person should know although nothing failed.

use std::{path::Path, sync::atomic::Ordering};

use token_storage_core::Error;

use crate::place::Place;

pub(crate) fn tightened(path: &Path, mode: u32) {
    tracing::warn!(
        "{}: others could use it (mode {mode:04o}); it is owner-only now; if they should not have seen the tokens in it, \
         log in again",
        path.display()
    );
}

/// Once for each handle.
pub(crate) fn wide(place: &Place) {
    if !place.said_wide.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "{}: others can use it, and it belongs to another user, who alone can change that: do not trust the tokens in it",
            place.path().display()
        );
    }
}

pub(crate) fn other_names(path: &Path, names: u64) {
    tracing::warn!(
        "{}: it has {names} names (hard links); a program that opens it by another name has another log and another lock, \
         and damages it; give it one name",
        path.display()
    );
}

pub(crate) fn log_stays(path: &Path, fault: &Error) {
    tracing::warn!(
        "{}: its write-ahead log could not be copied into it and stays beside it; nothing is lost: {}",
        path.display(),
        fault.message()
    );
}

pub(crate) fn set_aside(path: &Path, aside: &Path) {
    tracing::warn!(
        "{}: the database was damaged and is kept as {}; a new one is in its place; log in again",
        path.display(),
        aside.display()
    );
}
