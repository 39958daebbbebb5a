//! Batches that race each other, and what changes one of their records.

use std::{sync::Arc, time::Duration};

use token_storage_core::{ErrorKind, Precondition, Result, TokenData, TokenKey, TokenStorageExt as _};
use tokio::sync::Barrier;

use super::large_batches::{all, many, rounds};
use crate::{
    Case, Level,
    check::{Check, absent, fail, of_one_batch, stored},
    cx::{Cx, Handle},
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Shared,
        "batches::of_one_and_a_store_that_race_one_wins",
        &["A2", "A4"],
        |cx| Box::pin(of_one_and_a_store_that_race_one_wins(cx)),
    ),
    Case::new(
        Level::Shared,
        "batches::of_one_and_a_remove_that_race_one_wins",
        &["A2", "A4"],
        |cx| Box::pin(of_one_and_a_remove_that_race_one_wins(cx)),
    ),
    Case::new(
        Level::Shared,
        "batches::those_that_overlap_do_not_block_each_other",
        &["A2", "D6"],
        |cx| Box::pin(those_that_overlap_do_not_block_each_other(cx)),
    ),
];

/// Both start at one moment, on handles of their own; in some rounds the first a little later, so that it falls into the
/// midst of the second.
async fn race<A, B>(
    round: usize,
    one: impl Future<Output = Result<A>> + Send + 'static,
    two: impl Future<Output = Result<B>> + Send + 'static,
) -> (Result<A>, Result<B>)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(2));
    let other = Arc::clone(&barrier);
    let first = tokio::spawn(async move {
        other.wait().await;
        if !round.is_multiple_of(3) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        one.await
    });
    let second = tokio::spawn(async move {
        barrier.wait().await;
        two.await
    });
    let (first, second) = tokio::join!(first, second);
    (
        first.expect("a racer does not panic"),
        second.expect("a racer does not panic"),
    )
}

/// Whether the call won; a conflict has lost, and anything else is an error.
fn won<T>(result: Result<T>) -> Check<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The batch: the raced record in its middle, the others without a precondition.
async fn batch_over(storage: Handle, keys: Vec<TokenKey>, data: TokenData, precondition: Precondition) -> Result<()> {
    let mut writes = all(&keys, &data, Precondition::Any);
    writes[2].precondition = precondition;
    storage.store_all(&writes).await.map(drop)
}

async fn of_one_and_a_store_that_race_one_wins(cx: Cx) -> Check {
    let (storage, keys) = (cx.open().await?, many(&cx, 5));
    for round in 0..rounds() {
        let (base, single, batch) = (
            full("base"),
            full(&format!("single {round}")),
            full(&format!("batch {round}")),
        );
        let revisions = storage.store_all(&all(&keys, &base, Precondition::Any)).await?;
        let precondition = if round % 4 == 3 {
            storage.remove(&keys[2], Precondition::Any).await?;
            Precondition::Absent
        } else {
            Precondition::Unchanged(revisions[2])
        };
        let (one, two) = (cx.open().await?, cx.open().await?);
        let (key, data) = (keys[2].clone(), single.clone());
        let (stored_one, stored_all) = race(
            round,
            async move { one.store(&key, &data, precondition).await },
            batch_over(two, keys.clone(), batch.clone(), precondition),
        )
        .await;
        let (single_won, batch_won) = (won(stored_one)?, won(stored_all)?);
        if single_won == batch_won {
            let got = format!("the store: {single_won}, the batch: {batch_won}");
            return fail(
                "A4",
                "of a store and a batch that race exactly one wins",
                got,
                "one of them",
            );
        }
        stored(
            "A4",
            &storage.get(&keys[2]).await?,
            if batch_won { &batch } else { &single },
        )?;
        for key in [&keys[0], &keys[4]] {
            stored("A2", &storage.get(key).await?, if batch_won { &batch } else { &base })?;
        }
    }
    Ok(())
}

async fn of_one_and_a_remove_that_race_one_wins(cx: Cx) -> Check {
    let (storage, keys) = (cx.open().await?, many(&cx, 5));
    for round in 0..rounds() {
        let (base, batch) = (full("base"), full(&format!("batch {round}")));
        let revisions = storage.store_all(&all(&keys, &base, Precondition::Any)).await?;
        let precondition = Precondition::Unchanged(revisions[2]);
        let (one, two, key) = (cx.open().await?, cx.open().await?, keys[2].clone());
        let (removed, stored_all) = race(
            round,
            async move { one.remove(&key, precondition).await },
            batch_over(two, keys.clone(), batch.clone(), precondition),
        )
        .await;
        let (remove_won, batch_won) = (won(removed)?, won(stored_all)?);
        if remove_won == batch_won {
            let got = format!("the remove: {remove_won}, the batch: {batch_won}");
            return fail(
                "A4",
                "of a remove and a batch that race exactly one wins",
                got,
                "one of them",
            );
        }
        match batch_won {
            true => stored("A4", &storage.get(&keys[2]).await?, &batch)?,
            false => absent("A4", "the removed record", &storage.get(&keys[2]).await?)?,
        }
        for key in [&keys[0], &keys[4]] {
            stored("A2", &storage.get(key).await?, if batch_won { &batch } else { &base })?;
        }
    }
    Ok(())
}

/// Two batches over the same records in opposite orders: a storage that locks them one by one has to mind the order.
async fn those_that_overlap_do_not_block_each_other(cx: Cx) -> Check {
    let keys = many(&cx, 6);
    let reversed: Vec<TokenKey> = keys.iter().rev().cloned().collect();
    let storage = cx.open().await?;
    for round in 0..rounds() {
        let (one, two) = (cx.open().await?, cx.open().await?);
        let (first, second) = (full(&format!("first {round}")), full(&format!("second {round}")));
        let (done_one, done_two) = race(
            round,
            batch_over(one, keys.clone(), first.clone(), Precondition::Any),
            batch_over(two, reversed.clone(), second.clone(), Precondition::Any),
        )
        .await;
        done_one?;
        done_two?;
        crate::cx::settle(&storage).await;
        let mut there = Vec::new();
        for key in &keys {
            there.push(storage.get(key).await?.map(|stored| stored.data));
        }
        of_one_batch("A2", "the records of two batches that raced", &keys, &there)?;
    }
    Ok(())
}
