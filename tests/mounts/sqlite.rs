//! A database that is itself a mount point, or has several names: each side has a lock and a log of its own.

use std::fs;

use token_storage::{
    ErrorKind, Precondition, Severity, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    sqlite::{SqliteStorage, examine, give_back},
};

use crate::sandbox::{bind, block_on, in_mount_namespace, names, refusal, run, skip};

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

async fn store(storage: &SqliteStorage, name: &str) -> token_storage::Result<()> {
    let data = TokenData::new(name, "", "at");
    storage.store(&key(name), &data, Precondition::Any).await.map(drop)
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
            let refused = refused(inside.clone()).await;
            for error in refused {
                assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
                assert!(error.to_string().contains("mount the folder"), "{error}");
            }
            assert!(
                names(inside.parent().unwrap())
                    .iter()
                    .all(|name| !name.ends_with(".lock") && !name.ends_with(".leases")),
                "nothing of ours is made beside it"
            );
            let told = examine(&inside);
            let told = told
                .iter()
                .find(|told| told.message.contains("mount point"))
                .expect("doctor tells");
            assert_eq!(told.severity, Severity::Error);
        });
    });
}

/// As root can, who may do anything else.
#[test]
fn nothing_is_made_beside_a_database_that_cannot_be_written() {
    const TEST: &str = "sqlite::nothing_is_made_beside_a_database_that_cannot_be_written";
    in_mount_namespace(TEST, |folder| {
        let path = folder.join("tokens.db");
        block_on(async {
            store(&SqliteStorage::open(&path).unwrap(), "first").await.unwrap();
            give_back(&path).unwrap();
            fs::remove_file(folder.join("tokens.db.lock")).unwrap();
            if !run("chattr", &["+i", path.to_str().unwrap()]).success() {
                return skip(TEST, "a file system with attributes, and root's rights");
            }
            let refused = tokio::spawn(refused(path.clone())).await;
            let read = SqliteStorage::open(&path).unwrap().get(&key("first")).await;
            assert!(run("chattr", &["-i", path.to_str().unwrap()]).success());
            assert!(read.unwrap().is_some());
            for error in refused.unwrap() {
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            }
            assert_eq!(names(folder), ["tokens.db"]);
            store(&SqliteStorage::open(&path).unwrap(), "second").await.unwrap();
        });
    });
}

async fn refused(path: std::path::PathBuf) -> Vec<token_storage::Error> {
    let storage = SqliteStorage::open(&path).unwrap();
    vec![
        refusal(store(&storage, "rs").await),
        refusal(storage.remove(&key("first"), Precondition::Any).await),
        refusal(storage.lease().unwrap().try_acquire(&key("first")).await),
        refusal(give_back(&path)),
    ]
}
