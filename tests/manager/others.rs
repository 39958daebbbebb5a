//! Tokens of other resource servers in the answer to a refresh (Globus's `other_tokens`).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    manager::{ManagerBuilder, Step, TokenManager},
};

use crate::{
    partial::Scripted,
    support::{TestClock, key},
};

fn other() -> TokenKey {
    TokenKey::in_default("other")
}

fn record(resource_server: &str, identity: &str) -> TokenData {
    TokenData::new(resource_server, "read", "old")
        .with_refresh_token("old-refresh")
        .with_identity_id(identity)
        .with_expires_at(0)
}

/// An expired record of alice's, and a manager whose next refresh brings a token for `other` too.
async fn world() -> (MemoryStorage, ManagerBuilder<MemoryStorage>) {
    let storage = MemoryStorage::new();
    storage
        .store(&key(), &record("rs", "alice"), Precondition::Any)
        .await
        .unwrap();
    let endpoint = Arc::new(Scripted::default());
    endpoint.answer(json!({
        "access_token": "new",
        "expires_in": 3600,
        "other_tokens": [{
            "access_token": "new", "refresh_token": "next", "resource_server": "other", "expires_in": 3600
        }],
    }));
    let builder = TokenManager::builder(storage.clone(), endpoint).clock(TestClock::new());
    (storage, builder)
}

async fn refresh_token(storage: &MemoryStorage) -> String {
    let stored = storage.get(&other()).await.unwrap().unwrap();
    stored.data.refresh_token.unwrap().expose().to_owned()
}

#[tokio::test]
async fn they_renew_the_records_that_are_there() {
    let (storage, builder) = world().await;
    storage
        .store(&other(), &record("other", "alice"), Precondition::Any)
        .await
        .unwrap();
    builder.build().unwrap().access_token(&key()).await.unwrap();
    assert_eq!(refresh_token(&storage).await, "next");
}

#[tokio::test]
async fn they_bring_nothing_back_that_was_logged_out() {
    let (storage, builder) = world().await;
    builder.build().unwrap().access_token(&key()).await.unwrap();
    assert_eq!(storage.get(&other()).await.unwrap(), None);
}

#[tokio::test]
async fn they_do_not_go_into_somebody_elses_record() {
    let (storage, builder) = world().await;
    storage
        .store(&other(), &record("other", "bob"), Precondition::Any)
        .await
        .unwrap();
    builder.build().unwrap().access_token(&key()).await.unwrap();
    assert_eq!(refresh_token(&storage).await, "old-refresh");
}

/// A rotated refresh token must not be lost because somebody wrote at the same time.
#[tokio::test]
async fn l8_a_conflict_does_not_lose_them() {
    let (storage, builder) = world().await;
    storage
        .store(&other(), &record("other", "alice"), Precondition::Any)
        .await
        .unwrap();
    let (edited, done) = (storage.clone(), Arc::new(AtomicBool::new(false)));
    let manager = builder.on_step(move |step| {
        let (storage, first) = (
            edited.clone(),
            step == Step::OtherRead && !done.swap(true, Ordering::SeqCst),
        );
        async move {
            if first {
                let mut data = record("other", "alice");
                data.extra.insert("note", "1").unwrap();
                storage.store(&other(), &data, Precondition::Any).await.unwrap();
            }
        }
    });
    manager.build().unwrap().access_token(&key()).await.unwrap();
    assert_eq!(refresh_token(&storage).await, "next");
    let data = storage.get(&other()).await.unwrap().unwrap().data;
    assert_eq!(data.extra.get("note"), Some("1"));
}
