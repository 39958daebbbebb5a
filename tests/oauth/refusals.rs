//! What servers say that do not speak RFC 6749, as a manager hears it.

use std::sync::Arc;

use token_storage::{
    MemoryStorage, ResponsesExt as _, TokenKey, TokenResponse, TokenStorage,
    manager::{EndpointErrorKind, ManagerErrorKind, ReauthReason, TokenManager},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault};

use crate::support::world;

fn says(status: u16, body: &'static str) -> Fault {
    Fault::Answer {
        status,
        content_type: "application/json",
        body,
    }
}

/// A manager whose only token has expired.
async fn expired() -> (AuthServer, TokenManager, TokenKey) {
    let (server, client) = world().await;
    let storage: Arc<dyn TokenStorage> = Arc::new(MemoryStorage::new());
    let response = TokenResponse::parse(server.issue(AuthServer::NATIVE_CLIENT, "openid"), 0).unwrap();
    storage.store_response("DEFAULT", &response).await.unwrap();
    let key = TokenKey::in_default("auth.globus.org");
    let manager = TokenManager::builder(storage, Arc::new(client)).build().unwrap();
    (server, manager, key)
}

#[tokio::test]
async fn l7_a_refusal_in_any_spelling_asks_for_a_login_and_leaves_no_doubt() {
    for (status, body) in [
        (400, r#"{"status":400,"message":"Invalid refresh token"}"#),
        (401, r#"{"errors":[{"errorType":"invalid_grant"}],"success":false}"#),
        (
            400,
            r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#,
        ),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#),
        (400, r#"{"error":"invalid_request"}"#),
        (400, r#"{"error":"interaction_required"}"#),
        (
            200,
            "error=bad_refresh_token&error_description=The+refresh+token+passed+is+incorrect",
        ),
    ] {
        let (server, manager, key) = expired().await;
        server.script_all(Endpoint::Token, Some(says(status, body)));
        // The second must not say that nobody knows how the first ended.
        for _ in 0..2 {
            let error = manager.access_token(&key).await.unwrap_err();
            let wanted = ManagerErrorKind::ReauthRequired(ReauthReason::Refused);
            assert_eq!(error.kind(), wanted, "{body}");
            assert!(!error.server().unwrap().may_have_been_done(), "{body}");
        }
    }
}

#[tokio::test]
async fn l7_after_an_answer_that_nobody_knows_the_token_is_as_good_as_before() {
    for body in [r#"{"error":"computer_says_no"}"#, r#"{"success":false}"#, "<html>"] {
        let (server, manager, key) = expired().await;
        server.script(Endpoint::Token, says(400, body));
        let error = manager.access_token(&key).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Transient, "{body}");
        let wanted = match body {
            "<html>" => EndpointErrorKind::Transient,
            _ => EndpointErrorKind::Unrecognized,
        };
        let told = error.server().unwrap();
        assert_eq!((told.kind(), told.may_have_been_done()), (wanted, false), "{body}");
    }
}
