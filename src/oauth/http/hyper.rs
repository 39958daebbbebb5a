//! Our own transport: hyper over rustls, with a configuration that no feature of another crate changes.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Uri,
    body::{Body as _, Bytes, Incoming},
    http::uri::Scheme,
};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::{
            Client,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioIo},
};
use rustls::{ClientConfig, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt as _;
use token_storage_core::async_trait;
use tokio::net::TcpStream;
use tower_service::Service;
use zeroize::Zeroizing;

use super::{super::LoginError, CONNECT_TIMEOUT, HttpAnswer, HttpRequest, HttpTransport, MAX_ANSWER, problem};
use crate::{
    manager::{ConnectionProblem, EndpointError},
    response::is_whole,
};

/// The most headers that are read of an answer.
const MAX_HEADERS: usize = 1000;
/// What answers with several id_tokens come to, in bytes.
const USUAL_ANSWER: usize = 16 * 1024;
/// How long an answer that could be whole is waited on for more.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct HyperTransport(Client<HttpsConnector<Route>, Full<Bytes>>);

impl HyperTransport {
    pub(super) fn new() -> Result<Self, LoginError> {
        let tls = tls()?;
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let builder = || hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls.clone());
        let route = Route {
            first: builder().https_or_http().enable_http1().wrap_connector(tcp),
            proxies: Arc::new(Matcher::from_system()),
        };
        let connector = builder().https_or_http().enable_http1().wrap_connector(route);
        // A connection that was kept may be closed just as a request goes out on it, and nobody then knows whether it
        // arrived. Requests are few, so each has its own.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            // A header that is not as it should be takes no token away from anybody.
            .http1_max_headers(MAX_HEADERS)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .build(connector);
        Ok(Self(client))
    }
}

fn tls() -> Result<ClientConfig, LoginError> {
    let unusable = |what: &str| LoginError::configuration(format!("TLS cannot be set up: {what}"));
    let provider = provider().ok_or_else(|| {
        unusable("there is no provider; turn on the feature `rustls-ring`, or install one as rustls's default")
    })?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("no common protocol version"))?
        .with_platform_verifier()
        .map_err(|_| {
            unusable("no certificates of authorities can be read; see SSL_CERT_FILE, or those of the operating system")
        })?;
    Ok(builder.with_no_client_auth())
}

/// What the program has chosen for itself, else ring. Nothing is installed: that would choose for others too.
fn provider() -> Option<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Some(installed.clone());
    }
    #[cfg(feature = "rustls-ring")]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(feature = "rustls-ring"))]
    None
}

type AnyError = Box<dyn Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// To the server, or to its proxy and from there through a tunnel. Addresses without TLS are on this machine, where no
/// proxy has any business.
#[derive(Clone, Debug)]
struct Route {
    first: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Route {
    type Response = Stream;
    type Error = AnyError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, AnyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let proxy = encrypted.then(|| self.proxies.intercept(&uri)).flatten();
        let mut first = self.first.clone();
        Box::pin(async move {
            let Some(proxy) = proxy else {
                return first.call(in_the_clear(&uri)?).await;
            };
            let mut tunnel = Tunnel::new(proxy.uri().clone(), first);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            tunnel.call(uri).await.map_err(Into::into)
        })
    }
}

/// The same host and port: TLS with the server itself is made by the layer above.
fn in_the_clear(uri: &Uri) -> Result<Uri, AnyError> {
    let host = uri.host().ok_or("the address has no host")?;
    let port = match (uri.port_u16(), uri.scheme() == Some(&Scheme::HTTPS)) {
        (Some(port), _) => port,
        (None, true) => 443,
        (None, false) => 80,
    };
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(format!("{host}:{port}"));
    Ok(uri.path_and_query("/").build()?)
}

#[async_trait]
impl HttpTransport for HyperTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, EndpointError> {
        let response = self.0.request(made(&request)?).await.map_err(|error| {
            EndpointError::connection(match error.is_connect() {
                true => problem::connecting(&error),
                false => problem::answering(&error),
            })
        })?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let (mut body, problem) = read(body).await;
        match problem {
            None => {}
            // However it ended: a value of JSON says itself where it does.
            Some(_) if is_whole(&body) => {}
            // The status says all that matters: the server will not do it.
            Some(_) if parts.status.is_client_error() => body = Zeroizing::default(),
            Some(problem) => return Err(EndpointError::connection(problem)),
        }
        let mut answer = HttpAnswer::new(status, std::mem::take(&mut *body));
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                answer = answer.with_header(name.as_str(), value);
            }
        }
        Ok(answer)
    }
}

fn made(request: &HttpRequest) -> Result<Request<Full<Bytes>>, EndpointError> {
    let mut builder = Request::builder().method(request.method()).uri(request.url());
    for (name, value) in request.headers() {
        builder = builder.header(name, value.expose());
    }
    // Wiped when hyper lets go of it.
    let body = Bytes::from_owner(Zeroizing::new(request.body().expose().as_bytes().to_vec()));
    let unusable =
        |_| EndpointError::transient("no request could be made of its address, so nothing was sent").not_done();
    builder.body(Full::new(body)).map_err(unusable)
}

/// What came of the body, and why no more did, if it did not end as it should.
async fn read(mut incoming: Incoming) -> (Zeroizing<Vec<u8>>, Option<ConnectionProblem>) {
    // Room for what is announced, or for any usual answer: growing would leave pieces behind that are not wiped.
    let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(MAX_ANSWER);
    let mut body = Zeroizing::new(Vec::with_capacity(announced.clamp(USUAL_ANSWER, MAX_ANSWER)));
    loop {
        let frame = match tokio::time::timeout(PAUSE, incoming.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return (body, Some(problem::answering(&error))),
            Ok(None) => return (body, None),
            // A server that has announced more than it has would be waited for in vain.
            Err(_) if is_whole(&body) => return (body, None),
            Err(_) => continue,
        };
        let Some(part) = frame.data_ref() else { continue };
        if body.len() + part.len() > MAX_ANSWER {
            return (body, Some(ConnectionProblem::TooLong));
        }
        body.extend_from_slice(part);
    }
}
