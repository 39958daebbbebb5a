//! HTTP as this module needs it: small requests, no redirects, no hidden second request, one time budget.

mod encoding;
mod hyper;
mod problem;
mod types;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use token_storage_core::{Secret, async_trait};
use url::Url;
use zeroize::Zeroizing;

pub use self::types::{HttpAnswer, HttpRequest};
use self::{hyper::HyperTransport, types::Body};
use super::LoginError;
use crate::manager::{ConnectionProblem, EndpointError};

/// What carries requests: the client of this library, or a program's own.
///
/// It is also the hook on everything that is sent and answered: a program that wraps it can add headers (DPoP, tracing), or
/// bring an answer into the shape of RFC 6749 section 5.1 before it is read.
#[async_trait]
pub trait HttpTransport: fmt::Debug + Send + Sync {
    /// Sends the request once, follows no redirect, and gives the answer whatever its status.
    ///
    /// # Errors
    /// - [`EndpointError::connection`] if there is no complete answer.
    async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, EndpointError>;
}

/// The HTTP client of everything in this module. Clones share their settings.
#[derive(Clone, Debug)]
pub struct HttpClient {
    transport: Arc<dyn HttpTransport>,
    timeout: Duration,
}

/// The longest answer that is read, in bytes. Token responses have a few kilobytes.
const MAX_ANSWER: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// That of the Globus SDK.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    retry_after: Option<String>,
    /// Where a redirect leads, without its query.
    location: Option<String>,
    pub(super) body: Body,
    server: String,
    /// What must not be repeated in a message.
    sent: Vec<Secret>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Says who answered, by the server's own name.
    pub(super) fn said_by(mut self, name: &str) -> Self {
        name.clone_into(&mut self.server);
        self
    }

    /// What a body that is no success means.
    pub(super) fn error(&self) -> EndpointError {
        let sent: Vec<&str> = self.sent.iter().map(Secret::expose).collect();
        let error = EndpointError::of_answer(self.status, self.retry_after.as_deref(), &self.body, Some(&sent));
        let error = match &self.location {
            Some(location) => error.leading_to(location, &sent),
            None => error,
        };
        error.with_server(&self.server)
    }
}

impl HttpClient {
    /// A client with time-outs of 15 s for connecting and 60 s for a whole request.
    ///
    /// It trusts the certificates of the operating system, or of the file that `SSL_CERT_FILE` and the folders that
    /// `SSL_CERT_DIR` name, and uses the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) or the system for https. It
    /// follows no redirect, so that no token is sent where it was not meant to go, and repeats no request by itself.
    ///
    /// TLS is that of the provider that the program has installed for rustls, else ring, with the feature `rustls-ring`.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if there is no provider, or the
    ///   certificates cannot be used.
    pub fn new() -> Result<Self, LoginError> {
        Ok(Self::with_transport(Arc::new(HyperTransport::new()?)))
    }

    /// A client whose requests the program carries itself.
    pub fn with_transport(transport: Arc<dyn HttpTransport>) -> Self {
        Self {
            transport,
            timeout: TIMEOUT,
        }
    }

    /// How long one request may take, from connecting to the last byte of the answer. 60 s if this is not called.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What carries the requests, to be wrapped.
    pub fn transport(&self) -> &Arc<dyn HttpTransport> {
        &self.transport
    }

    /// How long one request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) async fn get(&self, url: &str, bearer: Option<&Secret>) -> Result<Answer, EndpointError> {
        let mut request = HttpRequest::get(url);
        if let Some(token) = bearer {
            request = request.with_header("authorization", Secret::new(format!("Bearer {}", token.expose())));
        }
        self.send(request, bearer.cloned().into_iter().collect()).await
    }

    pub(super) async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<Answer, EndpointError> {
        let mut sent: Vec<Secret> = form
            .iter()
            .filter(|(name, _)| SECRETS.contains(name))
            .map(|(_, value)| Secret::from(*value))
            .collect();
        let mut request = HttpRequest::post(url, form);
        if let Some((id, secret)) = basic {
            // RFC 6749 section 2.3.1: id and secret are form-encoded before they are put together.
            let pair = Zeroizing::new(format!("{}:{}", form_encoded(id), form_encoded(secret)));
            let header = format!("Basic {}", STANDARD.encode(pair.as_bytes()));
            request = request.with_header("authorization", Secret::new(header));
            sent.push(Secret::from(secret));
        }
        self.send(request, sent).await
    }

    async fn send(&self, request: HttpRequest, sent: Vec<Secret>) -> Result<Answer, EndpointError> {
        let server = host(request.url());
        let asked = Url::parse(request.url()).ok();
        let answer = tokio::time::timeout(self.timeout, self.transport.send(request)).await;
        let late = || EndpointError::connection(ConnectionProblem::TimedOut);
        let answer = answer
            .unwrap_or_else(|_| Err(late()))
            .and_then(encoding::read)
            .map_err(|error| error.with_server(&server))?;
        Ok(Answer {
            status: answer.status(),
            retry_after: answer.header("retry-after").map(str::to_owned),
            location: answer.header("location").and_then(|to| location(asked.as_ref()?, to)),
            body: answer.into_body(),
            server,
            sent,
        })
    }
}

/// Members of a form that no message may repeat.
const SECRETS: [&str; 8] = [
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
    "token",
    "subject_token",
];

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Where a header `Location` leads, without what could hold a secret.
fn location(asked: &Url, to: &str) -> Option<String> {
    let mut url = asked.join(to).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(url.into())
}

/// The host and port of an address, for messages.
fn host(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    host.unwrap_or_else(|| "the server".to_owned())
}
