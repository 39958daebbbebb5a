//! A strict server on this machine that issued tokens, and a manager that hands them out: in place of a login and an API.
#![allow(dead_code, reason = "each example uses a part of it")]

use std::{
    error::Error,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use token_storage::{
    TokenKey, TokenResponse,
    manager::TokenManager,
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint};

pub(crate) const SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";

pub(crate) struct World {
    pub(crate) server: AuthServer,
    pub(crate) client: OAuthClient,
    pub(crate) manager: TokenManager,
}

/// Somebody has logged in already.
pub(crate) async fn start() -> Result<World, Box<dyn Error>> {
    let world = without_login().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let answer = world.server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
    let answer = TokenResponse::parse(answer, now.try_into()?)?;
    world.manager.store_login("DEFAULT", &answer).await?;
    Ok(world)
}

pub(crate) async fn without_login() -> Result<World, Box<dyn Error>> {
    let server = AuthServer::start();
    let http = HttpClient::new()?;
    let provider = Provider::discover(&http, &server.url()).await?;
    let client = OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT);
    let storage = token_storage::open("memory:").await?;
    let manager = TokenManager::builder(storage, Arc::new(client.clone())).build()?;
    Ok(World {
        server,
        client,
        manager,
    })
}

pub(crate) fn groups_of(user: &str) -> TokenKey {
    TokenKey::new(user, "groups.api.globus.org")
}

/// How many groups the API's answer has.
pub(crate) fn count(answer: &[u8]) -> Result<usize, serde_json::Error> {
    serde_json::from_slice::<Vec<serde_json::Value>>(answer).map(|groups| groups.len())
}

impl World {
    pub(crate) fn groups_url(&self) -> String {
        format!("{}/v2/groups/my_groups", self.server.url())
    }

    pub(crate) fn tell(&self) {
        let (asked, refreshed) = (self.server.count(Endpoint::Groups), self.server.refresh_requests());
        println!("requests to the API: {asked}, refreshes: {refreshed}");
    }
}
