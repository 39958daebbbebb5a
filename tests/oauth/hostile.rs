//! Whatever else comes to the port of a login.

use token_storage::oauth::{LoopbackLogin, OAuthClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use crate::support::{Browser, PATIENCE, assert_logged_in, assert_nothing_redeemed, options, param, world};

/// Where the login listens.
fn address(login: &LoopbackLogin) -> Url {
    param(login.url(), "redirect_uri").unwrap().parse().unwrap()
}

async fn connect(address: &Url) -> TcpStream {
    let port = address.port().unwrap();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Sends raw bytes, and reads until the connection is closed.
async fn send(address: &Url, bytes: &[u8]) -> String {
    let mut stream = connect(address).await;
    // It may be closed in the middle of what is too long.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
    let _ = reading.await.expect("an answer, or the end of the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("")
}

#[tokio::test]
async fn strangers_change_nothing() {
    let (server, client) = world().await;
    let login = client.begin_loopback_login(&options(), OAuthClient::LOOPBACK).unwrap();
    let here = address(&login);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let long = format!("/?state={}", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(500));
    for (request, expected) in [
        (get("/favicon.ico"), "404"),
        (get("/other?code=x&state=y"), "404"),
        (get("/"), "400"),
        (get("/?code=x"), "400"),
        (get("/?code=x&state=wrong"), "400"),
        (get("/?error=access_denied"), "400"),
        (get("/?error=access_denied&state=wrong"), "400"),
        (get("/?code=%00%ff&state=%ff"), "400"),
        (get("/?state=<script>alert(1)</script>"), "400"),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nstate=abc".into(),
            "405",
        ),
        ("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".into(), "404"),
        (get(&long), "431"),
        (many, "431"),
        ("\u{16}\u{3}\u{1} this is TLS, perhaps\r\n\r\n".into(), "400"),
    ] {
        let answer = send(&here, request.as_bytes()).await;
        let start: String = request.chars().take(60).collect();
        assert_eq!(status(&answer), expected, "{start}: {answer}");
        assert!(!answer.contains("alert(1)"), "{start}");
    }
    assert_nothing_redeemed(&server);

    let browser = Browser::new();
    let target = browser.decide(login.url(), "approve").await;
    let (response, page) = tokio::join!(login.finish(PATIENCE), browser.get(target.as_str()));
    assert_logged_in(&server, &response.unwrap());
    assert_eq!(page.status(), 200);
}

#[tokio::test]
async fn silent_and_slow_connections_hold_up_nobody() {
    let (server, client) = world().await;
    let login = client.begin_loopback_login(&options(), OAuthClient::LOOPBACK).unwrap();
    let here = address(&login);
    // A browser connects ahead of time; others send half a request, and no more.
    let mut open = Vec::new();
    for index in 0..40 {
        let mut stream = connect(&here).await;
        if index % 2 == 0 {
            stream.write_all(b"GET /?code=x HTTP/1.1\r\nhost: ").await.unwrap();
        }
        open.push(stream);
    }
    let browser = Browser::new();
    let target = browser.decide(login.url(), "approve").await;
    let (response, page) = tokio::join!(login.finish(PATIENCE), browser.get(target.as_str()));
    assert_logged_in(&server, &response.unwrap());
    assert_eq!(page.status(), 200);
    for mut stream in open {
        // Closed with the login, however little was said.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// Only the clock ends a connection that says nothing, so that more of them than are served at once hold the port for
/// some seconds at most.
#[tokio::test]
async fn more_connections_than_are_served_give_way_in_time() {
    if std::env::var_os("TOKEN_STORAGE_SOAK").is_none() {
        eprintln!("skipped, it takes ten seconds; set TOKEN_STORAGE_SOAK=1 to run it");
        return;
    }
    let (server, client) = world().await;
    let login = client.begin_loopback_login(&options(), OAuthClient::LOOPBACK).unwrap();
    let here = address(&login);
    let mut open = Vec::new();
    for _ in 0..80 {
        open.push(connect(&here).await);
    }
    let browser = Browser::new();
    let target = browser.decide(login.url(), "approve").await;
    let (response, page) = tokio::join!(login.finish(PATIENCE), browser.get(target.as_str()));
    assert_logged_in(&server, &response.unwrap());
    assert_eq!(page.status(), 200);
}
