//! A database that is itself a mount point, or has several names: each side has a lock and a log of its own.

use std::fs;

use token_storage::{
    ErrorKind, Precondition, Severity, TokenData, TokenKey, TokenStorage,
    sqlite::{SqliteStorage, examine},
};

use crate::sandbox::{bind, block_on, in_mount_namespace, refusal};

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

async fn store(storage: &SqliteStorage, name: &str) -> token_storage::Result<()> {
    let data = TokenData::new(name, "", "at");
    storage.store(&key(name), &data, Precondition::None).await.map(drop)
}

#[test]
fn writers_on_both_sides_lose_nothing_in_silence() {
    in_mount_namespace("sqlite::writers_on_both_sides_lose_nothing_in_silence", |folder| {
        block_on(async {
            let (outside, inside) = (folder.join("outside/tokens.db"), folder.join("inside/tokens.db"));
            let storage = SqliteStorage::open(&outside).unwrap();
            store(&storage, "first").await.unwrap();
            fs::create_dir(inside.parent().unwrap()).unwrap();
            fs::write(&inside, "").unwrap();
            bind(&outside, &inside);
            let stores = (0..80).map(|n| {
                let (side, path) = if n % 2 == 0 {
                    ("inside", &inside)
                } else {
                    ("outside", &outside)
                };
                let (name, storage) = (format!("{side} {n}"), SqliteStorage::open(path).unwrap());
                tokio::spawn(async move {
                    let stored = store(&storage, &name).await;
                    (name, stored)
                })
            });
            for answer in futures_util::future::join_all(stores).await {
                let (name, stored) = answer.unwrap();
                let found = storage.get(&key(&name)).await.unwrap();
                assert_eq!(stored.is_ok(), found.is_some(), "{name}: {stored:?}");
                assert_eq!(stored.is_ok(), name.starts_with("outside"), "{name}: {stored:?}");
            }
            let error = refusal(store(&SqliteStorage::open(&inside).unwrap(), "rs").await);
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
            assert!(error.to_string().contains("mount the folder"), "{error}");
            let told = examine(&inside);
            let told = told
                .iter()
                .find(|told| told.message.contains("mount point"))
                .expect("doctor tells");
            assert_eq!(told.severity, Severity::Error);
        });
    });
}
