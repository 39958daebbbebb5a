//! The device flow (RFC 8628).

use std::time::Duration;

use token_storage::oauth::{DeviceLogin, LoginErrorKind, OAuthClient};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault};

use crate::support::{Browser, assert_logged_in, assert_nothing_redeemed, code_of, options, world, world_with};

async fn begin(client: &OAuthClient) -> DeviceLogin {
    client.begin_device_login(&options()).await.unwrap()
}

async fn decide(login: &DeviceLogin, decision: &str) {
    Browser::new()
        .decide_device(login.verification_uri(), login.user_code(), decision)
        .await;
}

fn pause(login: &DeviceLogin) -> u64 {
    login.interval().as_secs()
}

#[tokio::test]
async fn an_approved_device_is_logged_in() {
    let (server, client) = world().await;
    let login = begin(&client).await;
    assert_eq!(login.verification_uri(), format!("{}/device", server.url()));
    let complete = login.verification_uri_complete().unwrap();
    assert!(complete.ends_with(login.user_code()), "{complete}");
    decide(&login, "approve").await;
    assert_logged_in(&server, &login.finish().await.unwrap());
}

#[tokio::test]
async fn whoever_polls_too_soon_waits_longer() {
    let (server, client) = world_with(|config| config.device_interval = 3600).await;
    let mut login = begin(&client).await;
    assert_eq!(pause(&login), 60, "no longer than a minute");
    assert!(login.poll().await.unwrap().is_none());
    drop((server, client));

    let (server, client) = world_with(|config| config.device_interval = 2).await;
    let mut login = begin(&client).await;
    assert!(login.poll().await.unwrap().is_none());
    assert_eq!(pause(&login), 2, "pending changes nothing");
    assert!(login.poll().await.unwrap().is_none());
    assert_eq!(pause(&login), 7, "slow_down adds five seconds, for good");
    decide(&login, "approve").await;
    assert_logged_in(&server, &login.poll().await.unwrap().unwrap());
}

#[tokio::test]
async fn a_bad_network_only_makes_the_pauses_longer() {
    let (server, client) = world().await;
    let mut login = begin(&client).await;
    let busy = Fault::Status {
        status: 503,
        retry_after: Some(30),
    };
    for (fault, seconds) in [(Fault::DropConnection, 2), (Fault::Garbage, 4), (busy, 30)] {
        server.script(Endpoint::Token, fault);
        assert!(login.poll().await.unwrap().is_none());
        assert_eq!(pause(&login), seconds);
    }
    decide(&login, "approve").await;
    assert_logged_in(&server, &login.poll().await.unwrap().unwrap());
}

#[tokio::test]
async fn no_is_no_and_too_late_is_too_late() {
    let (server, client) = world().await;
    let mut login = begin(&client).await;
    decide(&login, "deny").await;
    assert_eq!(login.poll().await.unwrap_err().kind(), LoginErrorKind::Denied);

    let mut login = begin(&client).await;
    server.script(
        Endpoint::Token,
        Fault::Refuse {
            status: 400,
            error: "expired_token",
        },
    );
    assert_eq!(login.poll().await.unwrap_err().kind(), LoginErrorKind::TimedOut);
}

#[tokio::test]
async fn a_code_that_has_expired_is_not_asked_about() {
    let (server, client) = world_with(|config| config.device_lifetime = 0).await;
    let error = begin(&client).await.finish().await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::TimedOut);
    assert_nothing_redeemed(&server);
    let mut impatient = begin(&client).await;
    assert_eq!(impatient.poll().await.unwrap_err().kind(), LoginErrorKind::TimedOut);
}

#[tokio::test]
async fn a_device_code_is_good_once() {
    let (server, client) = world().await;
    let mut login = begin(&client).await;
    decide(&login, "approve").await;
    assert_logged_in(&server, &login.poll().await.unwrap().unwrap());
    let error = login.poll().await.unwrap_err();
    assert_eq!(code_of(&error), Some("invalid_grant"));
}

#[tokio::test]
async fn what_a_server_wants_shown_is_checked_first() {
    let (server, client) = world().await;
    for (member, value) in [
        ("user_code", r#""A\u001b[2J""#),
        ("user_code", r#""""#),
        ("verification_uri", r#""javascript:alert(1)""#),
        ("verification_uri", r#""no address""#),
        ("expires_in", "-1"),
        ("device_code", "null"),
    ] {
        server.script(Endpoint::DeviceAuthorization, Fault::Member(member, value));
        let error = client.begin_device_login(&options()).await.unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Answer, "{member}");
    }
    server.script(Endpoint::DeviceAuthorization, Fault::Omit(&["interval"]));
    assert_eq!(
        begin(&client).await.interval(),
        Duration::from_secs(5),
        "RFC 8628's default"
    );
    server.script(Endpoint::DeviceAuthorization, Fault::Member("interval", "0"));
    assert_eq!(begin(&client).await.interval(), Duration::from_secs(1), "politely");
}

#[tokio::test]
async fn what_a_server_need_not_say_cannot_break_the_login() {
    let (server, client) = world().await;
    for (said, seconds) in [("-1", 5), ("null", 5), (r#""soon""#, 5), ("1.5", 5), (r#""7""#, 7)] {
        server.script(Endpoint::DeviceAuthorization, Fault::Member("interval", said));
        assert_eq!(begin(&client).await.interval(), Duration::from_secs(seconds), "{said}");
    }
    for said in [r#""file:///etc/passwd""#, "7", "null", r#""""#] {
        let fault = Fault::Member("verification_uri_complete", said);
        server.script(Endpoint::DeviceAuthorization, fault);
        assert_eq!(begin(&client).await.verification_uri_complete(), None, "{said}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_known_is_told_so() {
    let server = AuthServer::start();
    let client = crate::support::client(&server).await;
    server.script(
        Endpoint::DeviceAuthorization,
        Fault::Refuse {
            status: 401,
            error: "invalid_client",
        },
    );
    let error = client.begin_device_login(&options()).await.unwrap_err();
    assert_eq!(
        (error.kind(), code_of(&error)),
        (LoginErrorKind::Server, Some("invalid_client"))
    );
}
