//! Holders that have lost a timed lease, and those who come after them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage_core::{Acquisition, ErrorKind, Result, Revision, TokenKey};
use tokio::task::JoinSet;

use super::{
    intents::{intent, same_intent},
    leases::{Guard, PATIENCE, acquire, held_by, renew, wait_for},
    timed_leases::ttl,
};
use crate::{
    Case, Level, Need,
    check::{Check, Show as _, Stop, fail, refused},
    cx::{Cx, Handle, leases},
    recorded_lease::seconds,
};

const NEEDS: &[Need] = &[Need::TimedLease];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Lease,
        "lease::of_two_waiters_one_takes_over",
        &["L1", "L2"],
        |cx| Box::pin(of_two_waiters_one_takes_over(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Lease,
        "lease::a_lost_holder_leaves_its_successor_alone",
        &["L2", "L3"],
        |cx| Box::pin(a_lost_holder_leaves_its_successor_alone(cx)),
    )
    .needs(NEEDS),
    Case::new(Level::Lease, "lease::a_lost_one_stays_lost", &["L3"], |cx| {
        Box::pin(a_lost_one_stays_lost(cx))
    })
    .needs(NEEDS),
    Case::new(
        Level::Lease,
        "lease::acquired_again_it_is_another_one",
        &["L2", "L3"],
        |cx| Box::pin(acquired_again_it_is_another_one(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Lease,
        "lease::nothing_remains_of_what_another_has",
        &["L2", "L3"],
        |cx| Box::pin(nothing_remains_of_what_another_has(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Lease,
        "lease::one_that_was_given_back_is_watched_anew",
        &["L2"],
        |cx| Box::pin(one_that_was_given_back_is_watched_anew(cx)),
    )
    .needs(NEEDS),
    Case::new(Level::Lease, "lease::several_are_watched_at_once", &["L2"], |cx| {
        Box::pin(several_are_watched_at_once(cx))
    })
    .needs(NEEDS),
    Case::new(Level::Lease, "lease::what_remains_counts_down", &["L2", "L3"], |cx| {
        Box::pin(what_remains_counts_down(cx))
    })
    .needs(NEEDS),
];

/// Both have watched the same holder. Whoever comes second has to watch the first anew.
async fn of_two_waiters_one_takes_over(cx: Cx) -> Check {
    let (one, key) = (cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let old = acquire(&one, &key).await?;
    let (mut waiters, holders) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..2 {
        let (storage, key, holders) = (cx.open().await?, key.clone(), Arc::clone(&holders));
        waiters.spawn(async move {
            let guard = wait_for(&storage, &key, ttl * 3 + PATIENCE).await?;
            let others = holders.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(ttl / 3).await;
            holders.fetch_sub(1, Ordering::SeqCst);
            // Asked for afterwards: what was left before may have run out until the other counted.
            let kept = guard.remaining().is_some_and(|left| !left.is_zero());
            guard.release().await?;
            Check::Ok((others, kept))
        });
    }
    let mut stalled = false;
    let mut together = 0;
    while let Some(waiter) = waiters.join_next().await {
        let (others, kept) = waiter.expect("a waiter does not panic")?;
        together += others;
        stalled |= !kept;
    }
    drop(old);
    match together {
        0 => Ok(()),
        // The machine kept the first one waiting until its time was over.
        _ if stalled => Err(Stop::Stalled),
        _ => fail(
            "L1",
            "of two waiters",
            "both hold the lease at once",
            "one after the other",
        ),
    }
}

async fn a_lost_holder_leaves_its_successor_alone(cx: Cx) -> Check {
    let (one, two, three) = (cx.open().await?, cx.open().await?, cx.open().await?);
    let ttl = ttl(&one)?;
    let keys = ["cleared", "dropped", "released"].map(|name| cx.key(name));
    let revision = Revision::from_bytes(&[3; 32])?;
    let mut old = Vec::new();
    for key in &keys {
        let guard = acquire(&one, key).await?;
        // So that they run out side by side.
        held_by(&guard, "L1", "a lease that is held", &two, key).await?;
        old.push(guard);
    }
    for (key, mut old) in keys.iter().zip(old) {
        let mut new = wait_for(&two, key, ttl + PATIENCE).await?;
        new.record_intent(&intent(revision)).await?;
        let what = format!("after its old holder {} its own", key.resource_server());
        match key.resource_server() {
            "cleared" => {
                refused(
                    "L3",
                    "the old holder clears an intent",
                    old.clear_intent().await,
                    ErrorKind::LeaseLost,
                )?;
            }
            "dropped" => {
                drop(old);
                // Dropping may send something.
                tokio::time::sleep(ttl / 10).await;
            }
            _ => old.release().await?,
        }
        held_by(&new, "L2", &format!("a lease {what}"), &three, key).await?;
        new.release().await?;
        let mut next = acquire(&three, key).await?;
        same_intent(
            &format!("the intent of the successor, {what}"),
            next.intent(),
            Some(&intent(revision)),
        )?;
        next.clear_intent().await?;
        next.release().await?;
    }
    Ok(())
}

/// Once another has had it, a lease is lost for good, also when that one has gone.
async fn a_lost_one_stays_lost(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let mut old = acquire(&one, &key).await?;
    wait_for(&two, &key, ttl + PATIENCE).await?.release().await?;
    refused(
        "L3",
        "a lost lease is renewed after its successor has gone",
        old.renew().await,
        ErrorKind::LeaseLost,
    )?;
    let intent = intent(Revision::from_bytes(&[3; 32])?);
    let recorded = old.record_intent(&intent).await;
    refused(
        "L3",
        "a lost holder records an intent after its successor has gone",
        recorded,
        ErrorKind::LeaseLost,
    )?;
    let next = acquire(&two, &key).await?;
    same_intent("the next holder finds no intent", next.intent(), None)?;
    next.release().await?;
    Ok(())
}

/// The same handle, even the same task: what it held before is lost all the same.
async fn acquired_again_it_is_another_one(cx: Cx) -> Check {
    let (one, other, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let mut old = acquire(&one, &key).await?;
    let new = wait_for(&one, &key, ttl + PATIENCE).await?;
    refused(
        "L3",
        "a guard whose lease the same handle has acquired again",
        old.renew().await,
        ErrorKind::LeaseLost,
    )?;
    old.release().await?;
    let what = "a lease after a release by an older guard of the same handle";
    held_by(&new, "L2", what, &other, &key).await?;
    new.release().await?;
    acquire(&other, &key).await?.release().await?;
    Ok(())
}

/// A waiter tries all the time. When it has the lease, nothing may remain of it for the holder before: that is asked
/// afterwards, when it can only be less than it was. Where a server ends leases, this is what the margin is for. What a holder
/// does with its lease gives it more time only if others see that.
async fn nothing_remains_of_what_another_has(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    for done in ["did nothing", "recorded an intent"] {
        let mut old = acquire(&one, &key).await?;
        held_by(&old, "L1", "a lease that is held", &two, &key).await?;
        if done != "did nothing" {
            tokio::time::sleep(ttl / 2).await;
            let recorded = old.record_intent(&intent(Revision::from_bytes(&[3; 32])?)).await;
            still_its(&old, recorded)?;
        }
        let new = take_over(&two, &key, ttl + PATIENCE).await?;
        let left = old.remaining();
        if left != Some(Duration::ZERO) {
            let what = format!("what a holder reckons with that {done}, when another has its lease");
            return fail("L2", &what, left.map_or("no limit".to_owned(), seconds), "0 s");
        }
        new.release().await?;
    }
    Ok(())
}

/// Work that failed because the lease had run out says that the machine stalled.
fn still_its(guard: &Guard, worked: Result<()>) -> Check {
    match worked {
        Err(error) if error.kind() == ErrorKind::LeaseLost && guard.remaining() == Some(Duration::ZERO) => {
            Err(Stop::Stalled)
        }
        other => other.map_err(Into::into),
    }
}

/// As `wait_for`, with hardly a pause.
async fn take_over(storage: &Handle, key: &TokenKey, limit: Duration) -> Check<Guard> {
    let waiting = tokio::time::Instant::now();
    loop {
        match leases(storage)?.try_acquire(key).await? {
            Acquisition::Acquired(guard) => return Ok(guard),
            Acquisition::Held { .. } if waiting.elapsed() > limit => {
                return fail("L2", "the lease of a holder that has gone", "Held", "Acquired");
            }
            Acquisition::Held { .. } => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// A waiter has seen the holder before it gave the lease back and acquired it again: it has to be seen anew.
async fn one_that_was_given_back_is_watched_anew(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let ttl = ttl(&one)?;
    let first = acquire(&one, &key).await?;
    held_by(&first, "L1", "a lease that is held", &two, &key).await?;
    tokio::time::sleep(ttl * 2 / 3).await;
    if first.remaining() == Some(Duration::ZERO) {
        return Err(Stop::Stalled);
    }
    first.release().await?;
    let second = acquire(&one, &key).await?;
    tokio::time::sleep(ttl / 2).await;
    let what = "a lease that its holder gave back and acquired again, less than its time to live ago";
    held_by(&second, "L2", what, &two, &key).await?;
    second.release().await?;
    Ok(())
}

/// Who waits for several leases by turns gets each in time: the upper bound of clause L2, by tries as of one alone.
async fn several_are_watched_at_once(cx: Cx) -> Check {
    const LATEST: Duration = Duration::from_secs(1);
    let (one, two) = (cx.open().await?, cx.open().await?);
    let ttl = ttl(&one)?;
    let keys = ["a", "b", "c"].map(|name| cx.key(name));
    let mut old = Vec::new();
    for key in &keys {
        old.push(acquire(&one, key).await?);
    }
    // Each with when it was first looked at.
    let mut waited_for: Vec<_> = keys.iter().map(|key| (key, None)).collect();
    while !waited_for.is_empty() {
        let mut held = Vec::new();
        for (key, watched) in waited_for {
            let began = watched.map(|since: tokio::time::Instant| since.elapsed());
            match leases(&two)?.try_acquire(key).await? {
                Acquisition::Acquired(guard) => guard.release().await?,
                Acquisition::Held { .. } if began.is_some_and(|began| began > ttl + LATEST) => {
                    let got = format!(
                        "held {} after it was first looked at",
                        seconds(began.unwrap_or_default())
                    );
                    let what = format!("the lease of {}, one of several that are waited for", key.show());
                    return fail("L2", &what, got, "taken over after its time to live and at most 1 s");
                }
                Acquisition::Held { .. } => held.push((key, Some(watched.unwrap_or_else(tokio::time::Instant::now)))),
            }
        }
        waited_for = held;
        tokio::time::sleep((ttl / 10).min(Duration::from_millis(50))).await;
    }
    drop(old);
    Ok(())
}

async fn what_remains_counts_down(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let ttl = ttl(&storage)?;
    let first = tokio::time::Instant::now();
    let mut guard = acquire(&storage, &key).await?;
    let mut answered = tokio::time::Instant::now();
    for renewal in 0..3 {
        for _ in 0..3 {
            // Asked for later than this, it cannot be more.
            let most = ttl.saturating_sub(answered.elapsed());
            let left = guard.remaining().unwrap_or(Duration::MAX);
            if left > most {
                let want = format!("at most {} of {}", seconds(most), seconds(ttl));
                return fail("L3", "what remains of a lease", seconds(left), want);
            }
            tokio::time::sleep(ttl / 6).await;
        }
        let began = tokio::time::Instant::now();
        renew(&mut guard).await?;
        answered = tokio::time::Instant::now();
        let left = guard.remaining().unwrap_or_default();
        let without = ttl.saturating_sub(first.elapsed());
        if began.elapsed() > ttl / 6 {
            return Err(Stop::Stalled);
        }
        if left <= without {
            let got = format!("{} after renewal {}", seconds(left), renewal + 1);
            return fail(
                "L2",
                "what remains of a lease that was renewed",
                got,
                format!("more than {}", seconds(without)),
            );
        }
    }
    guard.release().await?;
    Ok(())
}
