//! L7: whatever fails for now leaves the stored bytes as they are; only a terminal answer ends a login.

use std::{fs, time::Duration};

use token_storage::{
    TokenStorage,
    json::JsonStorage,
    manager::{Event, ManagerErrorKind, ReauthReason, Step, TokenManager},
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault};

use crate::{
    faulty::Faulty,
    intents::leave_intent,
    support::{LIFETIME, World, assert_current, key},
};

pub(crate) fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
    }
}

pub(crate) fn refuse(status: u16, error: &'static str) -> Fault {
    Fault::Refuse { status, error }
}

#[tokio::test]
async fn l7_no_connection_leaves_the_file_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens.json");
    let world = World::with(JsonStorage::open(&file).unwrap(), Config::default()).await;
    world.expire();
    let before = fs::read(&file).unwrap();
    // A port that was free a moment ago.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let provider = Provider::new(&format!("http://{gone}/token")).unwrap();
    let endpoint = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let manager = TokenManager::builder(world.storage.clone(), std::sync::Arc::new(endpoint));
    let manager = manager.clock(world.clock.clone()).build().unwrap();
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Transient);
    assert!(!error.server().unwrap().may_have_been_done(), "it was never sent");
    assert_eq!(fs::read(&file).unwrap(), before);
    // So the next holder need not be careful.
    let token = world.manager().access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
    assert!(!world.saw(|event| matches!(event, Event::UnknownOutcome(_))));
}

#[tokio::test]
async fn l7_a_terminal_answer_needs_a_login_and_keeps_the_record() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens.json");
    let world = World::with(JsonStorage::open(&file).unwrap(), Config::default()).await;
    let manager = world.manager();
    world.expire();
    world.server.revoke_everything();
    let before = fs::read(&file).unwrap();
    for _ in 0..3 {
        let error = manager.access_token(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::ReauthRequired(ReauthReason::Refused));
        assert_eq!(error.server().unwrap().code(), Some("invalid_grant"));
        world.clock.advance(60);
    }
    assert_eq!(world.server.refresh_requests(), 1, "it is not asked again");
    assert_eq!(fs::read(&file).unwrap(), before);
    // A login by another process ends it.
    world.log_in().await;
    manager.access_token(&key()).await.unwrap();
}

#[tokio::test]
async fn l7_a_rejected_client_costs_no_login() {
    for error in [
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "invalid_request",
        "unsupported_grant_type",
    ] {
        let world = World::new().await;
        let manager = world.manager();
        world.expire();
        world.server.script(Endpoint::Token, refuse(401, error));
        let failed = manager.access_token(&key()).await.unwrap_err();
        assert_eq!(failed.kind(), ManagerErrorKind::ClientRejected);
        assert_eq!(failed.server().unwrap().code(), Some(error));
        world.clock.advance(60);
        assert_current(&world, &manager.access_token(&key()).await.unwrap()).await;
    }
}

/// A refusal is the answer to a race if another holder has moved the record on meanwhile.
#[tokio::test]
async fn l7_a_refusal_is_checked_against_the_record_first() {
    let world = World::new().await;
    let storage = world.storage.clone();
    let newer = world.server.issue(AuthServer::NATIVE_CLIENT, crate::support::SCOPE);
    let now = world.clock.clone();
    let hook = move |step| {
        let (storage, newer, now) = (storage.clone(), newer.clone(), now.clone());
        async move {
            if step == Step::BeforeSend {
                use token_storage::{ResponsesExt as _, TokenResponse, manager::Clock as _};
                let response = TokenResponse::parse(&newer, now.now()).unwrap();
                storage.store_response("DEFAULT", &response).await.unwrap();
            }
        }
    };
    let manager = world.builder().on_step(hook).build().unwrap();
    world.expire();
    world.server.script(Endpoint::Token, refuse(400, "invalid_grant"));
    let token = manager.access_token(&key()).await.expect("the newer record counts");
    assert_current(&world, &token).await;
    assert_eq!(world.server.refresh_requests(), 1);
}

#[tokio::test]
async fn l9_a_valid_token_is_served_while_a_refresh_fails() {
    let world = World::new().await;
    let manager = world.manager();
    let first = manager.access_token(&key()).await.unwrap();
    world.clock.advance(LIFETIME - 30);
    world.server.script_all(Endpoint::Token, Some(status(503)));
    for _ in 0..3 {
        assert_eq!(manager.access_token(&key()).await.unwrap(), first);
    }
    assert!(world.saw(|event| matches!(event, Event::ServedAnyway(_, error) if error.is_retryable())));
    world.clock.advance(31);
    assert_eq!(
        manager.access_token(&key()).await.unwrap_err().kind(),
        ManagerErrorKind::Transient
    );
    world.server.script_all(Endpoint::Token, None);
    world.clock.advance(60);
    assert_current(&world, &manager.access_token(&key()).await.unwrap()).await;
}

#[tokio::test]
async fn l7_retry_after_is_kept() {
    let world = World::new().await;
    let manager = world.manager();
    world.expire();
    let fault = Fault::Status {
        status: 503,
        retry_after: Some(120),
    };
    world.server.script(Endpoint::Token, fault);
    manager.access_token(&key()).await.unwrap_err();
    world.clock.advance(100);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
    assert_eq!(world.server.refresh_requests(), 1);
    world.clock.advance(20);
    manager.access_token(&key()).await.unwrap();
}

#[tokio::test]
async fn l6_an_unwritable_storage_spends_no_refresh_token() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = world.manager();
    world.storage.set_unwritable(true);
    world.expire();
    for _ in 0..3 {
        let error = manager.access_token(&key()).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Storage);
        assert!(error.storage().is_some());
    }
    assert_eq!(world.server.refresh_requests(), 0);
    world.storage.set_unwritable(false);
    assert_current(&world, &manager.access_token(&key()).await.unwrap()).await;
}

#[tokio::test]
async fn l4_unreachable_leases_and_records_never_lead_to_an_unguarded_refresh() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = world.manager();
    world.expire();
    world.storage.fail_leases(true);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Storage, "not Busy");
    world.storage.fail_leases(false);
    world.storage.fail_gets(true);
    assert_eq!(
        manager.access_token(&key()).await.unwrap_err().kind(),
        ManagerErrorKind::Storage
    );
    world.storage.fail_gets(false);
    assert_eq!(world.server.refresh_requests(), 0);
    manager.access_token(&key()).await.unwrap();
}

/// The storage goes away while the answer is on its way.
fn unreadable_after_the_answer(world: &World<Faulty>) -> TokenManager<Faulty> {
    let storage = world.storage.clone();
    let hook = move |step| {
        if step == Step::Answered {
            storage.fail_gets(true);
        }
        async {}
    };
    world.builder().on_step(hook).build().unwrap()
}

#[tokio::test]
async fn l7_a_failure_is_named_although_the_record_cannot_be_read_again() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = unreadable_after_the_answer(&world);
    world.expire();
    world.server.script(Endpoint::Token, Fault::DropAnswer);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ManagerErrorKind::Transient,
        "Storage would say that no refresh token was spent"
    );
    assert!(error.server().unwrap().may_have_been_done());
}

/// A refusal that cannot be checked against the record ends no login.
#[tokio::test]
async fn l7_a_refusal_that_cannot_be_checked_ends_no_login() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = unreadable_after_the_answer(&world);
    world.expire();
    world.server.script(Endpoint::Token, refuse(400, "invalid_grant"));
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Storage);
    world.storage.fail_gets(false);
    let token = world.manager().access_token(&key()).await.unwrap();
    assert_current(&world, &token).await;
}

#[tokio::test]
async fn l5_a_guarded_try_is_not_used_up_by_failures_of_the_storage() {
    for lost_intent in [false, true] {
        let world = World::with(Faulty::default(), Config::default()).await;
        leave_intent(&world, false).await;
        world.expire();
        if lost_intent {
            world.storage.lose_intents(1);
            let error = world.manager().access_token(&key()).await.unwrap_err();
            assert_eq!(error.kind(), ManagerErrorKind::Storage);
        } else {
            world.server.script(Endpoint::Token, status(503));
            let manager = unreadable_after_the_answer(&world);
            manager.access_token(&key()).await.unwrap_err();
            world.storage.fail_gets(false);
            world.clock.advance(60);
        }
        let token = world.manager().access_token(&key()).await;
        assert_current(&world, &token.expect("nothing was spent")).await;
        assert_eq!(world.server.reuse_detections(), 0);
    }
}

#[tokio::test]
async fn s1_no_error_shows_a_token() {
    let world = World::with(Faulty::default(), Config::default()).await;
    let manager = world.manager();
    world.expire();
    world.storage.fail_stores(usize::MAX);
    let error = manager.access_token(&key()).await.unwrap_err();
    let token = error.token().expect("the error carries the token").expose().to_owned();
    let record = world.storage.get(&key()).await.unwrap().unwrap().data;
    let shown = format!(
        "{error:?} {error} {:?} {manager:?} {:?}",
        error.token(),
        world.events.lock().unwrap()
    );
    for secret in [
        &token,
        record.access_token.expose(),
        record.refresh_token.unwrap().expose(),
    ] {
        assert!(!shown.contains(secret));
    }
}
