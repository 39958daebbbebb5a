//! What the benches of this folder share: how they run and tell whether a goal is met, a server that must not be asked, and one that
//! takes its time while many wait for it.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use token_storage::{
    TokenData, TokenKey, TokenResponse, async_trait,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint, TokenManager},
};
use tokio::{runtime::Runtime, task::JoinSet};

/// Whether to show only that it works: `cargo test` runs benches too, with `--test`; `cargo bench` passes `--bench`.
pub fn is_quick() -> bool {
    !std::env::args().any(|argument| argument == "--bench")
}

/// A runtime whose tasks run on two threads, whatever the machine has.
pub fn two_workers() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads(2).enable_all().build();
    built.expect("a runtime")
}

/// The authorization server of benches in which every token is good: it ends the run when it is asked for anything.
#[derive(Debug)]
pub struct Nobody;

#[async_trait]
impl TokenEndpoint for Nobody {
    async fn refresh(&self, _: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        panic!("a good token was refreshed");
    }

    fn accepts(&self, _: &TokenData) -> Result<(), EndpointError> {
        Ok(())
    }

    async fn revoke(&self, _: RevokeRequest<'_>) -> Result<(), EndpointError> {
        panic!("a good token was revoked");
    }
}

/// The authorization server of benches in which one token expires for all: it takes some time for a refresh.
#[derive(Debug, Default)]
pub struct SlowServer(AtomicUsize);

impl SlowServer {
    /// For a refresh.
    pub const TAKES: Duration = Duration::from_millis(200);

    /// How often it was asked for one.
    pub fn refreshes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TokenEndpoint for SlowServer {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Self::TAKES).await;
        let token = "b".repeat(900);
        let answer = format!(r#"{{"access_token": "{token}", "refresh_token": "second", "expires_in": 3600}}"#);
        Ok(TokenResponse::parse(answer, request.now).expect("a response"))
    }

    fn accepts(&self, _: &TokenData) -> Result<(), EndpointError> {
        Ok(())
    }

    async fn revoke(&self, _: RevokeRequest<'_>) -> Result<(), EndpointError> {
        panic!("a good token was revoked");
    }
}

const RESOURCE_SERVER: &str = "groups.api.globus.org";

/// What the token is stored under that expires for all.
pub fn key() -> TokenKey {
    TokenKey::in_default(RESOURCE_SERVER)
}

/// That token.
pub fn expired() -> TokenData {
    TokenData::new(RESOURCE_SERVER, "view_my_groups", "a".repeat(900))
        .with_refresh_token("first")
        .with_expires_at(1)
}

/// So many tasks of each manager ask for it at once. How many were served.
pub async fn ask_all(managers: &[TokenManager], tasks: usize) -> usize {
    let mut asking = JoinSet::new();
    for manager in managers.iter().flat_map(|manager| vec![manager; tasks]) {
        let manager = manager.clone();
        asking.spawn(async move { manager.access_token(&key()).await.map(drop) });
    }
    let served = asking.join_all().await;
    served.iter().filter(|served| served.is_ok()).count()
}

/// What a goal allows. The number has the unit of the measurement.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// It may be this large.
    AtMost(f64),
    /// It must be this large.
    AtLeast(f64),
}

impl Goal {
    fn is_met(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::AtLeast(limit) => measured >= limit,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = |limit: &f64| (limit * 100.0).round() / 100.0;
        match self {
            Self::AtMost(limit) => write!(f, "at most {}", rounded(limit)),
            Self::AtLeast(limit) => write!(f, "at least {}", rounded(limit)),
        }
    }
}

/// Prints a row of the table that `benches/goals.sh` makes: the goal's name in `docs/performance.md`, what was measured, the
/// ratio or the share that came out, and beside what.
pub fn tell(name: &str, what: &str, measured: f64, unit: &str, goal: Goal, beside: &str) {
    let met = if goal.is_met(measured) { "met" } else { "not met" };
    println!("goal | {name} | {what} | {measured:.2}{unit} | {goal}{unit} | {beside} | {met}");
}

/// Prints a row for the least code that does what a goal's promise cannot do without, as if it were ours: a goal that this
/// does not meet either is out of reach, and what ours takes beyond it is ours to save.
pub fn tell_floor(name: &str, what: &str, measured: f64, unit: &str, goal: Goal, beside: &str) {
    let met = if goal.is_met(measured) {
        "would meet it"
    } else {
        "would not meet it"
    };
    println!("goal | {name} | - a floor: {what} | {measured:.2}{unit} | {goal}{unit} | {beside} | {met}");
}
