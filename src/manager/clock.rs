use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Where the manager reads the time, so that tests can set it.
///
/// Waiting is tokio's; this is for comparing with expiries and for how long something may be trusted.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Seconds since the Unix epoch, rounded down.
    fn now(&self) -> i64;

    /// Milliseconds since the Unix epoch, for pauses that several processes keep. By default as good as [`now`](Self::now).
    fn now_millis(&self) -> i64 {
        self.now().saturating_mul(1000)
    }

    /// The time since some fixed moment, on a clock that is never set back.
    fn monotonic(&self) -> Duration;
}

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

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A monotonic clock that starts now.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            // A clock before 1970 is wrong anyway; everything then looks fresh until the server says 401.
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
        }
    }

    fn now_millis(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is being set may be off meanwhile, but not by a day.
    #[test]
    fn the_clock_is_the_machines_in_seconds_and_in_milliseconds() {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let clock = SystemClock::new();
        let is_near = |seconds: i64| seconds.abs_diff(machine.as_secs() as i64) < 24 * 3600;
        assert!(is_near(clock.now()), "{}", clock.now());
        assert!(is_near(clock.now_millis() / 1000), "{}", clock.now_millis());
    }
}
