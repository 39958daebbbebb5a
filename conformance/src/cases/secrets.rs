use token_storage_core::{Error, Precondition, Result, TokenKey, TokenStorage, TokenStorageExt as _};

use super::talk;
use crate::{
    Case, Level, Need, canary,
    check::{Check, fail, holds},
    cx::{Cx, listing},
    worker::logs::Watcher,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Core, "secrets::debug_of_a_storage_shows_none", &["S1"], |cx| {
        Box::pin(debug_of_a_storage_shows_none(cx))
    }),
    Case::new(Level::Core, "secrets::debug_of_a_record_shows_none", &["S1"], |cx| {
        Box::pin(debug_of_a_record_shows_none(cx))
    }),
    Case::new(Level::Core, "secrets::conflicts_show_none", &["S1"], |cx| {
        Box::pin(conflicts_show_none(cx))
    }),
    Case::new(Level::Core, "secrets::refused_sizes_show_none", &["S1"], |cx| {
        Box::pin(refused_sizes_show_none(cx))
    }),
    Case::new(Level::Core, "secrets::refused_batches_show_none", &["S1"], |cx| {
        Box::pin(refused_batches_show_none(cx))
    }),
    Case::new(Level::Core, "secrets::revisions_hold_none", &["S1", "A4"], |cx| {
        Box::pin(revisions_hold_none(cx))
    }),
    Case::new(Level::Core, "secrets::log_records_show_none", &["S1"], |cx| {
        Box::pin(log_records_show_none(cx))
    }),
    Case::new(Level::Enumerate, "secrets::a_listing_shows_none", &["S1"], |cx| {
        Box::pin(a_listing_shows_none(cx))
    }),
    Case::new(Level::Lease, "secrets::a_lease_shows_none", &["S1"], |cx| {
        Box::pin(a_lease_shows_none(cx))
    })
    .needs(&[Need::Lease]),
    Case::new(
        Level::Hostile,
        "secrets::errors_out_of_reach_show_none",
        &["S1"],
        |cx| Box::pin(errors_out_of_reach_show_none(cx)),
    )
    .needs(&[Need::Faults]),
];

/// Nothing of a token, however it is spelled, four characters of it included.
pub(crate) fn clean(what: &str, text: &str) -> Check {
    match canary::found(text) {
        None => Ok(()),
        // Not quoted: what is printed here is printed into logs.
        Some(found) => fail("S1", "no token is shown", format!("{what} shows {found}"), "no token"),
    }
}

/// Everything that a program might print of an error, its sources included.
pub(crate) fn clean_error(what: &str, error: &Error) -> Check {
    talk::of_error(error).iter().try_for_each(|text| clean(what, text))
}

/// What a part of the calls says, all of it.
async fn clean_talk(cx: &Cx, part: talk::Part) -> Check {
    let storage = cx.open_raw().await?;
    let keys = talk::keys(&cx.key("rs"));
    keys.iter().for_each(|key| cx.touch(key));
    for (what, text) in talk::of(part, &*storage, &keys).await? {
        clean(what, &text)?;
    }
    clean("Debug of the storage", &format!("{storage:?} {storage:#?}"))?;
    clean(
        "its description",
        &format!("{:?} {}", storage.describe(), storage.describe().location),
    )
}

async fn debug_of_a_storage_shows_none(cx: Cx) -> Check {
    clean_talk(&cx, talk::Part::Calls).await
}

async fn debug_of_a_record_shows_none(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    storage.store(&key, &canary::canaries(), Precondition::Any).await?;
    let stored = storage.get(&key).await?;
    clean("Debug of a record", &format!("{stored:?} {stored:#?}"))
}

async fn conflicts_show_none(cx: Cx) -> Check {
    clean_talk(&cx, talk::Part::Conflicts).await
}

async fn refused_sizes_show_none(cx: Cx) -> Check {
    clean_talk(&cx, talk::Part::Sizes).await
}

async fn refused_batches_show_none(cx: Cx) -> Check {
    clean_talk(&cx, talk::Part::Batches).await
}

/// A revision is kept with the lease and handed to whoever asks for a change: it is not made of what it stands for.
async fn revisions_hold_none(cx: Cx) -> Check {
    let (storage, key) = (cx.open().await?, cx.key("rs"));
    for _ in 0..3 {
        let revision = storage.store(&key, &canary::canaries(), Precondition::Any).await?;
        clean("a revision", &String::from_utf8_lossy(revision.as_bytes()))?;
        clean("Debug of a revision", &format!("{revision:?}"))?;
    }
    Ok(())
}

async fn a_listing_shows_none(cx: Cx) -> Check {
    // First, while the storage's own Debug is short.
    clean_talk(&cx, talk::Part::Listings).await?;
    let storage = cx.open().await?;
    let (data, limit) = (canary::canaries(), storage.describe().limits.batch_records.min(200));
    let keys: Vec<TokenKey> = (0..600).map(|i| cx.key(&format!("rs{i}"))).collect();
    for keys in keys.chunks(limit) {
        let writes: Vec<_> = keys
            .iter()
            .map(|key| token_storage_core::Write::new(key, &data, Precondition::Any))
            .collect();
        storage.store_all(&writes).await?;
    }
    let mut after = None;
    for _ in 0..super::enumeration::PAGES {
        let page = listing(&storage)?.list_keys(cx.namespace(), after.as_ref()).await?;
        clean("a page of keys", &format!("{page:?}"))?;
        if let Some(cursor) = &page.next {
            clean("a cursor", cursor.as_str())?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

async fn a_lease_shows_none(cx: Cx) -> Check {
    clean_talk(&cx, talk::Part::Leases).await
}

/// What is logged in this process while the calls run. A worker process sees the rest: what other threads log.
async fn log_records_show_none(cx: Cx) -> Check {
    let storage = cx.open_raw().await?;
    let keys = talk::keys(&cx.key("rs"));
    keys.iter().for_each(|key| cx.touch(key));
    let watcher = Watcher::default();
    let seen = watcher.seen();
    let used: Result<()> =
        tracing::instrument::WithSubscriber::with_subscriber(use_all(&*storage, &keys), watcher).await;
    used?;
    match seen.leak() {
        None => Ok(()),
        Some(place) => fail("S1", "no token is in a log record of any level", place, "none"),
    }
}

/// Every call that there is, refused ones included.
pub(crate) async fn use_all(storage: &dyn TokenStorage, keys: &[TokenKey]) -> Result<()> {
    for part in talk::Part::ALL {
        talk::of(part, storage, keys).await?;
    }
    Ok(())
}

async fn errors_out_of_reach_show_none(cx: Cx) -> Check {
    let (storage, faults) = cx.open_faulty().await?;
    let (key, data) = (cx.key("rs"), canary::canaries());
    let revision = storage.store(&key, &data, Precondition::Any).await?;
    storage.get(&key).await?;
    faults.disconnect();
    let write = token_storage_core::Write::new(&key, &data, Precondition::Unchanged(revision));
    let mut errors = vec![
        storage.get(&key).await.err(),
        storage.store(&key, &data, Precondition::Any).await.err(),
        storage.store_all(&[write]).await.err(),
        storage.remove(&key, Precondition::Any).await.err(),
    ];
    if let Some(listing) = storage.enumerate() {
        errors.push(listing.list_keys(cx.namespace(), None).await.err());
    }
    if let Some(lease) = storage.lease() {
        errors.push(lease.try_acquire(&key).await.err());
    }
    faults.reconnect();
    let errors: Vec<_> = errors.into_iter().flatten().collect();
    holds("L4", "a storage out of reach says so", errors.len() >= 4)?;
    errors
        .iter()
        .try_for_each(|error| clean_error("an error of a storage out of reach", error))
}
