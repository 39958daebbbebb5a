//! The storages that processes can share, and how a worker opens the one that it is told of.

use std::time::Duration;

#[path = "../storages/mod.rs"]
mod kinds;

pub(crate) use kinds::{Kind, open, shared as all};

/// How long a timed lease lasts that is to be taken over: short, so that this is tested in seconds; what holds for it
/// holds for longer ones.
pub(crate) const SHORT_LEASE: Duration = Duration::from_secs(1);

/// How long any other one lasts: no machine is so slow that its holder loses it.
pub(crate) const LONG_LEASE: Duration = Duration::from_secs(300);
