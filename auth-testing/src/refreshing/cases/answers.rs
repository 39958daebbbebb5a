//! What an answer says, and what it leaves out.

use token_storage_core::{Precondition, TokenData, TokenKey};

use super::World;
use crate::{auth_server::Fault, refreshing::world::now};

/// An endpoint may add members of its own, such as which server answered.
fn assert_kept(before: &TokenData, after: &TokenData) {
    assert_eq!(after.resource_server, before.resource_server, "L8: the name stays");
    assert_eq!(after.identity_id, before.identity_id, "L8: the identity stays");
    for (name, json) in before.extra.iter() {
        assert!(after.extra.get(name) == Some(json), "L8: the member {name} stays");
    }
}

pub(super) async fn a_partial_answer_loses_nothing(world: &World<'_>) {
    let got = world.ask().await;
    world.assert_current("L8", &got.expect("L8: a whole answer")).await;
    let mut data = world.record().await.data;
    data.extra.insert("note", "[1, 2]").expect("a legal member");
    data.expires_at = Some(0);
    world.store(&data).await;
    world.script(Fault::Omit(&["refresh_token", "scope", "token_type"]));
    let got = world.ask().await;
    world
        .assert_current("L8", &got.expect("L8: a partial answer is an answer"))
        .await;
    let after = world.record().await.data;
    assert!(after.refresh_token == data.refresh_token, "L8: the refresh token stays");
    assert_eq!(after.scope, data.scope, "L8: the scope stays");
    assert_eq!(after.identity_id, data.identity_id, "L8: the identity stays");
    assert!(after.extra == data.extra, "L8: unknown members stay");
}

/// Compared with what the login brought, not with what a refresh left of it.
pub(super) async fn the_first_refresh_loses_nothing(world: &World<'_>) {
    let before = world.record().await.data;
    world.script(Fault::Omit(&["scope", "token_type"]));
    let asked = now();
    let got = world.ask().await;
    world.assert_current("L8", &got.expect("L8: an answer")).await;
    let after = world.record().await.data;
    assert_kept(&before, &after);
    assert_eq!(after.scope, before.scope, "L8: the scope stays");
    assert_eq!(after.token_type, before.token_type, "L8: the token type stays");
    assert!(
        after.refresh_token.is_some() && after.refresh_token != before.refresh_token,
        "L8: the new refresh token"
    );
    let expires_at = after.expires_at.expect("K8: the answer says when");
    assert!(
        (asked + 3000..=now() + 3601).contains(&expires_at),
        "K8: the expiry is that of the answer"
    );
}

pub(super) async fn a_narrower_scope_is_stored(world: &World<'_>) {
    let before = world.record().await.data;
    world.script(Fault::Member("scope", "\"read\""));
    let got = world.ask().await;
    world
        .assert_current("L8", &got.expect("L8: a narrower scope is no failure"))
        .await;
    let after = world.record().await.data;
    assert_eq!(after.scope, "read", "L8: the scope is what was granted");
    assert_kept(&before, &after);
}

/// One that was not known before; whatever case it is written in.
pub(super) async fn a_token_type_is_stored(world: &World<'_>) {
    let mut data = world.record().await.data;
    data.token_type = None;
    world.store(&data).await;
    let got = world.ask().await;
    world.assert_current("L8", &got.expect("L8: an answer")).await;
    let stored = world.record().await.data.token_type;
    assert!(
        stored.is_some_and(|name| name.eq_ignore_ascii_case("Bearer")),
        "L8: the token type of the answer"
    );
}

pub(super) async fn no_expiry_is_an_unknown_one(world: &World<'_>) {
    world.script(Fault::Omit(&["expires_in"]));
    let first = world.ask().await.expect("K8: an answer without expiry is an answer");
    world.assert_current("K8", &first).await;
    let expires_at = world.record().await.data.expires_at;
    assert_eq!(expires_at, None, "K8: unknown, neither expired nor for ever");
    let second = world.ask().await.expect("L9: of unknown expiry is good until a 401");
    assert!(second == first && world.requests() == 1, "L9: nothing was due");
}

/// Only what is there and belongs to the same person may be renewed by it.
pub(super) async fn other_tokens_bring_no_record_back(world: &World<'_>) {
    let [gone, another] =
        ["gone.example.org", "other.example.org"].map(|name| TokenKey::new(world.key.namespace(), name));
    let somebody_else = world.issued_for(&another).with_identity_id("somebody else");
    let has_another = world.accepts(&another, &somebody_else).await;
    world.script(Fault::Member(
        "other_tokens",
        r#"[{"resource_server": "gone.example.org", "access_token": "x", "refresh_token": "x", "scope": "x",
             "token_type": "Bearer", "expires_in": 3600},
            {"resource_server": "other.example.org", "access_token": "x", "refresh_token": "x", "scope": "x",
             "token_type": "Bearer", "expires_in": 3600}]"#,
    ));
    let got = world.ask().await;
    world.assert_current("L8", &got.expect("L8: an answer")).await;
    let read = async |key| world.storage.get(key).await.expect("the storage under test can read");
    assert!(read(&gone).await.is_none(), "L10: what was logged out stays absent");
    if has_another {
        let after = read(&another).await.expect("L8: the record of another key is there");
        assert!(after.data == somebody_else, "L8: somebody else's record");
    }
    let _ = world.storage.remove(&another, Precondition::Any).await;
}
