//! Calls of leases that are dropped.

use std::time::Duration;

use token_storage_core::{Acquisition, Precondition, Revision, TokenKey, TokenStorageExt as _};

use super::{
    cancellation::{answered, times},
    dropped_often::MANY,
    intents::{intent, same_intent},
    leases::{Guard, acquire, wait_for},
    timed_leases::limit,
};
use crate::{
    Case, Level, Need,
    check::{Check, same},
    cx::{Cx, Handle, leases},
    data::full,
    dropping::{POINTS, dropped_after},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_acquire_does_not_keep_the_lease",
        &["A7", "L2"],
        |cx| Box::pin(a_dropped_acquire_does_not_keep_the_lease(cx)),
    )
    .needs(&[Need::Lease]),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_intent_does_not_come_late",
        &["A7", "L5"],
        |cx| Box::pin(a_dropped_intent_does_not_come_late(cx)),
    )
    .needs(&[Need::Lease]),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_clearing_does_not_come_late",
        &["A7", "L5"],
        |cx| Box::pin(a_dropped_clearing_does_not_come_late(cx)),
    )
    .needs(&[Need::Lease]),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_renewal_or_proof_harms_nothing",
        &["A7", "L6", "L7"],
        |cx| Box::pin(a_dropped_renewal_or_proof_harms_nothing(cx)),
    )
    .needs(&[Need::Lease]),
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_release_frees_it_in_the_end",
        &["A7", "L2"],
        |cx| Box::pin(a_dropped_release_frees_it_in_the_end(cx)),
    )
    .needs(&[Need::Lease]),
    Case::new(
        Level::Hostile,
        "cancellation::dropped_looks_use_nothing_up",
        &["A7"],
        |cx| Box::pin(dropped_looks_use_nothing_up(cx)),
    )
    .needs(&[Need::Lease]),
];

/// All are dropped first, each on a key of its own: timed ones then run out side by side.
async fn a_dropped_acquire_does_not_keep_the_lease(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limit = limit(&storage)?;
    let mut keys = Vec::new();
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let key = cx.key(&format!("{point}-{time}"));
            let done = dropped_after(point, leases(&storage)?.try_acquire(&key)).await;
            all_done &= done.is_some();
            if let Some(Acquisition::Acquired(guard)) = done.transpose()? {
                guard.release().await?;
            }
            keys.push(key);
        }
        if all_done {
            break;
        }
    }
    become_free(&storage, &keys, limit).await
}

/// Each try watches all of them, so that they run out side by side.
async fn become_free(storage: &Handle, keys: &[TokenKey], limit: Duration) -> Check {
    for key in keys {
        let tried = answered(
            "a lease is tried after dropped calls",
            leases(storage)?.try_acquire(key),
        )
        .await?;
        if let Acquisition::Acquired(guard) = tried? {
            guard.release().await?;
        }
    }
    for key in keys {
        wait_for(storage, key, limit).await?.release().await?;
    }
    Ok(())
}

fn some_revision(byte: u8) -> Check<Revision> {
    Ok(Revision::from_bytes(&[byte; 32])?)
}

/// What the next holder finds. Where the machine kept the holder waiting until its lease ran out, that shows before.
async fn next_finds(cx: &Cx, guard: Guard, key: &TokenKey, what: &str, want: Option<Revision>) -> Check {
    guard.release().await?;
    let mut next = acquire(&cx.open().await?, key).await?;
    let want = want.map(intent);
    same_intent(what, next.intent(), want.as_ref())?;
    next.clear_intent().await?;
    next.release().await?;
    Ok(())
}

async fn a_dropped_intent_does_not_come_late(cx: Cx) -> Check {
    let storage = cx.open().await?;
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let key = cx.key(&format!("{point}-{time}"));
            let mut guard = acquire(&storage, &key).await?;
            let dropped = intent(some_revision(1)?);
            all_done &= dropped_after(point, guard.record_intent(&dropped)).await.is_some();
            let want = match time % 2 {
                0 => None,
                _ => Some(some_revision(2)?),
            };
            match want {
                None => guard.clear_intent().await?,
                Some(revision) => guard.record_intent(&intent(revision)).await?,
            }
            next_finds(&cx, guard, &key, "an intent that was dropped before the last one", want).await?;
        }
        if all_done {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_clearing_does_not_come_late(cx: Cx) -> Check {
    let storage = cx.open().await?;
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let key = cx.key(&format!("{point}-{time}"));
            let mut guard = acquire(&storage, &key).await?;
            guard.record_intent(&intent(some_revision(1)?)).await?;
            all_done &= dropped_after(point, guard.clear_intent()).await.is_some();
            let want = some_revision(2)?;
            guard.record_intent(&intent(want)).await?;
            next_finds(
                &cx,
                guard,
                &key,
                "an intent that was recorded after a dropped clearing",
                Some(want),
            )
            .await?;
        }
        if all_done {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_renewal_or_proof_harms_nothing(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let mut revision = storage.store(&key, &full("0"), Precondition::Any).await?;
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let before = storage.get(&key).await?;
            let mut guard = acquire(&storage, &key).await?;
            all_done &= dropped_after(point, guard.renew()).await.is_some();
            answered("a renewal after a dropped one", guard.renew()).await??;
            all_done &= dropped_after(point, storage.prove_writable(&key)).await.is_some();
            answered("a proof after a dropped one", storage.prove_writable(&key)).await??;
            same(
                "L7",
                "the record after dropped proofs",
                &storage.get(&key).await?,
                &before,
            )?;
            let new = full(&format!("{point}-{time}"));
            let writing = storage.store(&key, &new, Precondition::Unchanged(revision));
            revision = answered("a store after a dropped proof", writing).await??;
            guard.release().await?;
        }
        if all_done {
            break;
        }
    }
    Ok(())
}

async fn a_dropped_release_frees_it_in_the_end(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let limit = limit(&storage)?;
    let mut keys = Vec::new();
    for point in 1..=POINTS {
        let mut all_done = true;
        for time in 0..times() {
            let key = cx.key(&format!("{point}-{time}"));
            let guard = acquire(&storage, &key).await?;
            all_done &= dropped_after(point, guard.release()).await.is_some();
            keys.push(key);
        }
        if all_done {
            break;
        }
    }
    become_free(&storage, &keys, limit).await
}

/// Neither of those who only ask how a lease stands, nor of those who ask for one that is held.
async fn dropped_looks_use_nothing_up(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    let guard = acquire(&cx.open().await?, &key).await?;
    let what = "a call of a lease after dropped ones is answered";
    for call in 0..2 {
        for point in 1..=POINTS {
            let mut all_done = true;
            for _ in 0..MANY {
                let lease = leases(&storage)?;
                let dropping = async {
                    Check::Ok(match call {
                        0 => dropped_after(point, lease.look(&key)).await.transpose()?.is_some(),
                        _ => dropped_after(point, lease.try_acquire(&key))
                            .await
                            .transpose()?
                            .is_some(),
                    })
                };
                all_done &= answered(what, dropping).await??;
            }
            let lease = leases(&storage)?;
            answered(what, lease.look(&key)).await??;
            if all_done {
                break;
            }
        }
    }
    guard.release().await?;
    answered(what, acquire(&storage, &key)).await??.release().await?;
    Ok(())
}
