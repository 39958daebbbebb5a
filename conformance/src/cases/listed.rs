//! What a listing has beside the records that are there: nothing.

use token_storage_core::{ErrorKind, Precondition, Revision, TokenKey, TokenStorageExt as _, Write};

use super::{
    enumeration::{PAGES, keys_of},
    intents::intent,
    leases::acquire,
    paging::{complete, namespaces_of, store_keys, store_named},
};
use crate::{
    Case, Level, Need,
    check::{Check, Show as _, fail, holds, refused, same},
    cx::{Cx, Handle, listing, settle},
    data::plain,
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Enumerate,
        "enumeration::an_empty_namespace_is_listed",
        &["C5", "K4"],
        |cx| Box::pin(an_empty_namespace_is_listed(cx)),
    )
    .needs(&[Need::Enumeration, Need::ExclusivePlace]),
    Case::new(
        Level::Enumerate,
        "enumeration::a_lease_is_no_key",
        &["C5", "L7"],
        |cx| Box::pin(a_lease_is_no_key(cx)),
    )
    .needs(&[Need::Enumeration, Need::Lease]),
    Case::new(
        Level::Enumerate,
        "enumeration::what_was_refused_is_not_listed",
        &["C5", "A4", "A2"],
        |cx| Box::pin(what_was_refused_is_not_listed(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::what_is_written_in_any_way_is_listed",
        &["C5"],
        |cx| Box::pin(what_is_written_in_any_way_is_listed(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::written_again_is_listed_once",
        &["C5"],
        |cx| Box::pin(written_again_is_listed_once(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::what_was_read_is_listed",
        &["C5", "A3"],
        |cx| Box::pin(what_was_read_is_listed(cx)),
    ),
];

async fn an_empty_namespace_is_listed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = [("", "a"), ("", ""), ("DEFAULT", "a"), ("b", "")].map(|(ns, rs)| TokenKey::new(ns, rs));
    store_keys(&storage, &keys).await?;
    complete(&keys_of(&storage, "").await?, &keys[..2], |_| false)?;
    complete(&keys_of(&storage, "b").await?, &keys[3..], |_| false)?;
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = listing(&storage)?.list_namespaces(after.as_ref()).await?;
        names.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
        holds("C5", "a listing of three namespaces ends", names.len() <= PAGES)?;
    }
    names.sort();
    let want = ["", "DEFAULT", "b"].map(str::to_owned).to_vec();
    same("C5", "each namespace is listed once, the empty one too", &names, &want)
}

async fn a_lease_is_no_key(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = store_named(&cx, &storage, ["a".to_owned(), "b".to_owned()]).await?;
    let other = cx.key_in("/2", "a");
    let mut guards = Vec::new();
    for key in [&keys[0], &cx.key("c"), &other] {
        let mut guard = acquire(&storage, key).await?;
        guard.record_intent(&intent(Revision::from_bytes(&[3; 32])?)).await?;
        guards.push(guard);
    }
    only_records(&cx, &keys, other.namespace()).await?;
    // The intent stays behind.
    for guard in guards {
        guard.release().await?;
    }
    only_records(&cx, &keys, other.namespace()).await?;
    for key in [&keys[0], &cx.key("c"), &other] {
        let mut guard = acquire(&storage, key).await?;
        guard.clear_intent().await?;
        guard.release().await?;
    }
    only_records(&cx, &keys, other.namespace()).await
}

async fn only_records(cx: &Cx, keys: &[TokenKey], without_records: &str) -> Check {
    let storage = cx.open().await?;
    complete(&keys_of(&storage, cx.namespace()).await?, keys, |_| false)?;
    complete(&keys_of(&storage, without_records).await?, &[], |_| false)?;
    let names = namespaces_of(cx, &storage, false).await?;
    same(
        "C5",
        "a lease makes no namespace",
        &names,
        &vec![cx.namespace().to_owned()],
    )
}

async fn what_was_refused_is_not_listed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = store_named(&cx, &storage, ["a".to_owned()]).await?;
    let (new, data) = (cx.key("new"), plain("2"));
    let elsewhere = cx.key_in("/2", "new");
    let strange = Precondition::Unchanged(Revision::from_bytes(&[7; 32])?);
    refused(
        "A4",
        "a store over nothing",
        storage.store(&new, &data, strange).await,
        ErrorKind::Conflict,
    )?;
    refused(
        "A4",
        "a remove of nothing",
        storage.remove(&new, strange).await,
        ErrorKind::Conflict,
    )?;
    storage.remove(&elsewhere, Precondition::Any).await?;
    // Looking makes nothing either.
    for key in [&new, &elsewhere] {
        storage.get(key).await?;
    }
    let writes = [
        Write::new(&new, &data, Precondition::Any),
        Write::new(&elsewhere, &data, Precondition::Any),
        Write::new(&keys[0], &data, Precondition::Absent),
    ];
    refused("A2", "a batch", storage.store_all(&writes).await, ErrorKind::Conflict)?;
    let limit = storage.describe().limits.record_bytes;
    if limit <= super::limits::MOST {
        let large = plain(&"x".repeat(limit + 1));
        let result = storage.store(&elsewhere, &large, Precondition::Any).await;
        refused("K7", "a record that is too large", result, ErrorKind::TooLarge)?;
    }
    only_records(&cx, &keys, elsewhere.namespace()).await
}

/// Inserts, updates and batches may have code of their own.
async fn what_is_written_in_any_way_is_listed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["any", "new", "updated", "batch of one", "batch", "batch, new"].map(|name| cx.key(name));
    let data = plain("1");
    storage.store(&keys[0], &data, Precondition::Any).await?;
    storage.store(&keys[1], &data, Precondition::Absent).await?;
    let first = storage.store(&keys[2], &data, Precondition::Absent).await?;
    storage.store(&keys[2], &data, Precondition::Unchanged(first)).await?;
    storage
        .store_all(&[Write::new(&keys[3], &data, Precondition::Any)])
        .await?;
    let batch = [
        Write::new(&keys[4], &data, Precondition::Any),
        Write::new(&keys[5], &data, Precondition::Absent),
    ];
    storage.store_all(&batch).await?;
    only_records(&cx, &keys, "none").await
}

async fn written_again_is_listed_once(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = store_named(&cx, &storage, ["a", "A", "b"].map(str::to_owned)).await?;
    for round in 0..5 {
        storage.store(&keys[0], &plain("2"), Precondition::Any).await?;
        store_keys(&storage, &keys[..2]).await?;
        if round % 2 == 0 {
            storage.remove(&keys[2], Precondition::Any).await?;
            complete(&keys_of(&storage, cx.namespace()).await?, &keys[..2], |_| false)?;
        }
        storage.store(&keys[2], &plain("3"), Precondition::Any).await?;
    }
    only_records(&cx, &keys, "none").await
}

/// Where a batch lies in two places for a while, or a listing is made of something else than the records are, it may look
/// into both and still miss it.
async fn what_was_read_is_listed(cx: Cx) -> Check {
    let (reader, writer) = (cx.open().await?, cx.open().await?);
    for round in 0..if soak() { 400 } else { 20 } {
        let suffix = format!("/{round}");
        let keys: Vec<TokenKey> = (0..6).map(|i| cx.key_in(&suffix, &format!("rs{i}"))).collect();
        let (writer, written) = (Handle::clone(&writer), keys.clone());
        let writing = tokio::spawn(async move {
            let data = plain("1");
            let batch = written.iter().map(|key| Write::new(key, &data, Precondition::Absent));
            writer.store_all(&batch.collect::<Vec<_>>()).await
        });
        while !writing.is_finished() {
            tokio::task::yield_now().await;
            let mut seen = Vec::new();
            for key in &keys {
                if reader.get(key).await?.is_some() {
                    seen.push(key.clone());
                }
            }
            if !seen.is_empty() {
                is_listed(&cx, &reader, keys[0].namespace(), &seen).await?;
            }
        }
        writing.await.expect("the writer does not panic")?;
        is_listed(&cx, &reader, keys[0].namespace(), &keys).await?;
    }
    Ok(())
}

/// They were read before the listing began.
async fn is_listed(cx: &Cx, reader: &Handle, namespace: &str, seen: &[TokenKey]) -> Check {
    settle(reader).await;
    let listed = keys_of(reader, namespace).await?;
    if let Some(missing) = seen.iter().find(|key| !listed.contains(key)) {
        let got = format!("{} is not, among {} keys", missing.show(), listed.len());
        return fail("C5", "what was read before, and stays, is listed", got, "it is");
    }
    let names = namespaces_of(cx, reader, false).await?;
    if !names.iter().any(|name| name == namespace) {
        let got = format!("{namespace:?} is not, among {} namespaces", names.len());
        return fail("C5", "the namespace of what was read before is listed", got, "it is");
    }
    Ok(())
}
