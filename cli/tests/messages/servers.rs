//! Servers that answer wrongly, or not at all.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The authorities of the certificates here; they sign nothing any more, as their keys are gone.
pub(crate) const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages/testdata/ca.pem");

const STRANGER: &[u8] = include_bytes!("testdata/stranger.der");
const ELSEWHERE: &[u8] = include_bytes!("testdata/elsewhere.der");
const EXPIRED: &[u8] = include_bytes!("testdata/expired.der");
const KNOWN: &[u8] = include_bytes!("testdata/known.der");
const KEY: &[u8] = include_bytes!("testdata/leaf-key.der");

/// How a server fails before it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tls {
    WrongName,
    Expired,
    /// It wants a version that is not there.
    Alert,
    /// Of an authority that nobody here knows.
    Stranger,
    /// It wants a certificate of the client, and finds out that there is none when the request is on its way.
    WantsCertificate,
}

fn each_connection(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

/// Nobody listens there.
pub(crate) fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Takes requests and says nothing. Its port stays taken for the rest of the process.
pub(crate) fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::mem::forget(listener);
    address
}

/// Answers every request with these bytes, then closes.
pub(crate) fn answering(bytes: Vec<u8>) -> SocketAddr {
    each_connection(move |mut stream| {
        let mut request = [0; 8192];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(&bytes);
    })
}

/// Answers every request with this status and body, as JSON.
pub(crate) fn saying(status: u16, body: &str) -> SocketAddr {
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    answering((head + body).into_bytes())
}

/// An answer that is longer than anything that is read.
pub(crate) fn endless() -> SocketAddr {
    let mut answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    answer.resize(3 * 1024 * 1024, b' ');
    answering(answer)
}

/// A mail server, say.
pub(crate) fn no_http() -> SocketAddr {
    answering(b"220 mail.example ESMTP\r\n".to_vec())
}

/// An answer with more headers than anybody needs.
pub(crate) fn wordy() -> SocketAddr {
    answering(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: b\r\n".repeat(5000)).into_bytes())
}

/// Sends whoever asks it to somebody else.
pub(crate) fn redirecting() -> SocketAddr {
    let head = "HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/login?from=here";
    answering(format!("{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes())
}

/// Makes no connection by TLS that anybody would keep.
pub(crate) fn secured(tls: Tls) -> SocketAddr {
    if matches!(tls, Tls::Alert) {
        // A fatal alert: protocol version.
        return answering(vec![21, 3, 3, 0, 2, 2, 70]);
    }
    let certificate = match tls {
        Tls::WrongName => ELSEWHERE,
        Tls::Expired => EXPIRED,
        Tls::Alert | Tls::Stranger => STRANGER,
        Tls::WantsCertificate => KNOWN,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match tls {
        Tls::WantsCertificate => {
            let mut authorities = rustls::RootCertStore::empty();
            authorities.add(CertificateDer::from(KNOWN)).unwrap();
            let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
            builder.with_client_cert_verifier(clients.build().unwrap())
        }
        _ => builder.with_no_client_auth(),
    };
    let config = builder
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::try_from(KEY).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    each_connection(move |mut stream| {
        let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
        let _ = connection.complete_io(&mut stream);
        // What is closed with something unread takes back what was said last.
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// A host that no network knows: its name is longer than a part of one can be, so that no name server is asked.
pub(crate) fn unknown_host() -> String {
    format!("{}.invalid", "a".repeat(64))
}
