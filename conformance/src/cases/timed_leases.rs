//! Leases that run out.

use std::time::Duration;

use token_storage_core::{ErrorKind, LeaseKind, Precondition};

use super::{
    intents::{intent, same_intent},
    leases::{PATIENCE, acquire, held, wait_for},
};
use crate::{
    Case, Level, Need,
    check::{Check, Stop, holds, refused, same},
    cx::{Cx, Handle},
    data::full,
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

/// The holder does nothing for its time to live. The lower bound is safe to check: a clock that stood still while the
/// waiter watched is none.
async fn a_timed_one_is_taken_over_after_its_time(cx: Cx) -> Check {
    let (one, two, three, key) = (cx.open().await?, cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let revision = one.store(&key, &full("1"), Precondition::None).await?;
    let mut old = acquire(&one, &key).await?;
    old.record_intent(&intent(revision)).await?;
    let watching = tokio::time::Instant::now();
    let new = wait_for(&two, &key, ttl + PATIENCE).await?;
    holds(
        "L2",
        "nobody takes over before the time to live has passed",
        watching.elapsed() >= ttl,
    )?;
    same_intent("the successor finds the intent", new.intent(), Some(&intent(revision)))?;
    same(
        "L3",
        "nothing remains of the old lease",
        &old.remaining().map(|left| left.is_zero()),
        &Some(true),
    )?;
    refused("L3", "the old holder renews", old.renew().await, ErrorKind::LeaseLost)?;
    refused(
        "L3",
        "the old holder records an intent",
        old.record_intent(&intent(revision)).await,
        ErrorKind::LeaseLost,
    )?;
    old.release().await?;
    held("L2", "after a release by the old holder", &three, &key).await?;
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
        guard.renew().await?;
    }
    guard.release().await?;
    Ok(())
}
