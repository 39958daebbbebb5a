//! yup-oauth2's own authenticator over our storages, at a strict server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use time::OffsetDateTime;
use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _,
    manager::TokenManager,
    oauth::{ClientAuth, HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint};
use token_storage_yup_oauth2::YupTokens;
use yup_oauth2::{
    ApplicationSecret, CustomHyperClientBuilder, DeviceFlowAuthenticator,
    authenticator::Authenticator,
    storage::{TokenInfo, TokenStorage as _},
};

const SCOPES: [&str; 2] = ["write", "read"];
/// Sorted.
const NAME: &str = "read write";

async fn authenticator(server: &Arc<AuthServer>, tokens: YupTokens<MemoryStorage>) -> Authenticator<HttpConnector> {
    let secret = ApplicationSecret {
        client_id: AuthServer::SERVICE_CLIENT.to_owned(),
        client_secret: AuthServer::SERVICE_SECRET.to_owned(),
        token_uri: server.token_url(),
        ..ApplicationSecret::default()
    };
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    DeviceFlowAuthenticator::with_client(secret, CustomHyperClientBuilder::from(client))
        .with_storage(Box::new(tokens))
        .build()
        .await
        .unwrap()
}

/// What yup-oauth2 stores at the end of a login, that ended a while ago.
async fn log_in(server: &AuthServer, tokens: &YupTokens<MemoryStorage>) -> TokenInfo {
    let answer: serde_json::Value = serde_json::from_str(&server.issue(AuthServer::SERVICE_CLIENT, NAME)).unwrap();
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let token = TokenInfo {
        access_token: text("access_token"),
        refresh_token: text("refresh_token"),
        expires_at: Some(OffsetDateTime::now_utc() + Duration::from_secs(3600)),
        id_token: Some("e30.e30.e30".to_owned()),
    };
    tokens.set(&SCOPES, token.clone()).await.unwrap();
    token
}

async fn token(authenticator: &Authenticator<HttpConnector>) -> String {
    let token = authenticator.token(&SCOPES).await.unwrap();
    token.token().unwrap().to_owned()
}

fn key() -> TokenKey {
    TokenKey::new("alice", NAME)
}

/// The stored token has expired a while ago.
async fn expire(storage: &MemoryStorage) {
    let mut stored = storage.get(&key()).await.unwrap().unwrap();
    stored.data.expires_at = Some(1000);
    storage.store(&key(), &stored.data, Precondition::Any).await.unwrap();
}

#[tokio::test]
async fn a_login_is_kept_and_found_by_the_next_authenticator() {
    let (server, storage) = (Arc::new(AuthServer::start()), MemoryStorage::new());
    let open = || YupTokens::new(storage.clone(), "alice");
    let kept = log_in(&server, &open()).await;
    let first = kept.access_token.clone().unwrap();
    let found = open().get(&["read", "write"]).await.unwrap();
    assert_eq!(
        (&found.access_token, &found.refresh_token),
        (&kept.access_token, &kept.refresh_token)
    );
    assert_eq!(found.id_token, kept.id_token);
    assert_eq!(
        found.expires_at.unwrap().unix_timestamp(),
        kept.expires_at.unwrap().unix_timestamp()
    );
    assert!(open().get(&["read"]).await.is_none());
    assert!(YupTokens::new(storage.clone(), "bob").get(&SCOPES).await.is_none());

    let asked = server.count(Endpoint::Token);
    assert_eq!(token(&authenticator(&server, open()).await).await, first);
    assert_eq!(server.count(Endpoint::Token), asked, "nobody was asked");

    expire(&storage).await;
    let second = token(&authenticator(&server, open()).await).await;
    assert!(second != first && server.is_active(&second));
    let stored = storage.get(&key()).await.unwrap().unwrap().data;
    assert_eq!(stored.access_token.expose(), second);
    assert!(
        server.is_active(stored.refresh_token.unwrap().expose()),
        "the rotated one is kept"
    );
}

#[tokio::test]
async fn l5_with_a_manager_many_authenticators_refresh_once() {
    let (server, storage) = (Arc::new(AuthServer::start()), MemoryStorage::new());
    let provider = Provider::new(&server.token_url()).unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::SERVICE_CLIENT);
    let client = Arc::new(client.with_secret(AuthServer::SERVICE_SECRET, ClientAuth::Header));
    // A manager each, as if they were processes.
    let open = || {
        let manager = TokenManager::builder(storage.clone(), client.clone()).build().unwrap();
        YupTokens::managed(manager, "alice")
    };
    log_in(&server, &open()).await;
    expire(&storage).await;
    let mut asking = Vec::new();
    for _ in 0..8 {
        let one = authenticator(&server, open()).await;
        asking.push(tokio::spawn(async move { token(&one).await }));
    }
    let mut tokens = Vec::new();
    for one in asking {
        tokens.push(one.await.unwrap());
    }
    assert!(
        tokens
            .iter()
            .all(|token| *token == tokens[0] && server.is_active(token))
    );
    assert_eq!((server.refresh_requests(), server.reuse_detections()), (1, 0));
}

#[tokio::test]
async fn why_a_token_could_not_be_had_is_told() {
    let (server, storage) = (Arc::new(AuthServer::start()), MemoryStorage::new());
    let provider = Provider::new(&server.token_url()).unwrap();
    let client = Arc::new(OAuthClient::new(HttpClient::new().unwrap(), provider, "another-client"));
    let told = Arc::<Mutex<Vec<String>>>::default();
    log_in(&server, &YupTokens::new(storage.clone(), "alice")).await;
    expire(&storage).await;
    let manager = TokenManager::builder(storage.clone(), client).build().unwrap();
    let noted = told.clone();
    let tokens = YupTokens::managed(manager, "alice");
    let tokens = tokens.on_error(move |error| noted.lock().unwrap().push(error.to_string()));
    // It tries to log in anew, and nobody is there.
    assert!(authenticator(&server, tokens).await.token(&SCOPES).await.is_err());
    assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    assert_eq!(
        server.refresh_requests() + server.reuse_detections(),
        1,
        "the manager's, and none by yup-oauth2"
    );
}

#[tokio::test]
async fn what_is_encrypted_and_was_read_without_its_key_is_not_used() {
    let storage = MemoryStorage::new();
    let sealed = "token-storage-sealed:1:0123456789abcdef:AAAA";
    let mut record = TokenData::new(NAME, NAME, sealed).with_refresh_token(sealed);
    record
        .extra
        .insert("token_storage_sealed", &format!("\"{sealed}\""))
        .unwrap();
    storage.store(&key(), &record, Precondition::Any).await.unwrap();
    let told = Arc::<Mutex<Vec<String>>>::default();
    let noted = told.clone();
    let tokens = YupTokens::new(storage, "alice").on_error(move |error| noted.lock().unwrap().push(error.to_string()));
    assert!(tokens.get(&SCOPES).await.is_none());
    assert!(told.lock().unwrap()[0].contains("encrypted+"), "{told:?}");
}
