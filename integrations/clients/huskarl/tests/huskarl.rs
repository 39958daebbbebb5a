//! huskarl over our storages.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use huskarl::{
    cache::{RefreshTokenStore, TokenSource},
    core::secrets::SecretString,
    token::RefreshToken,
};
use token_storage::{
    MemoryStorage, Namespaced, Precondition, ResponsesExt as _, TokenData, TokenKey, TokenResponse, TokenStorage as _,
    manager::TokenManager,
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::AuthServer;
use token_storage_huskarl::{RefreshTokens, Tokens};

fn refresh_token(text: &str, thumbprint: Option<&str>) -> RefreshToken {
    RefreshToken::new(SecretString::new(text), thumbprint.map(str::to_owned))
}

#[tokio::test]
async fn a_refresh_token_is_kept_changed_and_cleared() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let store = RefreshTokens::new(tokens.clone(), "api");
    assert!(store.get().await.unwrap().is_none());
    for token in [
        refresh_token("first", Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")),
        refresh_token("second", None),
    ] {
        store.set(&token).await.unwrap();
        assert_eq!(store.get().await.unwrap(), Some(token));
    }
    // Of another process.
    assert_eq!(
        RefreshTokens::new(tokens.clone(), "api").get().await.unwrap(),
        Some(refresh_token("second", None))
    );
    store.clear().await.unwrap();
    assert!(store.get().await.unwrap().is_none() && tokens.get("api").await.unwrap().is_none());
    store.clear().await.unwrap();
}

#[tokio::test]
async fn what_else_is_in_the_record_stays() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let record = TokenData::new("api", "read", "at")
        .with_refresh_token("old")
        .with_expires_at(17);
    tokens.store("api", &record, Precondition::Any).await.unwrap();
    let store = RefreshTokens::new(tokens.clone(), "api");
    store.set(&refresh_token("new", None)).await.unwrap();
    let stored = tokens.get("api").await.unwrap().unwrap().data;
    assert_eq!(stored, record.clone().with_refresh_token("new"));
    store.clear().await.unwrap();
    let stored = tokens.get("api").await.unwrap().unwrap().data;
    assert_eq!((stored.access_token.expose(), stored.refresh_token), ("at", None));
}

const NAME: &str = "resource.example.org";

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .try_into()
        .unwrap()
}

#[tokio::test]
async fn l5_sources_of_many_processes_refresh_once() {
    let (server, storage) = (AuthServer::start(), MemoryStorage::new());
    let provider = Provider::new(&server.token_url()).unwrap();
    let client = Arc::new(OAuthClient::new(
        HttpClient::new().unwrap(),
        provider,
        AuthServer::NATIVE_CLIENT,
    ));
    let answer = server.issue(AuthServer::NATIVE_CLIENT, "read");
    // An hour and more ago.
    let answer = TokenResponse::parse(answer, now() - 4000)
        .unwrap()
        .with_resource_server(NAME)
        .unwrap();
    storage.store_response("DEFAULT", &answer).await.unwrap();
    let key = TokenKey::in_default(NAME);
    // A manager each, as if they were processes.
    let sources: Vec<_> = (0..8)
        .map(|_| TokenManager::builder(storage.clone(), client.clone()).build().unwrap())
        .map(|manager| Arc::new(Tokens::new(manager.authorizer(&key))))
        .collect();
    let asking: Vec<_> = sources
        .iter()
        .map(|source| {
            tokio::spawn({
                let source = source.clone();
                async move { source.token().await.unwrap() }
            })
        })
        .collect();
    for asked in asking {
        let token = asked.await.unwrap();
        let raw = token.raw_token_response();
        assert!(server.is_active(raw.access_token.expose_secret()));
        assert!(
            raw.expires_in.is_some_and(|left| (3000..=3600).contains(&left)),
            "{:?}",
            raw.expires_in
        );
    }
    assert_eq!((server.refresh_requests(), server.reuse_detections()), (1, 0));

    // A service refuses it.
    server.expire_access_tokens();
    sources[0].invalidate();
    let token = sources[0].token().await.unwrap();
    assert!(server.is_active(token.raw_token_response().access_token.expose_secret()));
    assert_eq!(server.refresh_requests(), 2);
    server.revoke_everything();
    storage.remove(&key, Precondition::Any).await.unwrap();
    sources[0].invalidate();
    assert!(sources[0].token().await.is_err());
}

#[tokio::test]
async fn what_is_encrypted_and_was_read_without_its_key_is_not_used() {
    let tokens = Namespaced::in_default(MemoryStorage::new());
    let sealed = "token-storage-sealed:1:0123456789abcdef:AAAA";
    let mut record = TokenData::new("api", "read", sealed).with_refresh_token(sealed);
    record
        .extra
        .insert("token_storage_sealed", &format!("\"{sealed}\""))
        .unwrap();
    tokens.store("api", &record, Precondition::Any).await.unwrap();
    let store = RefreshTokens::new(tokens.clone(), "api");
    assert!(store.get().await.is_err());
    assert!(store.set(&refresh_token("new", None)).await.is_err());
    assert!(store.clear().await.is_err());
    assert_eq!(tokens.get("api").await.unwrap().unwrap().data, record);
}
