//! Monotonic time, replaceable so that the tests of the revalidation rule need not wait.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// Tells the time since some fixed moment.
pub(crate) trait Clock: fmt::Debug + Send + Sync {
    fn now(&self) -> Duration;
}

/// The monotonic clock of the operating system.
#[derive(Debug)]
pub(crate) struct Monotonic(Instant);

impl Monotonic {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
