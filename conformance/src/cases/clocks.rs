//! Machines whose wall clocks disagree.

use super::{
    leases::{PATIENCE, acquire, held, wait_for},
    timed_leases::ttl,
};
use crate::{
    Case, Level, Need,
    check::{Check, holds},
    cx::Cx,
};

pub(super) const CASES: &[Case] = &[Case::new(
    Level::Lease,
    "lease::wall_clocks_that_disagree_change_nothing",
    &["L2", "L3"],
    |cx| Box::pin(wall_clocks_that_disagree_change_nothing(cx)),
)
.needs(&[Need::TimedLease, Need::ShiftedClocks])];

async fn wall_clocks_that_disagree_change_nothing(cx: Cx) -> Check {
    const DAY: i64 = 24 * 60 * 60;
    let holder = cx.open().await?;
    let (ahead, behind) = (cx.open_shifted(DAY).await?, cx.open_shifted(-DAY).await?);
    let ttl = ttl(&holder)?;
    let (first, second) = (cx.key("first"), cx.key("second"));
    let guards = (acquire(&holder, &first).await?, acquire(&holder, &second).await?);
    held("L1", "a lease that is held, on a clock a day ahead", &ahead, &first).await?;
    held("L1", "a lease that is held, on a clock a day behind", &behind, &second).await?;
    // As if its holder had died: nobody renews it, and nobody gives it back.
    let limit = ttl * 4 + PATIENCE;
    wait_for(&ahead, &first, limit).await?.release().await?;
    wait_for(&behind, &second, limit).await?.release().await?;
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
