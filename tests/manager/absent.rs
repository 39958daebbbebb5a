//! Tokens that a client gets for itself, of which none is stored yet: L4 to L7 from the very first request.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use token_storage::{
    Grant, IssuedBy, Precondition, Renewal, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    manager::{Logout, ManagerBuilder, ManagerErrorKind, ReauthReason, RefreshStatus, TokenManager},
    oauth::{ClientAuth, HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate, LoggedRequest};

use crate::{
    leaseless::Leaseless,
    storages,
    support::{LIFETIME, World, key},
};

fn own() -> TokenKey {
    TokenKey::in_default("reports")
}

fn renewal() -> Renewal {
    let renewal = Renewal::new(Grant::ClientCredentials).with_scope("read");
    renewal.with_parameter("audience", "https://api.example.org").unwrap()
}

fn client(server: &AuthServer, secret: &str) -> Arc<OAuthClient> {
    let provider = Provider::new(&server.token_url()).unwrap();
    let provider = provider.with_revocation_endpoint(&server.revocation_url()).unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::SERVICE_CLIENT);
    Arc::new(client.with_secret(secret, ClientAuth::Header))
}

/// The token of [`own`] needs no login, any other does.
fn builder<S: TokenStorage + Clone + 'static>(world: &World<S>, client: &Arc<OAuthClient>) -> ManagerBuilder<S> {
    TokenManager::builder(world.storage.clone(), client.clone())
        .clock(world.clock.clone())
        .fetch_absent(|key| (*key == own()).then(renewal))
}

fn own_requests(server: &AuthServer) -> Vec<LoggedRequest> {
    let of_client = |request: &LoggedRequest| request.grant_type() == Some("client_credentials");
    server.requests().into_iter().filter(of_client).collect()
}

#[tokio::test]
async fn l5_the_first_fetch_is_one_request_on_every_storage() {
    for place in storages::all().await {
        let world = World::with(place.open(), Config::default()).await;
        let client = client(&world.server, AuthServer::SERVICE_SECRET);
        let managers = [place.open(), place.open(), place.open()].map(|storage| {
            let builder = TokenManager::builder(storage, client.clone()).clock(world.clock.clone());
            builder.fetch_absent(|_| Some(renewal())).build().unwrap()
        });
        for expiry in 1..=3 {
            let calls = (0..24).map(|nth| {
                let manager = managers[nth % 3].clone();
                tokio::spawn(async move { manager.access_token(&own()).await })
            });
            let tokens = join_all(calls).await.into_iter().map(|token| token.unwrap().unwrap());
            let stored = world.storage.get(&own()).await.unwrap().unwrap().data;
            for token in tokens {
                assert_eq!(*token.secret(), stored.access_token, "{}", place.name);
            }
            assert!(world.server.is_active(stored.access_token.expose()));
            let requests = own_requests(&world.server);
            assert_eq!(requests.len(), expiry, "{}: one request each time", place.name);
            for request in requests {
                assert_eq!(request.params["scope"], "read");
                assert_eq!(
                    request.targets,
                    [("audience".to_owned(), "https://api.example.org".to_owned())]
                );
            }
            assert_eq!(Renewal::of(&stored).unwrap(), renewal());
            let issued_by = IssuedBy::of(&stored).unwrap().unwrap();
            assert_eq!(issued_by.client_id.as_deref(), Some(AuthServer::SERVICE_CLIENT));
            world.expire();
        }
    }
}

#[tokio::test]
async fn only_what_the_program_names_is_fetched() {
    let world = World::new().await;
    let client = client(&world.server, AuthServer::SERVICE_SECRET);
    let no_token = ManagerErrorKind::ReauthRequired(ReauthReason::NoToken);
    let manager = builder(&world, &client).build().unwrap();
    let other = TokenKey::in_default("another");
    assert_eq!(manager.access_token(&other).await.unwrap_err().kind(), no_token);
    let by_refresh_token = TokenManager::builder(world.storage.clone(), client.clone())
        .fetch_absent(|_| Some(Renewal::default()))
        .build()
        .unwrap();
    assert_eq!(
        by_refresh_token.access_token(&own()).await.unwrap_err().kind(),
        no_token
    );
    assert_eq!(world.server.requests().len(), 0);
}

#[tokio::test]
async fn l8_a_login_that_came_first_is_kept_and_ours_revoked() {
    let world = World::new().await;
    let client = client(&world.server, AuthServer::SERVICE_SECRET);
    let manager = builder(&world, &client).build().unwrap();
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let fetching = tokio::spawn({
        let manager = manager.clone();
        async move { manager.access_token(&own()).await }
    });
    gate.arrived().await;
    let theirs = TokenData::new("reports", "read", "theirs").with_expires_at(i64::MAX);
    world
        .storage
        .store(&own(), &theirs, Precondition::Absent)
        .await
        .unwrap();
    gate.open();
    assert_eq!(fetching.await.unwrap().unwrap().expose(), "theirs");
    assert_eq!(own_requests(&world.server).len(), 1);
    let revoked = world
        .server
        .requests()
        .into_iter()
        .filter(|request| request.endpoint == Endpoint::Revoke);
    for token in revoked.map(|request| request.params["token"].clone()) {
        assert!(!world.server.is_active(&token));
    }
    assert_eq!(
        world.server.count(Endpoint::Revoke),
        1,
        "the access token is all there is"
    );
}

#[tokio::test]
async fn l7_a_refused_client_is_told_so_and_keeps_nobody_waiting_who_corrects_it() {
    for refusal in ["invalid_client", "invalid_grant"] {
        let world = World::new().await;
        let refused = Fault::Refuse {
            status: 400,
            error: refusal,
        };
        world.server.script(Endpoint::Token, refused);
        let client = client(&world.server, AuthServer::SERVICE_SECRET);
        let error = builder(&world, &client)
            .build()
            .unwrap()
            .access_token(&own())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::ClientRejected, "{refusal}: {error}");
        assert!(!error.to_string().contains("log in"), "{error}");
        builder(&world, &client)
            .build()
            .unwrap()
            .access_token(&own())
            .await
            .unwrap();
        assert_eq!(own_requests(&world.server).len(), 2);
    }
}

#[tokio::test]
async fn l7_a_pause_before_the_first_token_is_kept_by_all() {
    for place in storages::all().await {
        let world = World::with(place.open(), Config::default()).await;
        let client = client(&world.server, AuthServer::SERVICE_SECRET);
        let overloaded = Fault::Status {
            status: 429,
            retry_after: Some(3),
        };
        world.server.script(Endpoint::Token, overloaded);
        for _ in 0..12 {
            let manager = builder(&world, &client).build().unwrap();
            let error = manager.access_token(&own()).await.unwrap_err();
            assert_eq!(error.kind(), ManagerErrorKind::Transient, "{}", place.name);
            let told = manager.refresh_status(&own()).await.unwrap();
            assert!(matches!(told, RefreshStatus::Failed(_)), "{}: {told:?}", place.name);
        }
        assert_eq!(own_requests(&world.server).len(), 1, "{}", place.name);
        world.clock.advance(4);
        builder(&world, &client)
            .build()
            .unwrap()
            .access_token(&own())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn after_a_logout_it_is_fetched_anew() {
    let world = World::new().await;
    let client = client(&world.server, AuthServer::SERVICE_SECRET);
    let manager = builder(&world, &client).build().unwrap();
    let first = manager.access_token(&own()).await.unwrap();
    assert!(manager.logout(&own(), Logout::Revoke).await.unwrap());
    assert!(!world.server.is_active(first.expose()));
    let second = manager.access_token(&own()).await.unwrap();
    assert!(world.server.is_active(second.expose()));
    assert_ne!(first.secret(), second.secret());
}

#[tokio::test]
async fn a_forced_refresh_and_a_401_of_what_was_never_there_fetch_it() {
    let world = World::new().await;
    let client = client(&world.server, AuthServer::SERVICE_SECRET);
    let manager = builder(&world, &client).trust(Duration::ZERO).build().unwrap();
    let first = manager.refresh(&own()).await.unwrap();
    world.storage.remove(&own(), Precondition::Any).await.unwrap();
    let second = manager.rejected(&own(), &first).await;
    assert_eq!(
        second.unwrap_err().kind(),
        ManagerErrorKind::StillRejected,
        "it was forced just now"
    );
    world.clock.advance(LIFETIME);
    assert_ne!(manager.access_token(&own()).await.unwrap().secret(), first.secret());
    assert!(
        world.storage.get(&key()).await.unwrap().is_some(),
        "nothing else was touched"
    );
}

#[tokio::test]
async fn a_storage_without_leases_has_it_too() {
    let world = World::with(Leaseless::default(), Config::default()).await;
    let client = client(&world.server, AuthServer::SERVICE_SECRET);
    let manager = builder(&world, &client).single_process().build().unwrap();
    let key = own();
    let calls = join_all((0..8).map(|_| manager.access_token(&key))).await;
    assert!(calls.into_iter().all(|token| token.is_ok()));
    assert_eq!(own_requests(&world.server).len(), 1);
}
