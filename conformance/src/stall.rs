//! Timed leases that ran out because a busy machine kept the case waiting.
//!
//! Most cases of leases count on being done, or at their next step, before a lease of theirs runs out. Where one was not,
//! the storage was right to let others have it, and the case is run again. What fails in time fails at once, and what
//! fails every time has failed.

use std::time::Duration;

use token_storage_core::{ErrorKind, LeaseKind};

use crate::{
    Case, Need,
    check::{Check, Stop},
    cx::Cx,
};

/// How often a case is run before its failure counts all the same.
pub(crate) const TRIES: usize = 5;

/// The patience of cases that wait for a lease.
const HUNG: Duration = Duration::from_secs(60);

/// Whether a case that took so long may have ended like this because of a lease that ran out.
pub(crate) async fn explains(cx: &Cx, case: &Case, result: &Check, took: Duration) -> bool {
    let counts_on_it = case.required().contains(&Need::Lease);
    // A case that lets leases run out knows which; but it holds others.
    let may_lose_it = counts_on_it || case.required().contains(&Need::TimedLease);
    let suspicious = match result {
        Err(Stop::Stalled) => return true,
        Err(Stop::Failed(_)) => counts_on_it,
        Err(Stop::Storage(error)) => counts_on_it || may_lose_it && error.kind() == ErrorKind::LeaseLost,
        Ok(()) | Err(Stop::Ignored(_)) => false,
    };
    // What took a minute more has waited in vain for something, and was not kept waiting by the machine.
    suspicious && ttl(cx).await.is_some_and(|ttl| (ttl..ttl + HUNG).contains(&took))
}

/// What is said of a case that failed each time.
pub(crate) fn each_time() -> String {
    format!("this was the last of {TRIES} tries: each took as long as a lease lives, and failed")
}

async fn ttl(cx: &Cx) -> Option<Duration> {
    match cx.open_raw().await.ok()?.describe().lease {
        Some(LeaseKind::Timed { ttl }) => Some(ttl),
        _ => None,
    }
}

#[cfg(test)]
#[path = "stall_tests.rs"]
mod tests;
