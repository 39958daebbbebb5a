use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use token_storage_core::{Acquisition, Precondition, StoredToken, TokenData, TokenKey, Write};

use super::leases::{PATIENCE, acquire, wait_for};
use crate::{
    Case, Level, Need,
    check::{Check, Show as _, fail, same, stored},
    cx::{Cx, Handle, leases},
    data::full,
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
        "cancellation::a_dropped_batch_is_all_or_nothing",
        &["A7", "A2"],
        |cx| Box::pin(a_dropped_batch_is_all_or_nothing(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_get_harms_nothing",
        &["A7"],
        |cx| Box::pin(a_dropped_get_harms_nothing(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_call_does_not_block_others",
        &["A7", "D6"],
        |cx| Box::pin(a_dropped_call_does_not_block_others(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_acquire_does_not_keep_the_lease",
        &["A7", "L2"],
        |cx| Box::pin(a_dropped_acquire_does_not_keep_the_lease(cx)),
    )
    .needs(&[Need::Lease]),
];

/// Await points that are tried; a call rarely has as many.
const POINTS: usize = 24;

/// Polls the call that many times and then drops it. `Some`: it was done before.
async fn dropped_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(move |task| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        call.as_mut().poll(task).map(Some)
    })
    .await
}

fn is_one_of(clause: &str, got: &Option<StoredToken>, allowed: &[&TokenData]) -> Check {
    match got {
        Some(got) if allowed.contains(&&got.data) => Ok(()),
        Some(got) => fail(
            clause,
            "the record is the old one or the new one",
            got.data.show(),
            "either",
        ),
        None => fail(
            clause,
            "the record is the old one or the new one",
            "no record",
            "either",
        ),
    }
}

async fn a_dropped_store_leaves_the_old_or_the_new_record(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut old = full("old");
    storage.store(&key, &old, Precondition::None).await?;
    for polls in 1..=POINTS {
        let new = full(&format!("new-{polls}"));
        let done = dropped_after(polls, storage.store(&key, &new, Precondition::None)).await;
        cx.note(format!(
            "a store was dropped after {polls} polls; done: {}",
            done.is_some()
        ));
        for handle in [&storage, &cx.open().await?] {
            is_one_of("A7", &handle.get(&key).await?, &[&old, &new])?;
        }
        if let Some(result) = done {
            result?;
            return stored("A7", &storage.get(&key).await?, &new);
        }
        // Settles what is there, so that the next round has one old record.
        old = full(&format!("settled-{polls}"));
        storage.store(&key, &old, Precondition::None).await?;
    }
    Ok(())
}

/// After a later call of the same handle on that key was acknowledged, the record is that call's, however long one
/// looks; the writes of another key in between give a late write every chance.
async fn stays(cx: &Cx, storage: &Handle, key: &TokenKey, want: Option<&TokenData>) -> Check {
    let reader = cx.open().await?;
    for round in 0..4 {
        for handle in [storage, &reader] {
            let got = handle.get(key).await?.map(|stored| stored.data);
            same(
                "A7",
                "a dropped write does not happen after a later acknowledged one",
                &got.as_ref(),
                &want,
            )?;
        }
        storage
            .store(&cx.key("other"), &full(&round.to_string()), Precondition::None)
            .await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

impl crate::check::Show for &TokenData {
    fn show(&self) -> String {
        (**self).show()
    }
}

async fn a_dropped_write_does_not_come_late(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for polls in 1..=POINTS {
        let (dropped, later) = (full(&format!("dropped-{polls}")), full(&format!("later-{polls}")));
        let done = dropped_after(polls, storage.store(&key, &dropped, Precondition::None)).await;
        storage.store(&key, &later, Precondition::None).await?;
        stays(&cx, &storage, &key, Some(&later)).await?;
        storage.remove(&key, Precondition::None).await?;
        if done.is_some() {
            break;
        }
        drop(dropped_after(polls, storage.store(&key, &dropped, Precondition::None)).await);
        storage.remove(&key, Precondition::None).await?;
        stays(&cx, &storage, &key, None).await?;
    }
    Ok(())
}

async fn a_dropped_remove_does_not_come_late(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for polls in 1..=POINTS {
        storage.store(&key, &full("old"), Precondition::None).await?;
        let done = dropped_after(polls, storage.remove(&key, Precondition::None)).await;
        let later = full(&format!("later-{polls}"));
        storage.store(&key, &later, Precondition::None).await?;
        stays(&cx, &storage, &key, Some(&later)).await?;
        if done.is_some() {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_batch_is_all_or_nothing(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c"].map(|rs| cx.key(rs));
    let mut old = full("old");
    let first = keys.each_ref().map(|key| Write::new(key, &old, Precondition::None));
    storage.store_all(&first).await?;
    for polls in 1..=POINTS {
        let new = full(&format!("new-{polls}"));
        let writes = keys.each_ref().map(|key| Write::new(key, &new, Precondition::None));
        let done = dropped_after(polls, storage.store_all(&writes)).await;
        // A later call on each key makes sure that the dropped one is over; a conditional one that changes nothing
        // tells old from new.
        let refused = Write::new(&keys[0], &new, Precondition::Absent);
        drop(
            storage
                .store_all(&[refused, Write::new(&keys[1], &new, Precondition::Absent)])
                .await,
        );
        let mut seen = Vec::new();
        for key in &keys {
            let got = storage.get(key).await?;
            is_one_of("A7", &got, &[&old, &new])?;
            seen.push(got.is_some_and(|got| got.data == new));
        }
        if done.is_some() {
            break;
        }
        if seen.contains(&true) && seen.contains(&false) {
            // It may have happened between two of the reads; then it is whole by now.
            for key in &keys {
                stored("A2", &storage.get(key).await?, &new)?;
            }
        }
        old = full(&format!("settled-{polls}"));
        let settled = keys.each_ref().map(|key| Write::new(key, &old, Precondition::None));
        storage.store_all(&settled).await?;
    }
    Ok(())
}

async fn a_dropped_get_harms_nothing(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &full("1"), Precondition::None).await?;
    let before = storage.get(&key).await?;
    for polls in 0..=POINTS {
        let done = dropped_after(polls, storage.get(&key)).await;
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
    storage.store(&key, &full("2"), Precondition::None).await?;
    stored("A7", &storage.get(&key).await?, &full("2"))
}

/// Neither a lock nor a place in a queue stays behind.
async fn a_dropped_call_does_not_block_others(cx: Cx) -> Check {
    let (storage, other) = (cx.open().await?, cx.open().await?);
    for polls in 1..=POINTS {
        let data = full(&polls.to_string());
        let done = dropped_after(polls, storage.store(&cx.key("dropped"), &data, Precondition::None)).await;
        drop(dropped_after(polls, storage.remove(&cx.key("dropped"), Precondition::None)).await);
        for handle in [&storage, &other] {
            handle.store(&cx.key("rs"), &data, Precondition::None).await?;
            stored("A7", &handle.get(&cx.key("rs")).await?, &data)?;
        }
        if done.is_some() {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_acquire_does_not_keep_the_lease(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let timed = match storage.describe().lease {
        Some(token_storage_core::LeaseKind::Timed { .. }) => Some(super::timed_leases::ttl(&storage)?),
        _ => None,
    };
    // A timed one may have to run out each time.
    let points = if timed.is_some() { 3 } else { POINTS };
    for polls in 1..=points {
        let lease = leases(&storage)?;
        let done = dropped_after(polls, lease.try_acquire(&key)).await;
        if let Some(result) = done {
            if let Acquisition::Acquired(guard) = result? {
                guard.release().await?;
            }
            break;
        }
        let limit = timed.unwrap_or_default() + PATIENCE;
        wait_for(&storage, &key, limit).await?.release().await?;
    }
    acquire(&storage, &key).await?.release().await?;
    Ok(())
}
