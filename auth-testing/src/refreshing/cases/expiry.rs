//! What is good, for how long.

use futures_util::future::join_all;

use super::{Config, World};
use crate::{
    auth_server::{Endpoint::Token, Fault, Gate},
    refreshing::world::{now, watch_for},
};

/// By the wall clock, with room for a slow machine.
pub(super) async fn a_good_token_costs_no_request(world: &World<'_>) {
    // Whoever refreshes behind its callers' backs is awaited.
    let behind = Gate::new();
    world.script(Fault::GateBefore(behind.clone()));
    for expires_at in [None, Some(i64::MAX), Some(now() + 3000), Some(now() + 900)] {
        world.expire_at(expires_at).await;
        let before = world.record().await;
        let got = tokio::select! {
            got = world.ask() => got.expect("L9: a good token"),
            () = behind.arrived() => panic!("L9: nothing was due at {expires_at:?}"),
        };
        assert!(got == before.data.access_token, "L9: {expires_at:?} is good");
        assert_eq!(world.requests(), 0, "L9: nothing was due at {expires_at:?}");
        assert!(
            world.record().await == before,
            "L9: nothing is written at {expires_at:?}"
        );
    }
    watch_for(behind.arrived()).await;
    behind.open();
    assert_eq!(world.requests(), 0, "L9: nothing was due, behind anybody's back either");
}

/// The skew is 60 s; no arithmetic overflows.
pub(super) async fn a_token_is_refreshed_before_it_expires(world: &World<'_>) {
    for (nth, expires_at) in [now() + 50, now() - 1, 0, -1, i64::MIN].into_iter().enumerate() {
        world.expire_at(Some(expires_at)).await;
        let got = world.ask().await;
        let token = got.unwrap_or_else(|why| panic!("L9: {expires_at} is due: {why}"));
        world.assert_current("L9", &token).await;
        assert_eq!(world.requests(), nth + 1, "L9: {expires_at} is due");
    }
}

pub(super) async fn a_valid_token_outlives_a_failure(world: &World<'_>) {
    let status = Fault::Status {
        status: 503,
        retry_after: None,
    };
    join_all([status, Fault::DropConnection].map(|fault| outlives(world, fault))).await;
}

async fn outlives(world: &World<'_>, fault: Fault) {
    let world = world.another(Config::default()).await;
    let valid_until = now() + 50;
    world.expire_at(Some(valid_until)).await;
    let stored = world.record().await.data.access_token;
    world.server.script_all(Token, Some(fault.clone()));
    let got = world.ask().await;
    // On a machine that stood still it may be too late.
    if now() < valid_until {
        assert!(got == Ok(stored), "L9: valid, though {fault:?}");
    }
    world.close(1).await;
}

pub(super) async fn an_expired_token_is_not_handed_out(world: &World<'_>) {
    let status = Fault::Status {
        status: 503,
        retry_after: None,
    };
    world.server.script_all(Token, Some(status));
    for expires_at in [now() - 5, 0, i64::MIN] {
        world.expire_at(Some(expires_at)).await;
        let got = world.ask().await;
        assert!(got.is_err(), "L9: {expires_at} is expired");
    }
}
