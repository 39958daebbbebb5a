use std::time::Duration;

use token_storage_core::backend::Clock;

/// Both at once: what is compared with expiries, and what trust and pauses go by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Seconds since the Unix epoch.
    pub(super) epoch: i64,
    pub(super) monotonic: Duration,
}

impl Now {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self {
            epoch: clock.now(),
            monotonic: clock.monotonic(),
        }
    }
}

/// The wall clock in milliseconds since the Unix epoch, for pauses that several processes keep.
pub(super) fn milliseconds(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.wall().as_millis()).unwrap_or(i64::MAX)
}
