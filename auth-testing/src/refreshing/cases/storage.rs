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
    let before = world.record().await;
    let until = Instant::now() + Duration::from_secs(1);
    let mut calling = world
        .until_the_answer_is_stored(&Stage::with_store_gate(&gate), &gate)
        .await;
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

/// What is stored meanwhile is no less another's because storing has failed before.
pub(super) async fn a_failed_store_is_repeated_on_its_condition(world: &World<'_>) {
    for logs_in in [true, false] {
        let world = world.another(Config::default()).await;
        let gate = Gate::new();
        let stage = Stage::with_store_gate(&gate);
        let mut calling = world.until_the_answer_is_stored(&stage, &gate).await;
        stage.failing_stores.store(1, SeqCst);
        gate.open();
        tokio::select! {
            () = gate.arrived() => {}
            // Whoever gives up at the first failure is for another case.
            _ = &mut calling => return,
        }
        let newer = world.issued();
        match logs_in {
            true => world.store(&newer).await,
            false => world.remove().await,
        }
        for _ in 0..16 {
            gate.open();
        }
        let got = calling.await.expect("it does not panic");
        let stored = world.stored().await.map(|stored| stored.data);
        if logs_in {
            assert!(stored.as_ref() == Some(&newer), "L8: the newer record is kept");
            assert!(got == Ok(newer.access_token), "L8: the newer one counts");
        } else {
            assert!(stored.is_none(), "L10: the record stays absent");
            assert!(got.is_err(), "L10: whoever logged out is logged out");
        }
        world.close(1).await;
    }
}

/// As long as nobody knows what is stored, nothing is handed out, and nothing is thrown away.
pub(super) async fn an_unread_conflict_hands_nothing_out(world: &World<'_>) {
    let gate = Gate::new();
    let stage = Stage::with_store_gate(&gate);
    let mut calling = world.until_the_answer_is_stored(&stage, &gate).await;
    let mut edited = world.record().await.data;
    edited.extra.insert("label", "\"mine\"").expect("a legal member");
    world.store(&edited).await;
    stage.reads_fail.store(true, SeqCst);
    for _ in 0..16 {
        gate.open();
    }
    let early = tokio::select! {
        () = stage.unread.notified() => None,
        ended = &mut calling => Some(ended),
    };
    stage.reads_fail.store(false, SeqCst);
    let ended = match early {
        Some(ended) => ended,
        None => calling.await,
    };
    if let Ok(token) = ended.expect("it does not panic") {
        world.assert_current("L6", &token).await;
    }
    let refresher = world.refresher().await;
    let got = world.insist(&refresher).await;
    world
        .assert_current("L6", &got.expect("L6: the answer was not thrown away"))
        .await;
    assert!(
        world.record().await.data.extra.get("label") == Some("\"mine\""),
        "L8: the edit stays"
    );
    assert_eq!(world.requests(), 1, "L6: the answer was not asked for again");
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
