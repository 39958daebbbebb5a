//! L6 and L8: what happens to a redeemed answer when the record changed, or the storage fails, before it is stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use token_storage::{
    MemoryStorage, Precondition, TokenStorage, TokenStorageExt as _,
    manager::{Event, ManagerBuilder, ManagerErrorKind, ReauthReason, Step},
};
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault};

use crate::{
    faulty::Faulty,
    support::{World, assert_current, key},
};

/// Runs `change` once, when the answer is there and not yet stored.
fn before_store<S, F, R>(builder: ManagerBuilder<S>, change: F) -> ManagerBuilder<S>
where
    S: TokenStorage + 'static,
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let done = AtomicBool::new(false);
    builder.on_step(move |step| {
        let change = (step == Step::BeforeStore && !done.swap(true, Ordering::SeqCst)).then(&change);
        async move {
            if let Some(change) = change {
                change.await;
            }
        }
    })
}

#[tokio::test]
async fn l8_an_absent_record_stays_absent_and_ours_is_revoked() {
    let world = World::new().await;
    let storage = world.storage.clone();
    let manager = before_store(world.builder(), move || {
        let storage = storage.clone();
        async move {
            storage.remove(&key(), Precondition::Any).await.unwrap();
        }
    });
    let manager = manager.build().unwrap();
    world.expire();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::LoggedOut));
    assert_eq!(world.storage.get(&key()).await.unwrap(), None);
    assert_eq!(world.server.live_refresh_tokens(), 0);
    assert_eq!(world.server.count(Endpoint::Revoke), 2, "refresh and access token");
    assert!(world.saw(|event| matches!(event, Event::Revoked(_))));
}

#[tokio::test]
async fn l8_the_same_refresh_token_is_merged_onto() {
    let world = World::new().await;
    let storage = world.storage.clone();
    let manager = before_store(world.builder(), move || {
        let storage = storage.clone();
        async move {
            let mut data = storage.get(&key()).await.unwrap().unwrap().data;
            data.identity_id = Some("found out meanwhile".into());
            data.extra.insert("note", "\"by another program\"").unwrap();
            storage.store(&key(), &data, Precondition::Any).await.unwrap();
        }
    });
    let manager = manager.build().unwrap();
    world.expire();
    let token = manager.access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
    let stored = world.stored().await;
    assert_eq!(stored.identity_id.as_deref(), Some("found out meanwhile"));
    assert_eq!(stored.extra.get("note"), Some("\"by another program\""));
    assert!(world.server.is_active(stored.refresh_token.unwrap().expose()));
    assert_eq!(world.server.count(Endpoint::Revoke), 0);
}

#[tokio::test]
async fn l8_another_refresh_token_is_kept_and_ours_revoked() {
    let world = Arc::new(World::new().await);
    let other = Arc::clone(&world);
    let manager = before_store(world.builder(), move || {
        let other = Arc::clone(&other);
        async move { other.log_in().await }
    });
    let manager = manager.build().unwrap();
    world.expire();
    let token = manager.access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
    assert!(
        world
            .server
            .is_active(world.stored().await.refresh_token.unwrap().expose())
    );
    assert_eq!(world.server.live_refresh_tokens(), 1, "the one of the new login");
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn l8_a_revocation_that_fails_is_told() {
    let world = World::new().await;
    let storage = world.storage.clone();
    let manager = before_store(world.builder(), move || {
        let storage = storage.clone();
        async move {
            storage.remove(&key(), Precondition::Any).await.unwrap();
        }
    });
    let manager = manager.build().unwrap();
    world.expire();
    let refuse = Fault::Refuse {
        status: 401,
        error: "invalid_client",
    };
    world.server.script_all(Endpoint::Revoke, Some(refuse));
    manager.access_token(&key()).await.unwrap_err();
    assert!(world.saw(|event| matches!(event, Event::NotRevoked(..))));
    assert!(!world.saw(|event| matches!(event, Event::Revoked(_))));
}

#[tokio::test]
async fn a5_our_own_success_is_not_taken_for_a_conflict() {
    for lost in [1, 3] {
        let world = World::with(Faulty::default(), Config::default()).await;
        let manager = world.builder().store_patience(Duration::from_secs(30)).build().unwrap();
        world.expire();
        let before = world.storage.stores();
        world.storage.lose_answers(lost);
        let token = manager.access_token(&key()).await.unwrap();
        assert_current(&world, &token).await;
        assert_eq!(world.server.count(Endpoint::Revoke), 0);
        assert_eq!(
            world.storage.stores() - before,
            2,
            "the second ran into what the first had stored"
        );
        world.storage.lose_answers(0);
    }
}

#[tokio::test]
async fn l6_storing_is_tried_again() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = world.builder().store_patience(Duration::from_secs(30)).build().unwrap();
    world.expire();
    world.storage.fail_stores(3);
    let token = manager.access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn l6_a_token_that_cannot_be_stored_is_in_the_error_and_stored_later() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = world.manager();
    world.expire();
    world.storage.fail_stores(usize::MAX);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::NotStored);
    let token = error.token().unwrap().clone();
    assert!(world.server.is_active(token.expose()));
    // Later callers get it too, and nobody spends the old refresh token again.
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.token(), Some(&token));
    assert_eq!(world.server.refresh_requests(), 1);
    // Another process waits for the lease rather than use the spent token.
    let other = world.builder().lease_wait(Duration::from_millis(20)).build().unwrap();
    assert_eq!(
        other.access_token(&key()).await.unwrap_err().kind(),
        ManagerErrorKind::Busy
    );
    world.storage.fail_stores(0);
    let stored = async {
        while !world.saw(|event| matches!(event, Event::StoredAfterAll(_))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stored)
        .await
        .expect("it is stored in the end");
    assert_current(&world, &token).await;
    assert_eq!(manager.access_token(&key()).await.unwrap(), token);
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn l6_a_token_that_cannot_be_stored_is_revoked_if_that_is_wanted() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let builder = world.builder().store_patience(Duration::from_millis(50));
    let manager = builder.revoke_unstored().build().unwrap();
    world.expire();
    world.storage.fail_stores(usize::MAX);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::NotStored);
    assert_eq!(error.token(), None);
    assert_eq!(world.server.live_refresh_tokens(), 0);
}

#[tokio::test]
async fn l6_a_revoked_successor_is_not_found_out_by_a_second_request() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let builder = world.builder().store_patience(Duration::from_millis(50));
    let manager = builder.revoke_unstored().build().unwrap();
    world.expire();
    world.storage.fail_stores(usize::MAX);
    manager.access_token(&key()).await.unwrap_err();
    world.storage.fail_stores(0);
    for manager in [manager, world.manager()] {
        let error = manager.access_token(&key()).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome)
        );
    }
    assert_eq!(world.server.refresh_requests(), 1, "that one is known to be spent");
}

#[tokio::test]
async fn l6_what_could_neither_be_stored_nor_revoked_is_said_to_be_so() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let builder = world.builder().store_patience(Duration::from_millis(50));
    let manager = builder.revoke_unstored().build().unwrap();
    world.expire();
    world.storage.fail_stores(usize::MAX);
    let refuse = Fault::Refuse {
        status: 401,
        error: "invalid_client",
    };
    world.server.script_all(Endpoint::Revoke, Some(refuse));
    let error = manager.access_token(&key()).await.unwrap_err();
    assert!(error.to_string().contains("nor revoked"), "{error}");
}

/// Somebody who rewrites the record all the time cannot keep a refresh from ending.
#[tokio::test]
async fn l8_a_record_that_never_stands_still_ends_the_patience() {
    let world = World::new().await;
    let storage = world.storage.clone();
    let hook = move |step| {
        let storage = storage.clone();
        async move {
            if matches!(step, Step::BeforeStore | Step::ConflictRead) {
                let data = storage.get(&key()).await.unwrap().unwrap().data;
                storage.store(&key(), &data, Precondition::Any).await.unwrap();
            }
        }
    };
    let builder = world.builder().store_patience(Duration::from_millis(50));
    let manager = builder.on_step(hook).build().unwrap();
    world.expire();
    let error = tokio::time::timeout(Duration::from_secs(60), manager.access_token(&key())).await;
    assert_eq!(error.expect("it ends").unwrap_err().kind(), ManagerErrorKind::NotStored);
}

/// Without rotation the old refresh token stays good, whatever happens to the access token.
#[tokio::test]
async fn l8_without_rotation_the_refresh_token_stays() {
    let mut config = Config::default();
    config.rotate = false;
    let world = World::with(MemoryStorage::new(), config).await;
    let manager = world.manager();
    let refresh_token = world.stored().await.refresh_token;
    for expiry in 1..=3 {
        world.expire();
        manager.access_token(&key()).await.unwrap();
        assert_eq!(world.stored().await.refresh_token, refresh_token);
        assert_eq!(world.server.refresh_requests(), expiry);
    }
}

#[tokio::test]
async fn a_storage_without_leases_needs_an_explicit_choice() {
    let world = World::with(crate::leaseless::Leaseless::default(), Config::default()).await;
    let error = world.builder().build().unwrap_err();
    assert!(error.to_string().contains("lease"));
    let manager = world.builder().single_process().build().unwrap();
    world.expire();
    let calls = (0..40).map(|_| {
        let manager = manager.clone();
        tokio::spawn(async move { manager.access_token(&key()).await.unwrap() })
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(world.server.refresh_requests(), 1);
}
