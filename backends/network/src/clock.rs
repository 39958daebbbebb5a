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
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
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

/// Until when a lease is certainly its holder's: on both clocks, as the monotonic one may stand still while the machine
/// sleeps, and the wall clock may be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    monotonic: Duration,
    wall: Duration,
}

/// The part of its time to live that a holder does without, for clocks that run at slightly different rates.
const MARGIN: u32 = 50;

impl Deadline {
    /// Counted from before the request is sent: a waiter can only see the value later.
    pub(crate) fn start(clock: &dyn Clock, ttl: Duration) -> Self {
        let certain = ttl - ttl / MARGIN;
        Self {
            monotonic: clock.monotonic() + certain,
            wall: clock.wall() + certain,
        }
    }

    pub(crate) fn remaining(&self, clock: &dyn Clock) -> Duration {
        let monotonic = self.monotonic.saturating_sub(clock.monotonic());
        monotonic.min(self.wall.saturating_sub(clock.wall()))
    }
}
