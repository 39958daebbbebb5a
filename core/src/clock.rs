use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The two clocks of a machine, replaceable for tests: what expiries are compared with, and what waiting, trust and leases go by.
///
/// ```
/// use std::time::Duration;
/// use token_storage_core::backend::Clock;
///
/// #[derive(Debug)]
/// struct Stopped;
///
/// impl Clock for Stopped {
///     fn monotonic(&self) -> Duration {
///         Duration::ZERO
///     }
///
///     fn wall(&self) -> Duration {
///         Duration::from_millis(1_795_649_003_999)
///     }
/// }
///
/// assert_eq!(Stopped.now(), 1_795_649_003);
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time since some fixed moment; never goes back and is never set. It may stand still while the machine sleeps.
    fn monotonic(&self) -> Duration;

    /// The time since the Unix epoch, as the wall clock has it; may be set at any time. A wall clock before 1970 is wrong
    /// anyway, and counts as 1970: everything then looks fresh until a server says otherwise. By default the machine's.
    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// The wall clock in whole seconds since the Unix epoch, rounded down, as `expires_at` counts.
    fn now(&self) -> i64 {
        i64::try_from(self.wall().as_secs()).unwrap_or(i64::MAX)
    }
}

/// The clocks of this machine. The monotonic one counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that is being set may be off meanwhile, but not by a day.
    #[test]
    fn the_wall_clock_is_the_machines() {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let clock = SystemClock::default();
        let day = Duration::from_secs(24 * 3600);
        assert!(clock.wall().abs_diff(machine) < day, "{:?}", clock.wall());
        assert!(
            clock.now().abs_diff(machine.as_secs() as i64) < day.as_secs(),
            "{}",
            clock.now()
        );
    }
}
