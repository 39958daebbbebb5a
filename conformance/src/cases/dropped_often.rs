//! Calls that are dropped again and again: nothing is used up, and nobody is blocked.

use token_storage_core::{Precondition, TokenData, TokenKey, TokenStorageExt as _, Write};

use super::cancellation::answered;
use crate::{
    Case, Level,
    check::{Check, same, stored},
    cx::{Cx, Handle, listing},
    data::full,
    dropping::{POINTS, dropped_after},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Hostile,
        "cancellation::a_dropped_call_does_not_block_others",
        &["A7", "D6"],
        |cx| Box::pin(a_dropped_call_does_not_block_others(cx)),
    ),
    Case::new(
        Level::Hostile,
        "cancellation::many_dropped_calls_use_nothing_up",
        &["A7", "D6"],
        |cx| Box::pin(many_dropped_calls_use_nothing_up(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "cancellation::dropped_listings_use_nothing_up",
        &["A7", "C5"],
        |cx| Box::pin(dropped_listings_use_nothing_up(cx)),
    ),
];

/// More than a pool of connections has by default, or the threads that a runtime keeps for what blocks.
pub(super) const MANY: usize = 40;

/// Neither a lock nor a place in a queue stays behind.
async fn a_dropped_call_does_not_block_others(cx: Cx) -> Check {
    let (storage, other) = (cx.open().await?, cx.open().await?);
    for point in 1..=POINTS {
        let data = full(&point.to_string());
        let done = dropped_after(point, storage.store(&cx.key("dropped"), &data, Precondition::Any)).await;
        drop(dropped_after(point, storage.remove(&cx.key("dropped"), Precondition::Any)).await);
        for handle in [&storage, &other] {
            write_and_read(handle, &cx.key("rs"), &data).await?;
        }
        if done.is_some() {
            break;
        }
    }
    Ok(())
}

const ANSWERED: &str = "a call after dropped ones is answered";

pub(super) async fn write_and_read(storage: &Handle, key: &TokenKey, data: &TokenData) -> Check {
    answered(ANSWERED, storage.store(key, data, Precondition::Any)).await??;
    stored("A7", &answered(ANSWERED, storage.get(key)).await??, data)
}

/// Each call that writes, and then a get.
async fn every_call_works(storage: &Handle, key: &TokenKey, data: &TokenData) -> Check {
    answered(ANSWERED, storage.remove(key, Precondition::Any)).await??;
    let batch = [Write::new(key, data, Precondition::Any)];
    answered(ANSWERED, storage.store_all(&batch)).await??;
    write_and_read(storage, key, data).await
}

/// Each call, dropped at each point, as often as would empty a pool of connections or permits.
async fn many_dropped_calls_use_nothing_up(cx: Cx) -> Check {
    let (storage, key, data) = (cx.open().await?, cx.key("rs"), full("1"));
    storage.store(&key, &data, Precondition::Any).await?;
    let keys: Vec<TokenKey> = (0..MANY).map(|number| cx.key(&format!("dropped-{number}"))).collect();
    let too = cx.key("dropped-too");
    for call in 0..4 {
        for point in 1..=POINTS {
            let mut all_done = true;
            for dropped in &keys {
                let batch = [dropped, &too].map(|key| Write::new(key, &data, Precondition::Any));
                let dropping = async {
                    Check::Ok(match call {
                        0 => dropped_after(point, storage.get(&key)).await.transpose()?.is_some(),
                        1 => {
                            let store = storage.store(dropped, &data, Precondition::Any);
                            dropped_after(point, store).await.transpose()?.is_some()
                        }
                        2 => dropped_after(point, storage.store_all(&batch))
                            .await
                            .transpose()?
                            .is_some(),
                        _ => {
                            let remove = storage.remove(dropped, Precondition::Any);
                            dropped_after(point, remove).await.transpose()?.is_some()
                        }
                    })
                };
                all_done &= answered(ANSWERED, dropping).await??;
            }
            every_call_works(&storage, &key, &data).await?;
            if all_done {
                break;
            }
        }
        cx.forget_history();
    }
    write_and_read(&cx.open().await?, &key, &data).await
}

async fn dropped_listings_use_nothing_up(cx: Cx) -> Check {
    let (storage, key, data) = (cx.open().await?, cx.key("rs"), full("1"));
    storage.store(&key, &data, Precondition::Any).await?;
    let what = "a listing after dropped ones is answered";
    for point in 1..=POINTS {
        let mut all_done = true;
        for _ in 0..MANY {
            let listing = listing(&storage)?;
            let dropping = async {
                let keys = dropped_after(point, listing.list_keys(cx.namespace(), None))
                    .await
                    .transpose()?;
                let namespaces = dropped_after(point, listing.list_namespaces(None)).await.transpose()?;
                Check::Ok(keys.is_some() && namespaces.is_some())
            };
            all_done &= answered(what, dropping).await??;
        }
        let listed = answered(what, listing(&storage)?.list_keys(cx.namespace(), None)).await??;
        same("C5", "a listing after dropped ones", &listed.items, &vec![key.clone()])?;
        write_and_read(&storage, &key, &data).await?;
        if all_done {
            break;
        }
    }
    Ok(())
}
