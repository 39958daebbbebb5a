use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The two clocks that leases are measured by; replaceable for tests.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time since some fixed moment; never goes back and is never set.
    fn monotonic(&self) -> Duration;

    /// Time since the Unix epoch, as the wall clock has it; may be set at any time.
    fn wall(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
