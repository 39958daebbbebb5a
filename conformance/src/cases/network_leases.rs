//! Leases behind a network that loses things, and listings out of reach.

use token_storage_core::{Acquisition, LeaseKind, Precondition, Revision, TokenStorageExt as _};

use super::{
    faults::{told, unreachable},
    intents::{intent, same_intent},
    leases::{acquire, wait_for},
    powerless::{injected_nothing, struck},
    timed_leases::limit,
};
use crate::{
    Case, Level, Mishap, Need, Requests,
    check::{Check, fail, same},
    cx::{Cx, Handle, leases, listing},
    data::full,
};

const NEEDS: &[Need] = &[Need::Unreliable, Need::Lease];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "network::a_lease_whose_answer_is_lost_can_be_had_in_the_end",
        &["L2", "L4"],
        |cx| Box::pin(a_lease_whose_answer_is_lost_can_be_had_in_the_end(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_holder_whose_answers_are_lost_is_still_the_holder",
        &["L2", "L4"],
        |cx| Box::pin(a_holder_whose_answers_are_lost_is_still_the_holder(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::an_intent_that_was_acknowledged_is_there",
        &["L5", "L7"],
        |cx| Box::pin(an_intent_that_was_acknowledged_is_there(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_release_whose_answer_is_lost_frees_it_in_the_end",
        &["L2"],
        |cx| Box::pin(a_release_whose_answer_is_lost_frees_it_in_the_end(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "faults::a_guard_out_of_reach_promises_nothing",
        &["L4", "L5", "L6"],
        |cx| Box::pin(a_guard_out_of_reach_promises_nothing(cx)),
    )
    .needs(&[Need::Faults, Need::Lease]),
    Case::new(
        Level::Hostile,
        "faults::a_listing_out_of_reach_is_not_empty",
        &["C5", "L4"],
        |cx| Box::pin(a_listing_out_of_reach_is_not_empty(cx)),
    )
    .needs(&[Need::Faults, Need::Enumeration]),
];

fn is_timed(storage: &Handle) -> bool {
    matches!(storage.describe().lease, Some(LeaseKind::Timed { .. }))
}

/// Lost answers: one, several, all; and requests.
const LOSSES: [(Mishap, Option<usize>); 4] = [
    (Mishap::AnswerLost, Some(1)),
    (Mishap::AnswerLost, Some(2)),
    (Mishap::AnswerLost, None),
    (Mishap::RequestLost, None),
];

/// It was acquired, or there was an error, but never "held": nobody else had it. And nobody has to wait for longer than
/// its time to live.
async fn a_lease_whose_answer_is_lost_can_be_had_in_the_end(cx: Cx) -> Check {
    let witness = cx.open().await?;
    let limit = limit(&witness)?;
    let mut lost = Vec::new();
    for (number, (mishap, count)) in LOSSES.into_iter().enumerate() {
        let (storage, network) = cx.open_unreliable().await?;
        let key = cx.key(&format!("rs{number}"));
        network.plan(Requests::Leases, mishap, count);
        let what = format!("a lease under {mishap:?}");
        let answer = {
            let lease = leases(&storage)?;
            struck(&*network, &what, lease.try_acquire(&key)).await?
        };
        network.heal();
        match answer {
            Ok(Acquisition::Acquired(_)) if count.is_none() => return injected_nothing(&what),
            Ok(Acquisition::Acquired(guard)) => guard.release().await?,
            Ok(Acquisition::Held { .. }) if count.is_none() => {
                return fail("L4", "a lease nobody has, out of reach", "Held", "an error");
            }
            // What it has asked for itself may stand in its way.
            Ok(Acquisition::Held { .. }) => {}
            Err(error) if error.is_retryable() => {}
            Err(error) => {
                return fail(
                    "L4",
                    "a lease whose answer is lost",
                    told(&error),
                    "an error that may be tried again",
                );
            }
        }
        lost.push((storage, key));
    }
    // Each is looked at before one is waited for, so that they run out side by side.
    for (_, key) in &lost {
        if let Acquisition::Acquired(guard) = leases(&witness)?.try_acquire(key).await? {
            guard.release().await?;
        }
    }
    for (storage, key) in &lost {
        wait_for(&witness, key, limit).await?.release().await?;
        wait_for(storage, key, limit).await?.release().await?;
    }
    Ok(())
}

async fn a_holder_whose_answers_are_lost_is_still_the_holder(cx: Cx) -> Check {
    for (number, (mishap, count)) in LOSSES.into_iter().enumerate() {
        let (storage, network) = cx.open_unreliable().await?;
        let key = cx.key(&format!("rs{number}"));
        let mut guard = acquire(&storage, &key).await?;
        network.plan(Requests::Leases, mishap, count);
        let what = format!("a renewal under {mishap:?}");
        let renewed = match is_timed(&storage) {
            true => struck(&*network, &what, guard.renew()).await?,
            // A lease of a process has nothing to renew.
            false => guard.renew().await,
        };
        network.heal();
        if renewed.is_ok() && count.is_none() && is_timed(&storage) {
            return injected_nothing(&what);
        }
        if let Err(error) = renewed
            && !error.is_retryable()
        {
            return fail(
                "L4",
                "a renewal whose answer is lost",
                told(&error),
                "Ok, or an error that may be tried again",
            );
        }
        // Its own success is nobody else's lease.
        guard.renew().await?;
        guard.record_intent(&intent(Revision::from_bytes(&[3; 32])?)).await?;
        guard.clear_intent().await?;
        guard.release().await?;
    }
    Ok(())
}

async fn an_intent_that_was_acknowledged_is_there(cx: Cx) -> Check {
    let witness = cx.open().await?;
    for (number, (mishap, count)) in LOSSES.into_iter().enumerate() {
        let (storage, network) = cx.open_unreliable().await?;
        let (key, revision) = (cx.key(&format!("rs{number}")), Revision::from_bytes(&[3; 32])?);
        let mut guard = acquire(&storage, &key).await?;
        network.plan(Requests::Leases, mishap, count);
        let (what, wanted) = (format!("an intent under {mishap:?}"), intent(revision));
        let recorded = struck(&*network, &what, guard.record_intent(&wanted)).await?;
        network.heal();
        match recorded {
            Ok(()) => {}
            Err(error) if error.is_retryable() => guard.record_intent(&intent(revision)).await?,
            Err(error) => {
                return fail(
                    "L4",
                    "an intent whose answer is lost",
                    told(&error),
                    "an error that may be tried again",
                );
            }
        }
        guard.release().await?;
        let mut next = acquire(&witness, &key).await?;
        same_intent(
            "an intent that was acknowledged",
            next.intent(),
            Some(&intent(revision)),
        )?;
        next.clear_intent().await?;
        next.release().await?;
    }
    Ok(())
}

async fn a_release_whose_answer_is_lost_frees_it_in_the_end(cx: Cx) -> Check {
    let witness = cx.open().await?;
    let limit = limit(&witness)?;
    let mut released = Vec::new();
    for (number, (mishap, count)) in LOSSES.into_iter().enumerate() {
        let (storage, network) = cx.open_unreliable().await?;
        let key = cx.key(&format!("rs{number}"));
        let guard = acquire(&storage, &key).await?;
        network.plan(Requests::Leases, mishap, count);
        let what = format!("a release under {mishap:?}");
        // Whether it says so or not.
        drop(match is_timed(&storage) {
            true => struck(&*network, &what, guard.release()).await?,
            // The system frees a lease of a process, without a request.
            false => guard.release().await,
        });
        network.heal();
        if let Acquisition::Acquired(guard) = leases(&witness)?.try_acquire(&key).await? {
            guard.release().await?;
        }
        released.push(key);
    }
    for key in &released {
        wait_for(&witness, key, limit).await?.release().await?;
    }
    Ok(())
}

/// A proof that cannot reach the storage proves nothing, and an intent that cannot get there is not recorded. A lease that
/// is bound to the process has nothing to renew, and is freed without a request.
async fn a_guard_out_of_reach_promises_nothing(cx: Cx) -> Check {
    let key = cx.key("rs");
    let (storage, faults) = cx.open_faulty().await?;
    storage.store(&key, &full("1"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    let timed = is_timed(&storage);
    let mut guard = acquire(&storage, &key).await?;
    let idle = acquire(&storage, &cx.key("idle")).await?;
    faults.disconnect();
    let proof = struck(&*faults, "a proof out of reach", storage.prove_writable(&key)).await?;
    unreachable("L6", "a proof out of reach", proof)?;
    let wanted = intent(Revision::from_bytes(&[3; 32])?);
    unreachable("L5", "an intent out of reach", guard.record_intent(&wanted).await)?;
    if timed {
        unreachable("L4", "a renewal out of reach", guard.renew().await)?;
        unreachable("L4", "a release out of reach", idle.release().await)?;
    } else {
        drop(guard.release().await);
    }
    faults.reconnect();
    same("L7", "the record", &storage.get(&key).await?, &before)?;
    wait_for(&storage, &key, limit(&storage)?).await?.release().await?;
    Ok(())
}

async fn a_listing_out_of_reach_is_not_empty(cx: Cx) -> Check {
    let (storage, faults) = cx.open_faulty().await?;
    storage.store(&cx.key("rs"), &full("1"), Precondition::Any).await?;
    faults.disconnect();
    let keys = listing(&storage)?;
    let what = "a listing of keys out of reach";
    let listed = struck(&*faults, what, keys.list_keys(cx.namespace(), None)).await?;
    unreachable("C5", what, listed)?;
    unreachable(
        "C5",
        "a listing of namespaces out of reach",
        keys.list_namespaces(None).await,
    )?;
    faults.reconnect();
    let listed = keys.list_keys(cx.namespace(), None).await?.items;
    same("C5", "a listing that is in reach again", &listed, &vec![cx.key("rs")])
}
