use token_storage_core::{ErrorKind, Precondition, TokenStorageExt as _};

use crate::{
    Case, Level, Need,
    check::{Check, absent, refused, same, stored},
    cx::{Cx, get_settled},
    data::{full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Shared, "handles::another_handle_sees_a_store", &["A3"], |cx| {
        Box::pin(another_handle_sees_a_store(cx))
    }),
    Case::new(
        Level::Shared,
        "handles::another_handle_sees_a_remove",
        &["A3", "C4"],
        |cx| Box::pin(another_handle_sees_a_remove(cx)),
    ),
    Case::new(
        Level::Shared,
        "handles::another_handle_sees_a_batch",
        &["A3", "A2"],
        |cx| Box::pin(another_handle_sees_a_batch(cx)),
    ),
    Case::new(
        Level::Shared,
        "handles::what_was_absent_is_seen_when_it_comes",
        &["A3"],
        |cx| Box::pin(what_was_absent_is_seen_when_it_comes(cx)),
    ),
    Case::new(
        Level::Shared,
        "handles::a_revision_is_good_for_every_handle",
        &["A3", "A4"],
        |cx| Box::pin(a_revision_is_good_for_every_handle(cx)),
    ),
    Case::new(Level::Shared, "handles::writers_in_turn_lose_nothing", &["A6"], |cx| {
        Box::pin(writers_in_turn_lose_nothing(cx))
    }),
    Case::new(
        Level::Shared,
        "handles::a_handle_outlives_the_one_that_wrote",
        &["A3"],
        |cx| Box::pin(a_handle_outlives_the_one_that_wrote(cx)),
    ),
    Case::new(
        Level::Durable,
        "durability::records_outlive_all_handles",
        &["D1"],
        |cx| Box::pin(records_outlive_all_handles(cx)),
    ),
    Case::new(
        Level::Durable,
        "durability::removed_records_stay_removed",
        &["D1", "K3"],
        |cx| Box::pin(removed_records_stay_removed(cx)),
    ),
    Case::new(
        Level::Durable,
        "durability::revisions_outlive_all_handles",
        &["D1", "A4"],
        |cx| Box::pin(revisions_outlive_all_handles(cx)),
    ),
    Case::new(
        Level::Durable,
        "durability::reading_a_place_that_was_never_written_finds_nothing",
        &["D1", "K1"],
        |cx| Box::pin(reading_a_place_that_was_never_written_finds_nothing(cx)),
    )
    .needs(&[Need::Durable, Need::ExclusivePlace]),
];

async fn another_handle_sees_a_store(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    for round in 0..10 {
        let (data, back) = (full(&format!("1-{round}")), full(&format!("2-{round}")));
        let revision = one.store(&key, &data, Precondition::Any).await?;
        let seen = get_settled(&two, &key, |got| {
            got.as_ref().is_some_and(|got| got.revision == revision)
        })
        .await?;
        stored("A3", &seen, &data)?;
        let revision = two.store(&key, &back, Precondition::Any).await?;
        let seen = get_settled(&one, &key, |got| {
            got.as_ref().is_some_and(|got| got.revision == revision)
        })
        .await?;
        stored("A3", &seen, &back)?;
    }
    Ok(())
}

async fn another_handle_sees_a_remove(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    for _ in 0..5 {
        one.store(&key, &full("1"), Precondition::Any).await?;
        stored("A3", &get_settled(&two, &key, Option::is_some).await?, &full("1"))?;
        one.remove(&key, Precondition::Any).await?;
        absent(
            "A3",
            "removed by another handle",
            &get_settled(&two, &key, Option::is_none).await?,
        )?;
    }
    Ok(())
}

async fn another_handle_sees_a_batch(cx: Cx) -> Check {
    let (one, two) = (cx.open().await?, cx.open().await?);
    let (a, b) = (cx.key("a"), cx.key("b"));
    for tag in ["1", "2", "3"] {
        let data = full(tag);
        let writes = [&a, &b].map(|key| token_storage_core::Write::new(key, &data, Precondition::Any));
        let revisions = one.store_all(&writes).await?;
        for (key, revision) in [&a, &b].into_iter().zip(revisions) {
            let seen = get_settled(&two, key, |got| {
                got.as_ref().is_some_and(|got| got.revision == revision)
            })
            .await?;
            stored("A3", &seen, &data)?;
        }
    }
    Ok(())
}

async fn what_was_absent_is_seen_when_it_comes(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    absent("K1", "nothing yet", &two.get(&key).await?)?;
    one.store(&key, &full("1"), Precondition::Absent).await?;
    stored("A3", &get_settled(&two, &key, Option::is_some).await?, &full("1"))
}

async fn a_revision_is_good_for_every_handle(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let first = one.store(&key, &full("1"), Precondition::Absent).await?;
    let second = two.store(&key, &full("2"), Precondition::Unchanged(first)).await?;
    let late = one.store(&key, &full("3"), Precondition::Unchanged(first)).await;
    let error = refused(
        "A4",
        "a store over what another handle replaced",
        late,
        ErrorKind::Conflict,
    )?;
    let current = error.conflict().and_then(|conflict| conflict.current);
    same("A4", "the conflict names what is there", &current, &Some(second))?;
    let removed = one.remove(&key, Precondition::Unchanged(second)).await?;
    same("A4", "a remove by another handle's revision", &removed, &true)
}

/// Neither handle may write back what it remembers of the other's records.
async fn writers_in_turn_lose_nothing(cx: Cx) -> Check {
    let handles = [cx.open().await?, cx.open().await?, cx.open().await?];
    for round in 0..4 {
        for (index, handle) in handles.iter().enumerate() {
            let tag = format!("{index}-{round}");
            handle.store(&cx.key(&tag), &plain(&tag), Precondition::Absent).await?;
        }
    }
    for round in 0..4 {
        for index in 0..handles.len() {
            let tag = format!("{index}-{round}");
            stored(
                "A6",
                &get_settled(&handles[0], &cx.key(&tag), Option::is_some).await?,
                &plain(&tag),
            )?;
        }
    }
    Ok(())
}

async fn a_handle_outlives_the_one_that_wrote(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    one.store(&key, &full("1"), Precondition::Any).await?;
    drop(one);
    stored("A3", &get_settled(&two, &key, Option::is_some).await?, &full("1"))?;
    two.store(&key, &full("2"), Precondition::Any).await?;
    stored("A3", &two.get(&key).await?, &full("2"))
}

async fn records_outlive_all_handles(cx: Cx) -> Check {
    for round in 0..3 {
        let storage = cx.open().await?;
        for earlier in 0..round {
            let key = cx.key(&format!("rs{earlier}"));
            stored("D1", &storage.get(&key).await?, &full(&earlier.to_string()))?;
        }
        storage
            .store(
                &cx.key(&format!("rs{round}")),
                &full(&round.to_string()),
                Precondition::Absent,
            )
            .await?;
    }
    Ok(())
}

async fn removed_records_stay_removed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("a"), &full("1"), Precondition::Any).await?;
    storage.store(&cx.key("b"), &full("1"), Precondition::Any).await?;
    storage.remove(&cx.key("a"), Precondition::Any).await?;
    drop(storage);
    let storage = cx.open().await?;
    absent(
        "D1",
        "removed before all handles were closed",
        &storage.get(&cx.key("a")).await?,
    )?;
    stored("D1", &storage.get(&cx.key("b")).await?, &full("1"))
}

async fn revisions_outlive_all_handles(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let first = storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    drop(storage);
    let storage = cx.open().await?;
    let read = storage.get(&cx.key("rs")).await?.map(|stored| stored.revision);
    same("D1", "the revision after reopening", &read, &Some(first))?;
    storage
        .store(&cx.key("rs"), &full("2"), Precondition::Unchanged(first))
        .await?;
    Ok(())
}

async fn reading_a_place_that_was_never_written_finds_nothing(cx: Cx) -> Check {
    for _ in 0..2 {
        let storage = cx.open().await?;
        absent("K1", "nothing was ever stored", &storage.get(&cx.key("rs")).await?)?;
        same(
            "K3",
            "nothing to remove",
            &storage.remove(&cx.key("rs"), Precondition::Any).await?,
            &false,
        )?;
    }
    Ok(())
}
