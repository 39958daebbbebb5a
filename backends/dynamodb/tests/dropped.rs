//! A7: calls that are dropped at any await point.

mod support;

use std::{sync::Arc, time::Duration};

use futures_util::poll;
use support::{data, fresh_table, key};
use token_storage_core::{Precondition, TokenStorage, TokenStorageExt as _, Write};
use token_storage_dynamodb::DynamoDbStorage;
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, emulator};
use tokio::sync::Notify;

/// Polls a call a number of times, letting others run in between, and drops it.
async fn drop_after<T>(polls: usize, call: impl Future<Output = T>) {
    let mut call = Box::pin(call);
    for _ in 0..polls {
        if poll!(&mut call).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// What a later call sees stays: the dropped write does not happen afterwards.
#[tokio::test]
async fn a7_a_dropped_write_never_happens_after_a_later_call() {
    for polls in [0, 1, 2, 5, 20, 100] {
        let (client, table) = fresh_table().await;
        let storage = DynamoDbStorage::from_client(client.clone(), &table);
        let watcher = DynamoDbStorage::from_client(client, &table);
        let (old, new) = (data("old"), data("new"));
        storage.store(&key("rs"), &old, Precondition::Any).await.unwrap();

        drop_after(polls, storage.store(&key("rs"), &new, Precondition::Any)).await;
        let seen = storage.get(&key("rs")).await.unwrap().unwrap();
        assert!(seen.data == old || seen.data == new);
        drop_after(polls, storage.remove(&key("rs"), Precondition::Any)).await;
        let removed = storage.get(&key("rs")).await.unwrap().is_none();
        let (a, b) = (key("a"), key("b"));
        let batch = [
            Write::new(&a, &new, Precondition::Any),
            Write::new(&b, &new, Precondition::Any),
        ];
        drop_after(polls, storage.store_all(&batch)).await;
        let a = storage.get(&key("a")).await.unwrap();
        let b = storage.get(&key("b")).await.unwrap();
        assert_eq!(a.is_some(), b.is_some(), "all or nothing");

        // What was still on its way would have arrived by now at the latest, or with these.
        for _ in 0..10 {
            assert_eq!(
                watcher.get(&key("rs")).await.unwrap().is_none(),
                removed,
                "after {polls} polls"
            );
            assert_eq!(watcher.get(&key("a")).await.unwrap(), a, "after {polls} polls");
        }
    }
}

/// The same with a request that is held up for as long as the test likes.
#[tokio::test]
async fn a7_a_later_call_waits_for_a_dropped_write_that_is_held_up() {
    let (_, table) = fresh_table().await;
    let faults = Faults::new();
    let client = ClientBuilder::new(&emulator().await).faults(&faults).build();
    let storage = DynamoDbStorage::from_client(client, table);
    let (sent, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gates = (sent.clone(), go.clone());
    faults.plan(
        "PutItem",
        [Fault::pass_after(move || {
            let (sent, go) = gates.clone();
            async move {
                sent.notify_one();
                go.notified().await;
            }
        })],
    );

    let (record, id) = (data("1"), key("rs"));
    let mut call = Box::pin(storage.store(&id, &record, Precondition::Any));
    tokio::select! {
        _ = &mut call => panic!("it is held up"),
        () = sent.notified() => {}
    }
    drop(call);
    let mut later = Box::pin(storage.get(&id));
    assert!(poll!(&mut later).is_pending());
    assert!(
        storage.get(&key("another")).await.unwrap().is_none(),
        "other keys do not wait"
    );
    go.notify_one();
    let stored = tokio::time::timeout(Duration::from_secs(20), later)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.unwrap().data, record);
}
