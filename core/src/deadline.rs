use std::time::Duration;

use crate::backend::Clock;

/// Until when a timed lease is certainly its holder's (clause L3): what [`LeaseGuard::remaining`](crate::LeaseGuard::remaining)
/// answers from.
///
/// It is on both clocks, as the monotonic one may stand still while the machine sleeps, and the wall clock may be set; and a
/// fiftieth before the time to live is over, for clocks that run at slightly different rates.
///
/// ```
/// use std::time::Duration;
/// use token_storage_core::backend::{Deadline, SystemClock};
///
/// let (clock, ttl) = (SystemClock::default(), Duration::from_secs(60));
/// let deadline = Deadline::start(&clock, ttl);
/// // ... the request that takes the lease, and its answer ...
/// assert!(deadline.remaining(&clock) < ttl);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    monotonic: Duration,
    wall: Duration,
}

/// The part of its time to live that a holder does without.
const MARGIN: u32 = 50;

impl Deadline {
    /// Of a lease with this time to live. To be called *before* the request that takes or renews it is sent: a waiter, or a
    /// server, can only begin to count later.
    pub fn start(clock: &dyn Clock, ttl: Duration) -> Self {
        let certain = ttl - ttl / MARGIN;
        Self {
            monotonic: clock.monotonic().saturating_add(certain),
            wall: clock.wall().saturating_add(certain),
        }
    }

    /// What is left of it on the more cautious clock; zero once it is over. `clock`: the one it was started on.
    pub fn remaining(&self, clock: &dyn Clock) -> Duration {
        let monotonic = self.monotonic.saturating_sub(clock.monotonic());
        monotonic.min(self.wall.saturating_sub(clock.wall()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monotonic and wall clock, in seconds.
    #[derive(Debug)]
    struct At(u64, u64);

    impl Clock for At {
        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0)
        }

        fn wall(&self) -> Duration {
            Duration::from_secs(self.1)
        }
    }

    fn left(deadline: Deadline, monotonic: u64, wall: u64) -> u64 {
        deadline.remaining(&At(monotonic, wall)).as_secs()
    }

    #[test]
    fn the_more_cautious_clock_counts() {
        let deadline = Deadline::start(&At(100, 5000), Duration::from_secs(50));
        assert_eq!(left(deadline, 100, 5000), 49, "a fiftieth less than the time to live");
        assert_eq!(left(deadline, 110, 5001), 39);
        assert_eq!(left(deadline, 101, 5020), 29, "the machine slept");
        assert_eq!(left(deadline, 110, 4000), 39, "the wall clock was set back");
        assert_eq!(left(deadline, 149, 4000), 0);
        assert_eq!(left(deadline, 100, 9000), 0, "the wall clock was set forward");
    }

    #[test]
    fn a_time_to_live_without_end_is_one() {
        let deadline = Deadline::start(&At(1, 5000), Duration::MAX);
        assert!(left(deadline, 2, 5001) > u64::from(u32::MAX));
    }
}
