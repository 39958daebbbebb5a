use std::collections::BTreeSet;

use token_storage_core::{Enumerate, Precondition, TokenKey, TokenStorageExt as _, Write};

use crate::{
    Case, Level,
    check::{Check, fail, holds, same},
    cx::{Cx, Handle, listing},
    data::{ODD, plain},
    rng::soak,
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Enumerate,
        "enumeration::an_unknown_namespace_is_empty",
        &["C5"],
        |cx| Box::pin(an_unknown_namespace_is_empty(cx)),
    ),
    Case::new(Level::Enumerate, "enumeration::lists_each_key_once", &["C5"], |cx| {
        Box::pin(lists_each_key_once(cx))
    }),
    Case::new(
        Level::Enumerate,
        "enumeration::lists_only_the_asked_namespace",
        &["C5", "K6"],
        |cx| Box::pin(lists_only_the_asked_namespace(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::lists_keys_byte_for_byte",
        &["C5", "K4"],
        |cx| Box::pin(lists_keys_byte_for_byte(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::removed_keys_are_not_listed",
        &["C5", "K3"],
        |cx| Box::pin(removed_keys_are_not_listed(cx)),
    ),
    Case::new(Level::Enumerate, "enumeration::pages_add_up", &["C5"], |cx| {
        Box::pin(pages_add_up(cx))
    }),
    Case::new(
        Level::Enumerate,
        "enumeration::lists_each_namespace_once",
        &["C5"],
        |cx| Box::pin(lists_each_namespace_once(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::emptied_namespaces_are_not_listed",
        &["C5"],
        |cx| Box::pin(emptied_namespaces_are_not_listed(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::what_stays_is_listed_while_others_write",
        &["C5"],
        |cx| Box::pin(what_stays_is_listed_while_others_write(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::another_handle_lists_the_same",
        &["C5", "A3"],
        |cx| Box::pin(another_handle_lists_the_same(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "enumeration::listing_works_behind_dyn",
        &["C1"],
        |cx| Box::pin(listing_works_behind_dyn(cx)),
    ),
];

/// A listing that goes on for longer than this does not end.
pub(super) const PAGES: usize = 10_000;

pub(super) fn endless<T>() -> Check<T> {
    fail(
        "C5",
        "a listing ends",
        format!("{PAGES} pages and no end"),
        "a last page",
    )
}

pub(super) async fn keys_of(storage: &Handle, namespace: &str) -> Check<Vec<TokenKey>> {
    let listing = listing(storage)?;
    all_keys(&*listing, namespace).await
}

async fn all_keys(listing: &dyn Enumerate, namespace: &str) -> Check<Vec<TokenKey>> {
    let (mut keys, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = listing.list_keys(namespace, after.as_ref()).await?;
        keys.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
    endless()
}

/// Namespaces of this case; in a shared place there are others.
async fn namespaces_of(cx: &Cx, storage: &Handle) -> Check<Vec<String>> {
    let listing = listing(storage)?;
    let (mut names, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = listing.list_namespaces(after.as_ref()).await?;
        names.extend(page.items);
        after = page.next;
        if after.is_none() {
            names.retain(|name| name.starts_with(cx.namespace()));
            names.sort();
            return Ok(names);
        }
    }
    endless()
}

fn sorted(keys: &[TokenKey]) -> Vec<TokenKey> {
    let mut keys = keys.to_vec();
    keys.sort();
    keys
}

async fn store_each(storage: &Handle, keys: &[TokenKey]) -> Check {
    let data = plain("1");
    let limit = storage.describe().limits.batch_records.min(100);
    for chunk in keys.chunks(limit) {
        let writes: Vec<_> = chunk
            .iter()
            .map(|key| Write::new(key, &data, Precondition::Any))
            .collect();
        storage.store_all(&writes).await?;
    }
    Ok(())
}

async fn an_unknown_namespace_is_empty(cx: Cx) -> Check {
    let storage = cx.open().await?;
    // In a new place there may never have been anything to look into.
    let own = cx.namespace().to_owned();
    let listed = namespaces_of(&cx, &storage).await?.contains(&own);
    same("C5", "whether a namespace without records is listed", &listed, &false)?;
    same(
        "C5",
        "a namespace without records",
        &keys_of(&storage, cx.namespace()).await?,
        &Vec::new(),
    )?;
    storage
        .store(&cx.key_in("/2", "rs"), &plain("1"), Precondition::Any)
        .await?;
    same(
        "C5",
        "a namespace without records",
        &keys_of(&storage, cx.namespace()).await?,
        &Vec::new(),
    )
}

async fn lists_each_key_once(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["b", "a", "c", "ab", "large"].map(|rs| cx.key(rs));
    for key in &keys {
        storage.store(key, &plain("1"), Precondition::Any).await?;
        storage.store(key, &plain("2"), Precondition::Any).await?;
    }
    // As large as usual rows of databases are not.
    let room = (storage.describe().limits.record_bytes / 2)
        .saturating_sub(512)
        .min(64 * 1024);
    let large = plain(&"x".repeat(room));
    storage.store(&keys[4], &large, Precondition::Any).await?;
    let listed = sorted(&keys_of(&storage, cx.namespace()).await?);
    same("C5", "each key is listed once", &listed, &sorted(&keys))
}

async fn lists_only_the_asked_namespace(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let more = ["", "x", "xx", "X", " "];
    let keys: Vec<TokenKey> = more.iter().chain(ODD).map(|suffix| cx.key_in(suffix, "rs")).collect();
    store_each(&storage, &keys).await?;
    for key in &keys {
        let listed = keys_of(&storage, key.namespace()).await?;
        same(
            "K6",
            "only keys of the asked namespace are listed",
            &listed,
            &vec![key.clone()],
        )?;
    }
    Ok(())
}

async fn lists_keys_byte_for_byte(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys: Vec<TokenKey> = ODD.iter().chain(&[""]).map(|odd| cx.key(odd)).collect();
    store_each(&storage, &keys).await?;
    let listed = sorted(&keys_of(&storage, cx.namespace()).await?);
    same("K4", "keys are listed as they were stored", &listed, &sorted(&keys))
}

async fn removed_keys_are_not_listed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys = ["a", "b", "c"].map(|rs| cx.key(rs));
    store_each(&storage, &keys).await?;
    // One of the same name that stays.
    let elsewhere = cx.key_in("/2", "b");
    storage.store(&elsewhere, &plain("1"), Precondition::Any).await?;
    storage.remove(&keys[1], Precondition::Any).await?;
    let there = keys_of(&storage, elsewhere.namespace()).await?;
    same("C5", "the same name in another namespace", &there, &vec![elsewhere])?;
    let listed = sorted(&keys_of(&storage, cx.namespace()).await?);
    same(
        "C5",
        "a removed key is not listed",
        &listed,
        &vec![keys[0].clone(), keys[2].clone()],
    )
}

/// More records than any sensible page has.
async fn pages_add_up(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let count = if soak() { 20_000 } else { 1500 };
    let keys: Vec<TokenKey> = (0..count).map(|i| cx.key(&format!("rs{i}"))).collect();
    let data = plain("1");
    let limit = storage.describe().limits.batch_records;
    for chunk in keys.chunks(limit) {
        let writes: Vec<_> = chunk
            .iter()
            .map(|key| Write::new(key, &data, Precondition::Any))
            .collect();
        storage.store_all(&writes).await?;
    }
    let listed = keys_of(&storage, cx.namespace()).await?;
    let distinct: BTreeSet<&TokenKey> = listed.iter().collect();
    same("C5", "no key is listed twice", &listed.len(), &distinct.len())?;
    same("C5", "every key is listed", &sorted(&listed), &sorted(&keys))
}

async fn lists_each_namespace_once(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let suffixes: Vec<&str> = ["", " ", "/a", ":a", "aa", "\u{1f600}"]
        .iter()
        .chain(ODD)
        .copied()
        .collect();
    let mut want: Vec<String> = suffixes
        .iter()
        .map(|suffix| format!("{}{suffix}", cx.namespace()))
        .collect();
    for suffix in suffixes {
        for rs in ["a", "b"] {
            storage
                .store(&cx.key_in(suffix, rs), &plain("1"), Precondition::Any)
                .await?;
        }
    }
    want.sort();
    want.dedup();
    same(
        "C5",
        "each namespace is listed once",
        &namespaces_of(&cx, &storage).await?,
        &want,
    )
}

async fn emptied_namespaces_are_not_listed(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("a"), &plain("1"), Precondition::Any).await?;
    storage
        .store(&cx.key_in("/2", "a"), &plain("1"), Precondition::Any)
        .await?;
    storage
        .store(&cx.key_in("/2", "b"), &plain("1"), Precondition::Any)
        .await?;
    storage.remove(&cx.key("a"), Precondition::Any).await?;
    // One of two: the other is there still.
    storage.remove(&cx.key_in("/2", "b"), Precondition::Any).await?;
    let want = vec![format!("{}/2", cx.namespace())];
    same(
        "C5",
        "namespaces that hold records",
        &namespaces_of(&cx, &storage).await?,
        &want,
    )?;
    same(
        "C5",
        "the emptied one",
        &keys_of(&storage, cx.namespace()).await?,
        &Vec::new(),
    )
}

async fn what_stays_is_listed_while_others_write(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let staying: Vec<TokenKey> = (0..50).map(|i| cx.key(&format!("stay{i}"))).collect();
    store_each(&storage, &staying).await?;
    let (writer, coming) = (
        cx.open().await?,
        (0..20).map(|i| cx.key(&format!("come{i}"))).collect::<Vec<_>>(),
    );
    let writing = tokio::spawn(async move {
        for key in coming.iter().cycle().take(60) {
            writer.store(key, &plain("1"), Precondition::Any).await?;
            writer.remove(key, Precondition::Any).await?;
        }
        Ok::<(), token_storage_core::Error>(())
    });
    while !writing.is_finished() {
        let listed = keys_of(&storage, cx.namespace()).await?;
        let distinct: BTreeSet<&TokenKey> = listed.iter().collect();
        same("C5", "no key is listed twice", &listed.len(), &distinct.len())?;
        for key in &staying {
            holds("C5", "what was there throughout is listed", distinct.contains(key))?;
        }
        tokio::task::yield_now().await;
    }
    writing.await.expect("the writer does not panic")?;
    same(
        "C5",
        "in the end",
        &sorted(&keys_of(&storage, cx.namespace()).await?),
        &sorted(&staying),
    )
}

async fn another_handle_lists_the_same(cx: Cx) -> Check {
    let (one, two) = (cx.open().await?, cx.open().await?);
    one.store(&cx.key("a"), &plain("1"), Precondition::Any).await?;
    same(
        "A3",
        "what another handle lists",
        &keys_of(&two, cx.namespace()).await?,
        &vec![cx.key("a")],
    )?;
    two.store(&cx.key("b"), &plain("1"), Precondition::Any).await?;
    one.remove(&cx.key("a"), Precondition::Any).await?;
    same(
        "A3",
        "what another handle lists",
        &keys_of(&two, cx.namespace()).await?,
        &vec![cx.key("b")],
    )
}

async fn listing_works_behind_dyn(cx: Cx) -> Check {
    let storage = cx.open().await?;
    storage.store(&cx.key("rs"), &plain("1"), Precondition::Any).await?;
    let listing = listing(&storage)?;
    let page = listing.list_keys(cx.namespace(), None).await?;
    same(
        "C1",
        "having the capability means that it works",
        &page.items,
        &vec![cx.key("rs")],
    )
}
