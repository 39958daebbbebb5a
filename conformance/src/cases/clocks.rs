//! Machines whose wall clocks disagree, and clocks that jump.

use std::time::Duration;

use super::{
    leases::{PATIENCE, acquire, held, held_by, wait_for},
    powerless::powerless,
    timed_leases::ttl,
};
use crate::{
    Case, Clocks, Level, Need,
    check::{Check, fail, holds},
    cx::Cx,
    recorded_lease::seconds,
};

/// They count on their leases, whose clocks they have changed: what is left of one tells nothing of a stall.
const JUMPING: &[Need] = &[Need::Lease, Need::TimedLease, Need::JumpingClocks];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Lease,
        "lease::wall_clocks_that_disagree_change_nothing",
        &["L2", "L3"],
        |cx| Box::pin(wall_clocks_that_disagree_change_nothing(cx)),
    )
    .needs(&[Need::TimedLease, Need::ShiftedClocks]),
    Case::new(
        Level::Lease,
        "lease::a_clock_that_jumps_leaves_nothing_of_a_lease",
        &["L3"],
        |cx| Box::pin(a_clock_that_jumps_leaves_nothing_of_a_lease(cx)),
    )
    .needs(JUMPING),
    Case::new(
        Level::Lease,
        "lease::a_wall_clock_that_is_set_back_gives_no_time",
        &["L3"],
        |cx| Box::pin(a_wall_clock_that_is_set_back_gives_no_time(cx)),
    )
    .needs(JUMPING),
    Case::new(
        Level::Lease,
        "lease::a_waiters_wall_clock_takes_nothing_over",
        &["L2"],
        |cx| Box::pin(a_waiters_wall_clock_takes_nothing_over(cx)),
    )
    .needs(JUMPING),
];

async fn wall_clocks_that_disagree_change_nothing(cx: Cx) -> Check {
    const DAY: i64 = 24 * 60 * 60;
    let holder = cx.open().await?;
    let (ahead, behind) = (cx.open_shifted(DAY).await?, cx.open_shifted(-DAY).await?);
    let ttl = ttl(&holder)?;
    let (first, second) = (cx.key("first"), cx.key("second"));
    let guards = (acquire(&holder, &first).await?, acquire(&holder, &second).await?);
    held_by(
        &guards.0,
        "L1",
        "a lease that is held, on a clock a day ahead",
        &ahead,
        &first,
    )
    .await?;
    held_by(
        &guards.1,
        "L1",
        "a lease that is held, on a clock a day behind",
        &behind,
        &second,
    )
    .await?;
    // As if its holder had died: nobody renews it, and nobody gives it back.
    let limit = ttl * 4 + PATIENCE;
    for (storage, key) in [(&ahead, &first), (&behind, &second)] {
        let before = cx.looked();
        wait_for(storage, key, limit).await?.release().await?;
        if cx.looked() == before {
            return powerless(
                "a lease that is acquired where the wall clock is wrong",
                "nobody looked at that clock: the harness opened the storage with another, or it goes by none",
                "at least one look",
            );
        }
    }
    let mut has_time_left = false;
    // One that ran out before it could be asked says nothing.
    for _ in 0..10 {
        let taken = wait_for(&behind, &second, limit).await?;
        let left = taken.remaining();
        let fits = left.is_some_and(|left| left <= ttl);
        holds("L3", "no lease has more time left than its time to live", fits)?;
        has_time_left |= left.is_some_and(|left| !left.is_zero());
        taken.release().await?;
    }
    holds(
        "L3",
        "a lease taken on a clock that is behind has time left",
        has_time_left,
    )?;
    drop(guards);
    Ok(())
}

/// What a lease still has is the more cautious of two clocks: either may be wrong alone.
async fn a_clock_that_jumps_leaves_nothing_of_a_lease(cx: Cx) -> Check {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let (waiter, key) = (cx.open().await?, cx.key("rs"));
    let ttl = ttl(&waiter)?;
    let milliseconds = i64::try_from(ttl.as_millis()).unwrap_or(DAY);
    type Jump<'a> = (&'a str, &'a (dyn Fn(&dyn Clocks) + Sync));
    let jumps: [Jump<'_>; 4] = [
        ("the wall clock was set ahead by its time to live", &|clocks| {
            clocks.set_wall(milliseconds)
        }),
        ("the machine slept, and its monotonic clock stood still", &|clocks| {
            clocks.set_wall(milliseconds + 60_000);
        }),
        ("the machine slept, and its wall clock was not set", &|clocks| {
            clocks.leap_monotonic(milliseconds.unsigned_abs());
        }),
        ("the machine slept, and its wall clock was set back a day", &|clocks| {
            clocks.leap_monotonic(milliseconds.unsigned_abs());
            clocks.set_wall(-DAY);
        }),
    ];
    for (what, jump) in jumps {
        let (holder, clocks) = cx.open_jumping().await?;
        let mut guard = acquire(&holder, &key).await?;
        jump(&*clocks);
        let left = guard.remaining();
        if left != Some(Duration::ZERO) {
            let got = format!("{left:?}: the storage does not go by this clock, or the harness let nothing jump");
            return fail("L3", &format!("what remains of a lease after {what}"), got, "0 s");
        }
        held("L1", "a lease whose holder's clocks jumped", &waiter, &key).await?;
        // Nobody has taken it over: its holder can have its time to live anew.
        guard.renew().await?;
        guard.release().await?;
    }
    Ok(())
}

/// A wall clock that was set ahead, and leaves nothing of a lease, does jump.
async fn jumps(cx: &Cx) -> Check {
    let (holder, clocks) = cx.open_jumping().await?;
    let ttl = ttl(&holder)?;
    let guard = acquire(&holder, &cx.key("probe")).await?;
    clocks.set_wall(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 2));
    let left = guard.remaining();
    guard.release().await?;
    match left {
        Some(Duration::ZERO) => Ok(()),
        left => powerless(
            "a lease, after its holder's wall clock was set ahead by its time to live",
            &format!("{left:?} left: the harness let no clock jump, or the storage does not look at it"),
            "0 s",
        ),
    }
}

async fn a_wall_clock_that_is_set_back_gives_no_time(cx: Cx) -> Check {
    jumps(&cx).await?;
    let key = cx.key("rs");
    let (holder, clocks) = cx.open_jumping().await?;
    let ttl = ttl(&holder)?;
    let guard = acquire(&holder, &key).await?;
    let answered = tokio::time::Instant::now();
    clocks.set_wall(-60 * 60 * 1000);
    for _ in 0..5 {
        let asked = answered.elapsed();
        let left = guard.remaining().unwrap_or(Duration::MAX);
        if left > ttl.saturating_sub(asked) {
            let got = format!("{} left, {} after it was acquired", seconds(left), seconds(asked));
            let want = format!("at most {} of {}", seconds(ttl.saturating_sub(asked)), seconds(ttl));
            return fail("L3", "a lease after the wall clock was set back", got, want);
        }
        tokio::time::sleep(ttl / 10).await;
    }
    guard.release().await?;
    Ok(())
}

/// Whoever waits goes by its own monotonic clock alone.
async fn a_waiters_wall_clock_takes_nothing_over(cx: Cx) -> Check {
    jumps(&cx).await?;
    let (holder, key) = (cx.open().await?, cx.key("rs"));
    let (waiter, clocks) = cx.open_jumping().await?;
    ttl(&holder)?;
    let guard = acquire(&holder, &key).await?;
    for by in [24 * 60 * 60 * 1000, -48 * 60 * 60 * 1000] {
        held("L1", "a lease that is held", &waiter, &key).await?;
        clocks.set_wall(by);
        held(
            "L2",
            "a lease that is held, after the waiter's wall clock was set",
            &waiter,
            &key,
        )
        .await?;
    }
    guard.release().await?;
    Ok(())
}
