//! What the lease and the intent cover: all from before the request until the answer is stored.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use super::World;
use crate::{
    auth_server::{Fault, Gate},
    refreshing::staged::Stage,
};

/// A refresh that is looked at while its answer is on its way, before it is stored, and again before it is, if that failed.
async fn looked_at(world: &World<'_>, cover: Cover) {
    let (answer, store) = (Gate::new(), Gate::new());
    world.script(Fault::GateAfter(answer.clone()));
    let stage = Stage::with_store_gate(&store);
    let mut calling = world.call(&world.on_stage(&stage).await);
    // What is stored by way of proof is written before the request.
    loop {
        tokio::select! {
            () = answer.arrived() => break,
            () = store.arrived() => store.open(),
            ended = &mut calling => panic!("L5: nothing was sent: {}", ended.is_ok()),
        }
    }
    cover.assert(world, &stage, "while the answer is on its way").await;
    stage.failing_stores.store(1, SeqCst);
    answer.open();
    tokio::select! {
        () = store.arrived() => {}
        ended = &mut calling => panic!("L6: nothing was stored: {}", ended.is_ok()),
    }
    cover.assert(world, &stage, "before the answer is stored").await;
    store.open();
    tokio::select! {
        () = store.arrived() => cover.assert(world, &stage, "while storing has failed and is tried again").await,
        // Whoever gives up at the first failure is for another case.
        _ = &mut calling => return,
    }
    for _ in 0..16 {
        store.open();
    }
    let got = calling.await.expect("it does not panic");
    world
        .assert_current("L6", &got.expect("L6: it is stored in the end"))
        .await;
}

/// What must be there all that time.
#[derive(Clone, Copy)]
enum Cover {
    Lease,
    Intent,
}

impl Cover {
    async fn assert(self, world: &World<'_>, stage: &Stage, when: &str) {
        match self {
            Self::Lease => assert!(!world.is_free().await, "L1: the lease is free {when}"),
            Self::Intent => {
                let record = world.record().await;
                let intent = stage.intent().unwrap_or_else(|| panic!("L5: no intent {when}"));
                let says_so = intent.concerns(&record) && !intent.guarded;
                assert!(says_so, "L5: the intent is about something else {when}");
            }
        }
    }
}

pub(super) async fn the_lease_lasts_until_the_answer_is_stored(world: &World<'_>) {
    looked_at(world, Cover::Lease).await;
}

/// So that whoever comes after a death at any of these moments knows that the token may be spent.
pub(super) async fn the_intent_lasts_until_the_answer_is_stored(world: &World<'_>) {
    looked_at(world, Cover::Intent).await;
}

/// What is stored counts, although the storage cannot be told that the lease is over.
pub(super) async fn a_release_that_fails_costs_nothing(world: &World<'_>) {
    let stage = Arc::new(Stage::default());
    stage.ends_fail.store(true, SeqCst);
    let got = world.on_stage(&stage).await.access_token(&world.key).await;
    let token = got.expect("L5: every caller gets the token that is stored");
    world.assert_current("L5", &token).await;
    let got = world.ask().await.expect("L5: and so does every other process");
    assert!(got == token && world.requests() == 1, "L5: nothing more was due");
}
