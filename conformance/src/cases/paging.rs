//! Listings of more than one page, and what changes between the pages.

use std::collections::BTreeSet;

use token_storage_core::{Cursor, Page, Precondition, TokenKey, TokenStorageExt as _, Write};

use super::{
    enumeration::{PAGES, endless, keys_of},
    folds::{USED, collated},
};
use crate::{
    Case, Level,
    check::{Check, Show as _, fail, holds, ignore, same},
    cx::{Cx, Handle, listing},
    data::plain,
};

pub(super) const CASES: &[Case] = &[
    Case::new(Level::Enumerate, "paging::the_cursors_key_may_go", &["C5"], |cx| {
        Box::pin(the_cursors_key_may_go(cx))
    }),
    Case::new(Level::Enumerate, "paging::what_was_listed_may_go", &["C5"], |cx| {
        Box::pin(what_was_listed_may_go(cx))
    }),
    Case::new(Level::Enumerate, "paging::more_may_come_between_pages", &["C5"], |cx| {
        Box::pin(more_may_come_between_pages(cx))
    }),
    Case::new(Level::Enumerate, "paging::what_stays_is_listed_once", &["C5"], |cx| {
        Box::pin(what_stays_is_listed_once(cx))
    }),
    Case::new(Level::Enumerate, "paging::two_listings_in_turn", &["C5"], |cx| {
        Box::pin(two_listings_in_turn(cx))
    }),
    Case::new(Level::Enumerate, "paging::a_cursor_can_be_used_again", &["C5"], |cx| {
        Box::pin(a_cursor_can_be_used_again(cx))
    }),
    Case::new(Level::Enumerate, "paging::about_a_page_and_two", &["C5"], |cx| {
        Box::pin(about_a_page_and_two(cx))
    }),
    Case::new(
        Level::Enumerate,
        "paging::keys_of_any_order_add_up",
        &["C5", "K4"],
        |cx| Box::pin(keys_of_any_order_add_up(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "paging::names_of_any_shape_add_up",
        &["C5", "K4"],
        |cx| Box::pin(names_of_any_shape_add_up(cx)),
    ),
    Case::new(Level::Enumerate, "paging::namespaces_add_up", &["C5"], |cx| {
        Box::pin(namespaces_add_up(cx))
    }),
    Case::new(
        Level::Enumerate,
        "paging::the_cursors_namespace_may_go",
        &["C5"],
        |cx| Box::pin(the_cursors_namespace_may_go(cx)),
    ),
    Case::new(
        Level::Enumerate,
        "paging::pages_end_with_their_namespace",
        &["C5", "K6"],
        |cx| Box::pin(pages_end_with_their_namespace(cx)),
    ),
];

/// Records enough for more than one page of most storages.
const SOME: usize = 600;
/// And of any sensible one.
const MORE: usize = 2600;

pub(super) async fn store_named(
    cx: &Cx,
    storage: &Handle,
    names: impl IntoIterator<Item = String>,
) -> Check<Vec<TokenKey>> {
    let keys: Vec<TokenKey> = names.into_iter().map(|name| cx.key(&name)).collect();
    store_keys(storage, &keys).await?;
    Ok(keys)
}

pub(super) async fn store_keys(storage: &Handle, keys: &[TokenKey]) -> Check {
    let (data, limit) = (plain("1"), storage.describe().limits.batch_records.min(500));
    for chunk in keys.chunks(limit) {
        let writes: Vec<_> = chunk
            .iter()
            .map(|key| Write::new(key, &data, Precondition::Any))
            .collect();
        storage.store_all(&writes).await?;
    }
    Ok(())
}

async fn page(storage: &Handle, namespace: &str, after: Option<&Cursor>) -> Check<Page<TokenKey>> {
    let page = listing(storage)?.list_keys(namespace, after).await?;
    same("C5", "keys that nobody can name", &page.unnameable, &0)?;
    Ok(page)
}

/// What follows the page, to the end.
async fn rest(storage: &Handle, namespace: &str, first: &Page<TokenKey>) -> Check<Vec<TokenKey>> {
    let (mut keys, mut after) = (Vec::new(), first.next.clone());
    for _ in 0..PAGES {
        let Some(cursor) = &after else { return Ok(keys) };
        let next = page(storage, namespace, Some(cursor)).await?;
        keys.extend(next.items);
        after = next.next;
    }
    endless()
}

/// So many records that there is a second page, and the first one. Their names are of one length, so that any order of
/// texts is that of their numbers, with room before, between and behind.
async fn paged(cx: &Cx, storage: &Handle) -> Check<(Vec<TokenKey>, Page<TokenKey>)> {
    let mut keys = Vec::new();
    for (from, to) in [(0, SOME), (SOME, MORE)] {
        keys.extend(store_named(cx, storage, (from..to).map(|i| format!("m{i:05}"))).await?);
        let first = page(storage, cx.namespace(), None).await?;
        if first.next.is_some() && !first.items.is_empty() {
            return Ok((keys, first));
        }
    }
    ignore(format!("{MORE} keys are one page"))
}

/// Nothing twice, all of these, and nothing else but those that may be there.
pub(super) fn complete(listed: &[TokenKey], want: &[TokenKey], may: impl Fn(&TokenKey) -> bool) -> Check {
    let mut seen = BTreeSet::new();
    for key in listed {
        if !seen.insert(key) {
            return fail("C5", "no key is listed twice", format!("{} is", key.show()), "once");
        }
    }
    if let Some(missing) = want.iter().find(|key| !seen.contains(key)) {
        let got = format!("{} is not, among {} keys", missing.show(), listed.len());
        return fail("C5", "what was there throughout is listed", got, "it is");
    }
    let wanted: BTreeSet<_> = want.iter().collect();
    match listed.iter().find(|key| !wanted.contains(key) && !may(key)) {
        Some(strange) => fail(
            "C5",
            "only keys that are there are listed",
            strange.show(),
            "not that one",
        ),
        None => Ok(()),
    }
}

async fn remove_all(storage: &Handle, keys: &[TokenKey]) -> Check {
    for key in keys {
        storage.remove(key, Precondition::Any).await?;
    }
    Ok(())
}

fn without(keys: &[TokenKey], gone: &[TokenKey]) -> Vec<TokenKey> {
    keys.iter().filter(|key| !gone.contains(key)).cloned().collect()
}

async fn the_cursors_key_may_go(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (keys, first) = paged(&cx, &storage).await?;
    // The last key of this page, and the first that would come on the next: a cursor may name either.
    let behind = without(&keys, &first.items);
    let second = page(&storage, cx.namespace(), first.next.as_ref()).await?;
    let mut gone: Vec<TokenKey> = first.items.last().into_iter().cloned().collect();
    gone.extend(second.items.first().or(behind.first()).cloned());
    remove_all(&storage, &gone).await?;
    let listed = rest(&storage, cx.namespace(), &first).await?;
    complete(&listed, &without(&behind, &gone), |_| false)
}

async fn what_was_listed_may_go(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (keys, first) = paged(&cx, &storage).await?;
    let gone: Vec<TokenKey> = first.items.iter().take(7).cloned().collect();
    remove_all(&storage, &gone).await?;
    let listed = rest(&storage, cx.namespace(), &first).await?;
    complete(&listed, &without(&keys, &first.items), |_| false)
}

async fn more_may_come_between_pages(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (keys, first) = paged(&cx, &storage).await?;
    // Before everything, among what was listed, and behind.
    let names = ["", "a0", "a1", "a2", "m00000a", "m00001a", "m00002a", "z0", "z1"];
    let coming = store_named(&cx, &storage, names.map(str::to_owned)).await?;
    let listed = rest(&storage, cx.namespace(), &first).await?;
    complete(&listed, &without(&keys, &first.items), |key| coming.contains(key))
}

/// Between every two pages, records come and go everywhere; by turns there are more and fewer of them before the cursor.
async fn what_stays_is_listed_once(cx: Cx) -> Check {
    let (storage, writer) = (cx.open().await?, cx.open().await?);
    let churn = |round: usize| -> Vec<TokenKey> {
        let there = [590, 0, 10, 20, 30, 300]
            .into_iter()
            .take(if round.is_multiple_of(2) { 6 } else { 1 });
        there.map(|at| cx.key(&format!("m{at:05}-{round}"))).collect()
    };
    let mut present = churn(0);
    store_keys(&writer, &present).await?;
    let (keys, first) = paged(&cx, &storage).await?;
    let (mut listed, mut after) = (first.items, first.next);
    let mut round = 0;
    while let Some(cursor) = after {
        round += 1;
        holds("C5", "a listing ends", round < PAGES)?;
        if round < 20 {
            remove_all(&writer, &present).await?;
            present = churn(round);
            store_keys(&writer, &present).await?;
        }
        let next = page(&storage, cx.namespace(), Some(&cursor)).await?;
        listed.extend(next.items);
        after = next.next;
    }
    complete(&listed, &keys, |key| key.resource_server().contains('-'))
}

async fn two_listings_in_turn(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (keys, _) = paged(&cx, &storage).await?;
    let there: Vec<TokenKey> = keys.iter().map(|key| cx.key_in("/2", key.resource_server())).collect();
    store_keys(&storage, &there).await?;
    let other = there.first().map_or_else(String::new, |key| key.namespace().to_owned());
    let namespaces = [cx.namespace().to_owned(), other, cx.namespace().to_owned()];
    let one = listing(&storage)?;
    let mut listed: [Vec<TokenKey>; 3] = Default::default();
    let mut after: [Option<Cursor>; 3] = Default::default();
    // The third begins when the others are in their midst.
    let mut ended = [false, false, false];
    for turn in 0..PAGES {
        for which in 0..3 {
            if ended[which] || which == 2 && turn == 0 {
                continue;
            }
            let page = one.list_keys(&namespaces[which], after[which].as_ref()).await?;
            listed[which].extend(page.items);
            after[which] = page.next;
            ended[which] = after[which].is_none();
        }
    }
    holds("C5", "each of the listings ends", ended == [true; 3])?;
    complete(&listed[0], &keys, |_| false)?;
    complete(&listed[1], &there, |_| false)?;
    complete(&listed[2], &keys, |_| false)
}

async fn a_cursor_can_be_used_again(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (_, first) = paged(&cx, &storage).await?;
    let again = page(&storage, cx.namespace(), None).await?;
    same("C5", "the first page, asked for again", &again.items, &first.items)?;
    let once = rest(&storage, cx.namespace(), &first).await?;
    let twice = rest(&storage, cx.namespace(), &first).await?;
    complete(&twice, &once, |_| false)
}

async fn about_a_page_and_two(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let (_, first) = paged(&cx, &storage).await?;
    let size = first.items.len();
    for count in [2 * size + 1, 2 * size, 2 * size - 1, size + 1, size, size - 1, 1] {
        let namespace = format!("{}/{count}", cx.namespace());
        let moved: Vec<TokenKey> = (0..count)
            .map(|i| cx.key_in(&format!("/{count}"), &format!("m{i:05}")))
            .collect();
        store_keys(&storage, &moved).await?;
        complete(&keys_of(&storage, &namespace).await?, &moved, |_| false)?;
    }
    Ok(())
}

/// Any text, so many that borders of pages fall everywhere: however a backend sorts, it must go on where it ended.
async fn keys_of_any_order_add_up(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let mut names: BTreeSet<String> = collated()
        .into_iter()
        .chain(USED.iter().copied())
        .map(str::to_owned)
        .collect();
    names.insert(String::new());
    for i in 0..300 {
        for form in [
            "a",
            "A",
            "\u{e4}",
            "\u{c4}",
            "a-",
            "A_",
            "",
            "0",
            "\u{ff41}",
            "\u{1f600}",
        ] {
            names.insert(format!("{form}{i}"));
        }
    }
    let keys = store_named(&cx, &storage, names).await?;
    complete(&keys_of(&storage, cx.namespace()).await?, &keys, |_| false)
}

/// A cursor made of a name has to hold the whole of it: names that are long, have several lines, and NUL in them, and are alike
/// up to their ends.
async fn names_of_any_shape_add_up(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let room = storage.describe().limits.resource_server_bytes.min(600);
    let alike = format!("a\0b\n{}", "x".repeat(room.saturating_sub(20)));
    let mut keys = Vec::new();
    for (from, to) in [(0, SOME), (SOME, MORE)] {
        keys.extend(store_named(&cx, &storage, (from..to).map(|i| format!("{alike}{i:05}"))).await?);
        if page(&storage, cx.namespace(), None).await?.next.is_some() {
            break;
        }
    }
    complete(&keys_of(&storage, cx.namespace()).await?, &keys, |_| false)
}

/// Namespaces of this case. `coming`: between the pages, others come.
pub(super) async fn namespaces_of(cx: &Cx, storage: &Handle, coming: bool) -> Check<Vec<String>> {
    let (mut names, mut after) = (Vec::new(), None);
    for turn in 0..PAGES {
        let page = listing(storage)?.list_namespaces(after.as_ref()).await?;
        names.extend(page.items.into_iter().filter(|name| name.starts_with(cx.namespace())));
        after = page.next;
        if after.is_none() {
            return Ok(names);
        }
        if coming && turn < 10 {
            let churn = cx.key_in(&format!("a{turn}churn"), "rs");
            storage.store(&churn, &plain("1"), Precondition::Any).await?;
        }
    }
    endless()
}

fn each_once(listed: &[String], want: &[TokenKey]) -> Check {
    let listed: Vec<TokenKey> = listed.iter().map(|name| TokenKey::new(name.as_str(), "rs")).collect();
    complete(&listed, want, |key| key.namespace().ends_with("churn"))
}

async fn namespaces_add_up(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let forms = ["a", "A", "\u{e4}", "a-", "", "/", "%", "_"];
    let keys: Vec<TokenKey> = (0..SOME + 60)
        .map(|i| cx.key_in(&format!("{}{:04}", forms[i % forms.len()], i / forms.len()), "rs"))
        .collect();
    store_keys(&storage, &keys).await?;
    each_once(&namespaces_of(&cx, &storage, false).await?, &keys)?;
    // Several records in each, so that one namespace lies on two pages of keys.
    let second: Vec<TokenKey> = keys
        .iter()
        .flat_map(|key| ["", "second"].map(|rs| TokenKey::new(key.namespace(), rs)))
        .collect();
    store_keys(&storage, &second).await?;
    each_once(&namespaces_of(&cx, &storage, true).await?, &keys)
}

/// Between the pages the last namespace of the one before and the first of the one behind lose their records: a cursor may
/// name either.
async fn the_cursors_namespace_may_go(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys: Vec<TokenKey> = (0..SOME + 60).map(|i| cx.key_in(&format!("m{i:05}"), "rs")).collect();
    store_keys(&storage, &keys).await?;
    let (mut listed, mut gone) = (Vec::new(), Vec::new());
    let mut page = listing(&storage)?.list_namespaces(None).await?;
    for _ in 0..PAGES {
        let last = page.items.last().cloned();
        listed.extend(page.items.into_iter().filter(|name| name.starts_with(cx.namespace())));
        let Some(cursor) = page.next else {
            let stayed = without(&keys, &gone);
            let listed: Vec<TokenKey> = listed.iter().map(|name| TokenKey::new(name.as_str(), "rs")).collect();
            return complete(&listed, &stayed, |key| gone.contains(key));
        };
        let behind = listing(&storage)?.list_namespaces(Some(&cursor)).await?;
        let go = last.into_iter().chain(behind.items.first().cloned());
        let go: Vec<TokenKey> = go
            .map(|name| TokenKey::new(name, "rs"))
            .filter(|key| keys.contains(key))
            .collect();
        remove_all(&storage, &go).await?;
        gone.extend(go);
        page = listing(&storage)?.list_namespaces(Some(&cursor)).await?;
    }
    endless()
}

/// A page that is filled up reaches into the next namespace, where keys are read in one order.
async fn pages_end_with_their_namespace(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let mut all = Vec::new();
    for suffix in ["", "0", "/", "~", "\u{10ffff}"] {
        let keys: Vec<TokenKey> = (0..130).map(|i| cx.key_in(suffix, &format!("m{i:03}"))).collect();
        store_keys(&storage, &keys).await?;
        all.push(keys);
    }
    for keys in all {
        complete(&keys_of(&storage, keys[0].namespace()).await?, &keys, |_| false)?;
    }
    Ok(())
}
