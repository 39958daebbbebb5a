//! What the conformance suite does not ask of every backend.

mod support;

use std::{sync::Arc, time::Duration};

use support::{data, fresh, fresh_table, key};
use token_storage_core::{Error, ErrorKind, Precondition, TokenKey, TokenStorage, TokenStorageExt as _, Write};
use token_storage_dynamodb::DynamoDbStorage;
use token_storage_dynamodb_testing::{ClientBuilder, Recorder, emulator};

#[tokio::test]
async fn a_get_is_one_request_and_a_swap_is_one_request() {
    let (_, table) = fresh_table().await;
    let recorder = Recorder::default();
    let client = ClientBuilder::new(&emulator().await).recorder(&recorder).build();
    let storage = DynamoDbStorage::from_client(client, table);

    assert!(storage.get(&key("rs")).await.unwrap().is_none());
    assert_eq!(recorder.requests(), 1);
    let revision = storage
        .store(&key("rs"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    assert_eq!(recorder.requests(), 2);
    storage
        .store(&key("rs"), &data("2"), Precondition::Unchanged(revision))
        .await
        .unwrap();
    assert_eq!(recorder.requests(), 3);
    let stored = storage.get(&key("rs")).await.unwrap().unwrap();
    assert_eq!(recorder.requests(), 4);
    assert!(
        storage
            .remove(&key("rs"), Precondition::Unchanged(stored.revision))
            .await
            .unwrap()
    );
    assert_eq!(recorder.requests(), 5);
    assert_eq!(stored.data, data("2"));
}

#[tokio::test]
async fn a2_a_batch_is_one_transaction_and_names_the_first_refusal() {
    let storage = fresh().await;
    let keys: Vec<TokenKey> = (0..100).map(|i| key(&format!("rs{i}"))).collect();
    let record = data("1");
    let batch: Vec<_> = keys
        .iter()
        .map(|key| Write::new(key, &record, Precondition::Any))
        .collect();
    let revisions = storage.store_all(&batch).await.unwrap();
    assert_eq!(storage.get(&keys[42]).await.unwrap().unwrap().revision, revisions[42]);

    let changed = data("2");
    let batch: Vec<_> = (0..100)
        .map(|i| match i {
            7 | 9 => Write::new(&keys[i], &changed, Precondition::Absent),
            _ => Write::new(&keys[i], &changed, Precondition::Unchanged(revisions[i])),
        })
        .collect();
    let error = storage.store_all(&batch).await.unwrap_err();
    let conflict = error.conflict().unwrap();
    assert_eq!((&conflict.key, conflict.current), (&keys[7], Some(revisions[7])));
    assert_eq!(storage.get(&keys[0]).await.unwrap().unwrap().revision, revisions[0]);
}

/// A4: 32 writers with the same precondition and the same value, 100 rounds, one winner each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_of_racing_swaps_exactly_one_wins() {
    let storage = Arc::new(fresh().await);
    let mut revision = storage
        .store(&key("rs"), &data("0"), Precondition::Absent)
        .await
        .unwrap();
    for round in 0..100 {
        let writers: Vec<_> = (0..32)
            .map(|_| {
                let storage = storage.clone();
                tokio::spawn(async move {
                    storage
                        .store(&key("rs"), &data("same"), Precondition::Unchanged(revision))
                        .await
                })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.unwrap() {
                Ok(revision) => winners.push(revision),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "round {round}: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        revision = winners[0];
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_racing_stores_without_precondition_all_succeed() {
    let (client, table) = fresh_table().await;
    // On a busy machine with a slow emulator, the last of them may need longer than the default.
    let patient = DynamoDbStorage::builder(table).contention_timeout(Duration::from_secs(300));
    let storage = Arc::new(patient.with_client(client));
    let writers: Vec<_> = (0..32)
        .map(|i| {
            let storage = storage.clone();
            tokio::spawn(async move {
                storage
                    .store(&key("rs"), &data(&i.to_string()), Precondition::Any)
                    .await
            })
        })
        .collect();
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.push(writer.await.unwrap().unwrap());
    }
    let last = storage.get(&key("rs")).await.unwrap().unwrap();
    assert!(revisions.contains(&last.revision));
}

#[tokio::test]
async fn k7_sizes_are_refused_before_anything_is_sent() {
    let (_, table) = fresh_table().await;
    let recorder = Recorder::default();
    let client = ClientBuilder::new(&emulator().await).recorder(&recorder).build();
    let storage = DynamoDbStorage::from_client(client, table);
    let long = "x".repeat(513);
    let cases: [(TokenKey, usize); 3] = [
        (TokenKey::new(long.as_str(), "rs"), 1),
        (TokenKey::new("ns", long.as_str()), 1),
        (key("rs"), 409_600),
    ];
    for (key, size) in cases {
        let stored = storage.store(&key, &data(&"x".repeat(size)), Precondition::Any).await;
        assert_eq!(stored.map_err(|e: Error| e.kind()), Err(ErrorKind::TooLarge));
    }
    assert_eq!(recorder.requests(), 0);
}

/// The largest record that is let through is one that the service takes.
#[tokio::test]
async fn k7_the_largest_record_is_stored() {
    let storage = fresh().await;
    let longest = TokenKey::new(":".repeat(512), "x".repeat(511));
    let (mut fits, mut too_large) = (0, 409_600);
    while too_large - fits > 1 {
        let size = (fits + too_large) / 2;
        match storage
            .store(&longest, &data(&"x".repeat(size)), Precondition::Any)
            .await
        {
            Ok(_) => fits = size,
            Err(error) if error.kind() == ErrorKind::TooLarge => too_large = size,
            Err(error) => panic!("{size}: {error}"),
        }
    }
    assert!(fits > 405_000, "{fits}");
}
