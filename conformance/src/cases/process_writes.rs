//! Several processes that remove, write batches and list.

use std::time::Duration;

use token_storage_core::{Precondition, TokenKey, TokenStorageExt as _, Write};
use tokio::time::Instant;

use super::{
    enumeration::keys_of,
    processes::{NEEDS, start},
};
use crate::{
    Case, Level, Need,
    check::{Check, absent, fail, of_one_batch, same, stored},
    cx::{Cx, get_settled},
    data::full,
    rng::soak,
    worker::{Reply, Request, Worker},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Shared,
        "processes::each_sees_what_the_other_removes",
        &["A3", "K3"],
        |cx| Box::pin(each_sees_what_the_other_removes(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::of_racing_removes_one_finds_it",
        &["A4", "K3"],
        |cx| Box::pin(of_racing_removes_one_finds_it(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::of_racing_batches_one_wins",
        &["A2", "A4"],
        |cx| Box::pin(of_racing_batches_one_wins(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::batches_that_overlap_do_not_block_each_other",
        &["A2", "D6"],
        |cx| Box::pin(batches_that_overlap_do_not_block_each_other(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::each_lists_what_the_other_writes",
        &["A3", "C5"],
        |cx| Box::pin(each_lists_what_the_other_writes(cx)),
    )
    .needs(&[Need::Processes, Need::Enumeration]),
];

fn rounds() -> usize {
    if soak() { 100 } else { 6 }
}

/// What a remove of another process answers.
async fn it_removes(cx: &Cx, worker: &mut Worker, key: &TokenKey, condition: Precondition) -> Check<bool> {
    match worker.done(cx, "K3", Request::remove(key, condition)).await? {
        Reply::Removed { there } => Ok(there),
        reply => fail(
            "K3",
            "another process removes",
            format!("{reply:?}"),
            "whether it was there",
        ),
    }
}

async fn each_sees_what_the_other_removes(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut worker = start(&cx, 1).await?.remove(0);
    for round in 0..rounds() {
        let mine = full(&format!("mine-{round}"));
        let revision = storage.store(&key, &mine, Precondition::Absent).await?;
        // Both have read it, and may remember it.
        worker.done(&cx, "A3", Request::Get { key: (&key).into() }).await?;
        storage.get(&key).await?;
        let its = [Precondition::Any, Precondition::Unchanged(revision)][round % 2];
        let there = it_removes(&cx, &mut worker, &key, its).await?;
        same("K3", "another process removes what is there", &there, &true)?;
        let seen = get_settled(&storage, &key, Option::is_none).await?;
        absent("A3", "what another process has removed", &seen)?;
        let there = storage.remove(&key, Precondition::Any).await?;
        same("K3", "a remove of what another process has removed", &there, &false)?;

        let its = Request::store(&key, format!("its-{round}"), Precondition::Absent);
        worker.done(&cx, "A4", its).await?;
        get_settled(&storage, &key, Option::is_some).await?;
        let there = storage.remove(&key, Precondition::Any).await?;
        same("K3", "a remove of what another process has stored", &there, &true)?;
        it_sees_nothing(&cx, &mut worker, &key).await?;
        let there = it_removes(&cx, &mut worker, &key, Precondition::Absent).await?;
        same("K3", "another process removes what is gone", &there, &false)?;
    }
    worker.finish().await
}

/// Until when a staleness that the storage declares may be waited for.
async fn settled_by(cx: &Cx) -> Check<Instant> {
    let staleness = cx.open_raw().await?.describe().staleness;
    Ok(Instant::now() + staleness.unwrap_or_default())
}

const AGAIN: Duration = Duration::from_millis(5);

async fn it_sees_nothing(cx: &Cx, worker: &mut Worker, key: &TokenKey) -> Check {
    let deadline = settled_by(cx).await?;
    loop {
        let began = Instant::now();
        match worker.done(cx, "A3", Request::Get { key: key.into() }).await? {
            Reply::Got { access_token: None } => return Ok(()),
            Reply::Got { .. } if began < deadline => tokio::time::sleep(AGAIN).await,
            reply => {
                let what = "what another process reads of a record that was removed";
                return fail("A3", what, format!("{reply:?}"), "no record");
            }
        }
    }
}

/// What racing workers answered, conflicts as `None`.
async fn answers(workers: &mut [Worker]) -> Check<Vec<Option<Reply>>> {
    let mut answers = Vec::new();
    for worker in workers {
        match worker.receive().await? {
            Reply::Failed { kind, .. } if kind == "Conflict" => answers.push(None),
            Reply::Failed { kind, message } => {
                let what = "a racing process wins or gets a conflict";
                return fail("A4", what, format!("{kind}: {message}"), "either");
            }
            reply => answers.push(Some(reply)),
        }
    }
    Ok(answers)
}

/// Without a precondition, with one, and with one against somebody who stores.
async fn of_racing_removes_one_finds_it(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut workers = start(&cx, 4).await?;
    for round in 0..rounds() {
        let revision = storage.store(&key, &full("base"), Precondition::Any).await?;
        let unchanged = Precondition::Unchanged(revision);
        let condition = if round % 3 == 0 { Precondition::Any } else { unchanged };
        let mut requests = vec![Request::remove(&key, condition); workers.len()];
        if round % 3 == 2 {
            requests[round % 4] = Request::store(&key, "new", unchanged);
        }
        for (worker, request) in workers.iter_mut().zip(&requests) {
            worker.send(request).await?;
        }
        let answers = answers(&mut workers).await?;
        let won =
            |answer: &&Option<Reply>| matches!(answer, Some(Reply::Removed { there: true } | Reply::Stored { .. }));
        let what = "of processes that race to remove a record, or to replace it, exactly one finds it";
        same("A4", what, &answers.iter().filter(won).count(), &1)?;
        let replaced = answers
            .iter()
            .any(|answer| matches!(answer, Some(Reply::Stored { .. })));
        let there = get_settled(&storage, &key, |got| got.is_some() == replaced).await?;
        let what = "whether a record that was removed, or replaced, is there";
        same("A4", what, &there.is_some(), &replaced)?;
    }
    Ok(())
}

/// Each batch is one step: nobody writes a part of it over what another has written since it looked.
async fn of_racing_batches_one_wins(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys: Vec<TokenKey> = (0..4).map(|index| cx.key(&format!("rs{index}"))).collect();
    let mut workers = start(&cx, 4).await?;
    for round in 0..rounds() {
        let base = full("base");
        let writes: Vec<_> = keys
            .iter()
            .map(|key| Write::new(key, &base, Precondition::Any))
            .collect();
        let revisions = storage.store_all(&writes).await?;
        let mut conditions: Vec<_> = revisions.into_iter().map(Precondition::Unchanged).collect();
        if round % 2 == 0 {
            // Only the last record decides: whoever checks as it writes has written the others by then.
            conditions[..3].fill(Precondition::Any);
        }
        for (index, worker) in workers.iter_mut().enumerate() {
            let batch = Request::batch(&keys, format!("{round}-{index}"), &conditions);
            worker.send(&batch).await?;
        }
        let answers = answers(&mut workers).await?;
        let won: Vec<usize> = (0..answers.len()).filter(|index| answers[*index].is_some()).collect();
        same("A4", "of racing batches exactly one wins", &won.len(), &1)?;
        let want = full(&format!("{round}-{}", won[0]));
        for key in &keys {
            let seen = get_settled(&storage, key, |got| got.as_ref().is_some_and(|got| got.data == want)).await?;
            stored("A2", &seen, &want)?;
        }
    }
    Ok(())
}

/// The same records in opposite orders: whoever locks them one by one waits for the other for ever.
async fn batches_that_overlap_do_not_block_each_other(cx: Cx) -> Check {
    let keys: Vec<TokenKey> = (0..6).map(|index| cx.key(&format!("rs{index}"))).collect();
    let reversed: Vec<TokenKey> = keys.iter().rev().cloned().collect();
    keys.iter().for_each(|key| cx.touch(key));
    let (storage, mut workers) = (cx.open().await?, start(&cx, 3).await?);
    for round in 0..rounds() {
        for (index, worker) in workers.iter_mut().enumerate() {
            let keys = if index % 2 == 0 { &keys } else { &reversed };
            let batch = Request::batch(keys, format!("{round}-{index}"), &[Precondition::Any; 6]);
            worker.send(&batch).await?;
        }
        for worker in &mut workers {
            if let Reply::Failed { kind, message } = worker.receive().await? {
                return fail("D6", "contention waits", format!("{kind}: {message}"), "Ok");
            }
        }
        let possible = [0, 1, 2].map(|index| full(&format!("{round}-{index}")));
        let of_this_round = |got: &Option<token_storage_core::StoredToken>| {
            got.as_ref().is_some_and(|got| possible.contains(&got.data))
        };
        let first = get_settled(&storage, &keys[0], of_this_round).await?;
        let mut there = vec![first.map(|stored| stored.data)];
        for key in &keys[1..] {
            let seen = get_settled(&storage, key, |got| {
                got.as_ref().map(|got| &got.data) == there[0].as_ref()
            });
            let seen = seen.await?.map(|stored| stored.data);
            there.push(seen);
        }
        of_one_batch("A2", "the records of batches of several processes", &keys, &there)?;
    }
    Ok(())
}

async fn it_lists(cx: &Cx, worker: &mut Worker, want: &[TokenKey]) -> Check {
    let deadline = settled_by(cx).await?;
    let want: Vec<String> = want.iter().map(|key| key.resource_server().to_owned()).collect();
    let namespace = cx.namespace().to_owned();
    loop {
        let (began, request) = (
            Instant::now(),
            Request::List {
                namespace: namespace.clone(),
            },
        );
        match worker.done(cx, "C5", request).await? {
            Reply::Listed { mut names } => {
                names.sort();
                if names == want || began >= deadline {
                    return same("A3", "what another process lists", &names, &want);
                }
                tokio::time::sleep(AGAIN).await;
            }
            reply => return fail("C5", "another process lists", format!("{reply:?}"), "keys"),
        }
    }
}

async fn this_lists(cx: &Cx, storage: &crate::cx::Handle, want: &[TokenKey]) -> Check {
    let deadline = settled_by(cx).await?;
    loop {
        let (began, mut keys) = (Instant::now(), keys_of(storage, cx.namespace()).await?);
        keys.sort();
        if keys == want || began >= deadline {
            return same("A3", "what this process lists", &keys, &want.to_vec());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whoever has listed may remember it, until it writes itself: each lists before and after the other writes.
async fn each_lists_what_the_other_writes(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let mut worker = start(&cx, 1).await?.remove(0);
    let keys = ["a", "b", "c"].map(|name| cx.key(name));
    keys.iter().for_each(|key| cx.touch(key));
    let [first, others @ ..] = &keys;
    for _ in 0..3 {
        it_lists(&cx, &mut worker, &[]).await?;
        storage.store(first, &full("1"), Precondition::Absent).await?;
        it_lists(&cx, &mut worker, &keys[..1]).await?;
        storage.remove(first, Precondition::Any).await?;
        it_lists(&cx, &mut worker, &[]).await?;

        this_lists(&cx, &storage, &[]).await?;
        let its = Request::batch(others, "2", &[Precondition::Absent; 2]);
        worker.done(&cx, "A2", its).await?;
        this_lists(&cx, &storage, others).await?;
        for key in others {
            it_removes(&cx, &mut worker, key, Precondition::Any).await?;
        }
        this_lists(&cx, &storage, &[]).await?;
    }
    worker.finish().await
}
