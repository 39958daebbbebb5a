//! Answers that make no sense in part: a refresh token was spent for them, so nothing is thrown away (K8).

use futures_util::future::join_all;

use super::{Config, World};
use crate::{auth_server::Fault, refreshing::world::now};

/// What makes no sense counts as absent.
pub(super) async fn an_empty_member_is_an_absent_one(world: &World<'_>) {
    const EMPTY: [(&str, &str); 7] = [
        ("refresh_token", "\"\""),
        ("refresh_token", "null"),
        ("refresh_token", "5"),
        ("scope", "\"\""),
        ("scope", "null"),
        ("token_type", "\"\""),
        ("token_type", "null"),
    ];
    for (name, json) in EMPTY {
        world.log_in().await;
        let before = world.record().await.data;
        world.script(Fault::Member(name, json));
        let got = world.ask().await;
        let token = got.unwrap_or_else(|why| panic!("K8: an answer with {name}: {json} is an answer: {why}"));
        world.assert_current("K8", &token).await;
        let after = world.record().await.data;
        assert!(
            after.refresh_token == before.refresh_token,
            "L8: the refresh token stays, {name}: {json}"
        );
        assert_eq!(after.scope, before.scope, "L8: the scope stays, {name}: {json}");
        assert_eq!(
            after.token_type, before.token_type,
            "L8: the token type stays, {name}: {json}"
        );
    }
}

/// With whether it may be understood all the same.
const ODD: [(&str, bool); 9] = [
    ("\"3600\"", true),
    ("3600.0", true),
    ("\"soon\"", false),
    ("-5", false),
    ("1e300", false),
    ("9223372036854775807", false),
    ("null", false),
    ("true", false),
    ("{}", false),
];

pub(super) async fn an_odd_expiry_costs_no_token(world: &World<'_>) {
    join_all(ODD.map(|(json, may_be_understood)| is_kept(world, json, may_be_understood))).await;
}

async fn is_kept(world: &World<'_>, json: &'static str, may_be_understood: bool) {
    let world = world.another(Config::default()).await;
    world.script(Fault::Member("expires_in", json));
    let asked = now();
    let got = world.ask().await;
    let token = got.unwrap_or_else(|why| panic!("K8: an answer with expires_in: {json} is an answer: {why}"));
    world.assert_current("K8", &token).await;
    let after = world.record().await.data;
    let refresh_token = after.refresh_token.expect("L8: the new refresh token");
    assert!(
        world.server.is_active(refresh_token.expose()),
        "L8: the new refresh token, expires_in: {json}"
    );
    let hour = asked + 3000..=now() + 3601;
    let fits = after
        .expires_at
        .is_none_or(|at| may_be_understood && hour.contains(&at));
    assert!(fits, "K8: {json} is no expiry, and not {:?}", after.expires_at);
    world.close(1).await;
}

/// It is known, and past at once; the next who asks needs another.
pub(super) async fn an_expiry_of_zero_is_now(world: &World<'_>) {
    let before = world.record().await.data;
    world.script(Fault::Member("expires_in", "0"));
    let asked = now();
    // Whoever brought it may have it or not: it is expired.
    let _ = world.ask().await;
    let after = world.record().await.data;
    assert!(after.access_token != before.access_token, "L6: it is stored");
    let expires_at = after.expires_at.expect("K8: the expiry is known");
    assert!(
        (asked..=now()).contains(&expires_at),
        "K8: it is now, and not {expires_at}"
    );
    let got = world.ask().await;
    world.assert_current("K8", &got.expect("K8: another was due")).await;
    assert_eq!(world.requests(), 2, "K8: another was due");
}
