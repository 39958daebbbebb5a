//! Above a storage that remembers: what is handed out may be remembered, what is refreshed never.

use std::time::Duration;

use token_storage::{MemoryStorage, ResponsesExt as _, TokenResponse, layers::Cached, manager::Clock as _};
use token_storage_auth_testing::auth_server::{AuthServer, Config};

use crate::support::{RESOURCE_SERVER, SCOPE, World, assert_current, key};

const LONG: Duration = Duration::from_secs(1_000_000);

#[tokio::test]
async fn l5_what_another_process_brought_is_seen_before_a_refresh() {
    let memory = MemoryStorage::new();
    let world = World::with(Cached::new(memory.clone(), LONG), Config::default()).await;
    let manager = world.builder().trust(Duration::ZERO).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    world.expire();
    let body = world.server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
    let elsewhere = TokenResponse::parse(&body, world.clock.now()).unwrap();
    let elsewhere = elsewhere.with_resource_server(RESOURCE_SERVER).unwrap();
    memory.store_response("DEFAULT", &elsewhere).await.unwrap();
    let second = manager.access_token(&key()).await.unwrap();
    assert_ne!(second, first);
    assert_current(&world, &second).await;
    assert_eq!(world.server.refresh_requests(), 0);
}

#[tokio::test]
async fn l5_its_own_refreshes_are_seen_at_once() {
    let world = World::with(Cached::new(MemoryStorage::new(), LONG), Config::default()).await;
    let manager = world.builder().trust(Duration::ZERO).build().unwrap();
    for refreshes in 1..=3 {
        world.expire();
        let token = manager.access_token(&key()).await.unwrap();
        assert_current(&world, &token).await;
        assert_eq!(manager.access_token(&key()).await.unwrap(), token);
        assert_eq!(world.server.refresh_requests(), refreshes);
    }
    assert_eq!(world.server.reuse_detections(), 0);
}
