use std::time::Duration;

use token_storage_core::{Error, ErrorKind, Result, TokenKey, WriteMark};
use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(500);

/// Growing, jittered pauses between the rounds of a contended write, up to a limit.
pub(crate) struct Backoff {
    deadline: Instant,
    limit: Duration,
    pause: Duration,
    refused: bool,
}

impl Backoff {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            limit,
            pause: FIRST,
            refused: false,
        }
    }

    /// Whether this is the first call. The first refusal needs no pause: it is most likely the only one.
    pub(crate) fn is_first_refusal(&mut self) -> bool {
        !std::mem::replace(&mut self.refused, true)
    }

    /// Waits before the next round.
    ///
    /// # Errors
    /// - [`ErrorKind::Busy`] once the limit is reached.
    pub(crate) async fn wait(&mut self, key: &TokenKey) -> Result<()> {
        if Instant::now() >= self.deadline {
            let seconds = self.limit.as_secs_f64();
            let message = format!("other writers kept the item busy for {seconds} s; try again");
            return Err(Error::new(ErrorKind::Busy, message).with_key(key));
        }
        sleep(jittered(self.pause)?).await;
        self.pause = (self.pause * 2).min(LONGEST);
        Ok(())
    }
}

/// Between half of it and all of it.
pub(crate) fn jittered(pause: Duration) -> Result<Duration> {
    // The random source is already there for the marks.
    let [a, b, ..] = *WriteMark::random()?.as_bytes();
    let fraction = f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX);
    Ok(pause.mul_f64(0.5 + fraction / 2.0))
}
