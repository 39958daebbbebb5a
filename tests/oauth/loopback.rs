//! The browser on this machine comes back to a port of 127.0.0.1.

use std::time::Duration;

use token_storage::{
    MemoryStorage, ResponsesExt, TokenKey, TokenStorage,
    oauth::{LoginError, LoginErrorKind, OAuthClient},
};
use token_storage_auth_testing::auth_server::{Endpoint, Fault};

use crate::support::{Browser, PATIENCE, assert_logged_in, assert_nothing_redeemed, options, param, world};

fn begin(client: &OAuthClient, address: &str) -> token_storage::oauth::LoopbackLogin {
    client.begin_loopback_login(&options(), address).unwrap()
}

#[tokio::test]
async fn the_browser_is_shown_the_end_and_the_port_is_closed() {
    let (server, client) = world().await;
    for address in [OAuthClient::LOOPBACK, "http://127.0.0.1:0/back/here"] {
        let login = begin(&client, address);
        let browser = Browser::new();
        let target = browser.decide(login.url(), "approve").await;
        let (response, page) = tokio::join!(login.finish(PATIENCE), browser.get(target.as_str()));
        assert_logged_in(&server, &response.unwrap());
        assert_eq!(page.status(), 200);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("content-type", "text/html; charset=utf-8"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(page.headers()[name], value);
        }
        let html = page.text().await.unwrap();
        assert!(html.contains("You are logged in"), "{html}");
        assert!(!html.contains(&param(&target, "code").unwrap()));
        assert!(!html.contains("http"), "it loads nothing: {html}");
        assert!(
            std::net::TcpStream::connect(address_of(&target)).is_err(),
            "the port is closed"
        );
    }
}

fn address_of(target: &url::Url) -> (String, u16) {
    (target.host_str().unwrap().to_owned(), target.port().unwrap())
}

#[tokio::test]
async fn an_address_is_sent_as_it_was_written() {
    let (_server, client) = world().await;
    for (written, pattern) in [
        ("http://127.0.0.1", "http://127.0.0.1:PORT"),
        ("http://127.0.0.1/", "http://127.0.0.1:PORT/"),
        ("http://localhost:0/callback", "http://localhost:PORT/callback"),
    ] {
        let sent = param(begin(&client, written).url(), "redirect_uri").unwrap();
        let port = url::Url::parse(&sent).unwrap().port().unwrap().to_string();
        assert_eq!(sent.replace(&port, "PORT"), pattern);
    }
}

#[tokio::test]
async fn no_is_told_to_the_browser_and_the_program() {
    let (server, client) = world().await;
    let login = begin(&client, OAuthClient::LOOPBACK);
    let browser = Browser::new();
    let target = browser.decide(login.url(), "deny").await;
    let (outcome, page) = tokio::join!(login.finish(PATIENCE), browser.get(target.as_str()));
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Denied);
    let html = page.text().await.unwrap();
    assert!(
        html.contains("You are not logged in") && html.contains("denied"),
        "{html}"
    );
    assert_nothing_redeemed(&server);
}

#[tokio::test]
async fn the_browser_hears_of_failures_after_the_redirect() {
    let (server, client) = world().await;
    let login = begin(&client, OAuthClient::LOOPBACK);
    let browser = Browser::new();
    let target = browser.decide(login.url(), "approve").await;
    server.script(
        Endpoint::Token,
        Fault::Refuse {
            status: 400,
            error: "invalid_grant",
        },
    );
    let (outcome, page) = tokio::join!(login.finish(PATIENCE), browser.get(target.as_str()));
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Server);
    assert!(page.text().await.unwrap().contains("You are not logged in"));
}

#[derive(Debug)]
enum Failure {
    Login(#[expect(dead_code, reason = "shown by Debug")] LoginError),
    Full,
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the disk <b>is</b> full")
    }
}

#[tokio::test]
async fn the_tokens_are_kept_before_the_browser_is_told() {
    let (server, client) = world().await;
    let login = begin(&client, OAuthClient::LOOPBACK);
    let (browser, storage) = (Browser::new(), MemoryStorage::new());
    let target = browser.decide(login.url(), "approve").await;
    let keep = {
        let storage = storage.clone();
        move |response| async move {
            let stored = storage.store_response("DEFAULT", &response).await;
            stored.map_err(|_| Failure::Full)
        }
    };
    let finishing = tokio::spawn(login.finish_and(PATIENCE, keep));
    let page = browser.get(target.as_str()).await;
    assert!(page.text().await.unwrap().contains("You are logged in"));
    let key = TokenKey::in_default("groups.api.globus.org");
    let stored = storage.get(&key).await.unwrap().expect("stored before the page");
    assert!(server.is_active(stored.data.access_token.expose()));
    assert_eq!(finishing.await.unwrap().unwrap().len(), 2);

    let login = begin(&client, OAuthClient::LOOPBACK);
    let target = browser.decide(login.url(), "approve").await;
    let (outcome, page) = tokio::join!(
        login.finish_and(PATIENCE, |_| async { Err::<(), _>(Failure::Full) }),
        browser.get(target.as_str())
    );
    assert!(matches!(outcome, Err(Failure::Full)));
    let html = page.text().await.unwrap();
    assert!(html.contains("the disk &lt;b&gt;is&lt;/b&gt; full"), "{html}");
}

#[tokio::test]
async fn patience_ends() {
    let (server, client) = world().await;
    let login = begin(&client, OAuthClient::LOOPBACK);
    let error = login.finish(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::TimedOut);
    assert_nothing_redeemed(&server);
}

#[tokio::test]
async fn giving_up_closes_the_port() {
    let (_server, client) = world().await;
    let login = begin(&client, OAuthClient::LOOPBACK);
    let target = url::Url::parse(&param(login.url(), "redirect_uri").unwrap()).unwrap();
    let pending = login.without_listening();
    // The task ends at its next turn.
    while std::net::TcpStream::connect(address_of(&target)).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(pending.url().starts_with("http"));
}

#[tokio::test]
async fn an_address_that_a_browser_could_not_open_can_be_pasted() {
    let (server, client) = world().await;
    let login = begin(&client, OAuthClient::LOOPBACK).without_listening();
    let target = Browser::new().decide(login.url(), "approve").await;
    let response = login.finish_with_pasted(target.as_str()).await.unwrap();
    assert_logged_in(&server, &response);
}
