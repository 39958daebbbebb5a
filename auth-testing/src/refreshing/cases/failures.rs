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

fn refusal(status: u16, error: &'static str) -> Fault {
    Fault::Refuse { status, error }
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
        refusal(503, "temporarily_unavailable"),
        // The server or the client, and not the token.
        refusal(400, "temporarily_unavailable"),
        refusal(401, "invalid_client"),
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

/// Others wait for whoever waits for the server.
pub(super) async fn a_silent_server_is_given_up(world: &World<'_>) {
    let faults = [
        (Fault::Hang, false),
        (Fault::HangAfter, true),
        // Whoever bounds the wait for the first byte alone waits here.
        (Fault::HangWithin, true),
    ];
    join_all(faults.map(|(fault, spent)| is_given_up(world, fault, spent))).await;
}

async fn is_given_up(world: &World<'_>, fault: Fault, spent: bool) {
    let world = world.another(Config::default()).await;
    let before = world.record().await;
    world.script(fault.clone());
    let patience = world.patience();
    let call = world.call(&world.refresher().await);
    let ended = tokio::time::timeout(patience * 2, call).await;
    let got = ended.unwrap_or_else(|_| panic!("L7: the call waits for {fault:?} after {:?}", patience * 2));
    assert!(
        got.expect("it does not panic").is_err(),
        "L7: {fault:?} brings no token"
    );
    assert!(world.record().await == before, "L7: the record after {fault:?}");
    assert_eq!(world.requests(), 1, "L7: sent again at once after {fault:?}");
    let freed = tokio::time::timeout(patience, world.until_free()).await;
    assert!(
        freed.is_ok(),
        "L7: nobody waits any more, and the lease is held, after {fault:?}"
    );
    let next = world.ask_until(|got| got.is_ok() || world.requests() > 1).await;
    assert_eq!(next.is_ok(), !spent, "L5: one guarded try after {fault:?}");
    world.close(1 + usize::from(spent)).await;
}

pub(super) async fn a_lost_answer_is_tried_for_once(world: &World<'_>) {
    let faults = [
        Fault::DropAnswer,
        Fault::TruncateAnswer,
        Fault::Garbage,
        Fault::StatusAfter(500),
        Fault::StatusAfter(504),
        Fault::Omit(&["access_token"]),
        Fault::Member("access_token", "\"\""),
    ];
    join_all(faults.map(|fault| is_lost(world, fault))).await;
}

async fn is_lost(world: &World<'_>, fault: Fault) {
    let world = world.another(Config::default()).await;
    let before = world.record().await;
    world.script(fault.clone());
    assert!(world.ask().await.is_err(), "L5: the token is lost by {fault:?}");
    assert_eq!(world.requests(), 1, "L7: sent again at once after {fault:?}");
    if let Ok(intent) = world.intent().await {
        let doubts = |intent: Intent| intent.failure().is_none_or(|failure| failure.may_have_been_done);
        assert!(intent.is_some_and(doubts), "L5: the outcome is unknown after {fault:?}");
    }
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

/// Whoever asks: it is kept with the lease.
pub(super) async fn a_refusal_is_kept_by_all(world: &World<'_>) {
    world.server.revoke_everything();
    for _ in 0..3 {
        assert!(world.ask().await.is_err(), "L7: the refresh token was refused");
    }
    assert_eq!(world.requests(), 1, "L7: another process sends what was refused");
    world.log_in().await;
    let got = world.ask().await;
    world
        .assert_current("L7", &got.expect("L7: a new record is a new try"))
        .await;
}

pub(super) async fn a_pause_is_kept_by_all(world: &World<'_>) {
    world.script(Fault::Status {
        status: 429,
        retry_after: Some(300),
    });
    let refresher = world.refresher().await;
    assert!(refresher.access_token(&world.key).await.is_err(), "L7: a failure");
    for _ in 0..2 {
        assert!(world.ask().await.is_err(), "L7: the server asked for a pause");
        let got = refresher.access_token(&world.key).await;
        assert!(got.is_err(), "L7: the server asked for a pause");
    }
    assert_eq!(world.requests(), 1, "L7: sent before the pause was over");
    world.log_in().await;
    let got = world.ask().await;
    world
        .assert_current("L7", &got.expect("L7: the pause was of another record"))
        .await;
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
