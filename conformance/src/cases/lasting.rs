//! Records that outlast their tokens. Nothing but a store or a remove ends one: its refresh token is still good.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use token_storage_core::{Precondition, TokenData, TokenStorageExt as _, Write};

use super::{enumeration::keys_of, leases::acquire};
use crate::{
    Case, Level, Need,
    check::{Check, same, stored},
    cx::Cx,
    data::{full, plain},
};

pub(super) const CASES: &[Case] = &[Case::new(
    Level::Core,
    "records::one_outlasts_its_token",
    &["K8", "A3"],
    |cx| Box::pin(one_outlasts_its_token(cx)),
)];

/// Longer than a server's shortest terms (seconds, rounded up), counted from the last write. One that takes longer here
/// only waits more.
const WAIT: Duration = Duration::from_millis(3_500);

fn expires_in(seconds: i64) -> TokenData {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    full("1").with_expires_at(i64::try_from(now.as_secs()).unwrap_or_default() + seconds)
}

/// Each was written in another way; all are waited for at once.
async fn one_outlasts_its_token(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let written = [
        ("expires-while-waiting", expires_in(1)),
        ("expires-with-the-wait", expires_in(3)),
        ("expires-later", expires_in(60)),
        ("of-unknown-expiry", plain("1")),
        ("replaced", expires_in(1)),
        ("in-a-batch", expires_in(1)),
        ("in-it-too", expires_in(1)),
        ("leased", expires_in(1)),
    ];
    for (name, data) in &written {
        let key = cx.key(name);
        let mut condition = Precondition::Absent;
        if *name == "replaced" {
            let first = storage.store(&key, &expires_in(60), condition).await?;
            condition = Precondition::Unchanged(first);
        }
        match *name {
            "in-a-batch" => {
                let too = cx.key("in-it-too");
                let batch = [&key, &too].map(|key| Write::new(key, data, condition));
                drop(storage.store_all(&batch).await?);
            }
            "in-it-too" => (),
            _ => drop(storage.store(&key, data, condition).await?),
        }
    }
    if cx.declares(Need::Lease) {
        acquire(&storage, &cx.key("leased")).await?.release().await?;
    }
    cx.note(format!("{} ms pass", WAIT.as_millis()));
    tokio::time::sleep(WAIT).await;
    for handle in [&storage, &cx.open().await?] {
        for (name, data) in &written {
            stored("K8", &handle.get(&cx.key(name)).await?, data)?;
        }
    }
    if cx.declares(Need::Enumeration) {
        let mut keys: Vec<_> = written.iter().map(|(name, _)| cx.key(name)).collect();
        keys.sort();
        let listed = keys_of(&storage, cx.namespace()).await?;
        same("K8", "the keys of records whose tokens have expired", &listed, &keys)?;
    }
    for (name, _) in &written {
        let there = storage.remove(&cx.key(name), Precondition::Any).await?;
        same("K8", "a record whose token has expired was there", &there, &true)?;
    }
    Ok(())
}
