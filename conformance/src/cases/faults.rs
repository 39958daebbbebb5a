//! Lost requests, lost answers, nothing getting through: what a network does.

use token_storage_core::{
    Error, ErrorKind, Precondition, Result, Revision, TokenData, TokenKey, TokenStorageExt as _, Write,
};

use super::powerless::struck;
use crate::{
    Case, FaultInjector, Level, Need,
    check::{Check, absent, fail, holds, same, stored},
    cx::{Cx, Handle, leases},
    data::{full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "faults::a_store_whose_answer_is_lost_is_no_conflict",
        &["A5"],
        |cx| Box::pin(a_store_whose_answer_is_lost_is_no_conflict(cx)),
    )
    .needs(&[Need::Faults]),
    Case::new(
        Level::Hostile,
        "faults::a_batch_whose_answer_is_lost_is_no_conflict",
        &["A5", "A2"],
        |cx| Box::pin(a_batch_whose_answer_is_lost_is_no_conflict(cx)),
    )
    .needs(&[Need::Faults]),
    Case::new(
        Level::Hostile,
        "faults::a_remove_whose_answer_is_lost_has_removed",
        &["A5", "K3"],
        |cx| Box::pin(a_remove_whose_answer_is_lost_has_removed(cx)),
    )
    .needs(&[Need::Faults]),
    Case::new(
        Level::Hostile,
        "faults::a_request_that_is_lost_is_not_acknowledged",
        &["A5", "A3"],
        |cx| Box::pin(a_request_that_is_lost_is_not_acknowledged(cx)),
    )
    .needs(&[Need::Faults]),
    Case::new(
        Level::Hostile,
        "faults::out_of_reach_is_an_error_and_not_absent",
        &["K1", "A5"],
        |cx| Box::pin(out_of_reach_is_an_error_and_not_absent(cx)),
    )
    .needs(&[Need::Faults]),
    Case::new(
        Level::Hostile,
        "faults::a_lease_out_of_reach_is_not_held",
        &["L4"],
        |cx| Box::pin(a_lease_out_of_reach_is_not_held(cx)),
    )
    .needs(&[Need::Faults, Need::Lease]),
];

/// An error after a write that was carried out must own up to it.
pub(super) fn owns_up<T>(expectation: &str, written: Result<T>) -> Check<Option<T>> {
    match written {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() != ErrorKind::Conflict && error.may_have_applied() => Ok(None),
        Err(error) => fail(
            "A5",
            expectation,
            told(&error),
            "Ok, or an error that says it may have happened",
        ),
    }
}

pub(super) fn told(error: &Error) -> String {
    let outcome = if error.may_have_applied() {
        "may have happened"
    } else {
        "did not happen"
    };
    format!("{:?}, {outcome}: {error}", error.kind())
}

async fn a_store_whose_answer_is_lost_is_no_conflict(cx: Cx) -> Check {
    let (witness, key) = (cx.open().await?, cx.key("rs"));
    let (faulty, faults) = cx.open_faulty().await?;
    let mut condition = Precondition::Absent;
    for turn in ["1", "2", "3"] {
        let data = full(turn);
        faults.lose_next_answer();
        let what = "a store whose answer was lost";
        let written = struck(&*faults, what, faulty.store(&key, &data, condition)).await?;
        let written = owns_up(what, written)?;
        let there = witness.get(&key).await?;
        stored("A5", &there, &data)?;
        let revision = there.map(|there| there.revision);
        if written.is_some() {
            same(
                "A5",
                "the revision that was answered is the stored one",
                &written,
                &revision,
            )?;
        }
        condition = match (turn, revision) {
            ("1", Some(revision)) => Precondition::Unchanged(revision),
            _ => Precondition::Any,
        };
    }
    Ok(())
}

async fn a_batch_whose_answer_is_lost_is_no_conflict(cx: Cx) -> Check {
    let (witness, a, b) = (cx.open().await?, cx.key("a"), cx.key("b"));
    let (faulty, faults) = cx.open_faulty().await?;
    let (one, two) = (full("1"), plain("2"));
    let writes = [
        Write::new(&a, &one, Precondition::Absent),
        Write::new(&b, &two, Precondition::Absent),
    ];
    faults.lose_next_answer();
    let what = "a batch whose answer was lost";
    owns_up(what, struck(&*faults, what, faulty.store_all(&writes)).await?)?;
    stored("A2", &witness.get(&a).await?, &one)?;
    stored("A2", &witness.get(&b).await?, &two)
}

async fn a_remove_whose_answer_is_lost_has_removed(cx: Cx) -> Check {
    let (witness, key) = (cx.open().await?, cx.key("rs"));
    let (faulty, faults) = cx.open_faulty().await?;
    for conditional in [false, true] {
        let revision = witness.store(&key, &full("1"), Precondition::Any).await?;
        let condition = if conditional {
            Precondition::Unchanged(revision)
        } else {
            Precondition::Any
        };
        faults.lose_next_answer();
        let what = "a remove whose answer was lost";
        let removed = owns_up(what, struck(&*faults, what, faulty.remove(&key, condition)).await?)?;
        if let Some(removed) = removed {
            same(
                "K3",
                "a remove whose answer was lost says that something was there",
                &removed,
                &true,
            )?;
        }
        absent("A5", "what was removed is gone", &witness.get(&key).await?)?;
    }
    Ok(())
}

async fn a_request_that_is_lost_is_not_acknowledged(cx: Cx) -> Check {
    let (witness, key) = (cx.open().await?, cx.key("rs"));
    let (faulty, faults) = cx.open_faulty().await?;
    let (old, new) = (full("1"), full("2"));
    let revision = witness.store(&key, &old, Precondition::Any).await?;
    faults.lose_next_request();
    let store = faulty.store(&key, &new, Precondition::Unchanged(revision));
    let written = struck(&*faults, "a store whose request is lost", store).await?;
    settled(&written, &witness, &key, &old, &new).await?;
    let there = witness.get(&key).await?;
    faults.lose_next_request();
    let remove = faulty.remove(&key, Precondition::Any);
    let removed = struck(&*faults, "a remove whose request is lost", remove).await?;
    match (removed, witness.get(&key).await?) {
        (Ok(removed), left) => {
            same("K3", "a remove says that something was there", &removed, &true)?;
            absent("A3", "an acknowledged remove is seen", &left)
        }
        (Err(_), left) => holds(
            "A5",
            "after a remove that failed the record is as before",
            left == there,
        ),
    }
}

/// What was acknowledged is there; what failed is there only if the error says that it may be.
async fn settled(
    written: &Result<Revision>,
    witness: &Handle,
    key: &TokenKey,
    old: &TokenData,
    new: &TokenData,
) -> Check {
    let there = witness.get(key).await?;
    match written {
        Ok(_) => stored("A3", &there, new),
        Err(error) if error.may_have_applied() && there.as_ref().is_some_and(|there| there.data == *new) => Ok(()),
        Err(_) => stored("A5", &there, old),
    }
}

async fn out_of_reach_is_an_error_and_not_absent(cx: Cx) -> Check {
    let (witness, key) = (cx.open().await?, cx.key("rs"));
    let (faulty, faults) = cx.open_faulty().await?;
    let (old, new) = (full("1"), full("2"));
    witness.store(&key, &old, Precondition::Any).await?;
    faults.disconnect();
    let got = struck(&*faults, "a get out of reach", faulty.get(&key)).await?;
    unreachable("K1", "a get out of reach", got)?;
    let written = faulty.store(&key, &new, Precondition::Any).await;
    holds("A3", "a store out of reach is not acknowledged", written.is_err())?;
    let removed = faulty.remove(&key, Precondition::Any).await;
    holds("A3", "a remove out of reach is not acknowledged", removed.is_err())?;
    stored("A5", &witness.get(&key).await?, &old)?;
    faults.reconnect();
    stored("A3", &faulty.get(&key).await?, &old)?;
    faulty.store(&key, &new, Precondition::Any).await?;
    stored("A3", &witness.get(&key).await?, &new)
}

pub(super) fn unreachable<T>(clause: &str, expectation: &str, answer: Result<T>) -> Check {
    let want = "Unavailable, which may be tried again";
    match answer {
        Err(error) if error.kind() == ErrorKind::Unavailable && error.is_retryable() => Ok(()),
        Err(error) => fail(clause, expectation, told(&error), want),
        Ok(_) => fail(clause, expectation, "Ok", want),
    }
}

async fn a_lease_out_of_reach_is_not_held(cx: Cx) -> Check {
    let key = cx.key("rs");
    let (faulty, faults): (Handle, Box<dyn FaultInjector>) = cx.open_faulty().await?;
    faults.disconnect();
    let lease = leases(&faulty)?;
    let tried = struck(&*faults, "a lease out of reach", lease.try_acquire(&key)).await?;
    unreachable("L4", "a lease out of reach", tried)?;
    // That nobody can tell can always be said.
    if let Ok(Some(view)) = lease.look(&key).await
        && view.intent.is_none()
    {
        let what = "a look at a lease out of reach";
        return fail("L4", what, "certainly no intent", "an error, or that nobody can tell");
    }
    faults.reconnect();
    super::leases::acquire(&faulty, &key).await?.release().await?;
    Ok(())
}
