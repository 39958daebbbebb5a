//! A token endpoint on loopback that answers with what the adapter wants stored.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::{Router, http::StatusCode, routing::post};

/// The answers that are waited for: for an authenticator (by its `audience`) and a scope the access token.
type Answers = HashMap<(String, String), String>;

#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    answers: Arc<Mutex<Answers>>,
}

/// An answer that is taken back when this is dropped: a request for the sake of reading must not find it later.
pub(crate) struct Prepared<'a> {
    endpoint: &'a Endpoint,
    asked: (String, String),
}

impl Endpoint {
    /// The one endpoint of this process, started by the first who asks, on the runtime that the caller is on.
    pub(crate) fn get() -> &'static Self {
        static ENDPOINT: OnceLock<Endpoint> = OnceLock::new();
        ENDPOINT.get_or_init(Self::start)
    }

    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
        let address = listener.local_addr().expect("an address");
        let endpoint = Self {
            url: format!("http://{address}/token"),
            answers: Arc::default(),
        };
        let answering = endpoint.clone();
        let routes = Router::new().route("/token", post(async move |body: String| answering.answer(&body)));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        endpoint
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn prepare(&self, audience: &str, scope: &str, access_token: String) -> Prepared<'_> {
        let asked = (audience.to_owned(), scope.to_owned());
        self.answers().insert(asked.clone(), access_token);
        Prepared { endpoint: self, asked }
    }

    /// An answer without `expires_in` is never taken for expired. Where none is prepared, the request came of a read that
    /// found nothing, and is refused.
    fn answer(&self, body: &str) -> (StatusCode, String) {
        let mut form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let mut field = |name| form.remove(name).unwrap_or_default();
        match self.answers().remove(&(field("audience"), field("scope"))) {
            Some(token) => {
                let answer = serde_json::json!({"access_token": token, "token_type": "Bearer"});
                (StatusCode::OK, answer.to_string())
            }
            None => (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#.to_owned()),
        }
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        self.endpoint.answers().remove(&self.asked);
    }
}
