//! Powers of a harness that do nothing: a case that leans on one would pass and prove nothing, and says so instead.

use std::future::Future;

use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorageExt as _};

use crate::{
    FaultInjector, Mishap, Network, Requests,
    check::{Check, fail},
    cx::Cx,
    data::full,
};

/// What a harness says of its own faults.
pub(super) trait Striking {
    fn struck(&self) -> usize;
}

impl Striking for &dyn Network {
    fn struck(&self) -> usize {
        Network::struck(*self)
    }
}

impl Striking for &dyn FaultInjector {
    fn struck(&self) -> usize {
        FaultInjector::struck(*self)
    }
}

/// The red end of such a case.
pub(super) fn powerless<T>(expectation: &str, got: &str, want: &str) -> Check<T> {
    fail("none", expectation, got, want)
}

pub(super) fn injected_nothing<T>(expectation: &str) -> Check<T> {
    powerless(
        expectation,
        "the harness injected nothing",
        "a fault that strikes: a harness must do what it declares",
    )
}

/// A call for which a fault was planned, which has to have met it.
pub(super) async fn struck<T>(faults: impl Striking, what: &str, call: impl Future<Output = T>) -> Check<T> {
    let before = faults.struck();
    let answer = call.await;
    match faults.struck() > before {
        true => Ok(answer),
        false => injected_nothing(what),
    }
}

/// Nothing that writes can be acknowledged without an answer to writes and reads: the harness loses what it says.
pub(super) async fn loses_answers(cx: &Cx) -> Check {
    let (storage, network) = cx.open_unreliable().await?;
    let key = cx.key("lost");
    network.plan(Requests::Writes, Mishap::AnswerLost, None);
    network.plan(Requests::Reads, Mishap::AnswerLost, None);
    let what = "a store all of whose answers are lost, those to its reads included";
    let data = full("1");
    let answer = struck(&*network, what, storage.store(&key, &data, Precondition::Any)).await?;
    network.heal();
    match answer {
        Ok(_) => injected_nothing(what),
        Err(_) => Ok(()),
    }
}

/// Puts bytes in the place of a record, and sees that they are there: `stored` is not read any longer.
pub(super) async fn damage(cx: &Cx, key: &TokenKey, bytes: &[u8], stored: &TokenData) -> Check {
    cx.overwrite(key, bytes).await?;
    match cx.open().await?.get(key).await {
        Ok(Some(there)) if there.data == *stored => powerless(
            "a record that the harness has damaged",
            "a new handle reads it as it was stored: the harness damaged nothing, or the storage does not look",
            "anything else",
        ),
        _ => Ok(()),
    }
}

/// A write was acknowledged that was to be refused: whose fault that is.
pub(super) async fn refuses(cx: &Cx, key: &TokenKey, written: &TokenData) -> Check {
    let there = cx.open().await?.get(key).await?;
    match there.is_some_and(|there| there.data == *written) {
        true => powerless(
            "a store, while the harness refuses writes",
            "it was carried out: the harness refused nothing",
            "a storage that cannot be written",
        ),
        false => Ok(()),
    }
}
