//! Storages that fail.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use tokio::time::Instant;

use super::{Config, World};
use crate::{
    auth_server::Gate,
    refreshing::{staged::Stage, world::watch},
};

pub(super) async fn nothing_unstored_is_handed_out(world: &World<'_>) {
    let gate = Gate::new();
    let stage = Arc::new(Stage {
        store_gate: Some(gate.clone()),
        ..Stage::default()
    });
    let before = world.record().await;
    let mut calling = world.call(&world.on_stage(&stage).await);
    tokio::select! {
        () = gate.arrived() => {}
        ended = &mut calling => panic!("L6: nothing was stored: {}", ended.is_ok()),
    }
    // What is stored by way of proof is written before the request; any further one passes.
    let until = Instant::now() + Duration::from_secs(1);
    while world.requests() == 0 {
        gate.open();
        tokio::select! {
            () = gate.arrived() => {}
            ended = &mut calling => panic!("L6: nothing was stored: {}", ended.is_ok()),
        }
    }
    let early = tokio::time::timeout_at(until, &mut calling).await;
    let unstored = world.record().await.data.access_token == before.data.access_token;
    assert!(early.is_err() || !unstored, "L6: handed out before it was stored");
    for _ in 0..16 {
        gate.open();
    }
    let got = match early {
        Ok(ended) => ended,
        Err(_) => calling.await,
    };
    let got = got.expect("it does not panic");
    world.assert_current("L6", &got.expect("L6: it is stored now")).await;
}

/// Nothing is handed out that is not stored, and in the end it is stored.
pub(super) async fn a_store_that_fails_loses_nothing(world: &World<'_>) {
    let stage = Arc::new(Stage::default());
    stage.failing_stores.store(2, SeqCst);
    let refresher = world.on_stage(&stage).await;
    let got = refresher.access_token(&world.key).await;
    if let Ok(token) = got {
        world.assert_current("L6", &token).await;
    }
    let got = world.insist(&refresher).await;
    world
        .assert_current("L6", &got.expect("L6: the answer was not thrown away"))
        .await;
    // Whoever stored once by way of proof has sent nothing that time.
    assert_eq!(world.requests(), 1, "L6: the answer was not asked for again");
    let got = world.ask().await;
    world.assert_current("L6", &got.expect("L6: for all processes")).await;
}

/// A conflict with what is ours is a success.
pub(super) async fn a_store_without_answer_is_ours(world: &World<'_>) {
    let stage = Arc::new(Stage::default());
    stage.failing_stores.store(1, SeqCst);
    stage.stores_happen.store(true, SeqCst);
    let refresher = world.on_stage(&stage).await;
    let got = world.insist(&refresher).await;
    world
        .assert_current("A5", &got.expect("A5: the answer is stored"))
        .await;
    let stored = world.record().await.data.refresh_token;
    let stored = stored.expect("L8: with its refresh token");
    assert!(
        world.server.is_active(stored.expose()),
        "L8: our own tokens are not revoked"
    );
    assert_eq!(world.requests(), 1, "A5: it was not asked for again");
}

pub(super) async fn what_cannot_be_written_is_not_spent(world: &World<'_>) {
    let stage = Arc::new(Stage::default());
    stage.failing_stores.store(usize::MAX, SeqCst);
    stage.proofs_fail.store(true, SeqCst);
    let refresher = world.on_stage(&stage).await;
    let got = tokio::time::timeout(watch() * 10, refresher.access_token(&world.key)).await;
    assert!(!matches!(got, Ok(Ok(_))), "L6: an expired token");
    assert_eq!(world.requests(), 0, "L6: sent although nothing can be stored");
    let got = world.ask().await;
    world
        .assert_current("L6", &got.expect("L6: the refresh token was not spent"))
        .await;
}

/// Of one that records intents at all.
pub(super) async fn an_intent_is_recorded_or_nothing_is_sent(world: &World<'_>) {
    let stage = Arc::new(Stage::default());
    stage.intents_fail.store(true, SeqCst);
    let got = world.on_stage(&stage).await.access_token(&world.key).await;
    assert!(stage.intents.load(SeqCst) > 0, "L5: no intent is recorded");
    assert!(got.is_err(), "L5: nothing can be sent");
    assert_eq!(world.requests(), 0, "L5: sent although a death would be hidden");
    let got = world.ask().await;
    world.assert_current("L5", &got.expect("L5: nothing was spent")).await;
}

/// Neither by the lease nor by the record that cannot be asked for.
pub(super) async fn an_unreachable_storage_is_not_gone_around(world: &World<'_>) {
    for leases in [true, false] {
        let world = world.another(Config::default()).await;
        let stage = Arc::new(Stage::default());
        let flag = if leases { &stage.leases_fail } else { &stage.reads_fail };
        flag.store(true, SeqCst);
        let refresher = world.on_stage(&stage).await;
        let call = tokio::time::timeout(watch(), refresher.access_token(&world.key)).await;
        assert!(!matches!(call, Ok(Ok(_))), "L4: an expired token");
        assert_eq!(world.requests(), 0, "L4: sent without a lease");
        flag.store(false, SeqCst);
        let got = world.insist(&refresher).await;
        world
            .assert_current("L4", &got.expect("L4: it can be reached again"))
            .await;
        world.close(1).await;
    }
}
