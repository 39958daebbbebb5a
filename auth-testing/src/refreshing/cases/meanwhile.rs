//! What others do to the record while it is being refreshed.

use token_storage_core::Secret;

use super::World;
use crate::{
    auth_server::{Fault, Gate},
    refreshing::Ability,
};

/// A refresh whose request or answer is held at the gate until `meanwhile` is done.
async fn held<F: Future<Output = ()>>(
    world: &World<'_>,
    gate: Gate,
    meanwhile: impl FnOnce() -> F,
) -> Result<Secret, String> {
    let refreshing = world.call(&world.refresher().await);
    gate.arrived().await;
    meanwhile().await;
    gate.open();
    refreshing.await.expect("it does not panic")
}

/// A refresh whose answer is held until `meanwhile` is done.
async fn refreshed_while<F: Future<Output = ()>>(
    world: &World<'_>,
    meanwhile: impl FnOnce() -> F,
) -> Result<Secret, String> {
    let gate = Gate::new();
    world.script(Fault::GateAfter(gate.clone()));
    held(world, gate, meanwhile).await
}

fn assert_live(world: &World<'_>, live: usize, clause: &str) {
    if world.can(Ability::Revokes) {
        let found = world.server.live_refresh_tokens();
        assert_eq!(found, live, "{clause}: refresh tokens that are not revoked");
    }
}

pub(super) async fn another_login_meanwhile_is_kept(world: &World<'_>) {
    let newer = world.issued();
    let got = refreshed_while(world, || world.store(&newer)).await;
    assert_eq!(
        got.expect("L8: there is a good token"),
        newer.access_token,
        "L8: the newer one counts"
    );
    world.assert_current("L8", &newer.access_token).await;
    let kept = newer.refresh_token.expect("a login brings one");
    assert!(world.server.is_active(kept.expose()), "L8: the newer one is kept");
    assert_live(world, 1, "L8: ours is revoked");
}

pub(super) async fn another_login_without_refresh_token_is_kept(world: &World<'_>) {
    let mut newer = world.issued();
    let unused = newer.refresh_token.take().expect("a login brings one");
    let before = world.record().await.data;
    if !world.accepts(&world.key, &newer).await {
        return;
    }
    world.store(&before).await;
    let got = refreshed_while(world, || world.store(&newer)).await;
    assert_eq!(
        got.expect("L8: there is a good token"),
        newer.access_token,
        "L8: the newer one counts"
    );
    let after = world.record().await.data;
    assert!(after == newer, "L8: the newer record is kept as it is");
    assert!(
        world.server.is_active(unused.expose()),
        "L8: another login's is left alone"
    );
    assert_live(world, 1, "L8: ours is revoked");
}

pub(super) async fn an_edit_meanwhile_is_merged(world: &World<'_>) {
    let mut edited = world.record().await.data;
    edited.extra.insert("label", "\"mine\"").expect("a legal member");
    let got = refreshed_while(world, || world.store(&edited)).await;
    world
        .assert_current("L8", &got.expect("L8: an edit is no failure"))
        .await;
    let after = world.record().await.data;
    assert!(after.extra.get("label") == Some("\"mine\""), "L8: the edit stays");
    let refresh_token = after.refresh_token.expect("L8: the new refresh token");
    assert!(
        world.server.is_active(refresh_token.expose()),
        "L8: the new refresh token is stored, and not revoked"
    );
    assert_eq!(world.requests(), 1, "L8: what was answered is not asked for again");
}

/// The record is read again before anything is given up.
pub(super) async fn a_refusal_of_an_old_token_is_no_news(world: &World<'_>) {
    let gate = Gate::new();
    world.script(Fault::GateBefore(gate.clone()));
    world.server.revoke_everything();
    let newer = world.issued();
    let got = held(world, gate, || world.store(&newer)).await;
    assert_eq!(
        got.expect("L7: another holder has moved it on"),
        newer.access_token,
        "L7: the newer one counts"
    );
    assert!(world.record().await.data == newer, "L7: the newer record is kept");
    assert_eq!(world.requests(), 1, "L7: nothing more was due");
}

pub(super) async fn a_logout_meanwhile_wins(world: &World<'_>) {
    let got = refreshed_while(world, || world.remove()).await;
    assert!(got.is_err(), "L10: whoever logged out is logged out");
    assert!(world.stored().await.is_none(), "L10: the record stays absent");
    assert_live(world, 0, "L10: the fresh tokens are revoked");
}

pub(super) async fn a_logout_wins_over_a_failure(world: &World<'_>) {
    let gate = Gate::new();
    world.script(Fault::GateBefore(gate.clone()));
    world.server.revoke_everything();
    let got = held(world, gate, || world.remove()).await;
    assert!(got.is_err(), "L10: whoever logged out is logged out");
    assert!(world.stored().await.is_none(), "L10: the record stays absent");
    assert!(world.ask().await.is_err(), "L10: and so it is for others");
    assert!(world.stored().await.is_none(), "L10: the record stays absent");
}

/// For the process too that found nothing.
pub(super) async fn a_login_after_a_logout_counts(world: &World<'_>) {
    let gate = Gate::new();
    world.script(Fault::GateAfter(gate.clone()));
    let refresher = world.refresher().await;
    let refreshing = world.call(&refresher);
    gate.arrived().await;
    world.remove().await;
    gate.open();
    let got = refreshing.await.expect("it does not panic");
    assert!(got.is_err(), "L10: whoever logged out is logged out");
    assert!(refresher.access_token(&world.key).await.is_err(), "L10: and still is");
    world.log_in().await;
    let got = world.insist(&refresher).await;
    world
        .assert_current("L10", &got.expect("L10: whoever logs in is logged in"))
        .await;
}

/// Not from anybody's memory either.
pub(super) async fn nobody_gets_a_token_after_a_logout(world: &World<'_>) {
    let refresher = world.refresher().await;
    let got = refresher.access_token(&world.key).await;
    world.assert_current("L10", &got.expect("L5: a refresh")).await;
    world.remove().await;
    for process in [&refresher, &world.refresher().await] {
        let got = process.access_token(&world.key).await;
        assert!(got.is_err(), "L10: a token of somebody who has logged out");
    }
    assert!(world.stored().await.is_none(), "L10: the record stays absent");
    assert_eq!(world.requests(), 1, "L10: nothing was sent after the logout");
}
