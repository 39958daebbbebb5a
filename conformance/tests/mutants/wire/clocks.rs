//! Clocks that jump.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use token_storage_conformance::Clocks;
use token_storage_core::backend::{Clock, SystemClock};

use super::flaws::ClockFlaw;

/// The clocks of one handle.
#[derive(Debug, Default)]
pub(super) struct Jumping {
    pub(super) real: SystemClock,
    pub(super) wall: AtomicI64,
    pub(super) monotonic: AtomicU64,
    pub(super) flaw: Option<ClockFlaw>,
}

impl Jumping {
    fn real_wall(&self) -> Duration {
        let by = self.wall.load(Ordering::SeqCst);
        let leap = Duration::from_millis(by.unsigned_abs());
        if by < 0 {
            self.real.wall().saturating_sub(leap)
        } else {
            self.real.wall() + leap
        }
    }

    fn real_monotonic(&self) -> Duration {
        self.real.monotonic() + Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

impl Clock for Jumping {
    fn monotonic(&self) -> Duration {
        match self.flaw {
            Some(ClockFlaw::WallOnly | ClockFlaw::WaiterByWall) => self.real_wall(),
            Some(ClockFlaw::FollowsBack) => {
                let by = self.wall.load(Ordering::SeqCst).min(0);
                self.real_monotonic()
                    .saturating_sub(Duration::from_millis(by.unsigned_abs()))
            }
            _ => self.real_monotonic(),
        }
    }

    fn wall(&self) -> Duration {
        match self.flaw {
            Some(ClockFlaw::MonotonicOnly) => self.real_monotonic(),
            _ => self.real_wall(),
        }
    }
}

pub(super) struct JumpingClocks(pub(super) Arc<Jumping>);

impl Clocks for JumpingClocks {
    fn set_wall(&self, by_milliseconds: i64) {
        self.0.wall.fetch_add(by_milliseconds, Ordering::SeqCst);
    }

    fn leap_monotonic(&self, by_milliseconds: u64) {
        self.0.monotonic.fetch_add(by_milliseconds, Ordering::SeqCst);
    }
}
