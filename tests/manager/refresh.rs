//! L5, L9: one refresh per expiry, when it is due.

use std::time::Duration;

use token_storage::{
    Acquisition, MemoryStorage, Precondition, TokenKey, TokenResponse, TokenStorage, TokenStorageExt as _,
    manager::{Clock as _, Event, Logout, ManagerErrorKind, ReauthReason, Step, TokenManager},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate, Outcome};

use crate::support::{LIFETIME, RESOURCE_SERVER, SCOPE, World, assert_current, key};

#[tokio::test]
async fn l9_a_token_is_good_until_the_skew() {
    let world = World::new().await;
    let manager = world.builder().refresh_ahead(Duration::ZERO).build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    assert_current(&world, &first).await;
    world.clock.advance(LIFETIME - 60);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    assert_eq!(world.server.refresh_requests(), 0);
    world.clock.advance(1);
    let second = manager.access_token(&key()).await.unwrap();
    assert_ne!(second, first);
    assert_current(&world, &second).await;
    assert_eq!(world.server.refresh_requests(), 1);
    assert_eq!(second.expires_at(), Some(world.clock.now() + LIFETIME));
    assert_eq!(
        second.header_value().unwrap().expose(),
        format!("Bearer {}", second.expose())
    );
}

#[tokio::test]
async fn l5_many_tasks_cost_one_request() {
    let world = World::new().await;
    // Three managers are three processes, as far as leases in memory go.
    let managers: Vec<_> = (0..3).map(|_| world.manager()).collect();
    for expiry in 1..=5 {
        world.expire();
        let calls = (0..60).map(|n| {
            let manager: TokenManager<_> = managers[n % 3].clone();
            tokio::spawn(async move { manager.access_token(&key()).await.unwrap() })
        });
        let tokens = futures_util::future::join_all(calls).await;
        let current = world.stored().await.access_token;
        assert!(tokens.into_iter().all(|token| *token.unwrap().secret() == current));
        assert_eq!(world.server.refresh_requests(), expiry);
    }
    assert_eq!(world.server.reuse_detections(), 0);
}

#[tokio::test]
async fn l9_an_unknown_expiry_is_good_until_a_401() {
    let mut config = Config::default();
    config.access_token_lifetime = None;
    let world = World::with(MemoryStorage::new(), config).await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    world.clock.advance(1_000_000);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    assert_eq!(world.server.refresh_requests(), 0);
    let second = manager.rejected(&key(), &first).await.unwrap();
    assert_current(&world, &second).await;
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn a_401_costs_one_forced_refresh_and_no_more() {
    let world = World::new().await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    let rejections = (0..20).map(|_| {
        let (manager, first) = (manager.clone(), first.clone());
        tokio::spawn(async move { manager.rejected(&key(), &first).await.unwrap() })
    });
    let second = manager.rejected(&key(), &first).await.unwrap();
    for other in futures_util::future::join_all(rejections).await {
        assert_eq!(other.unwrap(), second);
    }
    assert_eq!(world.server.refresh_requests(), 1);
    // Another manager still has the first one in mind, and gets what is stored.
    assert_eq!(world.manager().rejected(&key(), &first).await.unwrap(), second);
    let error = manager.rejected(&key(), &second).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::StillRejected);
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn an_authorizer_sends_again_after_a_401() {
    let world = World::new().await;
    let authorizer = world.manager().authorizer(&key());
    let answers = std::sync::Mutex::new(Vec::new());
    let answer = authorizer.send(
        |token| {
            let mut answers = answers.lock().unwrap();
            answers.push(token.expose().to_owned());
            let status = if answers.len() == 1 { 401 } else { 200 };
            async move { Ok::<_, Box<dyn std::error::Error + Send + Sync>>(status) }
        },
        |status| *status == 401,
    );
    assert_eq!(answer.await.unwrap(), 200);
    let answers = answers.into_inner().unwrap();
    assert_ne!(answers[0], answers[1]);
    assert_eq!(world.server.refresh_requests(), 1);
}

/// The wall clock decides what is expired, and nothing else: a jump costs one refresh, and blocks none.
#[tokio::test]
async fn l9_a_clock_that_jumps_costs_one_request() {
    let world = World::new().await;
    let manager = world.manager();
    let day = 24 * 3600;
    world.clock.advance(day);
    let token = manager.access_token(&key()).await.unwrap();
    world.clock.advance(-day);
    assert_eq!(manager.access_token(&key()).await.unwrap(), token);
    assert_eq!(world.server.refresh_requests(), 1);
    world.server.script(Endpoint::Token, Fault::DropConnection);
    manager.refresh(&key()).await.unwrap_err();
    world.clock.advance(-day);
    manager
        .refresh(&key())
        .await
        .expect("the pause after a failure goes by the monotonic clock");
    assert_eq!(world.server.refresh_requests(), 3);
}

#[tokio::test]
async fn namespaces_are_refreshed_each_for_itself() {
    let world = World::new().await;
    let body = world.server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
    let login = TokenResponse::parse(&body, world.clock.now()).unwrap();
    let manager = world.manager();
    manager.store_login("bob", &login).await.unwrap();
    world.expire();
    let bob = TokenKey::new("bob", RESOURCE_SERVER);
    let (ours, theirs) = (key(), &bob);
    let (ours, theirs) = tokio::join!(manager.access_token(&ours), manager.access_token(theirs));
    assert_current(&world, &ours.unwrap()).await;
    let stored = world.storage.get(&bob).await.unwrap().unwrap().data;
    assert_eq!(stored.access_token, *theirs.unwrap().secret());
    assert_eq!(
        (world.server.refresh_requests(), world.server.reuse_detections()),
        (2, 0)
    );
    assert!(manager.logout(&bob, Logout::Revoke).await.unwrap());
    world.stored().await;
}

#[tokio::test]
async fn nothing_stored_and_no_refresh_token_need_a_login() {
    let world = World::new().await;
    let manager = world.manager();
    let mut data = world.stored().await;
    data.refresh_token = None;
    world.storage.store(&key(), &data, Precondition::Any).await.unwrap();
    manager.access_token(&key()).await.unwrap();
    world.expire();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ManagerErrorKind::ReauthRequired(ReauthReason::NoRefreshToken)
    );
    world.storage.remove(&key(), Precondition::Any).await.unwrap();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::NoToken));
    assert!(error.to_string().contains(RESOURCE_SERVER) && error.needs_login());
    world.log_in().await;
    manager.access_token(&key()).await.unwrap();
    assert_eq!(world.server.refresh_requests(), 0);
}

#[tokio::test]
async fn l4_a_lease_that_stays_busy_is_an_error_and_no_refresh() {
    let world = World::new().await;
    let lease = world.storage.lease().unwrap();
    let Acquisition::Acquired(guard) = lease.try_acquire(&key()).await.unwrap() else {
        panic!("nobody holds the lease");
    };
    world.clock.advance(LIFETIME - 30);
    let manager = world.builder().lease_wait(Duration::from_millis(30)).build().unwrap();
    let valid = manager.access_token(&key()).await.expect("still valid for 30 s");
    assert!(world.saw(|event| matches!(event, Event::ServedAnyway(..))));
    assert_current(&world, &valid).await;
    world.clock.advance(31);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Busy);
    assert!(error.is_retryable());
    assert_eq!(world.server.refresh_requests(), 0);
    drop(guard);
    manager.access_token(&key()).await.unwrap();
}

#[tokio::test]
async fn l6_no_caller_sees_the_token_before_it_is_stored() {
    let world = World::new().await;
    let gate = Gate::new();
    let at_gate = gate.clone();
    let hook = move |step| {
        let gate = at_gate.clone();
        async move {
            if step == Step::BeforeStore {
                gate.pass().await;
            }
        }
    };
    let manager = world.builder().on_step(hook).build().unwrap();
    world.expire();
    let old = world.stored().await.access_token;
    let caller = tokio::spawn({
        let manager = manager.clone();
        async move { manager.access_token(&key()).await }
    });
    gate.arrived().await;
    assert_eq!(world.stored().await.access_token, old);
    assert!(!caller.is_finished(), "the answer is there, and not stored");
    gate.open();
    assert_current(&world, &caller.await.unwrap().unwrap()).await;
}

#[tokio::test]
async fn outcomes_in_the_log_are_refreshes() {
    let world = World::new().await;
    world.expire();
    world.manager().access_token(&key()).await.unwrap();
    let log = world.server.requests();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].outcome, Outcome::Issued);
    assert!(
        !log[0].basic && log[0].params["client_id"] == "native-client",
        "a public client names itself in the form"
    );
}
