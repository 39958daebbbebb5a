//! Clause S1: nothing secret in what a program may print.

use token_storage::{
    TokenResponse,
    oauth::{LoginError, OAuthClient},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault, IdTokenFlaw};

use crate::support::{Browser, code_page, options, param, world};

async fn finish(server: &AuthServer, client: &OAuthClient) -> (Result<TokenResponse, LoginError>, Vec<String>) {
    let login = client.begin_login(&options(), &code_page(server)).unwrap();
    let target = Browser::new().decide(login.url(), "approve").await;
    let secrets = ["code", "state"].map(|name| param(&target, name).unwrap());
    let nonce = param(login.url(), "nonce").unwrap();
    let challenge = param(login.url(), "code_challenge").unwrap();
    let shown = format!("{login:?}");
    let secrets = [&secrets[..], &[nonce, challenge]].concat();
    assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
    (login.finish_with_redirect(target.as_str()).await, secrets)
}

fn everything(error: &LoginError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(" {error:?} {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn s1_errors_of_a_login_show_no_code_and_no_token() {
    let (server, client) = world().await;
    let mut faults = vec![
        Fault::DropConnection,
        Fault::DropAnswer,
        Fault::TruncateAnswer,
        Fault::Garbage,
        Fault::Member("access_token", "7"),
        Fault::Omit(&["access_token"]),
        Fault::Refuse {
            status: 400,
            error: "invalid_grant",
        },
    ];
    faults.extend(IdTokenFlaw::ALL.map(Fault::IdToken));
    for fault in faults {
        server.script(Endpoint::Token, fault.clone());
        let (outcome, secrets) = finish(&server, &client).await;
        let text = everything(&outcome.expect_err(&format!("{fault:?}")));
        for secret in secrets
            .iter()
            .map(String::as_str)
            .chain(["canary-canary", "at-", "rt-", "eyJ", "mallory"])
        {
            assert!(!text.contains(secret), "{fault:?}: {text}");
        }
    }
}

#[tokio::test]
async fn s1_a_warning_of_an_answer_shows_nothing_of_it() {
    let (server, client) = world().await;
    server.script(Endpoint::Token, Fault::Member("expires_in", r#""canary-canary""#));
    let (response, _) = finish(&server, &client).await;
    let response = response.unwrap();
    let [warning] = response.warnings() else {
        panic!("got {:?}, want one warning", response.warnings());
    };
    assert_eq!(warning.member(), "expires_in");
    assert!(!format!("{warning} {response:?}").contains("canary"), "{warning}");
}

#[tokio::test]
async fn s1_logins_under_way_show_nothing() {
    let (server, client) = world().await;
    let loopback = client.begin_loopback_login(&options(), OAuthClient::LOOPBACK).unwrap();
    let state = param(loopback.url(), "state").unwrap();
    assert!(!format!("{loopback:?}").contains(&state));
    let device = client.begin_device_login(&options()).await.unwrap();
    let shown = format!("{device:?}");
    assert!(
        !shown.contains("device-") && !shown.contains(device.user_code()),
        "{shown}"
    );
    drop(server);
}
