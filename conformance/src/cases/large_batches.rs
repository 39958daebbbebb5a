//! Batches that are large, refused and watched.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use token_storage_core::{ErrorKind, Precondition, Revision, TokenData, TokenKey, TokenStorageExt as _, Write};

use crate::{
    Case, Level,
    check::{Check, Show as _, absent, refused, same, stored},
    cx::{Cx, Handle},
    data::{full, plain},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "batches::a_refusal_far_back_refuses_all",
        &["A2", "A4"],
        |cx| Box::pin(a_refusal_far_back_refuses_all(cx)),
    ),
    Case::new(
        Level::Hostile,
        "batches::of_refusals_far_apart_the_first_is_named",
        &["A2"],
        |cx| Box::pin(of_refusals_far_apart_the_first_is_named(cx)),
    ),
    Case::new(
        Level::Hostile,
        "batches::two_records_of_one_key_far_apart_are_invalid",
        &["A2"],
        |cx| Box::pin(two_records_of_one_key_far_apart_are_invalid(cx)),
    ),
    Case::new(
        Level::Hostile,
        "batches::what_is_too_large_far_back_refuses_all",
        &["A2", "K7", "K4"],
        |cx| Box::pin(what_is_too_large_far_back_refuses_all(cx)),
    ),
    Case::new(
        Level::Core,
        "batches::a_refusal_leaves_the_revisions",
        &["A2", "A4"],
        |cx| Box::pin(a_refusal_leaves_the_revisions(cx)),
    ),
    Case::new(Level::Hostile, "batches::large_ones_answer_in_order", &["A2"], |cx| {
        Box::pin(large_ones_answer_in_order(cx))
    }),
    Case::new(
        Level::Shared,
        "batches::readers_see_nothing_of_a_refused_one",
        &["A2", "A1"],
        |cx| Box::pin(readers_see_nothing_of_a_refused_one(cx)),
    ),
    Case::new(
        Level::Shared,
        "batches::once_acknowledged_all_is_seen",
        &["A2", "A3"],
        |cx| Box::pin(once_acknowledged_all_is_seen(cx)),
    ),
];

/// As many as a batch may have, but no more than a thousand.
fn most(storage: &Handle) -> usize {
    storage.describe().limits.batch_records.min(1000)
}

/// Where batches are cut: services take 25 or 100 at once, databases 500 or 999 parameters.
fn places(count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = [1, 24, 25, 26, 50, 99, 100, 101, 256, 500, 998, 999]
        .into_iter()
        .chain([count / 2, count - 1])
        .filter(|place| *place < count)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

pub(super) fn many(cx: &Cx, count: usize) -> Vec<TokenKey> {
    (0..count).map(|i| cx.key(&format!("rs{i}"))).collect()
}

pub(super) fn all<'a>(keys: &'a [TokenKey], data: &'a TokenData, precondition: Precondition) -> Vec<Write<'a>> {
    keys.iter().map(|key| Write::new(key, data, precondition)).collect()
}

/// Nothing was written, wherever one looks; a few records stand for all.
async fn nothing_of(cx: &Cx, keys: &[TokenKey], but: usize) -> Check {
    let storage = cx.open().await?;
    for place in [0, 2]
        .into_iter()
        .chain(places(keys.len()))
        .filter(|place| *place != but)
    {
        absent("A2", "a record of a refused batch", &storage.get(&keys[place]).await?)?;
    }
    Ok(())
}

async fn a_refusal_far_back_refuses_all(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = many(&cx, most(&storage));
    let (old, new) = (full("old"), plain("new"));
    let stale = storage.store(&cx.key("other"), &old, Precondition::Any).await?;
    for (round, place) in places(keys.len()).into_iter().enumerate() {
        storage.store(&keys[place], &old, Precondition::Any).await?;
        let before = storage.get(&keys[place]).await?;
        let mut writes = all(&keys, &new, Precondition::Absent);
        if round % 2 == 0 {
            writes[place].precondition = Precondition::Unchanged(stale);
        }
        let error = refused(
            "A2",
            &format!("a batch of {} whose record {place} is refused", keys.len()),
            storage.store_all(&writes).await,
            ErrorKind::Conflict,
        )?;
        let named = error.conflict().map(|conflict| conflict.key.clone());
        same("A2", "the refused key is named", &named, &Some(keys[place].clone()))?;
        same("A2", "the refused record", &storage.get(&keys[place]).await?, &before)?;
        nothing_of(&cx, &keys, place).await?;
        storage.remove(&keys[place], Precondition::Any).await?;
    }
    Ok(())
}

async fn of_refusals_far_apart_the_first_is_named(cx: Cx) -> Check {
    let storage = cx.open().await?;
    // Neither in the order of the alphabet nor against it.
    let count = most(&storage);
    let keys: Vec<TokenKey> = (0..count)
        .map(|i| cx.key(&format!("rs{}", (i * 11 + 3) % 1009)))
        .collect();
    let data = plain("1");
    let there = [count / 3, count / 2, count - 1];
    for place in there {
        storage.store(&keys[place], &data, Precondition::Any).await?;
    }
    let writes = all(&keys, &data, Precondition::Absent);
    for _ in 0..3 {
        let error = refused("A2", "a batch", storage.store_all(&writes).await, ErrorKind::Conflict)?;
        let named = error.conflict().map(|conflict| conflict.key.clone());
        same(
            "A2",
            "the first refused key is named",
            &named,
            &Some(keys[there[0]].clone()),
        )?;
    }
    Ok(())
}

async fn two_records_of_one_key_far_apart_are_invalid(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = many(&cx, most(&storage) - 1);
    let (data, other) = (plain("1"), plain("2"));
    let last = keys.len() - 1;
    for (twice, precondition) in [
        (0, Precondition::Any),
        (0, Precondition::Absent),
        (last / 2, Precondition::Any),
    ] {
        let mut writes = all(&keys, &data, Precondition::Any);
        writes.push(Write::new(&keys[twice], &other, precondition));
        let result = storage.store_all(&writes).await;
        refused(
            "A2",
            "two records of one key, far apart",
            result,
            ErrorKind::InvalidInput,
        )?;
        // And of equal content.
        writes[last + 1] = Write::new(&keys[twice], &data, precondition);
        let result = storage.store_all(&writes).await;
        refused("A2", "two equal records of one key", result, ErrorKind::InvalidInput)?;
        nothing_of(&cx, &keys, usize::MAX).await?;
    }
    Ok(())
}

async fn what_is_too_large_far_back_refuses_all(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limits = storage.describe().limits;
    let mut keys = many(&cx, most(&storage));
    let data = plain("1");
    let last = keys.len() - 1;
    if limits.record_bytes <= super::limits::MOST {
        let large = plain(&"x".repeat(limits.record_bytes));
        let mut writes = all(&keys, &data, Precondition::Any);
        writes[last].data = &large;
        let result = storage.store_all(&writes).await;
        refused(
            "K7",
            "a batch whose last record is too large",
            result,
            ErrorKind::TooLarge,
        )?;
        nothing_of(&cx, &keys, usize::MAX).await?;
    }
    if limits.resource_server_bytes < super::limits::MOST {
        let long = cx.key(&"x".repeat(limits.resource_server_bytes + 1));
        let fitting = std::mem::replace(&mut keys[last], long);
        let result = storage.store_all(&all(&keys, &data, Precondition::Any)).await;
        refused("K4", "a batch whose last key is too long", result, ErrorKind::TooLarge)?;
        keys[last] = fitting;
        nothing_of(&cx, &keys, usize::MAX).await?;
    }
    Ok(())
}

async fn a_refusal_leaves_the_revisions(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c", "d"].map(|rs| cx.key(rs));
    let (old, new) = (full("old"), full("new"));
    let mut revisions = Vec::new();
    for key in &keys[..3] {
        revisions.push(storage.store(key, &old, Precondition::Any).await?);
    }
    let batch = |refused: usize, revisions: &[Revision]| {
        let mut writes: Vec<Write<'_>> = (0..3)
            .map(|i| Write::new(&keys[i], &new, Precondition::Unchanged(revisions[i])))
            .collect();
        writes[refused].precondition = Precondition::Absent;
        writes.push(Write::new(&keys[3], &new, Precondition::Absent));
        writes
    };
    for index in 0..3 {
        let result = storage.store_all(&batch(index, &revisions)).await;
        refused("A2", "a batch with one refused record", result, ErrorKind::Conflict)?;
        for handle in [&storage, &cx.open().await?] {
            for (key, revision) in keys.iter().zip(&revisions) {
                let there = handle.get(key).await?;
                stored("A2", &there, &old)?;
                let got = there.map(|stored| stored.revision);
                same("A4", "the revision after a refused batch", &got, &Some(*revision))?;
            }
        }
    }
    // Each of them can be built upon, and what was not there is still not there.
    let mut writes = batch(0, &revisions);
    writes[0].precondition = Precondition::Unchanged(revisions[0]);
    storage.store_all(&writes).await?;
    Ok(())
}

async fn large_ones_answer_in_order(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let count = most(&storage);
    let keys: Vec<TokenKey> = (0..count)
        .map(|i| cx.key_in(&format!("/{}", i % 3), &format!("rs{}", (i * 7 + 3) % 1009)))
        .collect();
    let records: Vec<TokenData> = (0..count).map(|i| plain(&i.to_string())).collect();
    let writes: Vec<Write<'_>> = keys
        .iter()
        .zip(&records)
        .map(|(key, data)| Write::new(key, data, Precondition::Absent))
        .collect();
    let revisions = storage.store_all(&writes).await?;
    same("A2", "one revision for each record", &revisions.len(), &count)?;
    for ((key, data), revision) in keys.iter().zip(&records).zip(revisions) {
        let there = storage.get(key).await?;
        stored("A2", &there, data)?;
        let got = there.map(|stored| stored.revision);
        same(
            "A2",
            "the revisions are in the order of the batch",
            &got,
            &Some(revision),
        )?;
    }
    Ok(())
}

pub(super) fn rounds() -> usize {
    if soak() { 300 } else { 20 }
}

async fn readers_see_nothing_of_a_refused_one(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = many(&cx, 8);
    let (old, new) = (full("old"), full("new"));
    // The first half is there, and so is the last record, which refuses the batch.
    for key in keys[..4].iter().chain(&keys[7..]) {
        storage.store(key, &old, Precondition::Any).await?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for place in [0, 3, 4, 6] {
        let (reader, key, stop) = (cx.open_raw().await?, keys[place].clone(), Arc::clone(&stop));
        let (before, shown) = (reader.get(&key).await?, key.show());
        readers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let expectation = format!("what a reader sees of {shown} while a batch is refused");
                same("A2", &expectation, &reader.get(&key).await?, &before)?;
                tokio::task::yield_now().await;
            }
            Check::Ok(())
        }));
    }
    let mut answer = Ok(());
    for _ in 0..rounds() {
        let mut writes = all(&keys, &new, Precondition::Any);
        writes[7].precondition = Precondition::Absent;
        let result = storage.store_all(&writes).await;
        answer = refused(
            "A2",
            "a batch whose last record is refused",
            result,
            ErrorKind::Conflict,
        )
        .map(drop);
        if answer.is_err() {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("a reader does not panic")?;
    }
    answer
}

/// While a batch is being written, a reader that asks for one record after the other may see a new one before an old
/// one; each record only goes forward, and once the batch is acknowledged all are new.
async fn once_acknowledged_all_is_seen(cx: Cx) -> Check {
    let (storage, other) = (cx.open().await?, cx.open().await?);
    let keys = many(&cx, 6);
    for round in 1..=rounds() {
        let data = plain(&round.to_string());
        storage.store_all(&all(&keys, &data, Precondition::Any)).await?;
        for handle in [&other, &storage] {
            for key in keys.iter().rev() {
                let settled =
                    crate::cx::get_settled(handle, key, |got| got.as_ref().is_some_and(|got| got.data == data));
                stored("A3", &settled.await?, &data)?;
            }
        }
    }
    Ok(())
}
