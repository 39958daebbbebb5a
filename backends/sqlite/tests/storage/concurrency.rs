//! Several calls at once, abandoned ones and other connections included.

use std::{sync::Arc, time::Duration};

use token_storage_core::{ErrorKind, Precondition, TokenStorage, TokenStorageExt as _};
use token_storage_files::SidecarLock;
use token_storage_sqlite::SqliteStorage;

use crate::common::{data, foreign, key, store, token};

/// The reader's cache: every commit of anyone is seen at once, by a connection that has the record cached.
#[tokio::test]
async fn a3_a_cached_record_is_never_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let (here, there) = (SqliteStorage::open(&path).unwrap(), SqliteStorage::open(&path).unwrap());
    for round in 0..200 {
        let writer = if round % 2 == 0 { &here } else { &there };
        store(writer, "rs", &round.to_string()).await;
        for reader in [&here, &there] {
            for _ in 0..4 {
                assert_eq!(token(reader, "rs").await.unwrap(), round.to_string());
            }
        }
    }
    there.remove(&key("rs"), Precondition::Any).await.unwrap();
    assert_eq!(token(&here, "rs").await, None);
}

#[tokio::test]
async fn a4_exactly_one_of_racing_writers_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let handles: Vec<_> = (0..4).map(|_| Arc::new(SqliteStorage::open(&path).unwrap())).collect();
    store(&handles[0], "rs", "first").await;
    let revision = handles[0].get(&key("rs")).await.unwrap().unwrap().revision;
    let tasks: Vec<_> = (0..32)
        .map(|i| {
            let storage = handles[i % 4].clone();
            tokio::spawn(async move {
                storage
                    .store(&key("rs"), &data("same"), Precondition::Unchanged(revision))
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    assert_eq!(won, 1);
}

/// Clause A7: a write whose caller has gone may happen, but not after a later call was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a7_an_abandoned_write_never_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "first").await;
    for round in 0..50 {
        // Somebody else holds the database, so the write cannot happen yet.
        let other = foreign(&path);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let abandoned = format!("abandoned-{round}");
        {
            let (key, record) = (key("rs"), data("abandoned"));
            let write = storage.store(&key, &record, Precondition::Any);
            tokio::pin!(write);
            assert!(futures_poll_once(write.as_mut()).await.is_none(), "{abandoned}");
        }
        let reader = tokio::spawn({
            let storage = storage.clone();
            async move { token(&storage, "rs").await.unwrap() }
        });
        tokio::task::yield_now().await;
        other.execute_batch("COMMIT").unwrap();
        let seen = reader.await.unwrap();
        assert_eq!(
            token(&storage, "rs").await.unwrap(),
            seen,
            "nothing may happen after an answered call"
        );
        store(&storage, "rs", "later").await;
        assert_eq!(token(&storage, "rs").await.unwrap(), "later");
    }
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn d6_waiting_for_others_is_bounded_and_then_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::builder(&path)
        .busy_timeout(Duration::from_millis(150))
        .open()
        .unwrap();
    store(&storage, "rs", "at").await;
    let other = foreign(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = storage
        .store(&key("rs"), &data("new"), Precondition::Any)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.is_retryable() && !error.may_have_applied());
    assert_eq!(
        token(&storage, "rs").await.unwrap(),
        "at",
        "readers do not wait for writers"
    );
    other.execute_batch("COMMIT").unwrap();
    store(&storage, "rs", "new").await;
}

/// In a crowd of commands each would else be the last to close the database: merge the log, remove it, and make it anew.
#[tokio::test]
async fn d6_who_waits_for_its_turn_keeps_the_log_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = std::fs::canonicalize(folder.path()).unwrap().join("tokens.db");
    store(&SqliteStorage::open(&path).unwrap(), "rs", "first").await;
    let log = path.with_file_name("tokens.db-shm");
    assert!(!log.exists(), "the last one tidies up");
    let lock = SidecarLock::new(&path);
    let held = lock.try_acquire().unwrap().unwrap();
    let waiting = SqliteStorage::open(&path).unwrap();
    let writer = waiting.clone();
    let task = tokio::spawn(async move { store(&writer, "rs", "second").await });
    while !log.exists() {
        assert!(!task.is_finished(), "it has waited with the database closed");
        tokio::task::yield_now().await;
    }
    drop(held);
    task.await.unwrap();
    assert_eq!(token(&waiting, "rs").await.as_deref(), Some("second"));
}
