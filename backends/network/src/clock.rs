use std::time::Duration;

use token_storage_core::backend::Clock;

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
