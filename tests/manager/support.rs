use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use token_storage::{
    MemoryStorage, ResponsesExt, TokenData, TokenKey, TokenResponse, TokenStorage,
    manager::{AccessToken, Clock, Event, ManagerBuilder, TokenManager},
    oauth::{HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config};

pub(crate) const RESOURCE_SERVER: &str = "groups.api.globus.org";
pub(crate) const SCOPE: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";
/// The lifetime of the server's tokens.
pub(crate) const LIFETIME: i64 = 3600;

/// Both clocks, moved by hand.
#[derive(Debug)]
pub(crate) struct TestClock {
    now: AtomicI64,
    monotonic: AtomicU64,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            now: AtomicI64::new(1_795_649_003),
            monotonic: AtomicU64::new(0),
        })
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
        self.monotonic.fetch_add(seconds.unsigned_abs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Duration {
        Duration::from_secs(self.now.load(Ordering::SeqCst).unsigned_abs())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.monotonic.load(Ordering::SeqCst))
    }
}

pub(crate) fn endpoint(server: &AuthServer) -> Arc<OAuthClient> {
    crate::log::everything();
    let provider = Provider::new(&server.token_url()).unwrap();
    let provider = provider.with_revocation_endpoint(&server.revocation_url()).unwrap();
    Arc::new(OAuthClient::new(
        HttpClient::new().unwrap(),
        provider,
        AuthServer::NATIVE_CLIENT,
    ))
}

pub(crate) fn key() -> TokenKey {
    TokenKey::in_default(RESOURCE_SERVER)
}

/// A server, a storage with one logged-in key, and what is needed to make managers for them.
pub(crate) struct World<S = MemoryStorage> {
    pub(crate) server: AuthServer,
    pub(crate) storage: S,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    /// One for all managers: reading the system's certificates takes longer than most tests.
    endpoint: Arc<OAuthClient>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(MemoryStorage::new(), Config::default()).await
    }
}

impl<S: TokenStorage + Clone + 'static> World<S> {
    pub(crate) async fn with(storage: S, config: Config) -> Self {
        let server = AuthServer::start_with(config);
        let world = Self {
            endpoint: endpoint(&server),
            server,
            storage,
            clock: TestClock::new(),
            events: Arc::default(),
        };
        world.log_in().await;
        world
    }

    /// A login through the front door, without a manager.
    pub(crate) async fn log_in(&self) {
        let body = self.server.issue(AuthServer::NATIVE_CLIENT, SCOPE);
        let response = TokenResponse::parse(&body, self.clock.now()).unwrap();
        let response = response.with_resource_server(RESOURCE_SERVER).unwrap();
        self.storage.store_response("DEFAULT", &response).await.unwrap();
    }

    pub(crate) fn builder(&self) -> ManagerBuilder<S> {
        let events = self.events.clone();
        TokenManager::builder(self.storage.clone(), self.endpoint.clone())
            .clock(self.clock.clone())
            .on_event(move |event| events.lock().unwrap().push(event.clone()))
    }

    /// One whose own pauses are short, as the tests' failures are.
    pub(crate) fn manager(&self) -> TokenManager<S> {
        self.builder()
            .store_patience(Duration::from_millis(200))
            .build()
            .unwrap()
    }

    pub(crate) async fn stored(&self) -> TokenData {
        self.storage
            .get(&key())
            .await
            .unwrap()
            .expect("a record is stored")
            .data
    }

    /// Lets the stored token expire for everyone.
    pub(crate) fn expire(&self) {
        self.clock.advance(LIFETIME);
    }

    pub(crate) fn saw(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.lock().unwrap().iter().any(wanted)
    }
}

/// The token is the stored one, and the server would take it.
pub(crate) async fn assert_current<S: TokenStorage + Clone + 'static>(world: &World<S>, token: &AccessToken) {
    assert_eq!(world.stored().await.access_token, *token.secret());
    assert!(world.server.is_active(token.expose()));
}
