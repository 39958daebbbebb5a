//! What a storage has only so many of, connections and places in a queue: neither refusals nor closed handles keep one, and
//! many calls at once wait for each other.

use std::sync::Arc;

use token_storage_core::{ErrorKind, Precondition, Revision, TokenKey, TokenStorageExt as _, Write};
use tokio::task::JoinSet;

use super::{
    cancellation::answered,
    dropped_often::{MANY, write_and_read},
};
use crate::{
    Case, Level,
    check::{Check, refused},
    cx::Cx,
    data::full,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "preconditions::refusals_use_nothing_up",
        &["A4", "D6"],
        |cx| Box::pin(refusals_use_nothing_up(cx)),
    ),
    Case::new(Level::Hostile, "keys::refusals_use_nothing_up", &["K4", "D6"], |cx| {
        Box::pin(refused_keys_use_nothing_up(cx))
    }),
    Case::new(
        Level::Hostile,
        "batches::refusals_use_nothing_up",
        &["A2", "D6"],
        |cx| Box::pin(refused_batches_use_nothing_up(cx)),
    ),
    Case::new(
        Level::Hostile,
        "handles::closed_ones_use_nothing_up",
        &["A3", "D6"],
        |cx| Box::pin(closed_handles_use_nothing_up(cx)),
    ),
    Case::new(
        Level::Hostile,
        "concurrency::many_calls_at_once_are_answered",
        &["D6"],
        |cx| Box::pin(many_calls_at_once_are_answered(cx)),
    ),
];

/// More at once than pools have connections, and than databases have room for readers (126 are usual).
const AT_ONCE: usize = 160;

async fn refusals_use_nothing_up(cx: Cx) -> Check {
    let (storage, key, data) = (cx.open().await?, cx.key("rs"), full("1"));
    storage.store(&key, &data, Precondition::Any).await?;
    let strange = Precondition::Unchanged(Revision::from_bytes(&[3; 32])?);
    for _ in 0..MANY {
        let what = "a store over what must be absent";
        let refusal = answered(what, storage.store(&key, &data, Precondition::Absent)).await?;
        refused("A4", what, refusal, ErrorKind::Conflict)?;
        let what = "a store with a strange revision";
        let refusal = answered(what, storage.store(&key, &data, strange)).await?;
        refused("A4", what, refusal, ErrorKind::Conflict)?;
        let what = "a remove with a strange revision";
        let refusal = answered(what, storage.remove(&key, strange)).await?;
        refused("A4", what, refusal, ErrorKind::Conflict)?;
    }
    write_and_read(&storage, &key, &data).await
}

async fn refused_keys_use_nothing_up(cx: Cx) -> Check {
    let (storage, data) = (cx.open().await?, full("1"));
    let longest = storage.describe().limits.resource_server_bytes;
    if longest >= super::keys::MOST {
        return crate::check::ignore("the declared length is too large to be probed");
    }
    let long = cx.key(&"x".repeat(longest + 1));
    for _ in 0..MANY {
        let what = "a store under a key that is too long";
        let refusal = answered(what, storage.store(&long, &data, Precondition::Any)).await?;
        refused("K4", what, refusal, ErrorKind::TooLarge)?;
    }
    write_and_read(&storage, &cx.key("rs"), &data).await
}

async fn refused_batches_use_nothing_up(cx: Cx) -> Check {
    let (storage, data) = (cx.open().await?, full("1"));
    let [there, new] = ["there", "new"].map(|name| cx.key(name));
    storage.store(&there, &data, Precondition::Any).await?;
    let conflict = [&new, &there].map(|key| Write::new(key, &data, Precondition::Absent));
    let twice = [&new, &new].map(|key| Write::new(key, &data, Precondition::Any));
    for _ in 0..MANY {
        let what = "a batch over what must be absent";
        let refusal = answered(what, storage.store_all(&conflict)).await?;
        refused("A2", what, refusal, ErrorKind::Conflict)?;
        let what = "a batch of two records of one key";
        let refusal = answered(what, storage.store_all(&twice)).await?;
        refused("A2", what, refusal, ErrorKind::InvalidInput)?;
    }
    let both = [&new, &there].map(|key| Write::new(key, &data, Precondition::Any));
    answered("a batch after refused ones", storage.store_all(&both)).await??;
    write_and_read(&storage, &there, &data).await
}

/// One after the other, and each has been of use.
async fn closed_handles_use_nothing_up(cx: Cx) -> Check {
    let (key, data) = (cx.key("rs"), full("1"));
    write_and_read(&cx.open().await?, &key, &data).await?;
    for _ in 0..MANY {
        let handle = cx.open().await?;
        answered("a get through one more handle", handle.get(&key)).await??;
    }
    write_and_read(&cx.open().await?, &key, &data).await
}

async fn many_calls_at_once_are_answered(cx: Cx) -> Check {
    let (storage, data) = (cx.open().await?, full("1"));
    let keys: Vec<TokenKey> = (0..16).map(|number| cx.key(&format!("rs{number}"))).collect();
    for key in &keys {
        storage.store(key, &data, Precondition::Any).await?;
    }
    let mut calls = JoinSet::new();
    for (number, key) in keys.iter().cycle().take(AT_ONCE).enumerate() {
        // Reads beside few writes: those wait for each other on any disk.
        let (storage, key) = (Arc::clone(&storage), key.clone());
        calls.spawn(async move {
            match number % 5 {
                0 => storage.store(&key, &full("1"), Precondition::Any).await.map(drop),
                _ => storage.get(&key).await.map(drop),
            }
        });
    }
    let all = async {
        while let Some(call) = calls.join_next().await {
            call.expect("a call does not panic")?;
        }
        Check::Ok(())
    };
    answered("many calls at once", all).await??;
    for key in &keys {
        crate::check::stored("A3", &storage.get(key).await?, &data)?;
    }
    Ok(())
}
