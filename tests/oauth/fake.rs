//! A server in this process that answers what a test wants and remembers what it was asked: for signatures of kinds that
//! the strict server does not make, and parameters that it does not look at.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use token_storage::{
    async_trait,
    manager::EndpointError,
    oauth::{HttpAnswer, HttpClient, HttpRequest, HttpTransport, OAuthClient, Provider},
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const CLIENT: &str = "client-1";

#[derive(Debug, Default)]
pub(crate) struct Fake {
    answers: Mutex<HashMap<&'static str, String>>,
    requests: Mutex<Vec<HttpRequest>>,
}

#[async_trait]
impl HttpTransport for Fake {
    async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, EndpointError> {
        let path = request.url().strip_prefix(ISSUER).unwrap().to_owned();
        self.requests.lock().unwrap().push(request);
        Ok(match self.answers.lock().unwrap().get(path.as_str()) {
            Some(body) => HttpAnswer::new(200, body.clone()),
            None => HttpAnswer::new(404, ""),
        })
    }
}

impl Fake {
    /// It answers token requests and revocations.
    pub(crate) fn new() -> Arc<Self> {
        let fake = Self::default();
        fake.answer(
            "/token",
            r#"{"access_token":"at","refresh_token":"rt","expires_in":60}"#,
        );
        fake.answer("/revoke", "");
        Arc::new(fake)
    }

    pub(crate) fn answer(&self, path: &'static str, body: impl Into<String>) {
        self.answers.lock().unwrap().insert(path, body.into());
    }

    pub(crate) fn client(self: &Arc<Self>) -> OAuthClient {
        let at = |path: &str| format!("{ISSUER}{path}");
        let provider = Provider::new(&at("/token"))
            .and_then(|provider| provider.with_issuer(ISSUER))
            .and_then(|provider| provider.with_authorization_endpoint(&at("/authorize")))
            .and_then(|provider| provider.with_device_authorization_endpoint(&at("/device")))
            .and_then(|provider| provider.with_revocation_endpoint(&at("/revoke")))
            .and_then(|provider| provider.with_jwks_uri(&at("/keys")))
            .unwrap();
        OAuthClient::new(HttpClient::with_transport(self.clone()), provider, CLIENT)
    }

    /// The form of each request to this path.
    pub(crate) fn forms(&self, path: &str) -> Vec<Vec<(String, String)>> {
        let requests = self.requests.lock().unwrap();
        let asked = requests.iter().filter(|request| request.url().ends_with(path));
        let pairs = |body: &str| form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        asked.map(|request| pairs(request.body().expose())).collect()
    }

    /// The header of the last request.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let requests = self.requests.lock().unwrap();
        let headers = requests.last()?.headers();
        let found = headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.expose().to_owned())
    }
}

/// What a form has under a name.
pub(crate) fn values<'a>(form: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let named = form.iter().filter(|(found, _)| found == name);
    named.map(|(_, value)| value.as_str()).collect()
}
