//! Sharing rewrites, and the order of calls, with the lock held by the test so that nothing depends on luck.

use std::{pin::Pin, sync::atomic::Ordering, task::Poll};

use token_storage_core::{
    Error, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
};
use token_storage_files::{LockGuard, SidecarLock};

use crate::JsonStorage;

type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Polls a call once, so that its job is queued.
async fn start<T>(call: &mut Call<'_, T>) {
    std::future::poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending(), "the lock is held");
        Poll::Ready(())
    })
    .await;
}

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

fn called<'a, T>(call: impl Future<Output = Result<T>> + Send + 'a) -> Call<'a, T> {
    Box::pin(call)
}

fn data(access_token: &str) -> TokenData {
    TokenData::new("rs", "s", access_token)
}

fn open() -> (tempfile::TempDir, JsonStorage) {
    let directory = tempfile::tempdir().unwrap();
    let storage = JsonStorage::open(directory.path().join("tokens.json")).unwrap();
    (directory, storage)
}

fn hold(storage: &JsonStorage) -> LockGuard {
    SidecarLock::new(storage.path()).try_acquire().unwrap().unwrap()
}

fn rewrites(storage: &JsonStorage) -> usize {
    storage.inner.shared.rewrites.load(Ordering::SeqCst)
}

#[tokio::test]
async fn concurrent_stores_share_one_rewrite() {
    let (_directory, storage) = open();
    let held = hold(&storage);
    let clones: Vec<JsonStorage> = (0..50).map(|_| storage.clone()).collect();
    let keys: Vec<TokenKey> = (0..50).map(|n| key(&n.to_string())).collect();
    let record = data("at");
    let mut calls: Vec<Call<'_, Revision>> = clones
        .iter()
        .zip(&keys)
        .map(|(storage, key)| called(storage.store(key, &record, Precondition::Absent)))
        .collect();
    for call in &mut calls {
        start(call).await;
    }
    drop(held);
    for (call, key) in calls.into_iter().zip(&keys) {
        let revision = call.await.unwrap();
        assert_eq!(storage.get(key).await.unwrap().unwrap().revision, revision);
    }
    assert_eq!(rewrites(&storage), 1);
}

#[tokio::test]
async fn a4_within_one_rewrite_later_calls_see_earlier_ones() {
    let (_directory, storage) = open();
    let held = hold(&storage);
    let (rs, record) = (key("rs"), data("at"));
    let mut first = called(storage.store(&rs, &record, Precondition::Absent));
    let mut refused = called(storage.store(&rs, &record, Precondition::Absent));
    let mut removed = storage.remove(&rs, Precondition::Any);
    let mut again = called(storage.store(&rs, &record, Precondition::Absent));
    start(&mut first).await;
    start(&mut refused).await;
    start(&mut removed).await;
    start(&mut again).await;
    drop(held);
    let first = first.await.unwrap();
    let conflict: Error = refused.await.unwrap_err();
    assert_eq!(conflict.conflict().unwrap().current, Some(first));
    assert!(removed.await.unwrap());
    let again = again.await.unwrap();
    assert_eq!(storage.get(&rs).await.unwrap().unwrap().revision, again);
    assert_eq!(rewrites(&storage), 1);
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let (_directory, storage) = open();
    let rs = key("rs");
    storage.store(&rs, &data("at"), Precondition::Any).await.unwrap();
    assert!(storage.store(&rs, &data("at"), Precondition::Absent).await.is_err());
    assert!(!storage.remove(&key("absent"), Precondition::Any).await.unwrap());
    assert_eq!(rewrites(&storage), 1);
}

#[tokio::test]
async fn a7_a_call_dropped_before_it_began_never_happens() {
    let (_directory, storage) = open();
    let held = hold(&storage);
    let (rs, record) = (key("rs"), data("at"));
    let other = key("other");
    let mut kept = called(storage.store(&other, &record, Precondition::Any));
    let mut dropped = called(storage.store(&rs, &record, Precondition::Any));
    start(&mut kept).await;
    start(&mut dropped).await;
    drop(dropped);
    drop(held);
    kept.await.unwrap();
    assert_eq!(storage.get(&rs).await.unwrap(), None);
}

#[tokio::test]
async fn a7_a_get_waits_for_a_dropped_write_that_is_under_way() {
    let (directory, storage) = open();
    // Large enough that the write can be seen while it is under way.
    let (rs, record) = (key("rs"), data(&"x".repeat(1_000_000)));
    let filler: Vec<TokenKey> = (0..12).map(|n| key(&format!("filler {n}"))).collect();
    for key in &filler {
        storage.store(key, &record, Precondition::Any).await.unwrap();
    }
    let is_under_way = || {
        let mut entries = std::fs::read_dir(directory.path()).unwrap();
        entries.any(|entry| {
            entry
                .unwrap()
                .path()
                .extension()
                .is_some_and(|extension| extension == "tmp")
        })
    };
    for turn in 0..20 {
        let record = data(&turn.to_string());
        let mut dropped = called(storage.store(&rs, &record, Precondition::Any));
        start(&mut dropped).await;
        while !is_under_way() && rewrites(&storage) < filler.len() + turn + 1 {
            std::hint::spin_loop();
        }
        drop(dropped);
        let found = storage.get(&rs).await.unwrap();
        assert_eq!(
            found.unwrap().data,
            record,
            "a get that has not waited has seen what then changed"
        );
    }
}

#[tokio::test]
async fn a_get_is_answered_at_once_if_the_content_is_known_and_handed_over_otherwise() {
    let (_directory, storage) = open();
    let rs = key("rs");
    let is_ready = async |call: &mut Call<'_, Option<StoredToken>>| {
        std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await
    };
    assert!(is_ready(&mut storage.get(&rs)).await, "there is no file");
    storage.store(&rs, &data("at"), Precondition::Any).await.unwrap();
    assert!(is_ready(&mut storage.get(&rs)).await, "this process wrote it");
    let other = JsonStorage::open(storage.path()).unwrap();
    let mut call = other.get(&rs);
    assert!(!is_ready(&mut call).await, "the executor's thread does not read files");
    assert!(call.await.unwrap().is_some());
}

#[tokio::test]
async fn threads_end_with_the_last_handle() {
    let (_directory, storage) = open();
    let shared = std::sync::Arc::downgrade(&storage.inner.shared);
    storage.store(&key("rs"), &data("at"), Precondition::Any).await.unwrap();
    let other = JsonStorage::open(storage.path()).unwrap();
    other.get(&key("rs")).await.unwrap();
    storage.get(&key("rs")).await.unwrap();
    drop(storage.clone());
    assert!(shared.upgrade().is_some());
    drop(storage);
    while shared.upgrade().is_some() {
        std::thread::yield_now();
    }
}
