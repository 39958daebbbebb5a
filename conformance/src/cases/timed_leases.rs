//! Leases that run out.

use std::time::Duration;

use token_storage_core::{Acquisition, ErrorKind, LeaseKind, Precondition, TokenStorageExt as _};

use super::{
    intents::{intent, same_intent},
    leases::{PATIENCE, acquire, held, held_by, renew, wait_for},
};
use crate::{
    Case, Level, Need,
    check::{Check, Stop, fail, refused},
    cx::{Cx, Handle, leases},
    data::full,
    recorded_lease::seconds,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Lease,
        "lease::a_timed_one_is_taken_over_after_its_time",
        &["L2", "L3"],
        |cx| Box::pin(a_timed_one_is_taken_over_after_its_time(cx)),
    )
    .needs(&[Need::TimedLease]),
    Case::new(Level::Lease, "lease::renewing_keeps_a_timed_one", &["L2"], |cx| {
        Box::pin(renewing_keeps_a_timed_one(cx))
    })
    .needs(&[Need::TimedLease]),
    Case::new(
        Level::Lease,
        "lease::a_timed_one_is_taken_over_in_time",
        &["L2"],
        |cx| Box::pin(a_timed_one_is_taken_over_in_time(cx)),
    )
    .needs(&[Need::TimedLease]),
];

pub(super) fn ttl(storage: &Handle) -> Check<Duration> {
    match storage.describe().lease {
        Some(LeaseKind::Timed { ttl }) if ttl <= Duration::from_secs(10) || crate::rng::soak() => Ok(ttl),
        Some(LeaseKind::Timed { .. }) => {
            crate::check::ignore("the time to live is over 10 s; set TOKEN_STORAGE_SOAK=1 to wait for it")
        }
        _ => crate::check::ignore(Need::TimedLease.missing()),
    }
}

/// How long a lease may stay taken after its guard, or the call that acquired it, was dropped, or its answer was lost.
pub(super) fn limit(storage: &Handle) -> Check<Duration> {
    Ok(match storage.describe().lease {
        Some(LeaseKind::Timed { .. }) => ttl(storage)? + PATIENCE,
        _ => PATIENCE,
    })
}

/// Clocks that count in milliseconds and round.
const ROUNDING: Duration = Duration::from_millis(10);

/// The holder does nothing for its time to live. The lower bound is safe to check: it is counted from before the lease was
/// acquired, and whatever the holder did later can only have made it longer.
async fn a_timed_one_is_taken_over_after_its_time(cx: Cx) -> Check {
    let (one, two, three, key) = (cx.open().await?, cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let revision = one.store(&key, &full("1"), Precondition::Any).await?;
    let since = tokio::time::Instant::now();
    let mut old = acquire(&one, &key).await?;
    old.record_intent(&intent(revision)).await?;
    let new = wait_for(&two, &key, ttl + PATIENCE).await?;
    let after = since.elapsed();
    if after + ROUNDING < ttl {
        let got = format!("another has it {} after it was acquired", seconds(after));
        let want = format!("not before its time to live of {} has passed", seconds(ttl));
        return fail("L2", "the lease of a holder that does nothing", got, want);
    }
    same_intent("the successor finds the intent", new.intent(), Some(&intent(revision)))?;
    let left = old.remaining();
    if left != Some(Duration::ZERO) {
        let left = left.map_or("no limit".to_owned(), seconds);
        return fail("L3", "what remains of a lease that another has", left, "0 s");
    }
    refused("L3", "the old holder renews", old.renew().await, ErrorKind::LeaseLost)?;
    refused(
        "L3",
        "the old holder records an intent",
        old.record_intent(&intent(revision)).await,
        ErrorKind::LeaseLost,
    )?;
    old.release().await?;
    held_by(&new, "L2", "after a release by the old holder", &three, &key).await?;
    let mut new = new;
    new.clear_intent().await?;
    new.release().await?;
    Ok(())
}

async fn renewing_keeps_a_timed_one(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let mut guard = acquire(&one, &key).await?;
    let started = tokio::time::Instant::now();
    let mut renewed = started;
    while started.elapsed() < ttl * 2 {
        let kept = held("L2", "a lease that is renewed", &two, &key).await;
        if kept.is_err() && renewed.elapsed() >= ttl {
            return Err(Stop::Stalled);
        }
        kept?;
        tokio::time::sleep(ttl / 5).await;
        renewed = tokio::time::Instant::now();
        renew(&mut guard).await?;
    }
    guard.release().await?;
    Ok(())
}

/// The upper bound, by tries and not by how fast the machine is: a try that begins a second after the time to live has
/// passed, counted from the first look, gets the lease.
async fn a_timed_one_is_taken_over_in_time(cx: Cx) -> Check {
    const LATEST: Duration = Duration::from_secs(1);
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let old = acquire(&one, &key).await?;
    held_by(&old, "L1", "a lease that is held", &two, &key).await?;
    let watching = tokio::time::Instant::now();
    loop {
        let began = watching.elapsed();
        match leases(&two)?.try_acquire(&key).await? {
            Acquisition::Acquired(guard) => {
                guard.release().await?;
                break;
            }
            Acquisition::Held { retry_after } if began <= ttl + LATEST => {
                if retry_after > ttl + LATEST {
                    let got = format!("to be tried again after {}", seconds(retry_after));
                    let want = format!("at most its time to live of {} and 1 s", seconds(ttl));
                    return fail("L2", "a waiter's pause", got, want);
                }
                tokio::time::sleep(retry_after.clamp(Duration::from_millis(1), Duration::from_millis(200))).await;
            }
            Acquisition::Held { .. } => {
                let got = format!("held {} after it was first looked at", seconds(began));
                let want = format!("taken over after its time to live of {} and at most 1 s", seconds(ttl));
                return fail("L2", "the lease of a holder that does nothing", got, want);
            }
        }
    }
    drop(old);
    Ok(())
}
