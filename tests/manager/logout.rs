//! L10: whoever logs out is logged out, whatever a refresh does meanwhile, and no live token is left at the server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use token_storage::{
    TokenStorage,
    manager::{Logout, ManagerErrorKind, ReauthReason, Step},
};
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault, Gate};

use crate::{
    storages::{self, Place},
    support::{World, key},
};

async fn assert_logged_out<S: TokenStorage + Clone + 'static>(world: &World<S>, when: &str) {
    assert_eq!(world.storage.get(&key()).await.unwrap(), None, "{when}");
    assert_eq!(world.server.live_refresh_tokens(), 0, "{when}");
    let last = world.server.requests().len();
    let error = world.manager().access_token(&key()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ManagerErrorKind::ReauthRequired(ReauthReason::NoToken),
        "{when}"
    );
    assert_eq!(world.server.requests().len(), last, "{when}");
}

/// Another process logs out while a refresh stands still at each of its steps.
#[tokio::test]
async fn l10_logout_at_every_step_of_a_refresh() {
    for place in storages::all().await {
        logout_at_every_step(&place).await;
    }
}

async fn logout_at_every_step(place: &Place) {
    // A refresh without a conflict never comes to the last ones.
    for held_at in &Step::ALL[..10] {
        let world = World::with(place.open(), Config::default()).await;
        let gate = Gate::new();
        let (at_gate, held_at) = (gate.clone(), *held_at);
        let hook = move |step| {
            let gate = at_gate.clone();
            async move {
                if step == held_at {
                    gate.pass().await;
                }
            }
        };
        let refresher = world.builder().on_step(hook).build().unwrap();
        world.expire();
        let refreshing = tokio::spawn({
            let refresher = refresher.clone();
            async move { refresher.access_token(&key()).await }
        });
        gate.arrived().await;
        assert!(
            world.manager().logout(&key(), Logout::Revoke).await.unwrap(),
            "{held_at:?}"
        );
        for _ in 0..4 {
            gate.open();
        }
        let result = refreshing.await.unwrap();
        assert_logged_out(&world, &format!("{held_at:?}: {result:?}")).await;
        if let Ok(token) = result {
            assert!(!world.server.is_active(token.expose()), "{held_at:?}");
        }
    }
}

/// The same, while request or answer is on its way.
#[tokio::test]
async fn l10_logout_while_the_request_is_on_its_way() {
    for after in [false, true] {
        let world = World::new().await;
        let gate = Gate::new();
        let fault = if after {
            Fault::GateAfter(gate.clone())
        } else {
            Fault::GateBefore(gate.clone())
        };
        world.server.script(Endpoint::Token, fault);
        let refresher = world.manager();
        world.expire();
        let refreshing = tokio::spawn(async move { refresher.access_token(&key()).await });
        gate.arrived().await;
        world.manager().logout(&key(), Logout::Revoke).await.unwrap();
        gate.open();
        let error = refreshing.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::LoggedOut));
        assert_logged_out(&world, "on its way").await;
    }
}

/// Hundreds of interleavings as they come, with the same manager or another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l10_logout_racing_refresh() {
    let rounds = if std::env::var_os("TOKEN_STORAGE_SOAK").is_some() {
        2000
    } else {
        100
    };
    for place in storages::all().await {
        let rounds = if place.name == "memory" { rounds * 2 } else { rounds };
        race(&place, rounds).await;
    }
}

/// How long a refresh takes here.
async fn undisturbed(world: &World<Arc<dyn TokenStorage>>) -> Duration {
    world.manager().access_token(&key()).await.unwrap();
    world.expire();
    let started = Instant::now();
    let manager = world.manager();
    manager.access_token(&key()).await.unwrap();
    let usual = started.elapsed();
    manager.logout(&key(), Logout::Revoke).await.unwrap();
    usual
}

async fn race(place: &Place, rounds: u32) {
    let world = World::with(place.open(), Config::default()).await;
    let usual = undisturbed(&world).await;
    let (mut refreshed, mut lost) = (0, 0);
    for round in 0..rounds {
        world.log_in().await;
        world.expire();
        let refresher = world.manager();
        let leaver = if round % 2 == 0 {
            refresher.clone()
        } else {
            world.manager()
        };
        // All over the time of a refresh, before it and beyond it.
        let late = usual * (round % 20) / 10;
        let (late, later) = if round % 40 < 20 {
            (late, Duration::ZERO)
        } else {
            (Duration::ZERO, late)
        };
        let refreshing = tokio::spawn(async move {
            tokio::time::sleep(late).await;
            refresher.access_token(&key()).await
        });
        let leaving = tokio::spawn(async move {
            tokio::time::sleep(later).await;
            leaver.logout(&key(), Logout::Revoke).await
        });
        let (token, left) = (refreshing.await.unwrap(), leaving.await.unwrap());
        let when = format!("{}, round {round}: {token:?}", place.name);
        assert!(left.unwrap(), "{when}");
        match &token {
            Ok(_) => refreshed += 1,
            Err(_) => lost += 1,
        }
        assert_eq!(world.storage.get(&key()).await.unwrap(), None, "{when}");
        assert_eq!(world.server.live_refresh_tokens(), 0, "{when}");
    }
    assert!(lost > 0 && refreshed > 0, "the race was none: {lost} lost");
    eprintln!(
        "logout racing refresh on {}: {rounds} rounds, {refreshed} refreshed first, {lost} lost; always logged out, all \
         tokens revoked",
        place.name
    );
}

#[tokio::test]
async fn a_revocation_that_fails_removes_nothing() {
    let world = World::new().await;
    let manager = world.manager();
    let refuse = Fault::Refuse {
        status: 401,
        error: "invalid_client",
    };
    world.server.script_all(Endpoint::Revoke, Some(refuse));
    let error = manager.logout(&key(), Logout::Revoke).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::NotRevoked);
    world.stored().await;
    assert!(manager.logout(&key(), Logout::RemoveOnly).await.unwrap());
    assert_eq!(world.storage.get(&key()).await.unwrap(), None);
    assert_eq!(
        world.server.live_refresh_tokens(),
        1,
        "removing alone revokes nothing, and says so"
    );
}

#[tokio::test]
async fn a_transient_failure_of_the_revocation_is_tried_again() {
    let world = World::new().await;
    let status = Fault::Status {
        status: 503,
        retry_after: None,
    };
    world.server.script(Endpoint::Revoke, status);
    assert!(world.manager().logout(&key(), Logout::Revoke).await.unwrap());
    assert_eq!(world.server.live_refresh_tokens(), 0);
    assert!(
        !world.manager().logout(&key(), Logout::Revoke).await.unwrap(),
        "there is nothing any more"
    );
}

/// It had all the time that a request may take; as much again would not help, and nobody waits for three.
#[tokio::test]
async fn a_server_that_hangs_is_asked_once_for_each_token() {
    let world = World::new().await;
    world.server.script_all(Endpoint::Revoke, Some(Fault::Hang));
    let manager = world
        .builder()
        .request_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let error = manager.logout(&key(), Logout::Revoke).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::NotRevoked);
    assert_eq!(world.server.count(Endpoint::Revoke), 2);
    assert!(world.storage.get(&key()).await.unwrap().is_some(), "nothing is removed");
}
