use std::sync::Arc;

use token_storage_core::{ErrorKind, Precondition, Result, Revision, TokenKey, TokenStorageExt as _};
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    Case, Level,
    check::{Check, fail, holds, same, stored},
    cx::{Cx, Handle},
    data::{full, plain},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "concurrency::of_racing_creations_one_wins",
        &["A4"],
        |cx| Box::pin(of_racing_creations_one_wins(cx)),
    ),
    Case::new(Level::Core, "concurrency::of_racing_swaps_one_wins", &["A4"], |cx| {
        Box::pin(of_racing_swaps_one_wins(cx))
    }),
    Case::new(
        Level::Core,
        "concurrency::of_racing_swaps_of_equal_values_one_wins",
        &["A4"],
        |cx| Box::pin(of_racing_swaps_of_equal_values_one_wins(cx)),
    ),
    Case::new(
        Level::Core,
        "concurrency::of_racing_removes_one_finds_it",
        &["A4", "K3"],
        |cx| Box::pin(of_racing_removes_one_finds_it(cx)),
    ),
    Case::new(
        Level::Core,
        "concurrency::writers_of_different_keys_lose_nothing",
        &["A6"],
        |cx| Box::pin(writers_of_different_keys_lose_nothing(cx)),
    ),
    Case::new(
        Level::Core,
        "concurrency::counting_by_swaps_loses_no_step",
        &["A4", "A6"],
        |cx| Box::pin(counting_by_swaps_loses_no_step(cx)),
    ),
    Case::new(
        Level::Shared,
        "concurrency::of_racing_handles_one_wins",
        &["A4"],
        |cx| Box::pin(of_racing_handles_one_wins(cx)),
    ),
    Case::new(
        Level::Shared,
        "concurrency::handles_writing_different_keys_lose_nothing",
        &["A6"],
        |cx| Box::pin(handles_writing_different_keys_lose_nothing(cx)),
    ),
    Case::new(
        Level::Shared,
        "concurrency::a_store_beside_the_last_remove_is_kept",
        &["A6"],
        |cx| Box::pin(a_store_beside_the_last_remove_is_kept(cx)),
    ),
];

const RACERS: usize = 8;

fn rounds() -> usize {
    if soak() { 200 } else { 6 }
}

/// Starts one write each at the same moment and counts who won; everyone else must have got a conflict.
async fn race<W, F>(handles: &[Handle], write: W) -> Check<Vec<Option<Revision>>>
where
    W: Fn(usize, Handle) -> F,
    F: Future<Output = Result<Option<Revision>>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for index in 0..RACERS {
        let racer = write(index, Arc::clone(&handles[index % handles.len()]));
        let start = Arc::clone(&start);
        racers.spawn(async move {
            start.wait().await;
            racer.await
        });
    }
    let mut won = Vec::new();
    while let Some(racer) = racers.join_next().await {
        match racer.expect("a writer does not panic") {
            Ok(revision) => won.push(revision),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(won)
}

async fn swaps(cx: &Cx, handles: &[Handle], equal: bool, create: bool) -> Check {
    let key = cx.key("rs");
    for round in 0..rounds() {
        let before = if create {
            handles[0].remove(&key, Precondition::Any).await?;
            Precondition::Absent
        } else {
            Precondition::Unchanged(handles[0].store(&key, &full("base"), Precondition::Any).await?)
        };
        let won = race(handles, |index, storage| {
            let key = key.clone();
            let data = plain(&if equal {
                round.to_string()
            } else {
                format!("{round}-{index}")
            });
            async move { storage.store(&key, &data, before).await.map(Some) }
        })
        .await?;
        same(
            "A4",
            "of racing writers with the same precondition exactly one wins",
            &won.len(),
            &1,
        )?;
        let there = handles[0].get(&key).await?.map(|stored| stored.revision);
        same("A4", "what is there is the winner's", &there, &won[0])?;
    }
    Ok(())
}

async fn of_racing_creations_one_wins(cx: Cx) -> Check {
    swaps(&cx, &[cx.open().await?], false, true).await
}

async fn of_racing_swaps_one_wins(cx: Cx) -> Check {
    swaps(&cx, &[cx.open().await?], false, false).await
}

async fn of_racing_swaps_of_equal_values_one_wins(cx: Cx) -> Check {
    swaps(&cx, &[cx.open().await?], true, false).await?;
    swaps(&cx, &[cx.open().await?], true, true).await
}

async fn of_racing_handles_one_wins(cx: Cx) -> Check {
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.push(cx.open().await?);
    }
    swaps(&cx, &handles, false, false).await?;
    swaps(&cx, &handles, true, true).await
}

async fn of_racing_removes_one_finds_it(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for round in 0..rounds() {
        let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
        let precondition = if round % 2 == 0 {
            Precondition::Any
        } else {
            Precondition::Unchanged(revision)
        };
        let won = race(std::slice::from_ref(&storage), |_, storage| {
            let key = key.clone();
            async move {
                let removed = storage.remove(&key, precondition).await?;
                Ok(removed.then_some(revision))
            }
        })
        .await?;
        let found = won.iter().flatten().count();
        same("A4", "of racing removes exactly one finds the record", &found, &1)?;
    }
    Ok(())
}

async fn different_keys(cx: &Cx, handles: &[Handle]) -> Check {
    let each = if soak() { 200 } else { 8 };
    let mut writers = JoinSet::new();
    for writer in 0..RACERS {
        let (cx, storage) = (cx.clone(), Arc::clone(&handles[writer % handles.len()]));
        writers.spawn(async move {
            for index in 0..each {
                let tag = format!("{writer}-{index}");
                storage.store(&cx.key(&tag), &plain(&tag), Precondition::Absent).await?;
            }
            Ok::<(), token_storage_core::Error>(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("a writer does not panic")?;
    }
    let reader = cx.open_raw().await?;
    for tag in (0..RACERS).flat_map(|writer| (0..each).map(move |index| format!("{writer}-{index}"))) {
        stored("A6", &reader.get(&cx.key(&tag)).await?, &plain(&tag))?;
    }
    Ok(())
}

async fn writers_of_different_keys_lose_nothing(cx: Cx) -> Check {
    different_keys(&cx, &[cx.open().await?]).await
}

async fn handles_writing_different_keys_lose_nothing(cx: Cx) -> Check {
    different_keys(&cx, &[cx.open().await?, cx.open().await?, cx.open().await?]).await
}

/// Who removes the last record may tidy up what it was kept in: not what somebody else stores there meanwhile.
async fn a_store_beside_the_last_remove_is_kept(cx: Cx) -> Check {
    let (one, two, reader) = (cx.open().await?, cx.open().await?, cx.open().await?);
    let (last, new) = (cx.key("last"), cx.key("new"));
    for round in 0..if soak() { 400 } else { 20 } {
        let data = plain(&round.to_string());
        one.store(&last, &data, Precondition::Any).await?;
        let removing = tokio::spawn({
            let (one, last) = (Arc::clone(&one), last.clone());
            async move { one.remove(&last, Precondition::Any).await }
        });
        // In the midst of the remove, by chance: as soon as its record is gone.
        while round % 2 == 0 && !removing.is_finished() && two.get(&last).await?.is_some() {
            tokio::task::yield_now().await;
        }
        two.store(&new, &data, Precondition::Any).await?;
        removing.await.expect("a remove does not panic")?;
        crate::cx::settle(&reader).await;
        stored("A6", &reader.get(&new).await?, &data)?;
        two.remove(&new, Precondition::Any).await?;
    }
    Ok(())
}

async fn counting_by_swaps_loses_no_step(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("counter"));
    let steps = if soak() { 100 } else { 5 };
    storage
        .store(&key, &plain("0").with_expires_at(0), Precondition::Absent)
        .await?;
    let mut counters = JoinSet::new();
    for _ in 0..4 {
        let (storage, key) = (Arc::clone(&storage), key.clone());
        counters.spawn(async move {
            for _ in 0..steps {
                step(&storage, &key).await?;
            }
            Check::Ok(())
        });
    }
    while let Some(counter) = counters.join_next().await {
        counter.expect("a counter does not panic")?;
    }
    let end = storage.get(&key).await?.and_then(|stored| stored.data.expires_at);
    same("A4", "the count after all steps", &end, &Some(4 * steps))
}

async fn step(storage: &Handle, key: &TokenKey) -> Check {
    for _ in 0..10_000 {
        let Some(read) = storage.get(key).await? else {
            return fail("A6", "the counter is there", "no record", "a record");
        };
        let next = read.data.expires_at.unwrap_or(0) + 1;
        let data = plain(&next.to_string()).with_expires_at(next);
        match storage.store(key, &data, Precondition::Unchanged(read.revision)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
            Err(error) => return Err(error.into()),
        }
    }
    holds("A4", "a writer that tries again gets through", false)
}
