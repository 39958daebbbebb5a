//! A panic is a fault of this program. What it says may hold a token, and with `--json` it would not be JSON, so only where it
//! happened is told.

use std::{
    panic,
    sync::{Mutex, PoisonError},
};

use crate::{Exit, Failure};

/// Where the last one happened.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// From here on a panic prints nothing by itself. Whoever waits for what panicked tells of it.
pub(crate) fn listen() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }));
}

/// What to say of it.
pub(crate) fn failure() -> Failure {
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let place = place.unwrap_or_else(|| "an unknown place".to_owned());
    let message = format!(
        "this is a fault of the command itself, at {place} of its source; please report it, and what it was to do"
    );
    Failure::new(Exit::Failure, message)
}
