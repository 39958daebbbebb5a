//! Callers that go away, and those who count on them.

use std::{sync::Arc, time::Duration};

use super::World;
use crate::{
    auth_server::{Fault, Gate},
    refreshing::{staged::Stage, world::PATIENCE},
};

/// Followers cannot be seen to wait; who has looked at the storage is likely to.
async fn let_follow(stage: &Stage) {
    let _ = tokio::time::timeout(Duration::from_millis(200), stage.seen.notified()).await;
}

pub(super) async fn a_dropped_caller_cancels_nothing(world: &World<'_>) {
    for expiry in 1..=2 {
        world.expire().await;
        let gate = Gate::new();
        // Once with the answer on its way, once with the request.
        world.script(match expiry {
            1 => Fault::GateAfter(gate.clone()),
            _ => Fault::GateBefore(gate.clone()),
        });
        let refresher = world.refresher().await;
        let caller = world.call(&refresher);
        gate.arrived().await;
        caller.abort();
        let _ = caller.await;
        gate.open();
        for asked in [world.ask().await, refresher.access_token(&world.key).await] {
            world
                .assert_current("L6", &asked.expect("L6: the request that was sent is seen through"))
                .await;
        }
        assert_eq!(world.requests(), expiry, "L6: it was not sent again");
    }
}

pub(super) async fn followers_outlive_their_leader(world: &World<'_>) {
    let gate = Gate::new();
    world.script(Fault::GateAfter(gate.clone()));
    let stage = Arc::new(Stage::default());
    let refresher = world.on_stage(&stage).await;
    let leader = world.call(&refresher);
    gate.arrived().await;
    let followers: Vec<_> = (0..4).map(|_| world.call(&refresher)).collect();
    let_follow(&stage).await;
    leader.abort();
    let _ = leader.await;
    gate.open();
    for follower in followers {
        let got = follower.await.expect("it does not panic");
        world
            .assert_current("L6", &got.expect("L6: every caller that is left gets the token"))
            .await;
    }
    assert_eq!(world.requests(), 1, "L5: it was not sent again");
}

/// Whoever waits for one that panics is told, or served; and all goes on afterwards.
pub(super) async fn a_panic_strands_nobody(world: &World<'_>) {
    let gate = Gate::new();
    let stage = Arc::new(Stage {
        panic_gate: Some(gate.clone()),
        ..Stage::default()
    });
    let refresher = world.on_stage(&stage).await;
    let leader = world.call(&refresher);
    gate.arrived().await;
    let followers: Vec<_> = (0..4).map(|_| world.call(&refresher)).collect();
    let_follow(&stage).await;
    gate.open();
    let _ = leader.await;
    for follower in followers {
        let ended = tokio::time::timeout(PATIENCE, follower).await;
        assert!(ended.is_ok(), "L5: a follower waits for one that is no more");
    }
    let again = tokio::time::timeout(PATIENCE, world.insist(&refresher)).await;
    let token = again.expect("L5: it waits for one that is no more");
    world
        .assert_current("L5", &token.expect("L5: the next call finds all as it was"))
        .await;
    assert_eq!(world.requests(), 1, "L5");
}
