//! One place that is opened in two ways.

use token_storage_core::{ErrorKind, Precondition, TokenStorageExt as _};

use super::leases::{acquire, held};
use crate::{
    Case, Level, Need,
    check::{Check, refused, same, stored},
    cx::{Cx, get_settled},
    data::{full, plain},
};

const NEEDS: &[Need] = &[Need::SecondWay];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Shared,
        "handles::a_second_way_leads_to_the_same_records",
        &["A3", "A4"],
        |cx| Box::pin(a_second_way_leads_to_the_same_records(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "handles::writers_on_two_ways_lose_nothing",
        &["A6", "A4"],
        |cx| Box::pin(writers_on_two_ways_lose_nothing(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Lease,
        "lease::a_second_way_leads_to_the_same_leases",
        &["L1"],
        |cx| Box::pin(a_second_way_leads_to_the_same_leases(cx)),
    )
    .needs(&[Need::SecondWay, Need::Lease]),
];

async fn a_second_way_leads_to_the_same_records(cx: Cx) -> Check {
    let (one, key) = (cx.open().await?, cx.key("rs"));
    let first = one.store(&key, &full("1"), Precondition::Any).await?;
    let two = cx.open_otherwise().await?;
    let seen = get_settled(&two, &key, Option::is_some).await?;
    stored("A3", &seen, &full("1"))?;
    let second = two.store(&key, &full("2"), Precondition::Unchanged(first)).await?;
    let late = one.store(&key, &full("3"), Precondition::Unchanged(first)).await;
    refused(
        "A4",
        "a store over what was replaced on the other way",
        late,
        ErrorKind::Conflict,
    )?;
    let there = get_settled(&one, &key, |got| got.as_ref().is_some_and(|got| got.revision == second)).await?;
    same(
        "A3",
        "what was stored on the other way",
        &there.map(|there| there.revision),
        &Some(second),
    )?;
    same(
        "K3",
        "a remove on the other way",
        &two.remove(&key, Precondition::Any).await?,
        &true,
    )?;
    let gone = get_settled(&one, &key, Option::is_none).await?;
    same("A3", "what was removed on the other way", &gone, &None)
}

/// A lock that is found by the name of the place does not keep them apart.
async fn writers_on_two_ways_lose_nothing(cx: Cx) -> Check {
    const EACH: usize = 12;
    cx.open()
        .await?
        .store(&cx.key("first"), &plain("first"), Precondition::Any)
        .await?;
    let mut writers = tokio::task::JoinSet::new();
    for way in 0..4 {
        let storage = if way % 2 == 0 {
            cx.open().await?
        } else {
            cx.open_otherwise().await?
        };
        let keys: Vec<_> = (0..EACH).map(|number| cx.key(&format!("{way}-{number}"))).collect();
        writers.spawn(async move {
            for key in keys {
                storage
                    .store(&key, &plain(key.resource_server()), Precondition::Absent)
                    .await?;
            }
            Check::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("a writer does not panic")?;
    }
    let storage = cx.open().await?;
    for (way, number) in (0..4).flat_map(|way| (0..EACH).map(move |number| (way, number))) {
        let key = cx.key(&format!("{way}-{number}"));
        let seen = get_settled(&storage, &key, Option::is_some).await?;
        stored("A6", &seen, &plain(key.resource_server()))?;
    }
    Ok(())
}

async fn a_second_way_leads_to_the_same_leases(cx: Cx) -> Check {
    let (one, key) = (cx.open().await?, cx.key("rs"));
    one.store(&key, &full("1"), Precondition::Any).await?;
    let two = cx.open_otherwise().await?;
    for (holder, other) in [(&one, &two), (&two, &one)] {
        let guard = acquire(holder, &key).await?;
        held("L1", "a lease that is held on the other way", other, &key).await?;
        guard.release().await?;
    }
    Ok(())
}
