//! Who waits for whom, and who does not.

use std::{sync::Arc, time::Duration};

use futures_util::future::join;
use token_storage_core::{Precondition, TokenKey};

use super::{Config, World};
use crate::{
    auth_server::{Fault, Gate},
    refreshing::{
        staged::Stage,
        world::{PATIENCE, now},
    },
};

pub(super) async fn a_good_token_waits_for_nobody(world: &World<'_>) {
    let guard = world.hold().await;
    for expires_at in [None, Some(i64::MAX), Some(now() + 3000)] {
        world.expire_at(expires_at).await;
        let stored = world.record().await.data.access_token;
        let got = tokio::time::timeout(PATIENCE, world.ask()).await;
        let got = got.expect("L9: a caller with a good token waits for the lease");
        assert!(got == Ok(stored), "L9: {expires_at:?} is good");
    }
    guard.release().await.expect("the lease can be released");
    assert_eq!(world.requests(), 0, "L9: nothing was due");
}

/// Within the skew, while a holder or the server lets its callers wait.
pub(super) async fn a_valid_token_outlives_a_wait(world: &World<'_>) {
    join(waits_for_a_holder(world), waits_for_the_server(world)).await;
}

/// How long it is valid: within the skew, and long enough for a slow machine.
const VALID: u64 = 50;

async fn is_served_while_valid(world: &World<'_>) {
    let valid_until = now() + VALID as i64;
    world.expire_at(Some(valid_until)).await;
    let stored = world.record().await.data.access_token;
    let got = tokio::time::timeout(Duration::from_secs(VALID), world.ask()).await;
    let got = got.expect("L9: a caller waits until its token is valid no more");
    // On a machine that stood still it may be too late.
    assert!(now() >= valid_until || got == Ok(stored), "L9: it was still valid");
}

async fn waits_for_a_holder(world: &World<'_>) {
    let world = world.another(Config::default()).await;
    let guard = world.hold().await;
    is_served_while_valid(&world).await;
    // It may be over, on a machine that stood still.
    let _ = guard.release().await;
    world.close(1).await;
}

async fn waits_for_the_server(world: &World<'_>) {
    let world = world.another(Config::default()).await;
    let gate = Gate::new();
    world.script(Fault::GateAfter(gate.clone()));
    is_served_while_valid(&world).await;
    gate.arrived().await;
    gate.open();
    world.close(1).await;
}

/// Neither in one process nor in several.
pub(super) async fn one_key_does_not_wait_for_another(world: &World<'_>) {
    let other = TokenKey::new(format!("{}-2", world.key.namespace()), world.key.resource_server());
    let gate = Gate::new();
    world.script(Fault::GateAfter(gate.clone()));
    let refresher = world.refresher().await;
    let held = world.call(&refresher);
    gate.arrived().await;
    for process in [Arc::clone(&refresher), world.refresher().await] {
        let expired = world.issued_for(&other).with_expires_at(0);
        assert!(world.accepts(&other, &expired).await);
        let got = tokio::time::timeout(PATIENCE, process.access_token(&other)).await;
        let got = got.expect("L1: the refresh of one key waits for that of another");
        assert!(got.expect("L5: a refresh") != expired.access_token, "L5: refreshed");
    }
    gate.open();
    let got = held.await.expect("it does not panic");
    world.assert_current("L5", &got.expect("L5: a refresh")).await;
    let _ = world.storage.remove(&other, Precondition::Any).await;
}

/// Whoever waited takes what the holder brought, if it brought something.
pub(super) async fn a_holder_that_brings_nothing_is_succeeded(world: &World<'_>) {
    let guard = world.hold().await;
    let stage = Arc::new(Stage::default());
    let mut waiting = world.call(&world.on_stage(&stage).await);
    tokio::select! {
        () = stage.turned_away.notified() => {}
        ended = &mut waiting => panic!("L1: it did not wait for the holder: {}", ended.is_ok()),
    }
    guard.release().await.expect("the lease can be released");
    let got = waiting.await.expect("it does not panic");
    world
        .assert_current("L5", &got.expect("L5: it is this one's turn now"))
        .await;
    assert_eq!(world.requests(), 1, "L5");
}
