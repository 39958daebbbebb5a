//! L2, L3 and L5 with leases that run out: a live holder does not let that happen between sending the refresh token and
//! storing what came back. No network here, so that tokio's clock can be let run.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use token_storage::{
    Precondition, TokenData, TokenStorageExt as _,
    manager::{Event, ManagerErrorKind, TokenManager},
};

use crate::{
    faulty::Faulty,
    partial::Scripted,
    support::{TestClock, key},
};

const TTL: Duration = Duration::from_secs(30);

async fn expired() -> (Faulty, TokenManager<Faulty>, Arc<tokio::sync::Notify>) {
    let storage = Faulty::timed(TTL);
    let data = TokenData::new("rs", "read", "old")
        .with_refresh_token("refresh")
        .with_expires_at(0);
    storage.store(&key(), &data, Precondition::Any).await.unwrap();
    let endpoint = Arc::new(Scripted::default());
    endpoint.answer(json!({"access_token": "new", "refresh_token": "next", "expires_in": 3600}));
    let stored = Arc::new(tokio::sync::Notify::new());
    let notify = stored.clone();
    let manager = TokenManager::builder(storage.clone(), endpoint)
        .clock(TestClock::new())
        .on_event(move |event| {
            if matches!(event, Event::StoredAfterAll(_)) {
                notify.notify_one();
            }
        });
    (storage, manager.build().unwrap(), stored)
}

#[tokio::test(start_paused = true)]
async fn l5_the_lease_is_kept_while_storing_takes_long() {
    let (storage, manager, _) = expired().await;
    storage.delay_stores(TTL * 3);
    assert_eq!(manager.access_token(&key()).await.unwrap().expose(), "new");
    assert_eq!(storage.lapses(), 0, "another holder could have sent the token again");
}

#[tokio::test(start_paused = true)]
async fn l6_the_lease_is_kept_while_storing_is_tried_again_for_long() {
    let (storage, manager, stored) = expired().await;
    storage.fail_stores(40);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::NotStored);
    stored.notified().await;
    assert_eq!(manager.access_token(&key()).await.unwrap().expose(), "new");
    assert_eq!(storage.lapses(), 0, "another holder could have sent the token again");
}
