//! A strict authorization server for tests, on loopback.
//!
//! It behaves as badly towards a careless client as a real one may: refresh tokens are used once, the reuse of a spent
//! one revokes its whole family, PKCE and redirect addresses are checked, codes are single-use. Whatever goes wrong on a
//! network can be scripted with [`Fault`]s, held still with a [`Gate`], and every request is in the log. Its paths are
//! those of Globus Auth and Globus Groups, so that one address serves for both; discovery names them for everyone else.
//!
//! It runs in a thread of its own with its own runtime: it is there for child processes too, whatever the test's own
//! runtime does.
//!
//! ```
//! use token_storage_auth_testing::auth_server::{AuthServer, Endpoint};
//!
//! let server = AuthServer::start();
//! let answer = server.issue(AuthServer::NATIVE_CLIENT, "read write");
//! assert!(answer.contains("refresh_token"));
//! assert_eq!(server.count(Endpoint::Token), 0, "nobody has asked over the network");
//! ```

mod assertion;
mod authorize;
mod config;
mod control;
mod device;
mod fault;
mod flaw;
mod grants;
mod http;
mod jwt;
mod listener;
mod log;
mod metadata;
mod pages;
pub mod profile;
mod providers;
mod resources;
mod serve;
mod state;
mod token;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

pub use config::Config;
pub use fault::{Fault, Gate};
pub use flaw::IdTokenFlaw;
pub use http::Endpoint;
pub use log::{LoggedRequest, Outcome};
pub use profile::Profile;
pub use providers::{Habits, Sources, provider_habits};

use fault::Faults;
use log::Log;
use state::State;

/// The running server; it stops when this is dropped.
#[derive(Debug)]
pub struct AuthServer {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    address: SocketAddr,
    config: Config,
    state: Mutex<State>,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
}

impl Shared {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuthServer {
    /// A registered public client: no secret, PKCE required, any loopback port as redirect address (RFC 8252).
    pub const NATIVE_CLIENT: &'static str = "native-client";
    /// A registered confidential client.
    pub const SERVICE_CLIENT: &'static str = "service-client";
    /// The secret of [`AuthServer::SERVICE_CLIENT`], unless the [`Config`] has another.
    pub const SERVICE_SECRET: &'static str = "service-secret";
    /// The key of [`AuthServer::SERVICE_CLIENT`], P-256 in PEM (PKCS #8). It is for tests, and everyone can see it.
    pub const SERVICE_KEY: &'static str = include_str!("testdata/client-key.pem");
    /// The certificate of [`AuthServer::SERVICE_KEY`] in PEM, signed by itself.
    pub const SERVICE_CERTIFICATE: &'static str = include_str!("testdata/client-certificate.pem");
    /// The name (`kid`) that the server knows [`AuthServer::SERVICE_KEY`] by.
    pub const SERVICE_KEY_ID: &'static str = "client-key-1";
    /// The `sub` of everyone who logs in.
    pub const IDENTITY: &'static str = "6f4d3a86-0b1c-4d57-9d1e-1f3b54a6f001";

    /// Starts the server with the default [`Config`].
    ///
    /// # Panics
    /// If no loopback port can be bound.
    pub fn start() -> Self {
        Self::start_with(Config::default())
    }

    /// Starts the server.
    ///
    /// # Panics
    /// If no loopback port can be bound.
    pub fn start_with(config: Config) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", config.port)).expect("a loopback port can be bound");
        listener
            .set_nonblocking(true)
            .expect("a socket can be made non-blocking");
        let shared = Arc::new(Shared {
            address: listener.local_addr().expect("a bound socket has an address"),
            config,
            state: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || serve::run(listener, shared, stopped)
        });
        Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// The token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}{}", self.url(), http::TOKEN_PATH)
    }

    /// The revocation endpoint.
    pub fn revocation_url(&self) -> String {
        format!("{}{}", self.url(), http::REVOKE_PATH)
    }

    /// Logs a client in without the network: a token response, as the token endpoint would send it. One token for each
    /// resource server that the scopes belong to.
    pub fn issue(&self, client: &str, scope: &str) -> String {
        let login = grants::Login::offline(client, scope);
        grants::issue(&self.shared, &login).to_string()
    }

    /// Decides on an authorization request as the person at the consent page does, without a browser, and says where the
    /// browser would be sent.
    ///
    /// # Panics
    /// If the page would refuse the request, because something in the address is wrong.
    pub fn decide(&self, authorize_url: &str, approve: bool) -> String {
        let query = authorize_url.split_once('?').map_or("", |(_, query)| query);
        authorize::decide_alone(&self.shared, query, approve)
    }

    /// Decides on a device login as the person at the device page does, without a browser.
    ///
    /// # Panics
    /// If no device waits for this code.
    pub fn decide_device(&self, user_code: &str, approve: bool) {
        let decided = device::decide(&self.shared, user_code, approve);
        assert!(decided, "no device waits for this code");
    }

    /// Lets the next requests of an endpoint go wrong, one fault each, in the order in which they were added.
    pub fn script(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults().push(endpoint, fault);
    }

    /// Lets all requests of an endpoint go wrong that have no scripted fault, until it is called with `None`.
    pub fn script_all(&self, endpoint: Endpoint, fault: Option<Fault>) {
        self.shared.faults().set_standing(endpoint, fault);
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log().requests()
    }

    /// How many requests an endpoint has had.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.shared.log().count(|request| request.endpoint == endpoint)
    }

    /// How many requests with `grant_type=refresh_token` the token endpoint has had.
    pub fn refresh_requests(&self) -> usize {
        self.shared.log().count(LoggedRequest::is_refresh)
    }

    /// How often a spent refresh token came again, and its family was revoked.
    pub fn reuse_detections(&self) -> usize {
        self.shared
            .log()
            .count(|request| request.outcome == Outcome::ReuseDetected)
    }

    /// How many refresh tokens could be redeemed now.
    pub fn live_refresh_tokens(&self) -> usize {
        self.shared.state().live_refresh_tokens()
    }

    /// Whether a token, access or refresh, would be accepted now.
    pub fn is_active(&self, token: &str) -> bool {
        self.shared.state().is_active(token)
    }

    /// Whether the server ever issued this token.
    pub fn has_issued(&self, token: &str) -> bool {
        self.shared.state().has_issued(token)
    }

    /// Whether a text shows a token that the server ever issued, or the random part of one.
    pub fn shows_token(&self, text: &str) -> bool {
        self.shared.state().shows_token(text)
    }

    /// Spends a refresh token without the network, as a client does that dies before it stores the answer. Whether it was
    /// still good.
    pub fn spend(&self, refresh_token: &str) -> bool {
        self.shared.state().spend(refresh_token)
    }

    /// Makes all access tokens expire now.
    pub fn expire_access_tokens(&self) {
        self.shared.state().expire_access_tokens();
    }

    /// Revokes everything that was ever issued.
    pub fn revoke_everything(&self) {
        self.shared.state().revoke_everything();
    }
}

impl Drop for AuthServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by its thread.
            let _ = thread.join();
        }
    }
}
