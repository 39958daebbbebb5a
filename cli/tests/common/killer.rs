//! Commands that are ended by SIGKILL at random moments.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Whether it is one of the long runs.
fn is_long() -> bool {
    std::env::var("TOKEN_STORAGE_SOAK").as_deref() == Ok("1")
}

/// So many rounds, and many more in the long runs.
pub(crate) fn rounds(short: u32, long: u32) -> u32 {
    if is_long() { long } else { short }
}

/// Aims at the time that the command takes where nobody kills it.
#[derive(Debug)]
pub(crate) struct Killer {
    whole: Option<Duration>,
    kills: u32,
    broken_off: u32,
}

impl Killer {
    pub(crate) fn new() -> Self {
        Self {
            whole: None,
            kills: 0,
            broken_off: 0,
        }
    }

    /// Starts the command, and kills it unless it ends first. Nothing before it is known how long a run takes.
    pub(crate) fn kill(&mut self, command: &mut Command) {
        let Some(whole) = self.whole else { return };
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let moment = Instant::now() + random(whole);
        while Instant::now() < moment {
            thread::yield_now();
        }
        child.kill().unwrap();
        self.kills += 1;
        self.broken_off += u32::from(child.wait().unwrap().code().is_none());
    }

    /// Runs it to its end, and learns how long that takes at best.
    pub(crate) fn whole<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = run();
        let took = began.elapsed();
        self.whole = Some(self.whole.map_or(took, |whole| whole.min(took)));
        result
    }

    /// Says how many were in time. Among a few kills all may be too late, on a machine that was busy a moment ago.
    pub(crate) fn report(self, what: &str) {
        println!("{what}: {} of {} were broken off", self.broken_off, self.kills);
        assert!(!is_long() || self.broken_off > 0, "each kill of {what} was too late");
    }
}

fn random(below: Duration) -> Duration {
    let bits = RandomState::new().build_hasher().finish();
    below.mul_f64(bits as f64 / u64::MAX as f64)
}
