//! L7 and L9: what a 401 of the resource server starts, and what it must not.

use std::time::Duration;

use token_storage::manager::{ManagerErrorKind, ReauthReason};
use token_storage_auth_testing::auth_server::{Endpoint, Fault};

use crate::support::{World, assert_current, key};

fn unavailable() -> Fault {
    Fault::Status {
        status: 503,
        retry_after: Some(50),
    }
}

#[tokio::test]
async fn l9_a_rejected_token_is_not_handed_out_again() {
    let world = World::new().await;
    let manager = world.builder().trust(Duration::from_secs(1_000_000)).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    world.server.script(Endpoint::Token, unavailable());
    let error = manager.rejected(&key(), &first).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Transient);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ManagerErrorKind::Transient,
        "neither is the old one good, nor a request due"
    );
    world.clock.advance(60);
    let second = manager.access_token(&key()).await.unwrap();
    assert_ne!(second, first);
    assert_current(&world, &second).await;
    assert_eq!(world.server.refresh_requests(), 2);
}

#[tokio::test]
async fn l7_401s_do_not_shorten_the_pause_after_a_failure() {
    let world = World::new().await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    world.server.script_all(Endpoint::Token, Some(unavailable()));
    for _ in 0..5 {
        let error = manager.rejected(&key(), &first).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Transient);
    }
    assert_eq!(world.server.refresh_requests(), 1);
    manager.refresh(&key()).await.unwrap_err();
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn l7_401s_do_not_try_a_refused_refresh_token_again() {
    let world = World::new().await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    world.server.revoke_everything();
    for _ in 0..3 {
        let error = manager.rejected(&key(), &first).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::Refused));
        manager.access_token(&key()).await.unwrap_err();
        world.clock.advance(60);
    }
    assert_eq!(world.server.refresh_requests(), 1);
    world.log_in().await;
    assert_current(&world, &manager.access_token(&key()).await.unwrap()).await;
}

/// Some servers answer a refresh with the access token that is still good in their eyes.
#[tokio::test]
async fn a_refresh_that_brings_the_same_token_ends_in_an_error() {
    let world = World::new().await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    let same: &'static str = format!("\"{}\"", first.expose()).leak();
    world
        .server
        .script_all(Endpoint::Token, Some(Fault::Member("access_token", same)));
    let error = tokio::time::timeout(Duration::from_secs(30), manager.rejected(&key(), &first))
        .await
        .expect("it does not ask for ever")
        .unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::StillRejected);
    assert_eq!(world.server.refresh_requests(), 1);
    let again = manager.refresh(&key()).await.unwrap();
    assert_eq!(again.secret(), first.secret(), "asked for, not an error");
}
