//! Requests and answers that are lost, delayed and duplicated: one, several, all.

use token_storage_core::{ErrorKind, Precondition, Result, StoredToken, TokenData, TokenStorageExt as _, Write};

use super::{
    faults::{owns_up, told},
    powerless::{injected_nothing, loses_answers, struck},
};
use crate::{
    Case, Level, Mishap, Need, Requests,
    check::{Check, absent, fail, same, stored},
    cx::{Cx, Handle},
    data::full,
};

const NEEDS: &[Need] = &[Need::Unreliable];

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "network::a_write_whose_answers_are_all_lost_may_have_happened",
        &["A5"],
        |cx| Box::pin(a_write_whose_answers_are_all_lost_may_have_happened(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_write_whose_requests_are_lost_is_not_acknowledged",
        &["A5", "A3"],
        |cx| Box::pin(a_write_whose_requests_are_lost_is_not_acknowledged(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_write_whose_answers_are_lost_at_first_is_no_conflict",
        &["A5"],
        |cx| Box::pin(a_write_whose_answers_are_lost_at_first_is_no_conflict(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_late_request_undoes_no_newer_write",
        &["A5"],
        |cx| Box::pin(late(cx, Mishap::Delayed)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_duplicate_undoes_no_newer_write",
        &["A5"],
        |cx| Box::pin(late(cx, Mishap::Duplicated)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_refusal_whose_answer_is_lost_is_no_success",
        &["A5", "A4"],
        |cx| Box::pin(a_refusal_whose_answer_is_lost_is_no_success(cx)),
    )
    .needs(NEEDS),
    Case::new(
        Level::Hostile,
        "network::a_read_whose_answer_is_lost_is_not_absent",
        &["K1", "A5"],
        |cx| Box::pin(a_read_whose_answer_is_lost_is_not_absent(cx)),
    )
    .needs(NEEDS),
];

#[derive(Clone, Copy, Debug)]
enum Call {
    Store,
    StoreIfUnchanged,
    Batch,
    Remove,
    RemoveIfUnchanged,
}

const CALLS: [Call; 5] = [
    Call::Store,
    Call::StoreIfUnchanged,
    Call::Batch,
    Call::Remove,
    Call::RemoveIfUnchanged,
];

/// The record and what was done to it.
struct Round {
    key: token_storage_core::TokenKey,
    beside: token_storage_core::TokenKey,
    old: StoredToken,
    new: TokenData,
}

impl Round {
    async fn begin(cx: &Cx, witness: &Handle, name: &str) -> Check<Self> {
        let (key, beside) = (cx.key(name), cx.key(&format!("{name}-beside")));
        let data = full("old");
        witness.store(&beside, &data, Precondition::Any).await?;
        let revision = witness.store(&key, &data, Precondition::Any).await?;
        Ok(Self {
            key,
            beside,
            old: StoredToken { data, revision },
            new: full("new"),
        })
    }

    /// Makes the call; `Ok` says whether a record was or should be there.
    async fn call(&self, storage: &Handle, call: Call) -> Result<bool> {
        let unchanged = Precondition::Unchanged(self.old.revision);
        let batch = [
            Write::new(&self.key, &self.new, unchanged),
            Write::new(&self.beside, &self.new, Precondition::Any),
        ];
        match call {
            Call::Store => storage
                .store(&self.key, &self.new, Precondition::Any)
                .await
                .map(|_| true),
            Call::StoreIfUnchanged => storage.store(&self.key, &self.new, unchanged).await.map(|_| true),
            Call::Batch => storage.store_all(&batch).await.map(|_| true),
            Call::Remove => storage.remove(&self.key, Precondition::Any).await,
            Call::RemoveIfUnchanged => storage.remove(&self.key, unchanged).await,
        }
    }

    fn done(&self, call: Call, there: &Option<StoredToken>) -> bool {
        match call {
            Call::Remove | Call::RemoveIfUnchanged => there.is_none(),
            _ => there.as_ref().is_some_and(|there| there.data == self.new),
        }
    }
}

async fn a_write_whose_answers_are_all_lost_may_have_happened(cx: Cx) -> Check {
    loses_answers(&cx).await?;
    let witness = cx.open().await?;
    for call in CALLS {
        let (storage, network) = cx.open_unreliable().await?;
        let round = Round::begin(&cx, &witness, &format!("{call:?}")).await?;
        network.plan(Requests::Writes, Mishap::AnswerLost, None);
        let what = format!("{call:?}, all of whose answers were lost");
        let answer = struck(&*network, &what, round.call(&storage, call)).await?;
        network.heal();
        let there = witness.get(&round.key).await?;
        if round.done(call, &there) {
            owns_up(&what, answer)?;
        } else if let Ok(true) = answer {
            return fail(
                "A3",
                &format!("{call:?} that was acknowledged"),
                "it is not there",
                "it happened",
            );
        }
    }
    Ok(())
}

async fn a_write_whose_requests_are_lost_is_not_acknowledged(cx: Cx) -> Check {
    let witness = cx.open().await?;
    for count in [Some(1), Some(2), None] {
        for call in CALLS {
            let (storage, network) = cx.open_unreliable().await?;
            let round = Round::begin(&cx, &witness, &format!("{call:?}-{count:?}")).await?;
            network.plan(Requests::Writes, Mishap::RequestLost, count);
            let what = format!("{call:?} whose requests are lost");
            let answer = struck(&*network, &what, round.call(&storage, call)).await?;
            network.heal();
            let done = round.done(call, &witness.get(&round.key).await?);
            match answer {
                // Not one request got through.
                Ok(_) if count.is_none() && done => return injected_nothing(&what),
                Ok(there) => {
                    same("K3", &what, &there, &true)?;
                    same("A3", &format!("{what} and that was acknowledged"), &done, &true)?;
                }
                Err(error) if error.kind() == ErrorKind::Unavailable && (!done || error.may_have_applied()) => {}
                Err(error) => return fail("A5", &what, told(&error), "Ok, or Unavailable"),
            }
        }
    }
    Ok(())
}

async fn a_write_whose_answers_are_lost_at_first_is_no_conflict(cx: Cx) -> Check {
    loses_answers(&cx).await?;
    let witness = cx.open().await?;
    for count in [1, 2, 3] {
        for call in CALLS {
            let (storage, network) = cx.open_unreliable().await?;
            let round = Round::begin(&cx, &witness, &format!("{call:?}-{count}")).await?;
            network.plan(Requests::Writes, Mishap::AnswerLost, Some(count));
            let what = format!("{call:?} whose first {count} answers were lost");
            let answer = struck(&*network, &what, round.call(&storage, call)).await?;
            network.heal();
            if let Some(there) = owns_up(&what, answer)? {
                same("K3", &what, &there, &true)?;
                let there = witness.get(&round.key).await?;
                same(
                    "A3",
                    &format!("{what} and that was acknowledged"),
                    &round.done(call, &there),
                    &true,
                )?;
            }
        }
    }
    Ok(())
}

/// The first request is held back, or comes twice. Whatever the storage did about it, somebody else writes then, and
/// only then it arrives.
async fn late(cx: Cx, mishap: Mishap) -> Check {
    let witness = cx.open().await?;
    for call in CALLS {
        for removed in [false, true] {
            let (storage, network) = cx.open_unreliable().await?;
            let round = Round::begin(&cx, &witness, &format!("{call:?}-{removed}")).await?;
            network.plan(Requests::Writes, mishap, Some(1));
            let what = format!("{call:?} whose first request is {mishap:?}");
            let answer = struck(&*network, &what, round.call(&storage, call)).await?;
            cx.note(match &answer {
                Ok(_) => "acknowledged".to_owned(),
                Err(error) => told(error),
            });
            let newer = full("newer");
            witness.store(&round.key, &newer, Precondition::Any).await?;
            if removed {
                witness.remove(&round.key, Precondition::Any).await?;
            }
            network.heal();
            struck(&*network, &format!("{what}, delivered"), network.deliver()).await?;
            cx.note("the request that was held back has arrived");
            let there = witness.get(&round.key).await?;
            match removed {
                true => absent("A5", "a record that was removed before a late request came", &there)?,
                false => stored("A5", &there, &newer)?,
            }
        }
    }
    Ok(())
}

async fn a_refusal_whose_answer_is_lost_is_no_success(cx: Cx) -> Check {
    // Whether a refusal is a request at all is the storage's affair.
    loses_answers(&cx).await?;
    let witness = cx.open().await?;
    for count in [Some(1), None] {
        for call in [Call::StoreIfUnchanged, Call::Batch, Call::RemoveIfUnchanged] {
            let (storage, network) = cx.open_unreliable().await?;
            let round = Round::begin(&cx, &witness, &format!("{call:?}-{count:?}")).await?;
            witness.store(&round.key, &full("newer"), Precondition::Any).await?;
            let before = witness.get(&round.key).await?;
            network.plan(Requests::Writes, Mishap::AnswerLost, count);
            let answer = round.call(&storage, call).await;
            network.heal();
            let what = format!("{call:?} that is refused and whose answer is lost");
            match answer {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    let current = error.conflict().and_then(|conflict| conflict.current);
                    let there = before.as_ref().map(|there| there.revision);
                    same("A4", "the conflict names what is there", &current, &there)?;
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                Err(error) => return fail("A5", &what, told(&error), "Conflict or Unavailable"),
                Ok(_) => return fail("A5", &what, "Ok", "Conflict or Unavailable"),
            }
            same("A4", &what, &witness.get(&round.key).await?, &before)?;
        }
    }
    Ok(())
}

async fn a_read_whose_answer_is_lost_is_not_absent(cx: Cx) -> Check {
    let (witness, key) = (cx.open().await?, cx.key("rs"));
    witness.store(&key, &full("1"), Precondition::Any).await?;
    for mishap in [Mishap::AnswerLost, Mishap::RequestLost] {
        for count in [Some(1), None] {
            let (storage, network) = cx.open_unreliable().await?;
            network.plan(Requests::Reads, mishap, count);
            let what = format!("a read under {mishap:?}");
            let got = struck(&*network, &what, storage.get(&key)).await?;
            network.heal();
            match got {
                Ok(Some(_)) if count.is_none() => return injected_nothing(&what),
                Ok(there) => stored("K1", &there, &full("1"))?,
                Err(error) if error.kind() == ErrorKind::Unavailable && error.is_retryable() => {}
                Err(error) => {
                    return fail(
                        "K1",
                        "a read whose answer is lost",
                        told(&error),
                        "the record or Unavailable",
                    );
                }
            }
            stored("K1", &storage.get(&key).await?, &full("1"))?;
        }
    }
    Ok(())
}
