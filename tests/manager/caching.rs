//! The token in memory: handed out without input or output for as long as it may be, and not a moment longer.

use std::time::Duration;

use token_storage::{
    Precondition, TokenResponse, TokenStorage, TokenStorageExt as _,
    manager::{Clock as _, Event, Logout, ManagerErrorKind, ReauthReason},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate};

use crate::{
    faulty::Faulty,
    support::{LIFETIME, SCOPE, World, assert_current, key},
};

async fn world() -> World<Faulty> {
    World::with(Faulty::default(), Config::default()).await
}

#[tokio::test]
async fn a_trusted_token_costs_nothing() {
    let world = world().await;
    let manager = world.builder().trust(Duration::from_secs(5)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    let gets = world.storage.gets();
    for _ in 0..100 {
        assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    }
    assert_eq!(world.storage.gets(), gets);
    world.clock.advance(5);
    manager.access_token(&key()).await.unwrap();
    assert_eq!(world.storage.gets(), gets + 1);
    assert_eq!(world.server.requests().len(), 0);
}

#[tokio::test]
async fn without_trust_every_call_looks() {
    let world = world().await;
    let manager = world.builder().trust(Duration::ZERO).build().unwrap();
    manager.access_token(&key()).await.unwrap();
    let gets = world.storage.gets();
    manager.access_token(&key()).await.unwrap();
    assert_eq!(world.storage.gets(), gets + 1);
}

#[tokio::test]
async fn what_this_manager_does_is_noticed_at_once() {
    let world = world().await;
    let manager = world.builder().trust(Duration::from_secs(1_000_000)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    let body = world.server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
    let login = TokenResponse::parse(&body, world.clock.now()).unwrap();
    manager.store_login("DEFAULT", &login).await.unwrap();
    let second = manager.access_token(&key()).await.unwrap();
    assert_ne!(second, first);
    assert_current(&world, &second).await;
    manager.logout(&key(), Logout::Revoke).await.unwrap();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::NoToken));
}

#[tokio::test]
async fn what_others_do_is_noticed_after_the_trust_ends_or_when_told() {
    let world = world().await;
    let manager = world.builder().trust(Duration::from_secs(5)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    world.storage.remove(&key(), Precondition::Any).await.unwrap();
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    manager.invalidate(&key());
    manager.access_token(&key()).await.unwrap_err();
    world.log_in().await;
    manager.access_token(&key()).await.unwrap();
    world.storage.remove(&key(), Precondition::Any).await.unwrap();
    world.clock.advance(5);
    manager.access_token(&key()).await.unwrap_err();
}

#[tokio::test]
async fn trust_does_not_outlive_the_token() {
    let world = world().await;
    let manager = world.builder().trust(Duration::from_secs(1_000_000)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    world.expire();
    assert_ne!(manager.access_token(&key()).await.unwrap(), first);
}

#[tokio::test]
async fn a_storage_that_cannot_be_read_does_not_take_a_good_token_away() {
    let world = world().await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    world.clock.advance(100);
    world.storage.fail_gets(true);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    assert!(
        world.saw(|event| matches!(event, Event::ServedAnyway(_, error) if error.kind() == ManagerErrorKind::Storage))
    );
    world.expire();
    assert_eq!(
        manager.access_token(&key()).await.unwrap_err().kind(),
        ManagerErrorKind::Storage
    );
}

#[tokio::test]
async fn a_refresh_that_ends_after_a_logout_leaves_nothing_in_memory() {
    let world = world().await;
    let manager = world.builder().trust(Duration::from_secs(1_000_000)).build().unwrap();
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    world.expire();
    let refreshing = tokio::spawn({
        let manager = manager.clone();
        async move { manager.access_token(&key()).await }
    });
    gate.arrived().await;
    manager.logout(&key(), Logout::Revoke).await.unwrap();
    gate.open();
    refreshing.await.unwrap().unwrap_err();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::NoToken));
}

async fn eventually(what: &str, happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect(what);
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_while_it_is_handed_out() {
    let world = world().await;
    let manager = world.builder().refresh_ahead(Duration::from_secs(300)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    // A fifth more than the window at most.
    world.clock.advance(LIFETIME - 361);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    assert_eq!(world.server.refresh_requests(), 0);
    world.clock.advance(361 - 200);
    assert_eq!(
        manager.access_token(&key()).await.unwrap(),
        first,
        "handed out while it is refreshed"
    );
    eventually("it is refreshed", || {
        world.saw(|event| matches!(event, Event::Refreshed(_)))
    })
    .await;
    let second = manager.access_token(&key()).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn a_failure_to_refresh_ahead_is_tried_again_and_nobody_notices() {
    let world = world().await;
    let manager = world.builder().refresh_ahead(Duration::from_secs(300)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    world.clock.advance(LIFETIME - 200);
    let status = Fault::Status {
        status: 503,
        retry_after: None,
    };
    world.server.script(Endpoint::Token, status);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    eventually("it failed", || {
        world.saw(|event| matches!(event, Event::RefreshFailed(..)))
    })
    .await;
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    world.clock.advance(60);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    eventually("it is refreshed", || {
        world.saw(|event| matches!(event, Event::Refreshed(_)))
    })
    .await;
    assert_eq!(world.server.refresh_requests(), 2);
}

#[tokio::test]
async fn short_lived_tokens_are_not_refreshed_ahead_for_ever() {
    let mut config = Config::default();
    config.access_token_lifetime = Some(200);
    let world = World::with(Faulty::default(), config).await;
    let (one, other) = (world.manager(), world.manager());
    for _ in 0..20 {
        one.access_token(&key()).await.unwrap();
        other.access_token(&key()).await.unwrap();
        world.clock.advance(5);
    }
    assert_eq!(world.server.refresh_requests(), 0);
    world.clock.advance(100);
    one.access_token(&key()).await.unwrap();
    assert_eq!(world.server.refresh_requests(), 1);
}

/// What cannot be refreshed is not tried ahead; it would only make noise.
#[tokio::test]
async fn a_token_without_a_refresh_token_is_not_refreshed_ahead() {
    let world = world().await;
    let mut data = world.stored().await;
    data.refresh_token = None;
    world.storage.store(&key(), &data, Precondition::Any).await.unwrap();
    let manager = world.builder().refresh_ahead(Duration::from_secs(300)).build().unwrap();
    manager.access_token(&key()).await.unwrap();
    world.clock.advance(LIFETIME - 200);
    for _ in 0..3 {
        manager.access_token(&key()).await.unwrap();
        manager.finish().await;
        world.clock.advance(6);
    }
    assert!(world.events.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_fresh_for_a_program_that_does_not_ask() {
    let world = world().await;
    let manager = world.builder().refresh_ahead(Duration::from_secs(300)).build().unwrap();
    let kept = manager.authorizer(&key()).keep_fresh();
    eventually("it looks once", || world.storage.gets() > 0).await;
    world.clock.advance(LIFETIME - 100);
    // Only this test's waiting moves tokio's clock, which wakes the keeper.
    eventually("it is refreshed", || {
        world.saw(|event| matches!(event, Event::Refreshed(_)))
    })
    .await;
    drop(kept);
    assert_eq!(world.server.refresh_requests(), 1);
}
