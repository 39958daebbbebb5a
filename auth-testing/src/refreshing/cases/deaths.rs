//! What a holder leaves behind that has died with its request under way.

use futures_util::future::join_all;
use token_storage_core::{Intent, RefreshFailureKind};

use super::{Config, World};
use crate::auth_server::Fault;

async fn die_with_intent(world: &World<'_>) {
    let mut guard = world.hold().await;
    let intent = Intent::new(&world.record().await, false, 0);
    guard.record_intent(&intent).await.expect("an intent can be recorded");
    guard.release().await.expect("the lease can be released");
}

async fn die_having_spent(world: &World<'_>) {
    die_with_intent(world).await;
    let data = world.record().await.data;
    let token = data.refresh_token.expect("a refresh token is stored");
    assert!(world.server.spend(token.expose()));
}

pub(super) async fn a_dead_holder_is_succeeded(world: &World<'_>) {
    die_with_intent(world).await;
    let got = world.ask().await;
    world
        .assert_current("L5", &got.expect("L5: the token was never sent"))
        .await;
    assert_eq!(world.requests(), 1, "L5");
    assert!(world.hold().await.intent().is_none(), "L5: the outcome is known");
}

/// By one process, although many ask at once.
pub(super) async fn a_dead_holder_costs_one_guarded_try(world: &World<'_>) {
    die_having_spent(world).await;
    let before = world.record().await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let refresher = world.refresher().await;
        calls.extend((0..3).map(|_| world.call(&refresher)));
    }
    for call in calls {
        let got = call.await.expect("it does not panic");
        assert!(got.is_err(), "L5: the token is lost");
    }
    assert_eq!(world.requests(), 1, "L5: exactly one guarded try, by one process");
    assert!(world.record().await == before, "L7: the record");
}

pub(super) async fn a_guarded_try_may_succeed(world: &World<'_>) {
    die_having_spent(world).await;
    let refresher = world.refresher().await;
    let got = refresher.access_token(&world.key).await;
    world
        .assert_current("L5", &got.expect("L5: the server takes the token once more"))
        .await;
    assert!(world.hold().await.intent().is_none(), "L5: the outcome is known");
    world.expire().await;
    let got = refresher.access_token(&world.key).await;
    world.assert_current("L5", &got.expect("L5: all is as before")).await;
    assert_eq!(world.requests(), 2, "L5: one request for each expiry");
}

/// A process that lives says so: the token is given up for a refusal, and for nothing else.
pub(super) async fn a_failure_uses_no_guarded_try_up(world: &World<'_>) {
    let status = |status| Fault::Status {
        status,
        retry_after: None,
    };
    join_all([status(429), status(503), Fault::DropConnection].map(|fault| is_tried_again(world, fault))).await;
}

async fn is_tried_again(world: &World<'_>, fault: Fault) {
    let world = world.another(Config::default()).await;
    die_with_intent(&world).await;
    world.script(fault.clone());
    assert!(world.ask().await.is_err(), "L7: {fault:?} is a failure");
    let got = world.ask_until(Result::is_ok).await;
    let token = got.unwrap_or_else(|why| panic!("L7: the token was given up for {fault:?}: {why}"));
    world.assert_current("L7", &token).await;
    world.close(1).await;
}

/// The tokens are the same, and it is they that may be spent.
pub(super) async fn an_edit_after_a_death_hides_nothing(world: &World<'_>) {
    die_having_spent(world).await;
    let mut edited = world.record().await.data;
    edited.extra.insert("label", "\"mine\"").expect("a legal member");
    world.store(&edited).await;
    for _ in 0..3 {
        assert!(world.ask().await.is_err(), "L5: the token is lost");
    }
    assert_eq!(world.requests(), 1, "L5: exactly one guarded try, by one process");
    if let Ok(intent) = world.intent().await {
        assert!(intent.is_some_and(names_it), "L5: the unknown outcome is not named");
    }
    assert!(world.record().await.data == edited, "L7: the record");
}

/// Whether the intent of a guarded try says that it was one.
fn names_it(intent: Intent) -> bool {
    match intent.failure() {
        Some(failure) => failure.kind == RefreshFailureKind::UnknownOutcome,
        None => intent.guarded,
    }
}
