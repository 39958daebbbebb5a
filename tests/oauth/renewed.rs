//! The id_token of a refresh: of the same login, or nothing of the answer is stored.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use token_storage::{
    MemoryStorage, TokenData, TokenKey, TokenResponse, TokenStorage,
    manager::{ManagerErrorKind, ReauthReason, TokenManager},
};

use crate::fake::{CLIENT, Fake, ISSUER, values};

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "ada", "aud": CLIENT, "exp": 1})
}

fn id_token(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn with(name: &str, value: impl Into<Value>) -> String {
    let mut claims = claims();
    claims[name] = value.into();
    id_token(&claims)
}

/// What a login left: with an identity, an id_token, both, or neither.
fn stored(fake: &Arc<Fake>, identity: bool, token: bool) -> TokenResponse {
    let mut body = json!({"access_token": "at-1", "refresh_token": "rt-1", "resource_server": "rs"});
    if token {
        body["id_token"] = id_token(&claims()).into();
    }
    let response = TokenResponse::parse(body.to_string(), 0).unwrap();
    let response = response.with_issued_by(&fake.client().issued_by());
    if identity {
        response.with_identity_id("ada")
    } else {
        response
    }
}

/// Refreshes what a login left, and says how that went, what is stored then, and what was revoked.
async fn refresh(
    fake: &Arc<Fake>,
    left: &TokenResponse,
    answer: Value,
) -> (Result<(), ManagerErrorKind>, TokenData, Vec<String>) {
    fake.answer("/token", answer.to_string());
    let storage = MemoryStorage::new();
    let manager = TokenManager::builder(storage.clone(), Arc::new(fake.client()))
        .build()
        .unwrap();
    manager.store_login("DEFAULT", left).await.unwrap();
    let key = TokenKey::in_default("rs");
    let outcome = manager.refresh(&key).await.map(drop).map_err(|error| error.kind());
    let revoked = fake.forms("/revoke");
    let revoked = revoked.iter().map(|form| values(form, "token")[0].to_owned()).collect();
    (outcome, storage.get(&key).await.unwrap().unwrap().data, revoked)
}

fn answer(id_token: &str) -> Value {
    json!({"access_token": "at-2", "refresh_token": "rt-2", "id_token": id_token})
}

#[tokio::test]
async fn of_the_same_login_it_is_stored() {
    let mut several = claims();
    several["aud"] = json!([CLIENT, "another-client"]);
    for token in [id_token(&claims()), id_token(&several), with("nonce", "n")] {
        for (identity, stored_token) in [(true, true), (true, false), (false, true), (false, false)] {
            let fake = Fake::new();
            let left = stored(&fake, identity, stored_token);
            let (outcome, data, revoked) = refresh(&fake, &left, answer(&token)).await;
            assert_eq!((outcome, revoked.len()), (Ok(()), 0));
            assert_eq!(data.access_token.expose(), "at-2");
            assert_eq!(data.extra.get("id_token"), Some(json!(token).to_string().as_str()));
        }
    }
}

#[tokio::test]
async fn of_another_login_nothing_is_stored_and_what_came_is_revoked() {
    for token in [
        with("sub", "mallory"),
        with("sub", ""),
        with("iss", "https://elsewhere.example"),
        with("aud", "another-client"),
        with("aud", json!([])),
        "garbage".to_owned(),
        id_token(&json!({"sub": "ada"})),
    ] {
        for (identity, stored_token) in [(true, true), (true, false), (false, true)] {
            let fake = Fake::new();
            let left = stored(&fake, identity, stored_token);
            let (outcome, data, revoked) = refresh(&fake, &left, answer(&token)).await;
            let kind = ManagerErrorKind::ReauthRequired(ReauthReason::Refused);
            assert_eq!(outcome, Err(kind), "{token}");
            assert_eq!(revoked, ["rt-2", "at-2"], "{token}");
            assert_eq!(data, left.primary().to_data().unwrap(), "the record is kept");
        }
    }
}

#[tokio::test]
async fn what_the_record_has_too_is_not_revoked() {
    let fake = Fake::new();
    let left = stored(&fake, true, true);
    let same = json!({"access_token": "at-2", "refresh_token": "rt-1", "id_token": with("sub", "mallory")});
    let (outcome, data, revoked) = refresh(&fake, &left, same).await;
    assert!(outcome.is_err());
    assert_eq!(revoked, ["at-2"]);
    assert_eq!(data.refresh_token.unwrap().expose(), "rt-1");
}

#[tokio::test]
async fn a_record_of_nobody_known_takes_what_comes() {
    let fake = Fake::new();
    let left = stored(&fake, false, false);
    for token in ["garbage", &with("sub", "mallory")] {
        let (outcome, data, _) = refresh(&fake, &left, answer(token)).await;
        assert_eq!((outcome, data.access_token.expose()), (Ok(()), "at-2"));
    }
}
