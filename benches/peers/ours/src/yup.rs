//! The disk storage of `yup-oauth2`. It is private, so it is used as programs use it: a stored token is asked of the
//! authenticator; storing is a refresh, whose answer comes from within this process, without a network.

use std::{
    future::{Ready, ready},
    io,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use peers_contestant::{Contestant, Failed, Record, key};
use tokio::io::DuplexStream;
use yup_oauth2::{
    AccessToken, AuthorizedUserAuthenticator, CustomHyperClientBuilder, authenticator::Authenticator,
    authorized_user::AuthorizedUserSecret,
};

pub(crate) struct Yup {
    authenticator: Authenticator<Within>,
    turn: Arc<AtomicU64>,
}

pub(crate) struct Got(AccessToken);

impl AsRef<str> for Got {
    fn as_ref(&self) -> &str {
        self.0.token().unwrap_or_default()
    }
}

impl Contestant for Yup {
    const BESIDE: &'static str = "json";
    const DURABLE: bool = false;
    const PROMISE: &'static str = "reads only at its start; one file, written in place after the answer; no lock";
    type Got = Got;

    async fn fill(folder: &Path, records: usize) {
        let tokens: Vec<_> = (0..records)
            .map(|n| {
                let record = Record::new(n, 0);
                let token = serde_json::json!({
                    "access_token": record.access_token,
                    "refresh_token": record.refresh_token,
                    "expires_at": null,
                    "id_token": null,
                });
                serde_json::json!({"scopes": [key(n)], "token": token})
            })
            .collect();
        let text = serde_json::to_vec(&tokens).expect("plain members");
        std::fs::write(folder.join("tokens.json"), text).expect("to fill");
    }

    async fn open(folder: &Path) -> Self {
        let secret = AuthorizedUserSecret {
            client_id: "client".to_owned(),
            client_secret: "secret".to_owned(),
            refresh_token: "refresh".to_owned(),
            key_type: "authorized_user".to_owned(),
        };
        let turn = Arc::default();
        let client = Client::builder(TokioExecutor::new()).build(Within(Arc::clone(&turn)));
        let builder = AuthorizedUserAuthenticator::with_client(secret, CustomHyperClientBuilder::from(client));
        let authenticator = builder
            .persist_tokens_to_disk(folder.join("tokens.json"))
            .build()
            .await
            .expect("to open");
        Self { authenticator, turn }
    }

    async fn get(&self, n: usize) -> Got {
        Got(self.authenticator.token(&[key(n)]).await.expect("a record"))
    }

    async fn store(&self, n: usize, turn: u64) -> Result<(), Failed> {
        self.turn.store(turn, Ordering::Relaxed);
        self.authenticator.force_refreshed_token(&[key(n)]).await?;
        Ok(())
    }
}

/// Connects every address to a server within this process, which answers with the token of the turn.
#[derive(Clone)]
pub(crate) struct Within(Arc<AtomicU64>);

impl tower_service::Service<Uri> for Within {
    type Response = Stream;
    type Error = io::Error;
    type Future = Ready<io::Result<Stream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let turn = Arc::clone(&self.0);
        tokio::spawn(async move {
            let answer =
                service_fn(async |_: Request<Incoming>| Ok::<_, io::Error>(answer(turn.load(Ordering::Relaxed))));
            let server = hyper::server::conn::http1::Builder::new();
            // It ends when the client closes the connection.
            drop(server.serve_connection(TokioIo::new(far), answer).await);
        });
        ready(Ok(Stream(TokioIo::new(near))))
    }
}

fn answer(turn: u64) -> Response<Full<Bytes>> {
    let record = Record::new(0, turn);
    let answer = serde_json::json!({
        "access_token": record.access_token,
        "refresh_token": record.refresh_token,
        "expires_in": 172_800,
        "token_type": record.token_type,
    });
    Response::new(Full::from(answer.to_string()))
}

/// One end of the connection.
pub(crate) struct Stream(TokioIo<DuplexStream>);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(context)
    }
}
