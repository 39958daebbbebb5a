use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorageExt as _, Write};

use crate::{
    Case, Level,
    check::{Check, Show as _, fail, same},
    cx::{Cx, Handle},
    data::{extra, full},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Core,
        "atomicity::a_reader_sees_the_old_or_the_new_record",
        &["A1"],
        |cx| Box::pin(a_reader_sees_the_old_or_the_new_record(cx)),
    ),
    Case::new(
        Level::Core,
        "atomicity::a_reader_never_sees_an_older_record_again",
        &["A1", "A3"],
        |cx| Box::pin(a_reader_never_sees_an_older_record_again(cx)),
    ),
    Case::new(
        Level::Core,
        "atomicity::a_batch_is_never_half_replaced",
        &["A2"],
        |cx| Box::pin(a_batch_is_never_half_replaced(cx)),
    ),
];

fn rounds() -> usize {
    if soak() { 1000 } else { 40 }
}

/// All fields of one generation, of a size that is not written in one piece by accident.
fn generation(number: usize) -> TokenData {
    let tag = format!("{number}-{}", "x".repeat(1000 + number % 7 * 500));
    full(&tag)
        .with_expires_at(number as i64)
        .with_extra(extra(&[("generation", &number.to_string())]))
}

/// Which generation a record is of; a mixture of two fails.
fn whole(clause: &str, data: &TokenData) -> Check<usize> {
    let number = usize::try_from(data.expires_at.unwrap_or(-1)).unwrap_or(usize::MAX);
    if number < 1_000_000 && *data == generation(number) {
        return Ok(number);
    }
    fail(
        clause,
        "a record is the old one or the new one",
        data.show(),
        "all fields of one write",
    )
}

async fn read_until(stop: Arc<AtomicBool>, storage: Handle, key: TokenKey, monotonic: bool) -> Check {
    let mut newest = 0;
    while !stop.load(Ordering::Relaxed) {
        let Some(stored) = storage.get(&key).await? else {
            return fail(
                "A1",
                "a record that is being replaced is there",
                "no record",
                "the old or the new record",
            );
        };
        let number = whole("A1", &stored.data)?;
        if monotonic && number < newest {
            let got = format!("write {number} after write {newest}");
            return fail(
                "A3",
                "reads of one handle never go back",
                got,
                "the same or a newer one",
            );
        }
        newest = newest.max(number);
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn with_readers(cx: &Cx, monotonic: bool) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &generation(0), Precondition::Any).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let reader = cx.open_raw().await?;
        readers.push(tokio::spawn(read_until(
            Arc::clone(&stop),
            reader,
            key.clone(),
            monotonic,
        )));
    }
    let mut failed = None;
    for number in 1..=rounds() {
        if let Err(error) = storage.store(&key, &generation(number), Precondition::Any).await {
            failed = Some(error);
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("a reader does not panic")?;
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

async fn a_reader_sees_the_old_or_the_new_record(cx: Cx) -> Check {
    with_readers(&cx, false).await
}

async fn a_reader_never_sees_an_older_record_again(cx: Cx) -> Check {
    with_readers(&cx, true).await
}

/// Each batch moves all records on together by compare-and-swap: two batches that race must not both get in.
async fn a_batch_is_never_half_replaced(cx: Cx) -> Check {
    let keys: Vec<TokenKey> = (0..4).map(|i| cx.key(&format!("rs{i}"))).collect();
    let storage = cx.open().await?;
    let mut before = store_generation(&storage, &keys, 0, &[]).await?;
    for round in 1..=rounds() / 4 {
        let mut racing = Vec::new();
        for writer in 0..2 {
            let (handle, keys, before) = (cx.open().await?, keys.clone(), before.clone());
            let number = round * 10 + writer;
            racing.push(tokio::spawn(async move {
                store_generation(&handle, &keys, number, &before).await
            }));
        }
        let mut won = 0;
        for racer in racing {
            match racer.await.expect("a writer does not panic") {
                Ok(_) => won += 1,
                Err(error) if error.kind() == token_storage_core::ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
            }
        }
        same("A2", "of two racing batches exactly one wins", &won, &1)?;
        crate::cx::settle(&storage).await;
        before.clear();
        let mut numbers = Vec::new();
        for key in &keys {
            let Some(stored) = storage.get(key).await? else {
                return fail("A2", "all records of a batch are there", "no record", key.show());
            };
            numbers.push(whole("A2", &stored.data)?);
            before.push(stored.revision);
        }
        let first = vec![numbers[0]; numbers.len()];
        same("A2", "all records are of the batch that won", &numbers, &first)?;
    }
    Ok(())
}

async fn store_generation(
    storage: &Handle,
    keys: &[TokenKey],
    number: usize,
    before: &[token_storage_core::Revision],
) -> token_storage_core::Result<Vec<token_storage_core::Revision>> {
    let data = generation(number);
    let writes: Vec<Write<'_>> = keys
        .iter()
        .enumerate()
        .map(|(i, key)| {
            let precondition = before
                .get(i)
                .map_or(Precondition::Absent, |revision| Precondition::Unchanged(*revision));
            Write::new(key, &data, precondition)
        })
        .collect();
    storage.store_all(&writes).await
}
