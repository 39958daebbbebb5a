//! Programs without async: the same promises, from plain threads.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenResponse, Write,
    blocking::{self, Runtime, Storage, TokenManager},
    manager::{Logout, ManagerError},
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault, Gate};

const NAME: &str = "groups.api.globus.org";
const SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

fn key() -> TokenKey {
    TokenKey::in_default(NAME)
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    since_1970.try_into().unwrap()
}

/// A manager on this storage, whose token has expired.
fn expired(storage: &Storage) -> (AuthServer, TokenManager) {
    logged_in(storage, now() - 4000)
}

fn logged_in(storage: &Storage, then: i64) -> (AuthServer, TokenManager) {
    let server = AuthServer::start();
    let provider = Provider::new(&server.token_url()).unwrap();
    let provider = provider.with_revocation_endpoint(&server.revocation_url()).unwrap();
    let endpoint = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let manager = TokenManager::new(storage, Arc::new(endpoint)).unwrap();
    let answer = TokenResponse::parse(server.issue(AuthServer::NATIVE_CLIENT, SCOPE), then).unwrap();
    manager.store_login("DEFAULT", &answer).unwrap();
    (server, manager)
}

#[test]
fn every_call_of_a_storage() {
    let storage = blocking::open("memory:").unwrap();
    let (a, b) = (TokenKey::in_default("a"), TokenKey::in_default("b"));
    let data = TokenData::new("a", "read", "at");
    let revision = storage.store(&a, &data, Precondition::Absent).unwrap();
    assert_eq!(storage.get(&a).unwrap().unwrap().revision, revision);
    assert!(storage.store(&a, &data, Precondition::Absent).is_err());
    storage.store_all(&[Write::new(&b, &data, Precondition::Any)]).unwrap();
    let mut keys = storage.keys("DEFAULT").unwrap().unwrap();
    keys.sort_by(|x, y| x.resource_server().cmp(y.resource_server()));
    assert_eq!(keys, [a.clone(), b]);
    let answer = TokenResponse::parse(br#"{"access_token":"new","resource_server":"a"}"#, now()).unwrap();
    let merged = storage.merge_response("DEFAULT", &answer).unwrap();
    assert_eq!(merged[0].data.scope, "read");
    assert!(storage.remove(&a, Precondition::Any).unwrap());
    assert_eq!(storage.describe().backend, "memory");
}

#[test]
fn l5_many_threads_cost_one_request() {
    let storage = blocking::open("memory:").unwrap();
    let (server, manager) = expired(&storage);
    let tokens: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| manager.access_token(&key()).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(
        tokens
            .iter()
            .all(|token| *token == tokens[0] && server.is_active(token.expose()))
    );
    assert_eq!((server.refresh_requests(), server.reuse_detections()), (1, 0));
}

#[test]
fn a_401_is_taken_once() {
    let storage = blocking::open("memory:").unwrap();
    let (server, manager) = logged_in(&storage, now());
    server.expire_access_tokens();
    let sent = manager.send(
        &key(),
        |token| Ok::<_, ManagerError>(server.is_active(token.expose())),
        |active| !active,
    );
    assert!(sent.unwrap());
    assert_eq!(server.refresh_requests(), 1);
    manager.refresh(&key()).unwrap();
    assert_eq!(server.refresh_requests(), 2);
    assert!(manager.logout(&key(), Logout::Revoke).unwrap());
    assert!(manager.access_token(&key()).unwrap_err().needs_login());
}

/// tokio's own way to block panics there, and so does dropping its runtime.
#[tokio::test]
async fn a_thread_that_runs_async_code_may_call_too() {
    let storage = blocking::open("memory:").unwrap();
    let (server, manager) = expired(&storage);
    assert!(server.is_active(manager.access_token(&key()).unwrap().expose()));
    drop((storage, manager));
}

#[test]
fn l6_dropping_the_manager_waits_for_a_refresh() {
    let storage = Storage::new(Arc::new(MemoryStorage::new()), Runtime::new().unwrap());
    let (server, manager) = expired(&storage);
    let before = storage.get(&key()).unwrap().unwrap();
    let gate = Gate::new();
    server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    // Somebody asks and goes away while the server thinks.
    let asked = manager.inner().clone();
    storage.runtime().wait(async {
        let asking = tokio::spawn(async move { asked.access_token(&key()).await });
        gate.arrived().await;
        asking.abort();
        let _ = asking.await;
    });
    gate.open();
    drop(manager);
    let stored = storage.get(&key()).unwrap().unwrap();
    assert_ne!(stored.data.access_token, before.data.access_token);
    assert!(
        server.is_active(stored.data.access_token.expose()),
        "what was sent for has been stored"
    );
}
