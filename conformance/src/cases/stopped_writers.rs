//! Processes that are stopped in the middle of what they do, with or without a lock, and those that go on meanwhile.

use std::time::Duration;

use token_storage_core::{ErrorKind, Precondition, Result, StoredToken, TokenKey, TokenStorageExt as _, Write};

use super::{
    enumeration::keys_of,
    kills::moment,
    leases::acquire,
    processes::{NEEDS, start},
};
use crate::{
    Case, Level, Need,
    check::{Check, Stop, fail, refused, same, stored},
    cx::{Cx, Handle, settle},
    data::full,
    rng::soak,
    worker::{Reply, Request, Worker},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Shared,
        "processes::a_stopped_writer_does_not_stop_readers",
        &["D4", "A1"],
        |cx| Box::pin(a_stopped_writer_does_not_stop_readers(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Shared,
        "processes::waiting_for_a_stopped_writer_is_bounded",
        &["D6", "A5"],
        |cx| Box::pin(waiting_for_a_stopped_writer_is_bounded(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Lease,
        "lease::a_stopped_holder_does_not_stop_writers",
        &["L1", "D6"],
        |cx| Box::pin(a_stopped_holder_does_not_stop_writers(cx)),
    )
    .needs(&[Need::Lease, Need::Processes]),
];

/// A process that stores without end.
async fn flooding(cx: &Cx) -> Check<Worker> {
    let mut worker = start(cx, 1).await?.remove(0);
    let flood = Request::Flood {
        namespace: cx.namespace().to_owned(),
        distinct: false,
    };
    cx.touch(&cx.key("flood"));
    worker.send(&flood).await?;
    Ok(worker)
}

async fn a_stopped_writer_does_not_stop_readers(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("flood"));
    storage.store(&key, &full("first"), Precondition::Any).await?;
    let mut worker = flooding(&cx).await?;
    // Where in a write it is stopped is left to chance, so it is done a few times.
    let mut rng = cx.rng();
    for _ in 0..if soak() { 200 } else { 12 } {
        worker.receive().await?;
        tokio::time::sleep(moment(&mut rng)).await;
        worker.stop().await?;
        for handle in [&storage, &cx.open().await?] {
            if read(handle, &key).await?.is_none() {
                return fail(
                    "A1",
                    "a record that is being replaced is there",
                    "no record",
                    "the old or the new one",
                );
            }
            if cx.declares(Need::Enumeration) {
                let listed = match keys_of(handle, cx.namespace()).await {
                    Err(Stop::Storage(error)) => return waits("a listing", &error),
                    listed => listed?,
                };
                same("D4", "the keys, while a writer is stopped", &listed, &vec![key.clone()])?;
            }
        }
        worker.go_on()?;
    }
    worker.kill().await.map(drop)
}

/// A read that a stopped writer must not hold up.
async fn read(handle: &Handle, key: &TokenKey) -> Check<Option<StoredToken>> {
    match handle.get(key).await {
        Err(error) => waits("a read", &error),
        Ok(found) => Ok(found),
    }
}

fn waits<T>(what: &str, error: &token_storage_core::Error) -> Check<T> {
    let expectation = format!("{what} needs no lock, and so does not wait for a writer that is stopped");
    fail("D4", &expectation, format!("{:?}: {error}", error.kind()), "Ok")
}

/// Much longer than any storage documents; a guard against hangs, and no measurement.
const BOUND: Duration = Duration::from_secs(60);

/// What each kind of write is tried on.
struct Tried {
    stored: TokenKey,
    removed: TokenKey,
    batch: [TokenKey; 2],
}

impl Tried {
    fn keys(&self) -> [&TokenKey; 4] {
        [&self.stored, &self.removed, &self.batch[0], &self.batch[1]]
    }

    async fn there(&self, storage: &Handle) -> Check<Vec<Option<StoredToken>>> {
        let mut there = Vec::new();
        for key in self.keys() {
            there.push(storage.get(key).await?);
        }
        Ok(there)
    }

    /// Makes all calls at once, each through a handle of its own.
    async fn call(&self, handles: &[Handle; 3], tag: &str) -> [(&'static str, Result<()>); 3] {
        let data = full(tag);
        let batch = self
            .batch
            .each_ref()
            .map(|key| Write::new(key, &data, Precondition::Any));
        let (store, batch, remove) = tokio::join!(
            handles[0].store(&self.stored, &data, Precondition::Any),
            handles[1].store_all(&batch),
            handles[2].remove(&self.removed, Precondition::Any),
        );
        [
            ("a store", store.map(drop)),
            ("a batch", batch.map(drop)),
            ("a remove", remove.map(drop)),
        ]
    }
}

/// Where in its write it is stopped is left to chance: often enough it has a lock then, and the others get `Busy` after a
/// while. A storage without locks just goes on.
async fn waiting_for_a_stopped_writer_is_bounded(cx: Cx) -> Check {
    let handles = [cx.open().await?, cx.open().await?, cx.open().await?];
    let reader = cx.open().await?;
    let tried = Tried {
        stored: cx.key("stored"),
        removed: cx.key("removed"),
        batch: [cx.key("batch-1"), cx.key("batch-2")],
    };
    let mut worker = flooding(&cx).await?;
    let mut rng = cx.rng();
    for round in 0..if soak() { 60 } else { 12 } {
        for key in tried.keys() {
            reader.store(key, &full("old"), Precondition::Any).await?;
        }
        worker.receive().await?;
        tokio::time::sleep(moment(&mut rng)).await;
        worker.stop().await?;
        let before = tried.there(&reader).await?;
        let tag = format!("new-{round}");
        let Ok(answers) = tokio::time::timeout(BOUND, tried.call(&handles, &tag)).await else {
            let got = format!("no answer for {} s", BOUND.as_secs());
            return fail("D6", "waiting for a stopped writer is bounded", got, "Ok or Busy");
        };
        let waited = answers.iter().any(|(_, answer)| answer.is_err());
        let untouched = busy(answers)?;
        untouched_are(&untouched, &tried.there(&reader).await?, &before)?;
        worker.go_on()?;
        untouched_are(&untouched, &tried.there(&reader).await?, &before)?;
        if waited {
            // Once is enough, since it has taken long.
            break;
        }
    }
    for (what, answer) in tried.call(&handles, "in the end").await {
        if let Err(error) = answer {
            let expectation = format!("{what}, once the writer goes on");
            return fail("D6", &expectation, format!("{:?}: {error}", error.kind()), "Ok");
        }
    }
    settle(&reader).await;
    stored("D6", &reader.get(&tried.stored).await?, &full("in the end"))?;
    worker.kill().await.map(drop)
}

/// Those are what they were.
fn untouched_are(untouched: &[usize], after: &[Option<StoredToken>], before: &[Option<StoredToken>]) -> Check {
    let changed = |index: &&usize| after[**index] != before[**index];
    match untouched.iter().find(changed) {
        Some(index) => same("A5", "a record after Busy", &after[*index], &before[*index]),
        None => Ok(()),
    }
}

/// The records, as [`Tried::keys`] has them, of calls that say that they did nothing.
fn busy(answers: [(&'static str, Result<()>); 3]) -> Check<Vec<usize>> {
    let mut untouched = Vec::new();
    for ((what, answer), records) in answers.into_iter().zip([&[0][..], &[2, 3], &[1]]) {
        if answer.is_ok() {
            continue;
        }
        let what = format!("{what}, while a writer is stopped");
        let error = refused("D6", &what, answer, ErrorKind::Busy)?;
        same(
            "D6",
            &format!("{what}: whether Busy is retryable"),
            &error.is_retryable(),
            &true,
        )?;
        if !error.may_have_applied() {
            untouched.extend(records);
        }
    }
    Ok(untouched)
}

/// A lease is no lock for writers, in other processes either.
async fn a_stopped_holder_does_not_stop_writers(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut worker = Worker::start(&cx)?;
    let acquired = worker.done(&cx, "L1", Request::Acquire { key: (&key).into() }).await?;
    if !matches!(acquired, Reply::Acquired { .. }) {
        let what = "a free lease is acquired by another process";
        return fail("L1", what, format!("{acquired:?}"), "Acquired");
    }
    worker.stop().await?;
    let data = full("1");
    for key in [&key, &cx.key("other")] {
        let batch = [Write::new(key, &data, Precondition::Any)];
        for handle in [&storage, &cx.open().await?] {
            handle.store(key, &data, Precondition::Any).await?;
            handle.store_all(&batch).await?;
            stored("L1", &handle.get(key).await?, &data)?;
            let there = handle.remove(key, Precondition::Any).await?;
            same("L1", "a record beside a lease whose holder is stopped", &there, &true)?;
        }
    }
    // Another key's lease is nobody's.
    acquire(&storage, &cx.key("other")).await?.release().await?;
    worker.go_on()?;
    worker.kill().await.map(drop)
}
