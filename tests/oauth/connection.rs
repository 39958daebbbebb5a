//! No connection, or a bad one: told apart, and by the server's name.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::Duration,
};

use token_storage::{
    manager::ConnectionProblem,
    oauth::{HttpClient, LoginError, OAuthClient, Provider},
};

async fn failure(token_endpoint: &str) -> (ConnectionProblem, bool, String) {
    let provider = Provider::new(token_endpoint).unwrap();
    let http = HttpClient::new().unwrap().with_timeout(Duration::from_secs(20));
    let client = OAuthClient::new(http, provider, "client");
    let error: LoginError = client.client_credentials("read").await.unwrap_err();
    let server = error.server().expect("it is about a server");
    let problem = server.connection_problem().expect("about the connection");
    (problem, server.may_have_been_done(), server.to_string())
}

/// Answers every connection with these bytes, then closes it.
fn answering(bytes: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(bytes);
        }
    });
    address
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_told() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let short = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
    let silent = answering(b"");
    for (url, host, problem, done) in [
        (
            format!("http://{gone}/t"),
            gone.to_string(),
            ConnectionProblem::Refused,
            false,
        ),
        (
            format!("https://{plain}/t"),
            plain.to_string(),
            ConnectionProblem::NotTls,
            false,
        ),
        (
            format!("http://{short}/t"),
            short.to_string(),
            ConnectionProblem::Broken,
            true,
        ),
        (
            format!("http://{silent}/t"),
            silent.to_string(),
            ConnectionProblem::Broken,
            true,
        ),
    ] {
        let (found, may_have_been_done, text) = failure(&url).await;
        assert_eq!((found, may_have_been_done), (problem, done), "{text}");
        assert!(text.contains(&host), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_waited_for_no_longer_than_the_budget() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let provider = Provider::new(&format!("http://{}/t", listener.local_addr().unwrap())).unwrap();
    let http = HttpClient::new().unwrap().with_timeout(Duration::from_millis(50));
    let client = OAuthClient::new(http, provider, "client");
    let error = client.client_credentials("").await.unwrap_err();
    let server = error.server().unwrap();
    assert_eq!(server.connection_problem(), Some(ConnectionProblem::TimedOut));
    assert!(server.may_have_been_done());
}
