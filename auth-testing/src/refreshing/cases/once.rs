//! Exactly one request.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use token_storage_core::{LeaseGuard, Precondition, TokenKey};
use tokio::{task::JoinSet, time::Instant};

use super::{Config, World};
use crate::{
    auth_server::{Fault, Gate},
    refreshing::{
        Refresher,
        staged::Stage,
        world::{watch, watch_for},
    },
};

async fn processes(world: &World<'_>) -> [Arc<dyn Refresher>; 3] {
    [
        world.refresher().await,
        world.refresher().await,
        world.refresher().await,
    ]
}

pub(super) async fn one_expiry_costs_one_request(world: &World<'_>) {
    let processes = processes(world).await;
    for expiry in 1..=3 {
        world.expire().await;
        let mut calls = JoinSet::new();
        for process in processes.iter().cycle().take(18) {
            let (process, key) = (Arc::clone(process), world.key.clone());
            calls.spawn(async move { process.access_token(&key).await });
        }
        for got in calls.join_all().await {
            world
                .assert_current("L5", &got.expect("L5: every caller gets the new token"))
                .await;
        }
        assert_eq!(world.requests(), expiry, "L5: one request for each expiry");
    }
    assert_eq!(world.server.reuse_detections(), 0, "L1");
}

pub(super) async fn a_holder_is_waited_for(world: &World<'_>) {
    let guard = world.hold().await;
    let stage = Arc::new(Stage::default());
    let mut waiting = world.call(&world.on_stage(&stage).await);
    // The holder stores after the waiter saw the expired token: who only looks once is caught, however slow it is.
    tokio::select! {
        () = stage.seen.notified() => {}
        ended = &mut waiting => panic!("L1: the waiter did not look at the storage: {ended:?}"),
    }
    let newer = world.issued();
    world.store(&newer).await;
    guard.release().await.expect("the lease can be released");
    let got = waiting
        .await
        .expect("it does not panic")
        .expect("L5: a waiter gets the holder's token");
    assert_eq!(got, newer.access_token, "L5");
    assert_eq!(world.requests(), 0, "L1: the waiter sends nothing");
}

/// A second request while the first is not answered is reuse to the server.
pub(super) async fn a_slow_answer_is_waited_for(world: &World<'_>) {
    let (first, second) = (Gate::new(), Gate::new());
    world.script(Fault::GateAfter(first.clone()));
    world.script(Fault::GateBefore(second.clone()));
    let calling = world.call(&world.refresher().await);
    first.arrived().await;
    watch_for(second.arrived()).await;
    let requests = world.requests();
    first.open();
    second.open();
    // It may have lost patience, by an error, and no more than that.
    if let Ok(token) = calling.await.expect("it does not panic") {
        world.assert_current("L5", &token).await;
    }
    assert_eq!(requests, 1, "L5: sent again while the answer was on its way");
}

/// Whoever loses patience says so, and sends nothing.
pub(super) async fn a_lease_is_never_gone_around(world: &World<'_>) {
    let mut guard = world.hold().await;
    let waiting = world.call(&world.refresher().await);
    let until = Instant::now() + watch();
    while Instant::now() < until && world.requests() == 0 {
        if !is_kept(&mut *guard).await {
            // This process was stopped for too long: what the waiter did was right, and nothing is known.
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kept = is_kept(&mut *guard).await;
    assert!(!kept || world.requests() == 0, "L4: sent while another held the lease");
    let newer = world.issued();
    world.store(&newer).await;
    let kept = is_kept(&mut *guard).await;
    guard.release().await.expect("the lease can be released");
    if let Ok(token) = waiting.await.expect("it does not panic") {
        assert!(!kept || token == newer.access_token, "L5: the holder's token");
    }
}

async fn is_kept(guard: &mut dyn LeaseGuard) -> bool {
    guard.renew().await.is_ok()
}

pub(super) async fn different_keys_do_not_cross(world: &World<'_>) {
    let namespace = world.key.namespace();
    let name = world.key.resource_server();
    let keys = [
        world.key.clone(),
        TokenKey::new(format!("{namespace}-2"), name),
        TokenKey::new(format!("{namespace}-3"), name),
    ];
    let label = |key: &TokenKey| format!("{:?}", key.namespace());
    for key in &keys {
        let mut data = world.issued_for(key).with_expires_at(0);
        data.extra.insert("label", &label(key)).expect("a legal member");
        assert!(world.accepts(key, &data).await);
    }
    let refresher = world.refresher().await;
    let calls = keys.iter().cycle().take(12).map(|key| refresher.access_token(key));
    let tokens = join_all(calls).await;
    for (key, token) in keys.iter().cycle().zip(tokens) {
        let token = token.expect("L5: every caller gets the new token");
        let record = world.storage.get(key).await.expect("the storage under test can read");
        let data = record.expect("the record is still there").data;
        assert_eq!(token, data.access_token, "K6: the token of this key");
        assert!(
            data.extra.get("label") == Some(&label(key)),
            "K6: the record of this key"
        );
        assert!(world.server.is_active(token.expose()), "L5: the server takes it");
    }
    assert_eq!(world.requests(), keys.len(), "L5: one request for each key");
    for key in &keys[1..] {
        let _ = world.storage.remove(key, Precondition::Any).await;
    }
}

/// Those who wait take what the holder brings, however short its life.
pub(super) async fn short_lifetimes_cost_one_request_each(world: &World<'_>) {
    join_all([3, 30, 59].map(|lifetime| one_short_lifetime(world, lifetime))).await;
}

async fn one_short_lifetime(world: &World<'_>, lifetime: u64) {
    let world = world
        .another(Config {
            access_token_lifetime: Some(lifetime),
            ..Config::default()
        })
        .await;
    let processes = processes(&world).await;
    let started = Instant::now();
    let calls = processes
        .iter()
        .cycle()
        .take(18)
        .map(|process| process.access_token(&world.key));
    for got in join_all(calls).await {
        got.expect("L5: every caller gets the new token");
    }
    // Should this take so long that a token has become old meanwhile, then one more is right.
    let more = started.elapsed().as_secs() / (lifetime / 3).max(1);
    let requests = world.requests() as u64;
    assert!(
        (1..=1 + more).contains(&requests),
        "L5: {requests} requests for one expiry of a token that lives {lifetime} s"
    );
    world.close(1).await;
}
