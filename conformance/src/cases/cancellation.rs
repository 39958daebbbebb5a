//! Callers that go away: calls that are dropped at each of their await points, many times.

use std::{sync::Arc, time::Duration};

use token_storage_core::{Precondition, StoredToken, TokenData, TokenKey, TokenStorageExt as _, Write};
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    Case, Level,
    check::{Check, Show as _, fail, of_one_batch, same, stored},
    cx::{Cx, Handle},
    data::full,
    dropping::{POINTS, dropped_after},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_store_leaves_the_old_or_the_new_record",
        &["A7", "A1"],
        |cx| Box::pin(a_dropped_store_leaves_the_old_or_the_new_record(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_write_does_not_come_late",
        &["A7"],
        |cx| Box::pin(a_dropped_write_does_not_come_late(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_remove_does_not_come_late",
        &["A7"],
        |cx| Box::pin(a_dropped_remove_does_not_come_late(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_batch_does_not_come_late",
        &["A7"],
        |cx| Box::pin(a_dropped_batch_does_not_come_late(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_get_is_not_overtaken_by_a_dropped_write",
        &["A7"],
        |cx| Box::pin(a_get_is_not_overtaken_by_a_dropped_write(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_batch_waits_for_dropped_writes",
        &["A7"],
        |cx| Box::pin(a_batch_waits_for_dropped_writes(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_batch_is_all_or_nothing",
        &["A7", "A2"],
        |cx| Box::pin(a_dropped_batch_is_all_or_nothing(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::batches_dropped_under_contention_stay_whole",
        &["A7", "A2"],
        |cx| Box::pin(batches_dropped_under_contention_stay_whole(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_get_harms_nothing",
        &["A7"],
        |cx| Box::pin(a_dropped_get_harms_nothing(cx)),
    ),
];

/// How often a call is dropped at each of its await points: what goes on in a thread or a task of its own is over soon
/// or late, as it happens.
pub(super) fn times() -> usize {
    if soak() { 100 } else { 8 }
}

/// How long one looks whether a dropped call comes after all.
pub(super) fn late() -> Duration {
    Duration::from_millis(if soak() { 3000 } else { 300 })
}

/// How long a call may take: the ten seconds of D6 and more, since machines are slow. Only a call that hangs takes as
/// long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The call is answered at all.
pub(super) async fn answered<T>(expectation: &str, call: impl Future<Output = T>) -> Check<T> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => Ok(answer),
        Err(_) => fail(
            "D6",
            expectation,
            format!("no answer in {} s", PATIENCE.as_secs()),
            "an answer",
        ),
    }
}

fn is_one_of(clause: &str, got: &Option<StoredToken>, allowed: &[&TokenData]) -> Check {
    let want = "the old record or the new one";
    match got {
        Some(got) if allowed.contains(&&got.data) => Ok(()),
        Some(got) => fail(
            clause,
            "the record is the old one or the new one",
            got.data.show(),
            want,
        ),
        None => fail(clause, "the record is the old one or the new one", "no record", want),
    }
}

async fn a_dropped_store_leaves_the_old_or_the_new_record(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut old = full("old");
    storage.store(&key, &old, Precondition::Any).await?;
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let new = full(&format!("new-{point}-{time}"));
            let done = dropped_after(point, storage.store(&key, &new, Precondition::Any)).await;
            for handle in [&storage, &cx.open().await?] {
                is_one_of("A7", &handle.get(&key).await?, &[&old, &new])?;
            }
            all_done &= done.is_some();
            if let Some(result) = done {
                result?;
                stored("A7", &storage.get(&key).await?, &new)?;
            }
            // Settles what is there, so that the next round has one old record.
            old = full(&format!("settled-{point}-{time}"));
            storage.store(&key, &old, Precondition::Any).await?;
        }
        if all_done {
            break;
        }
    }
    Ok(())
}

/// What each key must have, however long one looks.
struct Expected {
    storage: Handle,
    records: Vec<(TokenKey, Option<TokenData>)>,
}

const LATE: &str = "a dropped write does not happen after a later call on its key was acknowledged";

impl Expected {
    async fn new(cx: &Cx) -> Check<Self> {
        let storage = cx.open().await?;
        let records = Vec::new();
        Ok(Self { storage, records })
    }

    /// The later call was acknowledged: from now on this is what is there.
    async fn settled(&mut self, key: TokenKey, want: Option<TokenData>) -> Check {
        let got = self.storage.get(&key).await?.map(|stored| stored.data);
        same("A7", LATE, &got, &want)?;
        self.records.push((key, want));
        Ok(())
    }

    /// Looks again after a while, with the same handle and with a new one.
    async fn stay(self, cx: &Cx) -> Check {
        let staleness = self.storage.describe().staleness.unwrap_or_default();
        tokio::time::sleep(late().max(staleness)).await;
        let reader = cx.open_raw().await?;
        for (key, want) in &self.records {
            for handle in [&self.storage, &reader] {
                let got = handle.get(key).await?.map(|stored| stored.data);
                if got != *want {
                    cx.note(format!("{} ms later, {} has changed", late().as_millis(), key.show()));
                }
                same("A7", LATE, &got, want)?;
            }
        }
        Ok(())
    }
}

async fn a_dropped_write_does_not_come_late(cx: Cx) -> Check {
    let mut expected = Expected::new(&cx).await?;
    let storage = Handle::clone(&expected.storage);
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let (key, gone) = (
                cx.key(&format!("{point}-{time}")),
                cx.key(&format!("gone-{point}-{time}")),
            );
            let (dropped, later) = (full("dropped"), full("later"));
            let done = dropped_after(point, storage.store(&key, &dropped, Precondition::Any)).await;
            all_done &= done.is_some();
            storage.store(&key, &later, Precondition::Any).await?;
            expected.settled(key, Some(later)).await?;
            drop(dropped_after(point, storage.store(&gone, &dropped, Precondition::Absent)).await);
            storage.remove(&gone, Precondition::Any).await?;
            expected.settled(gone, None).await?;
        }
        if all_done {
            break;
        }
    }
    expected.stay(&cx).await
}

async fn a_dropped_remove_does_not_come_late(cx: Cx) -> Check {
    let mut expected = Expected::new(&cx).await?;
    let storage = Handle::clone(&expected.storage);
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let (key, later) = (cx.key(&format!("{point}-{time}")), full("later"));
            let revision = storage.store(&key, &full("old"), Precondition::Any).await?;
            let condition = match time % 2 {
                0 => Precondition::Any,
                _ => Precondition::Unchanged(revision),
            };
            all_done &= dropped_after(point, storage.remove(&key, condition)).await.is_some();
            storage.store(&key, &later, Precondition::Any).await?;
            expected.settled(key, Some(later)).await?;
        }
        if all_done {
            break;
        }
    }
    expected.stay(&cx).await
}

/// A later store of one of its keys is enough: the batch is whole, so the others are over too.
async fn a_dropped_batch_does_not_come_late(cx: Cx) -> Check {
    let mut expected = Expected::new(&cx).await?;
    let storage = Handle::clone(&expected.storage);
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let keys = ["a", "b", "c"].map(|name| cx.key(&format!("{name}-{point}-{time}")));
            let (dropped, later) = (full("dropped"), full("later"));
            let writes = keys.each_ref().map(|key| Write::new(key, &dropped, Precondition::Any));
            all_done &= dropped_after(point, storage.store_all(&writes)).await.is_some();
            let [a, b, c] = keys;
            storage.store(&a, &later, Precondition::Any).await?;
            storage.remove(&b, Precondition::Any).await?;
            let whole = storage.get(&c).await?.map(|stored| stored.data);
            expected.settled(a, Some(later)).await?;
            expected.settled(b, None).await?;
            expected.settled(c, whole).await?;
        }
        if all_done {
            break;
        }
    }
    expected.stay(&cx).await
}

/// A `get` is a later call as any other: what it has answered stays true until somebody writes again. On condition, too: the
/// record that it has read still meets it.
async fn a_get_is_not_overtaken_by_a_dropped_write(cx: Cx) -> Check {
    let mut expected = Expected::new(&cx).await?;
    let storage = Handle::clone(&expected.storage);
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            for dropped in Dropped::ALL {
                let key = cx.key(&format!("{dropped:?}-{point}-{time}"));
                all_done &= dropped.at(point, &storage, &key).await?;
                let seen = storage.get(&key).await?.map(|stored| stored.data);
                expected.settled(key, seen).await?;
            }
        }
        if all_done {
            break;
        }
    }
    expected.stay(&cx).await
}

/// A write of one record that is dropped.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    Store,
    StoreIfAbsent,
    StoreIfUnchanged,
    Remove,
    RemoveIfUnchanged,
}

impl Dropped {
    const ALL: [Self; 5] = [
        Self::Store,
        Self::StoreIfAbsent,
        Self::StoreIfUnchanged,
        Self::Remove,
        Self::RemoveIfUnchanged,
    ];

    /// Whether it was done before that point.
    async fn at(self, point: usize, storage: &Handle, key: &TokenKey) -> Check<bool> {
        let new = full("new");
        let revision = match self {
            Self::Store | Self::StoreIfAbsent => None,
            _ => Some(storage.store(key, &full("old"), Precondition::Any).await?),
        };
        let unchanged = revision.map_or(Precondition::Any, Precondition::Unchanged);
        let store = async |condition| {
            dropped_after(point, storage.store(key, &new, condition))
                .await
                .is_some()
        };
        let remove = async |condition| dropped_after(point, storage.remove(key, condition)).await.is_some();
        Ok(match self {
            Self::Store => store(Precondition::Any).await,
            Self::StoreIfAbsent => store(Precondition::Absent).await,
            Self::StoreIfUnchanged => store(unchanged).await,
            Self::Remove => remove(Precondition::Any).await,
            Self::RemoveIfUnchanged => remove(unchanged).await,
        })
    }
}

/// A batch is a later call on each of its keys.
async fn a_batch_waits_for_dropped_writes(cx: Cx) -> Check {
    let mut expected = Expected::new(&cx).await?;
    let storage = Handle::clone(&expected.storage);
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            for dropped in [Dropped::Store, Dropped::Remove] {
                let keys = ["a", "b"].map(|name| cx.key(&format!("{dropped:?}-{name}-{point}-{time}")));
                let later = full("later");
                // The dropped one is of each of them in turn.
                all_done &= dropped.at(point, &storage, &keys[time % 2]).await?;
                let batch = keys.each_ref().map(|key| Write::new(key, &later, Precondition::Any));
                storage.store_all(&batch).await?;
                for key in keys {
                    expected.settled(key, Some(later.clone())).await?;
                }
            }
        }
        if all_done {
            break;
        }
    }
    expected.stay(&cx).await
}

async fn a_dropped_batch_is_all_or_nothing(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c"].map(|rs| cx.key(rs));
    let mut old = full("old");
    let first = keys.each_ref().map(|key| Write::new(key, &old, Precondition::Any));
    storage.store_all(&first).await?;
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let new = full(&format!("new-{point}-{time}"));
            let writes = keys.each_ref().map(|key| Write::new(key, &new, Precondition::Any));
            all_done &= dropped_after(point, storage.store_all(&writes)).await.is_some();
            // Each is a later call on a key of the batch: it is over.
            let mut seen = Vec::new();
            for key in &keys {
                let got = storage.get(key).await?;
                is_one_of("A7", &got, &[&old, &new])?;
                seen.push(got.map(|got| got.data));
            }
            of_one_batch("A2", "the records of a dropped batch", &keys, &seen)?;
            old = full(&format!("settled-{point}-{time}"));
            let settled = keys.each_ref().map(|key| Write::new(key, &old, Precondition::Any));
            storage.store_all(&settled).await?;
        }
        if all_done {
            break;
        }
    }
    Ok(())
}

/// Several handles store batches of the same keys at once; all but one drop theirs somewhere.
async fn batches_dropped_under_contention_stay_whole(cx: Cx) -> Check {
    let keys = ["a", "b", "c"].map(|rs| cx.key(rs));
    let handles = [cx.open().await?, cx.open().await?, cx.open().await?, cx.open().await?];
    let staleness = handles[0].describe().staleness.unwrap_or_default();
    for round in 0..if soak() { 200 } else { 16 } {
        let (mut writers, start) = (JoinSet::new(), Arc::new(Barrier::new(handles.len())));
        for (index, storage) in handles.iter().enumerate() {
            let (storage, keys, start) = (Arc::clone(storage), keys.clone(), Arc::clone(&start));
            writers.spawn(async move {
                let data = full(&format!("{index}-{round}"));
                let writes = keys.each_ref().map(|key| Write::new(key, &data, Precondition::Any));
                start.wait().await;
                let point = if index == 0 {
                    usize::MAX
                } else {
                    1 + (index + round) % 4
                };
                dropped_after(point, storage.store_all(&writes)).await.transpose()?;
                // A later call on each key: the batch is not on its way any more.
                for key in &keys {
                    storage.get(key).await?;
                }
                Check::Ok(())
            });
        }
        while let Some(writer) = writers.join_next().await {
            writer.expect("a writer does not panic")?;
        }
        tokio::time::sleep(staleness).await;
        let mut seen = Vec::new();
        for key in &keys {
            seen.push(handles[0].get(key).await?.map(|stored| stored.data));
        }
        let what = "the records of batches that were dropped under contention";
        of_one_batch("A2", what, &keys, &seen)?;
    }
    Ok(())
}

async fn a_dropped_get_harms_nothing(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &full("1"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    for point in 0..=POINTS {
        let done = dropped_after(point, storage.get(&key)).await;
        same(
            "A7",
            "the record after a dropped get",
            &storage.get(&key).await?,
            &before,
        )?;
        if done.is_some() {
            break;
        }
    }
    storage.store(&key, &full("2"), Precondition::Any).await?;
    stored("A7", &storage.get(&key).await?, &full("2"))
}
