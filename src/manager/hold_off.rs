use std::time::Duration;

use super::{ManagerError, jitter::jittered};

/// The pause after a failed refresh, in which no request is made.
#[derive(Debug)]
pub(super) struct HoldOff {
    until: Duration,
    failures: u32,
    error: ManagerError,
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long it is after so many failures before.
pub(super) fn length(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(5)).min(LONGEST)
}

impl HoldOff {
    /// Twice as long as the one before, and at least as long as the server asks for.
    pub(super) fn after(failed: &ManagerError, before: Option<&Self>, now: Duration) -> Self {
        let failures = before.map_or(0, |before| before.failures);
        let pause = jittered(length(failures)).max(failed.retry_after().unwrap_or_default());
        Self {
            until: now.saturating_add(pause),
            failures: failures + 1,
            error: failed.clone(),
        }
    }

    /// The failure, told again, with how much longer to wait; `None` once it is over.
    pub(super) fn error_at(&self, now: Duration) -> Option<ManagerError> {
        let left = self.until.checked_sub(now).filter(|left| !left.is_zero())?;
        Some(self.error.again_in(left))
    }
}
