use std::time::Duration;

use token_storage_core::Result;
use tokio::time::{Instant, sleep};

use crate::backoff::jittered;

/// How long a change of a table may take; usually it is seconds.
const PATIENCE: Duration = Duration::from_secs(300);
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Growing, jittered pauses between two looks at a table that is being changed.
pub(super) struct Pauses {
    deadline: Instant,
    pause: Duration,
}

impl Pauses {
    pub(super) fn new() -> Self {
        Self {
            deadline: Instant::now() + PATIENCE,
            pause: FIRST,
        }
    }

    pub(super) fn are_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    pub(super) fn limit(&self) -> u64 {
        PATIENCE.as_secs()
    }

    pub(super) async fn wait(&mut self) -> Result<()> {
        sleep(jittered(self.pause)?).await;
        self.pause = (self.pause * 2).min(LONGEST);
        Ok(())
    }
}
