//! What goes wrong at the server or on the way.

use futures_util::future::join_all;
use token_storage_core::Intent;

use super::{Config, World};
use crate::auth_server::Fault;

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
    }
}

pub(super) async fn what_passes_changes_nothing(world: &World<'_>) {
    let faults = [
        status(429),
        status(500),
        status(503),
        status(408),
        Fault::DropConnection,
    ];
    join_all(faults.map(|fault| changes_nothing(world, fault))).await;
}

/// For any other process either, once the pause is over that all of them may keep.
async fn changes_nothing(world: &World<'_>, fault: Fault) {
    let world = world.another(Config::default()).await;
    let before = world.record().await;
    world.script(fault.clone());
    let got = world.ask().await;
    assert!(got.is_err(), "L7: {fault:?} is a failure");
    assert!(world.record().await == before, "L7: the record after {fault:?}");
    let got = world.ask_until(Result::is_ok).await;
    world
        .assert_current("L7", &got.expect("L7: nothing was given up"))
        .await;
    assert_eq!(world.server.reuse_detections(), 0, "L5");
    world.close(1).await;
}

/// The same process has given nothing up either. Each failure alone, side by side.
pub(super) async fn what_passes_is_no_refusal(world: &World<'_>) {
    let faults = [
        status(429),
        Fault::Status {
            status: 429,
            retry_after: Some(1),
        },
        status(500),
        status(502),
        // A page of a proxy or of a captive portal, before the request got anywhere.
        status(200),
        status(400),
        status(403),
        status(404),
        Fault::Refuse {
            status: 503,
            error: "temporarily_unavailable",
        },
        Fault::DropConnection,
    ];
    join_all(faults.map(|fault| passes(world, fault))).await;
}

async fn passes(world: &World<'_>, fault: Fault) {
    let world = world.another(Config::default()).await;
    let before = world.record().await;
    let refresher = world.refresher().await;
    world.script(fault.clone());
    let got = refresher.access_token(&world.key).await;
    if got.is_err() {
        assert!(world.record().await == before, "L7: the record after {fault:?}");
    }
    let got = world.insist(&refresher).await;
    let token = got.unwrap_or_else(|why| panic!("L7: {fault:?} was taken for a refusal: {why}"));
    world.assert_current("L7", &token).await;
    assert_eq!(world.server.reuse_detections(), 0, "L5");
    world.close(1).await;
}

pub(super) async fn a_lost_answer_is_tried_for_once(world: &World<'_>) {
    join_all([Fault::DropAnswer, Fault::TruncateAnswer, Fault::Garbage].map(|fault| is_lost(world, fault))).await;
}

async fn is_lost(world: &World<'_>, fault: Fault) {
    let world = world.another(Config::default()).await;
    let before = world.record().await;
    world.script(fault.clone());
    // All of them may pause before the guarded try.
    let got = world.ask_until(|got| got.is_ok() || world.requests() > 1).await;
    assert!(got.is_err(), "L5: the token is lost by {fault:?}");
    for _ in 0..3 {
        let got = world.ask().await;
        assert!(got.is_err(), "L5: the token is lost by {fault:?}");
    }
    assert_eq!(
        world.requests(),
        2,
        "L5: exactly one guarded try, by one process, after {fault:?}"
    );
    assert!(world.record().await == before, "L7: the record after {fault:?}");
    world.close(2).await;
}

/// Leaves what a holder leaves behind that has died with its request under way.
async fn die_with_intent(world: &World<'_>) {
    let mut guard = world.hold().await;
    let intent = Intent::new(&world.record().await, false, 0);
    guard.record_intent(&intent).await.expect("an intent can be recorded");
    guard.release().await.expect("the lease can be released");
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

async fn die_having_spent(world: &World<'_>) {
    die_with_intent(world).await;
    let data = world.record().await.data;
    let token = data.refresh_token.expect("a refresh token is stored");
    assert!(world.server.spend(token.expose()));
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

pub(super) async fn a_new_login_ends_an_unknown_outcome(world: &World<'_>) {
    let refresher = world.refresher().await;
    world.script(Fault::DropAnswer);
    assert!(
        refresher.access_token(&world.key).await.is_err(),
        "L5: the token is lost"
    );
    assert!(world.ask().await.is_err(), "L5: the token is lost");
    world.log_in().await;
    let got = world.ask().await;
    world
        .assert_current("L7", &got.expect("L7: a new record is a new try"))
        .await;
    let got = world.insist(&refresher).await;
    world
        .assert_current("L7", &got.expect("L7: for the process too that failed"))
        .await;
}

pub(super) async fn a_refusal_loses_nothing(world: &World<'_>) {
    let before = world.record().await;
    world.server.revoke_everything();
    let refresher = world.refresher().await;
    for _ in 0..2 {
        let got = refresher.access_token(&world.key).await;
        assert!(got.is_err(), "L7: the refresh token was refused");
        assert!(world.record().await == before, "L7: the record after a refusal");
    }
    world.log_in().await;
    let got = world.insist(&refresher).await;
    world
        .assert_current("L7", &got.expect("L7: a new record is a new try"))
        .await;
}

pub(super) async fn a_refusal_is_not_asked_for_again(world: &World<'_>) {
    world.server.revoke_everything();
    let refresher = world.refresher().await;
    for _ in 0..5 {
        let got = refresher.access_token(&world.key).await;
        assert!(got.is_err(), "L7: the refresh token was refused");
    }
    assert_eq!(world.requests(), 1, "L7: a refused token is not sent again");
}

/// Whatever the server quotes.
pub(super) async fn errors_show_no_token(world: &World<'_>) {
    let answers = [
        (400, "invalid_grant"),
        (400, "invalid_request"),
        (401, "invalid_client"),
        (500, "server_error"),
        (200, ""),
        (400, ""),
        (500, ""),
    ];
    join_all(answers.map(|(status, error)| quotes(world, status, error))).await;
}

async fn quotes(world: &World<'_>, status: u16, error: &'static str) {
    let world = world.another(Config::default()).await;
    world.script(Fault::Echo { status, error });
    assert!(world.ask().await.is_err(), "L7: {status} {error} is no success");
    world.close(usize::MAX).await;
}
