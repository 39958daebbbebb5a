//! Uses its own HTTP client, then the library's, both on loopback.

use token_storage::oauth::{HttpClient, LoginErrorKind, Provider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    #[cfg(feature = "tls")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
            let _ = stream.write_all(answer).await;
        }
    });
    // With a feature of TLS that the program did not ask for, this line would panic.
    let own = reqwest::Client::new();
    let answer = own.get(&url).send().await.expect("the program's own client works");
    assert_eq!(answer.status(), 404);

    let http = HttpClient::new().expect("the library's client works");
    let error = Provider::discover(&http, &url).await.expect_err("nothing is there");
    assert_eq!(error.kind(), LoginErrorKind::Server, "{error}");
    assert_eq!(error.server().and_then(|server| server.status()), Some(404), "{error}");
    server.abort();
    println!("both clients work");
}
