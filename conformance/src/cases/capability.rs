use std::time::Duration;

use token_storage_core::{
    Durability, LeaseKind, Precondition, SharingScope, TokenStorage as _, TokenStorageExt as _, Write,
};

use crate::{
    Case, Level, Need,
    check::{Check, fail, holds, same, stored},
    cx::Cx,
    data::{full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "capability::declared_matches_reported",
        &["C1", "C3"],
        |cx| Box::pin(declared_matches_reported(cx)),
    ),
    Case::new(Level::Core, "capability::the_description_makes_sense", &["C3"], |cx| {
        Box::pin(the_description_makes_sense(cx))
    }),
    Case::new(
        Level::Core,
        "capability::the_description_does_not_change",
        &["C3"],
        |cx| Box::pin(the_description_does_not_change(cx)),
    ),
    Case::new(
        Level::Core,
        "capability::nothing_but_listing_needs_a_listing",
        &["C2"],
        |cx| Box::pin(nothing_but_listing_needs_a_listing(cx)),
    ),
    Case::new(Level::Core, "capability::pointers_forward_everything", &["C4"], |cx| {
        Box::pin(pointers_forward_everything(cx))
    }),
];

async fn declared_matches_reported(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let info = storage.describe();
    agree(&cx, Need::Enumeration, "enumeration: described", info.enumerates)?;
    agree(
        &cx,
        Need::Enumeration,
        "enumeration: available",
        storage.enumerate().is_some(),
    )?;
    agree(&cx, Need::Lease, "leases: described", info.lease.is_some())?;
    agree(&cx, Need::Lease, "leases: available", storage.lease().is_some())?;
    let bound = info.lease == Some(LeaseKind::Process);
    agree(&cx, Need::ProcessLease, "leases bound to the process: described", bound)?;
    let timed = matches!(info.lease, Some(LeaseKind::Timed { .. }));
    agree(&cx, Need::TimedLease, "timed leases: described", timed)?;
    let durable = info.durability != Durability::Volatile;
    agree(&cx, Need::Durable, "durability: described", durable)?;
    let shared = matches!(info.sharing, SharingScope::Host | SharingScope::Network);
    agree(&cx, Need::Processes, "use by several processes: described", shared)
}

fn agree(cx: &Cx, need: Need, what: &str, reported: bool) -> Check {
    let declared = cx.declares(need);
    if declared == reported || (!declared && cx.suite().waived(need)) {
        return Ok(());
    }
    let yes_no = |yes| if yes { "yes" } else { "no" };
    fail(
        "C3",
        "what the harness declares is what the storage reports",
        format!("{what}: {}", yes_no(reported)),
        format!("declared: {}", yes_no(declared)),
    )
}

async fn the_description_makes_sense(cx: Cx) -> Check {
    let info = cx.open().await?.describe();
    let limits = info.limits;
    holds("C3", "the backend has a name", !info.backend.trim().is_empty())?;
    holds("C3", "the location is named", !info.location.trim().is_empty())?;
    holds(
        "K4",
        "a namespace may have at least 128 bytes",
        limits.namespace_bytes >= 128,
    )?;
    holds(
        "K4",
        "a resource server may have at least 128 bytes",
        limits.resource_server_bytes >= 128,
    )?;
    holds(
        "K7",
        "a record may have at least 8 KiB",
        limits.record_bytes >= 8 * 1024,
    )?;
    holds("A2", "a batch may have at least 2 records", limits.batch_records >= 2)?;
    holds(
        "A2",
        "a batch may have at least the bytes of a record",
        limits.batch_bytes >= limits.record_bytes,
    )?;
    if let Some(LeaseKind::Timed { ttl }) = info.lease {
        holds("L2", "a timed lease lasts longer than nothing", ttl > Duration::ZERO)?;
    }
    Ok(())
}

async fn the_description_does_not_change(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let before = storage.describe();
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    let after = storage.describe();
    holds("C3", "a write leaves the description as it was", before == after)?;
    let other = cx.open().await?.describe();
    holds("C3", "another handle describes the same", before == other)
}

async fn nothing_but_listing_needs_a_listing(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (a, b, data) = (cx.key("a"), cx.key("b"), full("1"));
    let writes = [
        Write::new(&a, &data, Precondition::Absent),
        Write::new(&b, &data, Precondition::Absent),
    ];
    let revisions = storage.store_all(&writes).await?;
    storage
        .store(&a, &plain("2"), Precondition::Unchanged(revisions[0]))
        .await?;
    stored("C2", &storage.get(&a).await?, &plain("2"))?;
    same(
        "C2",
        "a remove without a listing",
        &storage.remove(&a, Precondition::Any).await?,
        &true,
    )?;
    stored("C2", &storage.get(&b).await?, &data)
}

async fn pointers_forward_everything(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let boxed = Box::new(&storage);
    let (key, data) = (cx.key("rs"), full("1"));
    let revision = boxed.store(&key, &data, Precondition::Absent).await?;
    stored("C4", &boxed.get(&key).await?, &data)?;
    let again = [Write::new(&key, &data, Precondition::Unchanged(revision))];
    let revision = boxed.store_all(&again).await?[0];
    holds(
        "C4",
        "the description is forwarded",
        boxed.describe() == storage.describe(),
    )?;
    same(
        "C4",
        "enumeration is forwarded",
        &boxed.enumerate().is_some(),
        &storage.enumerate().is_some(),
    )?;
    same(
        "C4",
        "leases are forwarded",
        &boxed.lease().is_some(),
        &storage.lease().is_some(),
    )?;
    let removed = boxed.remove(&key, Precondition::Unchanged(revision)).await?;
    same("C4", "a remove is forwarded", &removed, &true)
}
