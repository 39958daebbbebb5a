//! No connection, or a bad one: told apart, and by the server's name.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::Duration,
};

use token_storage::{
    manager::ConnectionProblem,
    oauth::{ClientAuth, HttpClient, LoginError, OAuthClient, Provider},
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
fn answering(bytes: impl Into<Vec<u8>>) -> std::net::SocketAddr {
    let bytes = bytes.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&bytes);
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

/// After a request was sent nobody knows what became of it, whatever came back.
#[tokio::test]
async fn an_answer_that_is_none_is_told_as_what_it_is() {
    use ConnectionProblem::{Broken, HeadersTooLarge, NotHttp, TooLong};
    let head = "HTTP/1.1 200 OK\r\n";
    let body = |text: &str| format!("{head}content-type: application/json\r\n{text}").into_bytes();
    let many = format!("{head}{}\r\n{{}}", "x-a: b\r\n".repeat(5000));
    let long = format!("{head}x-a: {}\r\n\r\n{{}}", "b".repeat(1024 * 1024));
    let endless = format!("{head}\r\n[{}", "1,".repeat(1024 * 1024));
    for (bytes, problem, words) in [
        (b"220 mail.example ESMTP ready\r\n".to_vec(), NotHttp, "not valid HTTP"),
        (b"{\"access_token\":\"canary\"}".to_vec(), NotHttp, "not valid HTTP"),
        (b"HTTP/2 200\r\n\r\n{}".to_vec(), NotHttp, "not valid HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n{}".to_vec(), NotHttp, "not valid HTTP"),
        // The first frame of HTTP/2, an alert of TLS, the preface of a client.
        (vec![0, 0, 0, 4, 0, 0, 0, 0, 0], NotHttp, "not valid HTTP"),
        (vec![21, 3, 3, 0, 2, 2, 70], NotHttp, "http or https"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), NotHttp, "not valid HTTP"),
        (body("content-length: many\r\n\r\n{}"), NotHttp, "not valid HTTP"),
        (body("content-length: -1\r\n\r\n{}"), NotHttp, "not valid HTTP"),
        (
            body("content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
            NotHttp,
            "not valid HTTP",
        ),
        (
            body("transfer-encoding: chunked\r\n\r\nzz\r\n{}"),
            NotHttp,
            "not valid HTTP",
        ),
        (
            body("transfer-encoding: chunked\r\n\r\n1\r\n{}}}}"),
            NotHttp,
            "not valid HTTP",
        ),
        (
            body("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
            NotHttp,
            "not valid HTTP",
        ),
        (body("transfer-encoding: chunked\r\n\r\n5\r\n{\"a"), Broken, "broke off"),
        (body("content-length: 100\r\n\r\n{\"a"), Broken, "broke off"),
        (b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), Broken, "broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(), Broken, "broke off"),
        (b"".to_vec(), Broken, "broke off"),
        (many.into_bytes(), HeadersTooLarge, "headers are too many or too long"),
        (long.into_bytes(), HeadersTooLarge, "headers are too many or too long"),
        (endless.into_bytes(), TooLong, "too long"),
    ] {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let server = answering(bytes);
        let (found, may_have_been_done, text) = failure(&format!("http://{server}/t")).await;
        assert_eq!((found, may_have_been_done), (problem, true), "{start:?}: {text}");
        assert!(
            text.contains(words) && text.contains(&server.to_string()),
            "{start:?}: {text}"
        );
        assert!(!text.contains("canary"), "{text}");
    }
}

/// As SSH does. What was never asked was not done, but that is not known of every greeting.
#[tokio::test]
async fn a_greeting_before_any_request_is_no_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // Kept, so that nothing is closed.
        let streams: Vec<_> = listener
            .incoming()
            .flatten()
            .map(|mut stream| {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n");
                stream
            })
            .collect();
        drop(streams);
    });
    let (problem, _, text) = failure(&format!("http://{address}/t")).await;
    assert_eq!(problem, ConnectionProblem::NotHttp, "{text}");
}

#[tokio::test]
async fn a_redirect_is_told_with_where_it_leads() {
    for (status, location, words) in [
        (
            302,
            "location: https://else.example/login?x=canary#canary\r\n",
            "redirects to https://else.example/login (HTTP status 302), where nothing is sent",
        ),
        (
            308,
            "location: /oauth/token/\r\n",
            "/oauth/token/ (HTTP status 308), where nothing is sent",
        ),
        (
            301,
            "location: https://canary@else.example/\r\n",
            "redirects to https://else.example/ (HTTP status 301)",
        ),
        (
            307,
            "location: https://else.example/canary-secret-of-the-client\r\n",
            "redirects elsewhere (HTTP status 307)",
        ),
        (303, "", "redirects elsewhere (HTTP status 303)"),
        (302, "location: https://[\r\n", "redirects elsewhere (HTTP status 302)"),
        (304, "", "cannot be read (HTTP status 304)"),
    ] {
        let server = answering(format!("HTTP/1.1 {status} x\r\n{location}content-length: 0\r\n\r\n"));
        let provider = Provider::new(&format!("http://{server}/t")).unwrap();
        let client = OAuthClient::new(HttpClient::new().unwrap(), provider, "client")
            .with_secret("canary-secret-of-the-client", ClientAuth::Form);
        let error = client.client_credentials("read").await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(&server.to_string()), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert!(error.server().unwrap().may_have_been_done(), "{text}");
    }
}

/// What is wrong around a token is no reason to throw it away.
#[tokio::test]
async fn a_token_in_an_answer_that_is_not_quite_http_is_read() {
    let json = r#"{"access_token":"at"}"#;
    let longer = format!("content-length: {}\r\n\r\n{json}", json.len() + 5);
    let many = format!("{}\r\n{json}", "x-a: b\r\n".repeat(900));
    for rest in [
        longer.as_str(),
        &many,
        &format!("transfer-encoding: chunked\r\n\r\n15\r\n{json}"),
        &format!("transfer-encoding: chunked\r\n\r\n15\r\n{json}\r\nzz\r\n"),
        &format!("x-spaces : 1\r\n\r\n{json}"),
        &format!("x-folded: 1,\r\n  2\r\n\r\n{json}"),
        &format!("no colon at all\r\n\r\n{json}"),
        &format!("x-b\u{e4}d: 1\r\nx-value: \u{1}\r\n\r\n{json}"),
    ] {
        let server = answering(format!("HTTP/1.1 200 OK\r\n{rest}"));
        let provider = Provider::new(&format!("http://{server}/t")).unwrap();
        let client = OAuthClient::new(HttpClient::new().unwrap(), provider, "client");
        let login = client.client_credentials("read").await;
        let login = login.unwrap_or_else(|error| panic!("{:?}: {error}", &rest[..rest.len().min(60)]));
        assert_eq!(login.primary().access_token.expose(), "at");
    }
}

/// It has announced more than it has, and waits for the next request.
#[tokio::test]
async fn a_whole_answer_on_a_connection_that_stays_open_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let provider = Provider::new(&format!("http://{}/t", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access_token\":\"at\"}")
            .unwrap();
        // Until the client has gone.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, "client");
    let login = client.client_credentials("read").await.unwrap();
    assert_eq!(login.primary().access_token.expose(), "at");
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
