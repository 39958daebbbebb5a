//! A server that issued tokens, and a manager that hands them out.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use token_storage::{
    MemoryStorage, ResponsesExt as _, TokenKey, TokenResponse,
    manager::{Authorizer, TokenManager},
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint};

const NAME: &str = "groups.api.globus.org";
const SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

pub(crate) struct World {
    pub(crate) server: AuthServer,
    pub(crate) manager: TokenManager<MemoryStorage>,
}

impl World {
    /// Logged in in the namespace `DEFAULT`.
    pub(crate) async fn new() -> Self {
        let server = AuthServer::start();
        let provider = Provider::new(&server.token_url()).unwrap();
        let endpoint = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
        let manager = TokenManager::builder(MemoryStorage::new(), Arc::new(endpoint));
        let manager = manager.build().unwrap();
        let world = Self { server, manager };
        world.log_in("DEFAULT").await;
        world
    }

    pub(crate) async fn log_in(&self, namespace: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let answer = self.server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
        let answer = TokenResponse::parse(answer, now.try_into().unwrap()).unwrap();
        let storage = self.manager.storage();
        storage.store_response(namespace, &answer).await.unwrap();
    }

    pub(crate) fn key(namespace: &str) -> TokenKey {
        TokenKey::new(namespace, NAME)
    }

    pub(crate) fn authorizer(&self) -> Authorizer<MemoryStorage> {
        self.manager.authorizer(&Self::key("DEFAULT"))
    }

    /// What answers 401 to a token that is not good, and 200 to one that is.
    pub(crate) fn service(&self) -> String {
        format!("{}/v2/groups/my_groups", self.server.url())
    }

    /// How many requests the service has had, and how often a token was refreshed.
    pub(crate) fn counts(&self) -> (usize, usize) {
        assert_eq!(self.server.reuse_detections(), 0);
        (self.server.count(Endpoint::Groups), self.server.refresh_requests())
    }
}
