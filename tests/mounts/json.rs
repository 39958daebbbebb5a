//! A JSON file that is itself a mount point: it can be read, and whoever wants to write is told what to do.

use std::{fs, path::Path};

use token_storage::{
    ErrorKind, Precondition, Severity, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    json::{JsonStorage, examine},
};

use crate::sandbox::{bind, block_on, in_mount_namespace, names, refusal};

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

async fn store(storage: &JsonStorage, name: &str) -> token_storage::Result<()> {
    let data = TokenData::new(name, "", "at");
    storage.store(&key(name), &data, Precondition::Any).await.map(drop)
}

/// `outside/tokens.json`, with a record, mounted as `inside/tokens.json`.
async fn mounted(folder: &Path) -> (JsonStorage, JsonStorage) {
    let (outside, inside) = (folder.join("outside/tokens.json"), folder.join("inside/tokens.json"));
    let outside = JsonStorage::open(outside).unwrap();
    store(&outside, "first").await.unwrap();
    fs::create_dir(inside.parent().unwrap()).unwrap();
    fs::write(&inside, "").unwrap();
    bind(outside.path(), &inside);
    (outside, JsonStorage::open(&inside).unwrap())
}

#[test]
fn a_mounted_file_is_read_and_not_written() {
    in_mount_namespace("json::a_mounted_file_is_read_and_not_written", |folder| {
        block_on(async {
            let (outside, inside) = mounted(folder).await;
            let before = fs::read(outside.path()).unwrap();
            assert!(inside.get(&key("first")).await.unwrap().is_some());
            let warnings = inside.warnings();
            assert!(
                warnings.iter().any(|told| told.message.contains("mount point")),
                "{warnings:?}"
            );

            let error = refusal(store(&inside, "second").await);
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
            assert!(!error.may_have_applied());
            for part in [inside.path().to_str().unwrap(), "mount point", "mount the folder"] {
                assert!(error.to_string().contains(part), "{error}");
            }
            let error = refusal(inside.remove(&key("first"), Precondition::Any).await);
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
            let error = refusal(inside.lease().unwrap().try_acquire(&key("first")).await);
            assert!(error.to_string().contains("mount the folder"), "{error}");

            assert_eq!(fs::read(outside.path()).unwrap(), before);
            let beside = names(inside.path().parent().unwrap());
            assert_eq!(beside, ["tokens.json"], "nothing is made beside it");
            let told = examine(inside.path());
            let told = told
                .iter()
                .find(|told| told.message.contains("mount point"))
                .expect("doctor tells");
            assert_eq!(told.severity, Severity::Error);
            assert!(
                examine(outside.path())
                    .iter()
                    .all(|told| told.severity == Severity::Info)
            );
        });
    });
}

#[test]
fn writers_on_both_sides_lose_nothing_in_silence() {
    in_mount_namespace("json::writers_on_both_sides_lose_nothing_in_silence", |folder| {
        block_on(async {
            let (outside, inside) = mounted(folder).await;
            let stores = |storage: &JsonStorage, side: &'static str| {
                (0..40)
                    .map(|n| {
                        // Each its own handle: as many programs.
                        let storage = JsonStorage::open(storage.path()).unwrap();
                        tokio::spawn(
                            async move { (format!("{side} {n}"), store(&storage, &format!("{side} {n}")).await) },
                        )
                    })
                    .collect::<Vec<_>>()
            };
            let (ours, theirs) = (stores(&inside, "inside"), stores(&outside, "outside"));
            for answer in futures_util::future::join_all(ours.into_iter().chain(theirs)).await {
                let (name, stored) = answer.unwrap();
                let found = JsonStorage::open(outside.path())
                    .unwrap()
                    .get(&key(&name))
                    .await
                    .unwrap();
                assert_eq!(stored.is_ok(), found.is_some(), "{name}: {stored:?}");
                assert_eq!(stored.is_ok(), name.starts_with("outside"), "{name}: {stored:?}");
            }
            // What is mounted is the file of before: that is told, and is no reason to say that there is nothing.
            assert!(inside.get(&key("first")).await.unwrap().is_some());
            let told = examine(inside.path());
            assert!(
                told.iter()
                    .any(|told| told.message.contains("replaced or removed since")),
                "{told:?}"
            );
        });
    });
}
