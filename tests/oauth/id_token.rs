//! Who logged in: only what the server signed for this login counts.

use token_storage::TokenResponse;
use token_storage::oauth::{HttpClient, LoginError, LoginErrorKind, OAuthClient, Provider};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault, IdTokenFlaw};

use crate::support::{Browser, assert_logged_in, code_page, options, param, world};

async fn log_in(server: &AuthServer, client: &OAuthClient) -> Result<TokenResponse, LoginError> {
    let login = client.begin_login(&options(), &code_page(server)).unwrap();
    let code = param(&Browser::new().decide(login.url(), "approve").await, "code").unwrap();
    login.finish_with_pasted(&code).await
}

#[tokio::test]
async fn a_flawed_id_token_is_refused_and_its_tokens_revoked() {
    let (server, client) = world().await;
    for flaw in IdTokenFlaw::ALL {
        server.script(Endpoint::Token, Fault::IdToken(flaw));
        let error = log_in(&server, &client).await.expect_err(&format!("{flaw:?}"));
        assert_eq!(error.kind(), LoginErrorKind::IdToken, "{flaw:?}: {error}");
        assert_eq!(server.live_refresh_tokens(), 0, "{flaw:?}: nobody will store them");
    }
    assert_logged_in(&server, &log_in(&server, &client).await.unwrap());
}

#[tokio::test]
async fn other_audiences_are_no_harm_if_none_of_them_asked() {
    let (server, client) = world().await;
    server.script(Endpoint::Token, Fault::IdToken(IdTokenFlaw::NoParty));
    assert_logged_in(&server, &log_in(&server, &client).await.unwrap());
}

#[tokio::test]
async fn a_login_without_a_nonce_in_the_id_token_is_refused() {
    let (server, client) = world().await;
    // The token of a device login has none; shown in answer to a code it would be replayed.
    let mut device = client.begin_device_login(&options()).await.unwrap();
    Browser::new()
        .decide_device(device.verification_uri(), device.user_code(), "approve")
        .await;
    let foreign = device.poll().await.unwrap().unwrap().id_token().unwrap();
    let json = format!("{:?}", foreign.expose());
    server.script(
        Endpoint::Token,
        Fault::Member("id_token", Box::leak(json.into_boxed_str())),
    );
    let error = log_in(&server, &client).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::IdToken);
}

#[tokio::test]
async fn the_device_flow_checks_the_id_token_too() {
    let (server, client) = world().await;
    let mut login = client.begin_device_login(&options()).await.unwrap();
    Browser::new()
        .decide_device(login.verification_uri(), login.user_code(), "approve")
        .await;
    server.script(Endpoint::Token, Fault::IdToken(IdTokenFlaw::Signature));
    assert_eq!(login.poll().await.unwrap_err().kind(), LoginErrorKind::IdToken);
}

#[tokio::test]
async fn the_keys_are_fetched_once_per_client() {
    let (server, client) = world().await;
    for _ in 0..3 {
        log_in(&server, &client.clone()).await.unwrap();
    }
    assert_eq!(server.count(Endpoint::Keys), 1);
    // A key that is not among them may be new.
    server.script(Endpoint::Token, Fault::IdToken(IdTokenFlaw::UnknownKey));
    log_in(&server, &client).await.unwrap_err();
    assert_eq!(server.count(Endpoint::Keys), 2);
}

#[tokio::test]
async fn keys_that_cannot_be_had_prove_nothing() {
    let (server, client) = world().await;
    let unavailable = Fault::Status {
        status: 503,
        retry_after: None,
    };
    for (fault, kind) in [
        (unavailable, LoginErrorKind::Server),
        (Fault::Garbage, LoginErrorKind::IdToken),
        (Fault::Member("keys", "[]"), LoginErrorKind::IdToken),
        (
            Fault::Member("keys", r#"[{"kty":"RSA"},7,{"kty":"oct","k":"AA"}]"#),
            LoginErrorKind::IdToken,
        ),
    ] {
        server.script(Endpoint::Keys, fault);
        let error = log_in(&server, &client).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(server.live_refresh_tokens(), 0);
    log_in(&server, &client).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_an_id_token_has_no_identity() {
    let (server, client) = world().await;
    server.script(Endpoint::Token, Fault::Omit(&["id_token"]));
    let response = log_in(&server, &client).await.unwrap();
    assert!(response.tokens().iter().all(|token| token.identity_id.is_none()));
}

#[tokio::test]
async fn at_a_server_without_known_keys_nobody_is_identified() {
    let (server, client) = world().await;
    let known = client.provider();
    let provider = Provider::new(known.token_endpoint()).unwrap();
    let provider = provider.with_issuer(known.issuer().unwrap()).unwrap();
    let provider = provider
        .with_authorization_endpoint(known.authorization_endpoint().unwrap())
        .unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let response = log_in(&server, &client).await.unwrap();
    assert_eq!(response.primary().identity_id, None);
}
