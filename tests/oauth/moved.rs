//! Where a refresh goes whose record names an address that nobody serves any more, and where it does not go.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use token_storage::{
    IssuedBy, TokenKey, TokenResponse,
    manager::{EndpointError, RefreshRequest, TokenEndpoint as _},
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::AuthServer;

/// Answers every request so, and counts them.
fn answering(status: u16, body: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8192]);
            count.fetch_add(1, Ordering::SeqCst);
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

/// Refreshes a token of `live` whose record says that tokens are redeemed at `address`.
async fn refreshed(live: &AuthServer, address: SocketAddr) -> Result<TokenResponse, EndpointError> {
    let mut from = IssuedBy::named(live.url(), AuthServer::NATIVE_CLIENT);
    from.token_endpoint = Some(format!("http://{address}/token"));
    let body = live.issue(AuthServer::NATIVE_CLIENT, "read");
    let response = TokenResponse::parse(body, 0).unwrap().with_issued_by(&from);
    let data = response.primary().to_data().unwrap();
    let provider = Provider::of_record(&from).unwrap().unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let key = TokenKey::in_default("resource.example.org");
    client.refresh(RefreshRequest::new(&key, &data, 0)).await
}

/// The issuer lives, knows another address and would take the token there. It is asked nothing, and the token is sent once.
#[tokio::test]
async fn whatever_answers_is_not_asked_again_elsewhere() {
    for (status, body) in [
        (200, "<html>"),
        (302, ""),
        (400, r#"{"error":"invalid_grant"}"#),
        (400, "<html>"),
        (401, r#"{"error":"invalid_client"}"#),
        (401, ""),
        (403, ""),
        (405, ""),
        (408, ""),
        (429, ""),
        (500, ""),
        (503, ""),
    ] {
        let live = AuthServer::start();
        let (address, asked) = answering(status, body);
        refreshed(&live, address).await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{status} {body}");
        assert_eq!(live.requests().len(), 0, "{status} {body}");
    }
}

#[tokio::test]
async fn what_nobody_serves_is_looked_up_and_asked_there_once() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (missing, moved) = (answering(404, "<html>"), answering(410, ""));
    for address in [gone, missing.0, moved.0] {
        let live = AuthServer::start();
        let response = refreshed(&live, address).await.unwrap();
        assert!(live.is_active(response.primary().access_token.expose()));
        assert_eq!(live.refresh_requests(), 1);
    }
    assert_eq!([missing.1, moved.1].map(|asked| asked.load(Ordering::SeqCst)), [1, 1]);
}
