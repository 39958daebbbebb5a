//! Several records in one call.

use token_storage_core::{ErrorKind, Precondition, TokenStorage, Write};
use token_storage_sqlite::SqliteStorage;

use crate::common::{data, foreign, key, store, token};

#[tokio::test]
async fn a2_a_refused_batch_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path().join("tokens.db")).unwrap();
    store(&storage, "there", "old").await;
    let record = data("new");
    let (a, there) = (key("a"), key("there"));
    let writes = [
        Write::new(&a, &record, Precondition::Any),
        Write::new(&there, &record, Precondition::Absent),
    ];
    let error = storage.store_all(&writes).await.unwrap_err();
    assert_eq!(error.conflict().unwrap().key, there);
    assert!(error.conflict().unwrap().current.is_some());
    assert_eq!(token(&storage, "a").await, None);
    let twice = [Write::new(&a, &record, Precondition::Any); 2];
    assert_eq!(
        storage.store_all(&twice).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(storage.store_all(&[]).await.unwrap(), []);
}

/// An index of another program stands in for what fails in the middle of a batch: what came before it in the batch is
/// undone, what else is in the same transaction is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a_batch_that_fails_half_way_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await;
    foreign(&path)
        .execute_batch(
            "CREATE UNIQUE INDEX refuse ON token_storage (CASE resource_server WHEN 'bad' THEN 1 END); \
             INSERT INTO token_storage VALUES ('other', 'bad', '')",
        )
        .unwrap();
    // All at once, so that they share transactions.
    let tasks: Vec<_> = (0..64)
        .map(|i| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let (record, first, second) = (
                    data("at"),
                    key(&format!("first-{i}")),
                    key(if i % 2 == 0 { "bad" } else { "good" }),
                );
                let writes = [
                    Write::new(&first, &record, Precondition::Any),
                    Write::new(&second, &record, Precondition::Any),
                ];
                storage.store_all(&writes).await.is_ok()
            })
        })
        .collect();
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), i % 2 == 1, "{i}");
        assert_eq!(
            token(&storage, &format!("first-{i}")).await.is_some(),
            i % 2 == 1,
            "{i}"
        );
    }
}
