//! What a login does to the records that are there, and how all of it is ended.

use std::sync::Arc;

use serde_json::json;
use token_storage::{
    IssuedBy, MemoryStorage, Precondition, ResponsesExt as _, TokenData, TokenKey, TokenResponse, TokenStorage,
    TokenStorageExt as _, async_trait,
    manager::{
        EndpointError, InTheWay, Logout, LogoutOf, ManagerErrorKind, RefreshRequest, RevokeRequest, TokenEndpoint,
        TokenManager,
    },
};
use token_storage_auth_testing::auth_server::Endpoint;

use crate::{
    failures::refuse,
    support::{World, key},
};

/// A server of this name.
#[derive(Debug)]
struct Named(IssuedBy);

#[async_trait]
impl TokenEndpoint for Named {
    async fn refresh(&self, _: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        panic!("nothing is refreshed here");
    }

    fn issued_by(&self) -> Option<IssuedBy> {
        Some(self.0.clone())
    }

    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        match self.0.accepts(data) {
            true => Ok(()),
            false => Err(EndpointError::misdirected(&self.0, data)),
        }
    }

    async fn revoke(&self, _: RevokeRequest<'_>) -> Result<(), EndpointError> {
        Ok(())
    }
}

fn manager(storage: &MemoryStorage, issuer: &str, client: &str) -> TokenManager<MemoryStorage> {
    let endpoint = Arc::new(Named(IssuedBy::named(issuer, client)));
    TokenManager::builder(storage.clone(), endpoint).build().unwrap()
}

fn login(issuer: &str, client: &str, names: &[&str]) -> TokenResponse {
    let token = |name: &&str| json!({"access_token": "at", "refresh_token": format!("rt-{issuer}-{client}"), "resource_server": name, "expires_in": 60});
    let all: Vec<_> = names.iter().map(token).collect();
    let response = TokenResponse::parse(json!(all).to_string(), 0).unwrap();
    response.with_issued_by(&IssuedBy::named(issuer, client))
}

const A: &str = "https://auth.example.org/realms/a";
const B: &str = "https://auth.example.org/realms/b";

#[tokio::test]
async fn a_login_does_not_replace_the_record_of_another_server_or_client() {
    for (issuer, client) in [(B, "id"), (A, "other")] {
        let storage = MemoryStorage::new();
        manager(&storage, A, "id")
            .store_login("DEFAULT", &login(A, "id", &["y"]))
            .await
            .unwrap();
        let before = storage.get(&TokenKey::in_default("y")).await.unwrap();
        let second = manager(&storage, issuer, client);
        let response = login(issuer, client, &["x", "y"]);
        let error = second.store_login("DEFAULT", &response).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.key().resource_server()),
            (ManagerErrorKind::InTheWay, "y")
        );
        assert!(error.to_string().contains(A), "{error}");
        assert_eq!(storage.get(&TokenKey::in_default("y")).await.unwrap(), before);
        assert_eq!(
            storage.get(&TokenKey::in_default("x")).await.unwrap(),
            None,
            "all or nothing"
        );
        let stored = second
            .store_login_with("DEFAULT", &response, InTheWay::Replace)
            .await
            .unwrap();
        let [replaced] = &stored.replaced[..] else {
            panic!("it is said: {:?}", stored.replaced)
        };
        assert_eq!(
            (replaced.key.resource_server(), &replaced.data),
            ("y", &before.unwrap().data)
        );
    }
}

#[tokio::test]
async fn a_second_login_replaces_the_first_and_says_so() {
    let storage = MemoryStorage::new();
    let manager = manager(&storage, A, "id");
    // Of another program, which does not say where it is from.
    let unknown = TokenData::new("x", "", "at").with_refresh_token("unknown");
    storage
        .store(&TokenKey::in_default("x"), &unknown, Precondition::Any)
        .await
        .unwrap();
    let first = manager
        .store_login_with("DEFAULT", &login(A, "id", &["x"]), InTheWay::Refuse)
        .await
        .unwrap();
    assert_eq!(first.replaced.len(), 1);
    let again = manager
        .store_login_with("DEFAULT", &login(A, "id", &["x"]), InTheWay::Refuse)
        .await
        .unwrap();
    assert!(again.replaced.is_empty(), "the refresh token is still the same");
}

#[tokio::test]
async fn default_names_tell_issuers_on_one_host_apart() {
    let storage = MemoryStorage::new();
    let name = |issuer: &'static str| {
        let manager = manager(&storage, issuer, "id");
        async move { manager.default_name("DEFAULT").await.unwrap().unwrap() }
    };
    assert_eq!(name(A).await, "auth.example.org/realms/a");
    assert_eq!(name(B).await, "auth.example.org/realms/b");
    assert_eq!(name("https://auth.example.org:8443").await, "auth.example.org:8443");
    let old = login(A, "id", &["auth.example.org"]);
    manager(&storage, A, "id").store_login("DEFAULT", &old).await.unwrap();
    assert_eq!(name(A).await, "auth.example.org", "it keeps its name");
    assert_eq!(name(B).await, "auth.example.org/realms/b");
}

#[tokio::test]
async fn all_of_a_login_is_ended_and_nothing_else() {
    let storage = MemoryStorage::new();
    let manager = manager(&storage, A, "id");
    manager
        .store_login("DEFAULT", &login(A, "id", &["x", "y", "z"]))
        .await
        .unwrap();
    // One of them has been logged in anew since.
    manager.store_login("DEFAULT", &login(A, "id", &["z"])).await.unwrap();
    let (x, y, z) = (
        TokenKey::in_default("x"),
        TokenKey::in_default("y"),
        TokenKey::in_default("z"),
    );
    let keys = manager.login_keys(&y).await.unwrap();
    assert_eq!(keys, [y.clone(), x.clone()]);
    let ended = manager.logout_all(LogoutOf::Login(&y), Logout::Revoke).await.unwrap();
    for (key, ended) in ended.ended {
        assert!(ended.unwrap(), "{key}");
    }
    assert_eq!(storage.get(&x).await.unwrap(), None);
    assert!(storage.get(&z).await.unwrap().is_some());
}

/// Each server is asked about its own; what it does not end stays, and is told with its name.
#[tokio::test]
async fn all_of_a_namespace_is_ended_but_what_cannot_be_revoked() {
    let storage = MemoryStorage::new();
    let manager = manager(&storage, A, "id");
    manager
        .store_login("DEFAULT", &login(A, "id", &["x", "y"]))
        .await
        .unwrap();
    let theirs = login(B, "id", &["z"]);
    storage.store_response("DEFAULT", &theirs).await.unwrap();
    storage
        .store_response("another", &login(A, "id", &["x"]))
        .await
        .unwrap();
    let ended = manager
        .logout_all(LogoutOf::Namespace("DEFAULT"), Logout::Revoke)
        .await
        .unwrap();
    assert_eq!((ended.ended.len(), ended.unnameable), (3, 0));
    for (key, ended) in ended.ended {
        match ended {
            Ok(ended) => assert!(ended && key.resource_server() != "z"),
            Err(error) => {
                assert_eq!(
                    (error.kind(), key.resource_server()),
                    (ManagerErrorKind::NotRevoked, "z")
                );
                assert!(error.to_string().contains(B), "{error}");
            }
        }
        let left = storage.get(&key).await.unwrap();
        assert_eq!(left.is_some(), key.resource_server() == "z");
    }
    assert!(storage.get(&TokenKey::new("another", "x")).await.unwrap().is_some());
    let removed = manager
        .logout_all(LogoutOf::Namespace("DEFAULT"), Logout::RemoveOnly)
        .await;
    assert_eq!(removed.unwrap().ended.len(), 1);
}

/// RFC 7009 section 2.1: the refresh token is what lives on.
#[tokio::test]
async fn a_word_against_the_access_token_does_not_keep_the_refresh_token_alive() {
    for error in ["invalid_token", "unsupported_token_type"] {
        let world = World::new().await;
        world.server.script(Endpoint::Revoke, refuse(400, error));
        assert!(world.manager().logout(&key(), Logout::Revoke).await.unwrap(), "{error}");
        assert_eq!(world.server.live_refresh_tokens(), 0, "{error}");
        assert_eq!(world.storage.get(&key()).await.unwrap(), None);
    }
}
