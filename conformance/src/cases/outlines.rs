//! What a listing shows of records: just what `get` answers.

use std::collections::BTreeMap;

use token_storage_core::{
    Cursor, Page, Precondition, Result, TokenData, TokenKey, TokenStorageExt as _, Write, record::Outline,
};

use super::{
    enumeration::{PAGES, endless},
    paging::store_keys,
};
use crate::{
    Case, Level,
    check::{Check, fail, holds, same},
    cx::{Cx, Handle},
    data::{extra, full, plain},
};

pub(super) const CASES: &[Case] = &[
    Case::new(
        Level::Enumerate,
        "outlines::each_is_what_get_answers",
        &["C5", "K8"],
        |cx| Box::pin(each_is_what_get_answers(cx)),
    ),
    Case::new(Level::Enumerate, "outlines::pages_of_them_add_up", &["C5"], |cx| {
        Box::pin(pages_of_them_add_up(cx))
    }),
];

/// Everything that an outline tells, or the kind of the error in its place.
fn told(outline: Result<Outline<'_>>) -> String {
    match outline {
        Ok(outline) => format!(
            "scope {:?}, expiry {:?}, refresh token {}, n {:?}",
            outline.scope,
            outline.expires_at,
            outline.has_refresh_token,
            outline.extra("n"),
        ),
        Err(error) => format!("{:?}", error.kind()),
    }
}

async fn page(storage: &Handle, namespace: &str, after: Option<&Cursor>) -> Check<Page<(String, String)>> {
    let show = |name: &str, outline: Result<Outline<'_>>| (name.to_owned(), told(outline));
    match storage.list_outlines(namespace, after, show).await? {
        Some(page) => Ok(page),
        None => fail("C1", "a storage that is declared to enumerate lists", "None", "a page"),
    }
}

/// What is shown of each resource server of a namespace.
pub(super) async fn outlines_of(storage: &Handle, namespace: &str) -> Check<BTreeMap<String, String>> {
    let (mut shown, mut after) = (BTreeMap::new(), None);
    for _ in 0..PAGES {
        let page = page(storage, namespace, after.as_ref()).await?;
        for (name, outline) in page.items {
            holds("C5", "no record is shown twice", shown.insert(name, outline).is_none())?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(shown);
        }
    }
    endless()
}

/// What is shown of them is what `get` answers.
async fn as_read(storage: &Handle, namespace: &str, keys: &[&TokenKey]) -> Check {
    let mut want = BTreeMap::new();
    for key in keys.iter().filter(|key| key.namespace() == namespace) {
        let record = storage.get(key).await;
        let outline = match &record {
            Ok(Some(record)) => Ok(Outline::of(&record.data)),
            Ok(None) => continue,
            Err(error) => Err(error.clone()),
        };
        want.insert(key.resource_server().to_owned(), told(outline));
    }
    let lines = |shown: BTreeMap<String, String>| -> Vec<String> {
        shown.iter().map(|(name, told)| format!("{name:?}: {told}")).collect()
    };
    let got = lines(outlines_of(storage, namespace).await?);
    same("C5", "what is shown is what get answers", &got, &lines(want))
}

/// In both namespaces, by this handle and a new one.
async fn as_read_by_all(cx: &Cx, storage: &Handle, keys: &[&TokenKey]) -> Check {
    for handle in [storage, &cx.open().await?] {
        for namespace in [cx.namespace(), cx.key_in("/2", "").namespace()] {
            as_read(handle, namespace, keys).await?;
        }
    }
    Ok(())
}

fn scoped(mut data: TokenData, scope: &str) -> TokenData {
    scope.clone_into(&mut data.scope);
    data
}

/// Records that differ in what is shown of them.
fn records() -> Vec<TokenData> {
    vec![
        plain("1"),
        full("2"),
        scoped(full("3"), ""),
        scoped(plain("4"), "a \"quoted\" \\ \u{1f600} \n scope"),
        plain("5").with_refresh_token("refresh-5"),
        plain("6").with_expires_at(i64::MIN),
        plain("7").with_expires_at(i64::MAX),
        plain("8").with_expires_at(0),
        plain("9").with_extra(extra(&[("n", "[1, {\"n\": 2}]")])),
    ]
}

async fn each_is_what_get_answers(cx: Cx) -> Check {
    let (storage, records) = (cx.open().await?, records());
    let names = ["a", "A", "", "a/b", "a:b", "\u{e9}\n", "\0", "'", "%61"];
    let keys: Vec<TokenKey> = names.map(|name| cx.key(name)).to_vec();
    let others: Vec<TokenKey> = names.map(|name| cx.key_in("/2", name)).to_vec();
    let all: Vec<&TokenKey> = keys.iter().chain(&others).collect();
    as_read_by_all(&cx, &storage, &all).await?;
    for (key, data) in keys.iter().zip(&records) {
        storage.store(key, data, Precondition::Any).await?;
    }
    as_read_by_all(&cx, &storage, &all).await?;
    // Updated one by one and as a batch, each with what another had; and elsewhere.
    for (key, data) in keys[..3].iter().zip(records.iter().rev()) {
        storage.store(key, data, Precondition::Any).await?;
    }
    let batch = keys[3..6].iter().chain(&others[..3]).zip(records.iter().rev());
    let writes: Vec<Write<'_>> = batch
        .map(|(key, data)| Write::new(key, data, Precondition::Any))
        .collect();
    storage.store_all(&writes).await?;
    as_read_by_all(&cx, &storage, &all).await?;
    for key in [&keys[1], &keys[4], &others[0]] {
        storage.remove(key, Precondition::Any).await?;
    }
    as_read_by_all(&cx, &storage, &all).await
}

/// More than a page of most storages.
async fn pages_of_them_add_up(cx: Cx) -> Check {
    let storage = cx.open().await?;
    let keys: Vec<TokenKey> = (0..600).map(|i| cx.key(&format!("rs{i}"))).collect();
    store_keys(&storage, &keys).await?;
    let shown = outlines_of(&storage, cx.namespace()).await?;
    let mut names: Vec<String> = keys.iter().map(|key| key.resource_server().to_owned()).collect();
    names.sort();
    same(
        "C5",
        "every record is shown",
        &shown.into_keys().collect::<Vec<_>>(),
        &names,
    )
}
