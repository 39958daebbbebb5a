//! Machines whose wall clocks disagree.

use std::time::Duration;

use super::leases::{acquire, held, ttl, wait_for};
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
    let limit = ttl * 4 + Duration::from_secs(10);
    wait_for(&ahead, &first, limit).await?.release().await?;
    let taken_over = wait_for(&behind, &second, limit).await?;
    let left = taken_over.remaining();
    holds(
        "L3",
        "a lease taken on a clock that is behind has time left, but no more than its time to live",
        left.is_some_and(|left| !left.is_zero() && left <= ttl),
    )?;
    taken_over.release().await?;
    drop(guards);
    Ok(())
}
