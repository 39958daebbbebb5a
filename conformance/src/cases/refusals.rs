//! Storages that refuse writes.

use token_storage_core::{ErrorKind, Precondition, Result, TokenStorageExt as _, Write};

use super::powerless;
use crate::{
    Case, Level, Need,
    check::{Check, fail, same, stored},
    cx::Cx,
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Durable,
        "refusals::a_refused_write_changes_nothing",
        &["D2", "A5"],
        |cx| Box::pin(a_refused_write_changes_nothing(cx)),
    )
    .needs(&[Need::RefusedWrites]),
    Case::new(
        Level::Durable,
        "refusals::what_refuses_writes_is_not_proven_writable",
        &["L6"],
        |cx| Box::pin(what_refuses_writes_is_not_proven_writable(cx)),
    )
    .needs(&[Need::RefusedWrites]),
];

/// Refused for what it is: neither a conflict nor damage.
pub(super) fn fails<T>(clause: &str, expectation: &str, tried: Result<T>) -> Check {
    let want = "an error that tells why nothing can be written";
    match tried {
        Ok(_) => fail(clause, expectation, "Ok", want),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Conflict | ErrorKind::Corrupt | ErrorKind::InvalidInput
            ) =>
        {
            fail(clause, expectation, format!("{:?}: {error}", error.kind()), want)
        }
        Err(_) => Ok(()),
    }
}

async fn a_refused_write_changes_nothing(cx: Cx) -> Check {
    let (storage, key, other) = (cx.open().await?, cx.key("rs"), cx.key("other"));
    let revision = storage.store(&key, &full("1"), Precondition::Any).await?;
    let before = storage.get(&key).await?;
    cx.refuse_writes(true).await?;
    let new = full("2");
    let batch = [
        Write::new(&other, &new, Precondition::Any),
        Write::new(&key, &new, Precondition::Unchanged(revision)),
    ];
    let tried = storage.store(&key, &new, Precondition::Any).await;
    if tried.is_ok() {
        powerless::refuses(&cx, &key, &new).await?;
    }
    fails("D2", "a store that is refused", tried)?;
    fails(
        "D2",
        "a store of a new record that is refused",
        storage.store(&other, &new, Precondition::Absent).await,
    )?;
    fails("D2", "a batch that is refused", storage.store_all(&batch).await)?;
    fails(
        "D2",
        "a remove that is refused",
        storage.remove(&key, Precondition::Any).await,
    )?;
    for handle in [&storage, &cx.open().await?] {
        same(
            "D2",
            "the record after refused writes",
            &handle.get(&key).await?,
            &before,
        )?;
        same(
            "D2",
            "a record that could not be stored",
            &handle.get(&other).await?,
            &None,
        )?;
    }
    cx.refuse_writes(false).await?;
    storage.store(&key, &new, Precondition::Unchanged(revision)).await?;
    stored("D2", &cx.open().await?.get(&key).await?, &new)
}

async fn what_refuses_writes_is_not_proven_writable(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &full("1"), Precondition::Any).await?;
    storage.prove_writable(&key).await?;
    cx.refuse_writes(true).await?;
    let (proof, new) = (storage.prove_writable(&key).await, full("2"));
    if proof.is_ok() && storage.store(&key, &new, Precondition::Any).await.is_ok() {
        powerless::refuses(&cx, &key, &new).await?;
    }
    fails("L6", "a proof that the record can be written, which it cannot", proof)?;
    cx.refuse_writes(false).await?;
    storage.prove_writable(&key).await?;
    Ok(())
}
