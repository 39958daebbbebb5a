//! Our own HTTP client: rustls with ring and the platform's roots, no redirects, no hidden second request.

use std::{sync::Arc, time::Duration};

use rustls_platform_verifier::BuilderVerifierExt as _;
use token_storage_core::Secret;
use zeroize::Zeroizing;

use super::LoginError;
use crate::manager::{ConnectionProblem, EndpointError};

/// The HTTP client of everything in this module. Clones share their connections' settings.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

/// The longest answer that is read, in bytes. Token responses have a few kilobytes.
const MAX_ANSWER: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// That of the Globus SDK.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) body: Body,
}

/// Holds tokens: wiped when dropped, and `Debug` shows nothing.
pub(super) struct Body(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(***)")
    }
}

impl std::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a body that is no success means.
    pub(super) fn error(&self) -> EndpointError {
        EndpointError::from_answer(self.status, self.retry_after.as_deref(), &self.body)
    }
}

/// How a client says who it is (RFC 6749 section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// An `Authorization: Basic` header where there is a secret; the recommended way.
    #[default]
    Header,
    /// Members of the form.
    Form,
}

impl HttpClient {
    /// A client with time-outs of 15 s for connecting and 60 s for the whole answer.
    ///
    /// It uses the certificates of the operating system and, by its environment variables, its proxies. It follows no
    /// redirect, so that no token is sent where it was not meant to go, and repeats no request by itself.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if the certificates cannot be used.
    pub fn new() -> Result<Self, LoginError> {
        let unusable = |what: &str| LoginError::configuration(format!("TLS cannot be set up: {what}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| unusable("no common protocol version"))?
            .with_platform_verifier()
            .map_err(|_| unusable("the certificates of the operating system cannot be read"))?
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("token-storage/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| LoginError::configuration("the HTTP client cannot be set up"))?;
        Ok(Self(client))
    }

    /// A client of the application's own making. It should follow no redirects and repeat nothing by itself.
    pub fn from_reqwest(client: reqwest::Client) -> Self {
        Self(client)
    }

    pub(super) async fn get(&self, url: &str, bearer: Option<&Secret>) -> Result<Answer, EndpointError> {
        let mut request = self.0.get(url).header("accept", "application/json");
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose());
        }
        receive(request).await
    }

    pub(super) async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<Answer, EndpointError> {
        let mut request = self.0.post(url).header("accept", "application/json").form(form);
        if let Some((id, secret)) = basic {
            request = request.basic_auth(form_encoded(id), Some(form_encoded(secret)));
        }
        receive(request).await
    }

    pub(super) async fn send(&self, request: oauth2::HttpRequest) -> Result<Answer, EndpointError> {
        let (parts, body) = request.into_parts();
        let request = self.0.request(parts.method, parts.uri.to_string());
        receive(request.headers(parts.headers).body(body)).await
    }
}

/// RFC 6749 section 2.3.1: id and secret are form-encoded before they are put together.
fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn receive(request: reqwest::RequestBuilder) -> Result<Answer, EndpointError> {
    let mut response = request.send().await.map_err(network)?;
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status().as_u16();
    let body = match read(&mut response).await {
        Ok(body) => body,
        // The status says all that matters: the server will not do it.
        Err(_) if (400..500).contains(&status) => Zeroizing::default(),
        Err(error) => return Err(error),
    };
    Ok(Answer {
        status,
        retry_after,
        body: Body(body),
    })
}

async fn read(response: &mut reqwest::Response) -> Result<Zeroizing<Vec<u8>>, EndpointError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(part) = response.chunk().await.map_err(network)? {
        if body.len() + part.len() > MAX_ANSWER {
            return Err(EndpointError::connection(ConnectionProblem::TooLong));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The error of reqwest is not kept: it holds the address, which may have a code in it.
fn network(error: reqwest::Error) -> EndpointError {
    if error.is_builder() || error.is_connect() {
        let message = "no connection to the authorization server; check its address, the network and its certificate";
        return EndpointError::transient(message).not_done();
    }
    EndpointError::transient(if error.is_timeout() {
        "the authorization server did not answer in time"
    } else {
        "the connection to the authorization server broke"
    })
}
