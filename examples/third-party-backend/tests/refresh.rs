//! The token manager over this backend: one expiry, one request, whoever asks.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use token_storage::{
    ResponsesExt as _, TokenResponse,
    manager::TokenManager,
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config};
use token_storage_core::TokenKey;
use token_storage_folder::FolderStorage;

const RESOURCE_SERVER: &str = "groups.api.globus.org";
const SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn manager(storage: &FolderStorage, server: &AuthServer) -> TokenManager<FolderStorage> {
    let provider = Provider::new(&server.token_url()).unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    TokenManager::builder(storage.clone(), Arc::new(client))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn l5_one_expiry_costs_one_request() {
    let place = tempfile::tempdir().unwrap();
    let storage = FolderStorage::open(place.path()).unwrap();
    let server = AuthServer::start_with(Config::default());
    // A login of an hour ago: what it gave is expired.
    let body = server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
    let response = TokenResponse::parse(&body, now() - 7200).unwrap();
    let response = response.with_resource_server(RESOURCE_SERVER).unwrap();
    storage.store_response("DEFAULT", &response).await.unwrap();

    let key = TokenKey::in_default(RESOURCE_SERVER);
    let mut asking = Vec::new();
    for _ in 0..4 {
        // As separate parts of a program would: a handle and a manager each.
        let manager = manager(&FolderStorage::open(place.path()).unwrap(), &server);
        for _ in 0..8 {
            let (manager, key) = (manager.clone(), key.clone());
            asking.push(tokio::spawn(async move {
                manager.authorizer(&key).header_value().await.unwrap()
            }));
        }
    }
    let mut headers = Vec::new();
    for task in asking {
        headers.push(task.await.unwrap().expose().to_owned());
    }
    headers.dedup();
    assert_eq!(headers.len(), 1, "everybody gets the same token");
    assert_eq!(server.refresh_requests(), 1);
    assert_eq!(server.reuse_detections(), 0);
}
