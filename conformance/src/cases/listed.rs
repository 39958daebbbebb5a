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
    check::{Check, holds, refused, same},
    cx::{Cx, listing},
    data::plain,
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
