//! What is sent to the server, and what is not.

use std::collections::BTreeSet;

use super::World;
use crate::{
    auth_server::{Endpoint, Fault, Gate},
    refreshing::world::now,
};

/// RFC 6749 sections 2.3.1 and 6: they belong into the body. What is in a URL is in the logs of servers and proxies.
pub(super) async fn no_url_shows_a_token(world: &World<'_>) {
    let _ = world.ask().await;
    world.log_in().await;
    let gate = Gate::new();
    world.script(Fault::GateAfter(gate.clone()));
    let calling = world.call(&world.refresher().await);
    gate.arrived().await;
    // What is revoked goes the same way.
    world.remove().await;
    gate.open();
    let _ = calling.await;
    for request in world.server.requests() {
        let secret = ["refresh_token", "token", "client_secret", "client_assertion"];
        let shown = secret.iter().find(|name| request.in_url.contains(**name));
        assert!(
            shown.is_none(),
            "S1: {shown:?} in the URL of a request to {:?}",
            request.endpoint
        );
    }
}

/// RFC 6749 section 6: what is left out is what was granted; anything else is less, or refused.
pub(super) async fn the_scope_of_the_login_is_asked_for(world: &World<'_>) {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    let granted = words(&world.record().await.data.scope);
    let got = world.ask().await;
    world.assert_current("L8", &got.expect("L8: a refresh")).await;
    for request in world.server.requests() {
        if let Some(scope) = request.params.get("scope") {
            assert_eq!(words(scope), granted, "L8: a refresh asks for another scope");
        }
    }
    let after = words(&world.record().await.data.scope);
    assert_eq!(after, granted, "L8: the scope stays");
}

/// A token without one is good until it expires.
pub(super) async fn nothing_is_sent_without_a_refresh_token(world: &World<'_>) {
    let mut data = world.issued().with_expires_at(0);
    data.refresh_token = None;
    if !world.accepts(&world.key, &data).await {
        return;
    }
    let before = world.record().await;
    let refresher = world.refresher().await;
    for _ in 0..2 {
        let got = refresher.access_token(&world.key).await;
        assert!(got.is_err(), "L9: it is expired, and nothing can be done about it");
    }
    assert!(world.record().await == before, "L7: the record");
    world.expire_at(Some(now() + 3000)).await;
    let got = refresher.access_token(&world.key).await;
    assert!(got == Ok(data.access_token), "L9: it is good");
    let asked = world.server.count(Endpoint::Token);
    assert_eq!(asked, 0, "L9: the server was asked, with no token to redeem");
}

/// Others were handed the old access token, which is good until it expires.
pub(super) async fn a_refresh_revokes_nothing(world: &World<'_>) {
    let before = world.record().await.data;
    let got = world.ask().await;
    world.assert_current("L9", &got.expect("L9: a refresh")).await;
    let after = world.record().await.data;
    let refresh_token = after.refresh_token.expect("L8: the new refresh token");
    assert!(
        world.server.is_active(refresh_token.expose()),
        "L8: the new refresh token is good"
    );
    assert!(
        world.server.is_active(before.access_token.expose()),
        "L9: what was handed out is revoked"
    );
}
