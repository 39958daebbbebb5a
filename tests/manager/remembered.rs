//! L7 across processes: what a server has answered is asked for once, whoever asks. Each manager is a process of its own.
//! And what is handed out meanwhile: L9.

use std::{sync::Arc, time::Duration};

use token_storage::{
    TokenStorage, TokenStorageExt as _,
    manager::{Event, ManagerErrorKind, ReauthReason, RefreshStatus},
};
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault, Gate};

use crate::{
    failures::{refuse, status},
    faulty::Faulty,
    intents::leave_intent,
    storages,
    support::{LIFETIME, World, assert_current, key},
};

const REFUSED: ManagerErrorKind = ManagerErrorKind::ReauthRequired(ReauthReason::Refused);
const PROCESSES: usize = 12;

async fn ask_all<S: TokenStorage + Clone + 'static>(world: &World<S>, wanted: ManagerErrorKind) {
    for _ in 0..PROCESSES {
        let error = world.manager().access_token(&key()).await.unwrap_err();
        assert_eq!(error.kind(), wanted);
    }
}

#[tokio::test]
async fn l7_a_refusal_is_asked_for_once_on_every_storage() {
    for place in storages::all().await {
        let world = World::with(place.open(), Config::default()).await;
        world.expire();
        world.server.revoke_everything();
        ask_all(&world, REFUSED).await;
        world.clock.advance(10 * LIFETIME);
        ask_all(&world, REFUSED).await;
        assert_eq!(world.server.refresh_requests(), 1, "{}", place.name);
        let error = world.manager().access_token(&key()).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), Some("invalid_grant"));
        let told = world.manager().refresh_status(&key()).await.unwrap();
        assert!(told.needs_login(), "{}: {told:?}", place.name);
        world.log_in().await;
        let told = world.manager().refresh_status(&key()).await.unwrap();
        assert!(matches!(told, RefreshStatus::Idle), "{}: {told:?}", place.name);
        let token = world.manager().access_token(&key()).await.unwrap();
        assert_current(&world, &token).await;
    }
}

#[tokio::test]
async fn l7_a_pause_is_kept_by_all() {
    let overloaded = |status| Fault::Status {
        status,
        retry_after: Some(3),
    };
    for (fault, seconds) in [
        (overloaded(429), 3),
        (overloaded(503), 3),
        (status(500), 2),
        (status(429), 2),
    ] {
        let world = World::new().await;
        world.expire();
        world.server.script(Endpoint::Token, fault.clone());
        ask_all(&world, ManagerErrorKind::Transient).await;
        assert_eq!(world.server.refresh_requests(), 1, "{fault:?}");
        let RefreshStatus::Failed(told) = world.manager().refresh_status(&key()).await.unwrap() else {
            panic!("{fault:?}: a pause is a failure");
        };
        assert!(told.retry_after().unwrap() <= Duration::from_secs(3));
        world.clock.advance(seconds);
        let token = world.manager().access_token(&key()).await;
        assert_current(&world, &token.expect("the pause is over")).await;
    }
}

#[tokio::test]
async fn l7_a_clock_that_was_set_back_keeps_nobody_waiting() {
    let world = World::new().await;
    world.expire();
    world.server.script(Endpoint::Token, status(429));
    ask_all(&world, ManagerErrorKind::Transient).await;
    let mut stored = world.stored().await;
    stored.expires_at = Some(0);
    world.clock.advance(-1800);
    world
        .storage
        .store(&key(), &stored, token_storage::Precondition::Any)
        .await
        .unwrap();
    let token = world.manager().access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
}

#[tokio::test]
async fn l7_a_new_login_ends_a_pause() {
    let world = World::new().await;
    world.expire();
    world.server.script(Endpoint::Token, status(429));
    ask_all(&world, ManagerErrorKind::Transient).await;
    world.log_in().await;
    world.expire();
    world.manager().access_token(&key()).await.unwrap();
}

#[tokio::test]
async fn l7_what_nobody_knows_ends_as_a_new_login_and_may_still_pass() {
    let world = World::new().await;
    world.expire();
    world
        .server
        .script_all(Endpoint::Token, Some(refuse(400, "what_is_this")));
    let unknown = ManagerErrorKind::ReauthRequired(ReauthReason::Unrecognized);
    for answer in 1..=8 {
        let error = world.manager().access_token(&key()).await.unwrap_err();
        let wanted = if answer < 5 {
            ManagerErrorKind::Transient
        } else {
            unknown
        };
        assert_eq!(error.kind(), wanted, "answer {answer}");
        world.clock.advance(60);
    }
    assert_eq!(world.server.refresh_requests(), 5);
    assert!(
        !world.saw(|event| matches!(event, Event::UnknownOutcome(_))),
        "an answer is an answer"
    );
    world.server.script_all(Endpoint::Token, None);
    world.clock.advance(600);
    let token = world.manager().access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
}

/// Whoever corrects the configuration does not wait.
#[tokio::test]
async fn l7_a_rejected_client_may_be_corrected_at_once() {
    let world = World::new().await;
    world.expire();
    world.server.script(Endpoint::Token, refuse(401, "invalid_client"));
    let error = world.manager().access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::ClientRejected);
    world.manager().access_token(&key()).await.unwrap();
}

/// The refresh hangs, and the token is still good for a little.
#[tokio::test]
async fn l9_a_good_token_is_handed_out_while_the_server_hangs() {
    let world = World::new().await;
    world.clock.advance(LIFETIME - 57);
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    let manager = world.builder().serve_after(Duration::from_millis(20)).build().unwrap();
    let token = manager.access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
    assert_eq!(token.failure().unwrap().kind(), ManagerErrorKind::TimedOut);
    assert!(!token.is_doubtful());
    assert!(matches!(
        manager.refresh_status(&key()).await.unwrap(),
        RefreshStatus::UnderWay
    ));
    gate.open();
    manager.finish().await;
    let next = manager.access_token(&key()).await.unwrap();
    assert_ne!(next, token, "it went on in the background");
    assert_eq!(world.server.refresh_requests(), 1);
}

/// Its work takes longer than the token is good: only a refresh that fails makes it better than none.
#[tokio::test]
async fn l9_a_token_that_must_be_good_for_longer_waits_for_its_refresh() {
    let world = World::new().await;
    world.clock.advance(LIFETIME - 600);
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    let builder = world.builder().serve_after(Duration::from_millis(20));
    let manager = builder.valid_for(Duration::from_secs(1200)).build().unwrap();
    let waiting = tokio::spawn({
        let manager = manager.clone();
        async move { manager.access_token(&key()).await }
    });
    gate.arrived().await;
    // With as short a wait, and asking for less, another call goes on without it.
    let hurried = world
        .builder()
        .serve_after(Duration::from_millis(20))
        .skew(Duration::from_secs(700));
    let served = hurried.build().unwrap().access_token(&key()).await.unwrap();
    assert!(served.failure().is_some() && !waiting.is_finished());
    gate.open();
    let token = waiting.await.unwrap().unwrap();
    assert!(token.failure().is_none() && token != served);
}

/// For a program that ends soon, a token that is good for a little is no reason to leave its refresh behind.
#[tokio::test]
async fn l9_in_the_foreground_nothing_goes_on_behind_a_call() {
    let world = World::new().await;
    let manager = world.builder().trust(Duration::ZERO).in_foreground().build().unwrap();
    let first = manager.access_token(&key()).await.unwrap();
    world.clock.advance(LIFETIME - 100);
    assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    manager.finish().await;
    assert_eq!(world.server.refresh_requests(), 0, "none ahead");
    world.clock.advance(60);
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    let key = key();
    let call = manager.access_token(&key);
    tokio::pin!(call);
    let waited = tokio::time::timeout(Duration::from_millis(1500), &mut call).await;
    waited.expect_err("a good token is handed out after a second, and its refresh goes on");
    gate.open();
    let token = call.await.unwrap();
    assert!(token.failure().is_none() && token != first);
}

/// Reading may use up all that a task may do at a time, again and again.
#[tokio::test]
async fn l9_a_good_token_is_handed_out_while_the_storage_keeps_its_task_busy() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let builder = world.builder().serve_after(Duration::from_millis(20));
    let manager = builder.trust(Duration::ZERO).build().unwrap();
    let token = manager.access_token(&key()).await.unwrap();
    world.storage.keep_gets_busy();
    let again = tokio::time::timeout(Duration::from_secs(20), manager.access_token(&key())).await;
    let again = again.expect("it does not wait for the storage").unwrap();
    assert_eq!(again, token);
    assert_eq!(again.failure().unwrap().kind(), ManagerErrorKind::TimedOut);
}

#[tokio::test]
async fn l9_a_good_token_is_handed_out_while_another_holds_the_lease() {
    for place in storages::all().await {
        let world = World::with(place.open(), Config::default()).await;
        world.clock.advance(LIFETIME - 57);
        let other = place.open();
        let leases = other.lease().unwrap();
        let token_storage::Acquisition::Acquired(held) = leases.try_acquire(&key()).await.unwrap() else {
            panic!("nobody holds it");
        };
        let manager = world.builder().serve_after(Duration::from_millis(20)).build().unwrap();
        let token = manager.access_token(&key()).await.unwrap();
        assert_eq!(
            token.failure().unwrap().kind(),
            ManagerErrorKind::TimedOut,
            "{}",
            place.name
        );
        assert_eq!(world.server.refresh_requests(), 0);
        held.release().await.unwrap();
        manager.finish().await;
    }
}

#[tokio::test]
async fn a_call_ends_with_its_time_and_what_it_began_goes_on() {
    let world = World::new().await;
    world.expire();
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    let storage = world.storage.clone();
    let holder = world.builder().build().unwrap();
    let refreshing = tokio::spawn(async move { holder.access_token(&key()).await });
    gate.arrived().await;
    let hurried = world.builder().timeout(Duration::from_millis(50)).build().unwrap();
    let error = hurried.access_token(&key()).await.unwrap_err();
    assert!(
        matches!(error.kind(), ManagerErrorKind::TimedOut | ManagerErrorKind::Busy),
        "{error:?}"
    );
    assert!(error.is_retryable());
    gate.open();
    let token = refreshing.await.unwrap().unwrap();
    assert_eq!(
        storage.get(&key()).await.unwrap().unwrap().data.access_token,
        *token.secret()
    );
}

/// The token was spent and the answer lost: what has not expired is probably dead all the same.
#[tokio::test]
async fn l9_a_token_that_is_probably_dead_is_told_from_a_good_one() {
    let world = World::new().await;
    leave_intent(&world, false).await;
    world.server.revoke_everything();
    world.clock.advance(LIFETIME - 30);
    for _ in 0..2 {
        let token = world.manager().access_token(&key()).await.unwrap();
        assert!(token.is_doubtful());
        let failure = token.failure().unwrap();
        assert_eq!(
            failure.kind(),
            ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome)
        );
    }
    assert!(world.saw(|event| matches!(event, Event::ServedDoubtful(..))));
    assert!(!world.saw(|event| matches!(event, Event::ServedAnyway(..))));
    assert_eq!(world.server.refresh_requests(), 1);
}

/// Whoever waited takes what the holder brought, and the next call does not begin anew.
#[tokio::test]
async fn l5_short_lifetimes_cost_one_request_an_expiry() {
    for lifetime in [3, 30, 59, 60, 61, 3600] {
        let config = {
            let mut config = Config::default();
            config.access_token_lifetime = Some(lifetime);
            config
        };
        let world = Arc::new(World::with(token_storage::MemoryStorage::new(), config).await);
        for expiry in 1..=3 {
            world.clock.advance(i64::try_from(lifetime).unwrap() + 1);
            let calls = (0..24).map(|_| {
                let manager = world.manager();
                tokio::spawn(async move { manager.access_token(&key()).await.unwrap() })
            });
            for token in futures_util::future::join_all(calls).await {
                assert_current(&world, &token.unwrap()).await;
            }
            for _ in 0..3 {
                world.manager().access_token(&key()).await.unwrap();
            }
            assert_eq!(world.server.refresh_requests(), expiry, "a lifetime of {lifetime} s");
        }
    }
}

#[tokio::test]
async fn valid_for_is_not_cut_to_the_lifetime() {
    let world = World::new().await;
    world.manager().access_token(&key()).await.unwrap();
    let manager = world.builder().valid_for(Duration::from_secs(1800)).build().unwrap();
    world.clock.advance(LIFETIME - 1801);
    manager.access_token(&key()).await.unwrap();
    assert_eq!(world.server.refresh_requests(), 0);
    world.clock.advance(2);
    manager.access_token(&key()).await.unwrap();
    assert_eq!(world.server.refresh_requests(), 1);
}
