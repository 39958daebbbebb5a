//! Several servers and clients in one storage: whatever names their answers carry, no token goes to a server that did not
//! issue it, and no record changes but those of the server and the client that answered. The servers' logs are the judge.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use token_storage::{
    IssuedBy, MemoryStorage, Precondition, ResponsesExt, TokenData, TokenKey, TokenResponse, TokenStorage,
    TokenStorageExt as _,
    manager::{Logout, TokenManager},
    oauth::{ClientAuth, HttpClient, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault, LoggedRequest};

use crate::support::{LIFETIME, TestClock};

const SERVERS: usize = 3;
const NAMES: [&str; 4] = ["api.example.org", "groups.api.globus.org", "a", "default"];
const CLIENTS: [&str; 2] = [AuthServer::NATIVE_CLIENT, AuthServer::SERVICE_CLIENT];

/// One of the servers, and as which client.
type Source = (usize, usize);

/// What an answer says of itself beyond its own token.
#[derive(Clone, Debug)]
struct Other {
    name: usize,
    has_refresh_token: bool,
    claims: Option<Source>,
}

#[derive(Clone, Debug)]
enum Action {
    Refresh(usize, Vec<Other>),
    Logout(usize),
}

fn source() -> impl Strategy<Value = Source> {
    (0..SERVERS, 0..CLIENTS.len())
}

fn other() -> impl Strategy<Value = Other> {
    (0..NAMES.len(), any::<bool>(), proptest::option::of(source())).prop_map(|(name, has_refresh_token, claims)| {
        Other {
            name,
            has_refresh_token,
            claims,
        }
    })
}

fn action() -> impl Strategy<Value = Action> {
    let others = proptest::collection::vec(other(), 0..4);
    prop_oneof![
        4 => (0..NAMES.len(), others).prop_map(|(name, others)| Action::Refresh(name, others)),
        1 => (0..NAMES.len()).prop_map(Action::Logout),
    ]
}

fn key(name: usize) -> TokenKey {
    TokenKey::in_default(NAMES[name])
}

struct World {
    servers: Vec<AuthServer>,
    http: HttpClient,
    storage: MemoryStorage,
    clock: Arc<TestClock>,
}

impl World {
    /// A token for each name, from some server and client.
    async fn new(http: HttpClient, sources: &[Source]) -> Self {
        let world = Self {
            servers: (0..SERVERS).map(|_| AuthServer::start()).collect(),
            http,
            storage: MemoryStorage::new(),
            clock: TestClock::new(),
        };
        for (name, source) in sources.iter().enumerate() {
            let body = world.servers[source.0].issue(CLIENTS[source.1], "read");
            let mut body: Value = serde_json::from_str(&body).unwrap();
            body["resource_server"] = NAMES[name].into();
            let response = TokenResponse::parse(body.to_string(), 0).unwrap();
            let response = response.with_issued_by(&world.client(*source).issued_by());
            world.storage.store_response("DEFAULT", &response).await.unwrap();
        }
        world
    }

    fn client(&self, (server, client): Source) -> OAuthClient {
        let server = &self.servers[server];
        let provider = Provider::new(&server.token_url()).unwrap();
        let provider = provider.with_revocation_endpoint(&server.revocation_url()).unwrap();
        let made = OAuthClient::new(self.http.clone(), provider, CLIENTS[client]);
        match CLIENTS[client] {
            AuthServer::SERVICE_CLIENT => made.with_secret(AuthServer::SERVICE_SECRET, ClientAuth::Header),
            _ => made,
        }
    }

    fn manager(&self, source: Source) -> TokenManager<MemoryStorage> {
        TokenManager::builder(self.storage.clone(), Arc::new(self.client(source)))
            .clock(self.clock.clone())
            .trust(Duration::ZERO)
            .build()
            .unwrap()
    }

    async fn record(&self, name: usize) -> Option<TokenData> {
        self.storage.get(&key(name)).await.unwrap().map(|stored| stored.data)
    }

    /// Of whom a record says that it is.
    fn source_of(&self, data: &TokenData) -> Option<Source> {
        let named = IssuedBy::of(data).unwrap()?;
        let all = (0..SERVERS).flat_map(|server| (0..CLIENTS.len()).map(move |client| (server, client)));
        all.into_iter().find(|source| self.client(*source).issued_by() == named)
    }

    async fn refresh(&self, name: usize, others: &[Other], round: usize) {
        let before = self.record(name).await;
        let Some(source) = before.as_ref().and_then(|data| self.source_of(data)) else {
            return;
        };
        let tokens: Vec<Value> = others.iter().map(|other| self.token(source, other, round)).collect();
        let json: &'static str = Value::from(tokens).to_string().leak();
        self.servers[source.0].script(Endpoint::Token, Fault::Member("other_tokens", json));
        self.clock.advance(2 * LIFETIME);
        // A token that the server made up is refused in the end, and that is as good an answer here.
        let _ = self.manager(source).refresh(&key(name)).await;
        self.servers[source.0].script_all(Endpoint::Token, None);
    }

    fn token(&self, source: Source, other: &Other, round: usize) -> Value {
        let mark = format!("evil-{}-{}-{round}", source.0, source.1);
        let mut token =
            json!({"resource_server": NAMES[other.name], "access_token": mark, "scope": "x", "expires_in": 1});
        if other.has_refresh_token {
            token["refresh_token"] = format!("{mark}-refresh").into();
        }
        if let Some(claimed) = other.claims {
            let claimed = self.client(claimed).issued_by();
            token["token_storage_token_endpoint"] = claimed.token_endpoint.into();
            token["token_storage_client_id"] = claimed.client_id.into();
        }
        token
    }

    async fn all(&self) -> Vec<Option<TokenData>> {
        let mut all = Vec::new();
        for name in 0..NAMES.len() {
            all.push(self.record(name).await);
        }
        all
    }

    async fn act(&self, action: &Action, round: usize) {
        let before = self.all().await;
        let (Action::Refresh(name, _) | Action::Logout(name)) = action;
        let Some(source) = before[*name].as_ref().and_then(|data| self.source_of(data)) else {
            return;
        };
        match action {
            Action::Refresh(name, others) => self.refresh(*name, others, round).await,
            Action::Logout(name) => drop(self.manager(source).logout(&key(*name), Logout::Revoke).await),
        }
        for (name, (before, after)) in before.iter().zip(self.all().await).enumerate() {
            let owner = before.as_ref().and_then(|data| self.source_of(data));
            if owner != Some(source) {
                assert!(
                    *before == after,
                    "the record {name} of {owner:?} was changed by {source:?}: {action:?}"
                );
            }
            assert_eq!(
                after.as_ref().map(|data| self.source_of(data)),
                after.as_ref().map(|_| owner),
                "{action:?}"
            );
        }
    }

    /// No server saw a token of another, and none of another client.
    fn judge(&self) {
        for (index, server) in self.servers.iter().enumerate() {
            for request in server.requests() {
                for token in sent(&request) {
                    let made_up = token.starts_with(&format!("evil-{index}-"));
                    assert!(
                        made_up || server.has_issued(token),
                        "server {index} was sent a token of another"
                    );
                    let client = usize::from(request.basic);
                    let made_up_for_another = made_up && !token.starts_with(&format!("evil-{index}-{client}-"));
                    assert!(!made_up_for_another, "server {index}: as another client");
                }
            }
        }
    }
}

fn sent(request: &LoggedRequest) -> impl Iterator<Item = &str> {
    ["refresh_token", "token"]
        .into_iter()
        .filter_map(|name| request.params.get(name).map(String::as_str))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_crosses_servers(
        sources in proptest::collection::vec(source(), NAMES.len()),
        actions in proptest::collection::vec(action(), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = HTTP.get_or_init(|| HttpClient::new().unwrap()).clone();
        runtime.block_on(async {
            let world = World::new(http, &sources).await;
            for (round, action) in actions.iter().enumerate() {
                world.act(action, round).await;
            }
            world.judge();
        });
    }
}

/// Reading the system's certificates takes longer than a case.
static HTTP: std::sync::OnceLock<HttpClient> = std::sync::OnceLock::new();

/// Records that name no server, as the Python SDK's do not: only between records that look like Globus's.
#[tokio::test]
async fn records_that_name_no_server_are_renewed_for_globus_alone() {
    let globus = IssuedBy::named("https://auth.globus.org", "id");
    let elsewhere = IssuedBy::named("https://auth.example.org", "id");
    let groups = TokenData::new("groups.api.globus.org", "x", "at");
    let other = TokenData::new("api.example.org", "x", "at");
    assert!(globus.owns(&groups));
    assert!(!globus.owns(&other));
    assert!(!elsewhere.owns(&groups));
    assert!(!elsewhere.owns(&other));
}

/// The least that shows it.
#[tokio::test]
async fn a_refresh_at_one_server_leaves_the_record_of_another() {
    let http = HTTP.get_or_init(|| HttpClient::new().unwrap()).clone();
    let world = World::new(http, &[(0, 0), (1, 0), (2, 0), (1, 1)]).await;
    let evil = |name| Other {
        name,
        has_refresh_token: true,
        claims: None,
    };
    let before = world.all().await;
    world.refresh(1, &[evil(0), evil(2), evil(3)], 0).await;
    let after = world.all().await;
    assert_ne!(before[1], after[1], "it was refreshed");
    for untouched in [0, 2, 3] {
        assert_eq!(before[untouched], after[untouched]);
    }
    // Its own it may renew.
    let own = TokenData::new("a", "x", "at")
        .with_refresh_token("rt")
        .with_extra(before[1].clone().unwrap().extra);
    world.storage.store(&key(2), &own, Precondition::Any).await.unwrap();
    world.refresh(1, &[evil(2)], 1).await;
    assert_eq!(world.record(2).await.unwrap().access_token.expose(), "evil-1-0-1");
}
