//! Threads: what holds on one holds on all, inside of a runtime and outside, and while one unwinds.

use std::sync::{Arc, mpsc};

use token_storage_core::{LeaseKind, Precondition, Result, StoredToken, TokenKey, TokenStorageExt as _};
use tokio::{runtime::Handle as Runtime, sync::mpsc as answers};

use super::{
    leases::{acquire, wait_for},
    timed_leases::limit,
};
use crate::{
    Case, Level, Need,
    check::{Check, absent, fail, holds, stored},
    cx::{Cx, Handle},
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Hostile, "handles::each_thread_sees_a_write", &["A3"], |cx| {
        Box::pin(each_thread_sees_a_write(cx))
    }),
    Case::new(
        Level::Hostile,
        "lease::a_guard_can_be_dropped_anywhere",
        &["L2"],
        |cx| Box::pin(a_guard_can_be_dropped_anywhere(cx)),
    )
    .needs(&[Need::Lease]),
    Case::new(Level::Hostile, "lease::a_holder_that_panics_frees_it", &["L2"], |cx| {
        Box::pin(a_holder_that_panics_frees_it(cx))
    })
    .needs(&[Need::Lease]),
];

/// A thread that reads one record each time it is asked to.
struct Reader {
    ask: mpsc::Sender<()>,
    answers: answers::UnboundedReceiver<Result<Option<StoredToken>>>,
}

impl Reader {
    fn start(storage: &Handle, key: &TokenKey) -> Self {
        let (ask, asked) = mpsc::channel();
        let (answer, answers) = answers::unbounded_channel();
        let (runtime, storage, key) = (Runtime::current(), Arc::clone(storage), key.clone());
        std::thread::spawn(move || {
            while asked.recv().is_ok() {
                let _ = answer.send(runtime.block_on(storage.get(&key)));
            }
        });
        Self { ask, answers }
    }

    async fn get(&mut self) -> Check<Option<StoredToken>> {
        let _ = self.ask.send(());
        match self.answers.recv().await {
            Some(answer) => Ok(answer?),
            None => fail("A3", "a thread of its own reads", "it is no more", "an answer"),
        }
    }
}

/// Of the same handle and of another, although it has read before.
async fn each_thread_sees_a_write(cx: Cx) -> Check {
    let (one, two, key) = (cx.open().await?, cx.open().await?, cx.key("rs"));
    let staleness = one.describe().staleness.unwrap_or_default();
    one.store(&key, &full("0"), Precondition::Any).await?;
    let mut readers = [Reader::start(&one, &key), Reader::start(&one, &key)];
    for (round, writer) in [&one, &two, &one, &two].into_iter().enumerate() {
        for reader in &mut readers {
            reader.get().await?;
        }
        let data = full(&format!("{}", round + 1));
        writer.store(&key, &data, Precondition::Any).await?;
        tokio::time::sleep(staleness).await;
        for reader in &mut readers {
            stored("A3", &reader.get().await?, &data)?;
        }
    }
    one.remove(&key, Precondition::Any).await?;
    tokio::time::sleep(staleness).await;
    for reader in &mut readers {
        absent("A3", "a removed record, read by another thread", &reader.get().await?)?;
    }
    Ok(())
}

/// In a thread without a runtime, too: where programs end.
async fn a_guard_can_be_dropped_anywhere(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let (handle, guard) = (cx.open().await?, acquire(&cx.open().await?, &key).await?);
    handle.get(&key).await?;
    let thread = std::thread::spawn(move || drop((guard, handle)));
    let ended = tokio::task::spawn_blocking(move || thread.join()).await;
    let ended = ended.is_ok_and(|ended| ended.is_ok());
    holds("L2", "a guard and a handle can be dropped outside of a runtime", ended)?;
    is_free(&storage, &key).await
}

/// At once, if its lease is bound to the process.
async fn is_free(storage: &Handle, key: &TokenKey) -> Check {
    let guard = match storage.describe().lease {
        Some(LeaseKind::Timed { .. }) => wait_for(storage, key, limit(storage)?).await?,
        _ => acquire(storage, key).await?,
    };
    guard.release().await?;
    Ok(())
}

/// Its stack is unwound, and the guard dropped, as with every other end.
async fn a_holder_that_panics_frees_it(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let guard = acquire(&cx.open().await?, &key).await?;
    let holder = tokio::spawn(async move {
        let _guard = guard;
        // As a panic, but without its message.
        std::panic::resume_unwind(Box::new("the holder"));
    });
    holds("L2", "the holder has panicked", holder.await.is_err())?;
    is_free(&storage, &key).await
}
