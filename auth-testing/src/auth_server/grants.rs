//! Issuing tokens: one grant for each resource server that the scopes belong to.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::{
    Shared, jwt,
    state::{AccessToken, Grant, RefreshToken, State},
};

pub(super) const AUTH_SERVER_NAME: &str = "auth.globus.org";
const GLOBUS_SCOPE: &str = "urn:globus:auth:scope:";
const OTHER_RESOURCE_SERVER: &str = "resource.example.org";

/// What a person agreed to, or a client asked for itself.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) client: String,
    pub(super) scope: String,
    /// Whether refresh tokens are given.
    pub(super) offline: bool,
    pub(super) nonce: Option<String>,
    /// The APIs that the tokens are for: `resource` (RFC 8707) and `audience`.
    pub(super) targets: Vec<String>,
}

impl Login {
    pub(super) fn offline(client: &str, scope: &str) -> Self {
        Self {
            client: client.to_owned(),
            scope: scope.to_owned(),
            offline: true,
            nonce: None,
            targets: Vec::new(),
        }
    }
}

/// The body of a token response, with `other_tokens` where the scopes belong to several resource servers.
pub(super) fn issue(shared: &Shared, login: &Login) -> Value {
    issue_in(shared, &mut shared.state(), login).0
}

/// As [`issue`], for callers that hold the state; with the grants that were made.
pub(super) fn issue_in(shared: &Shared, state: &mut State, login: &Login) -> (Value, Vec<usize>) {
    let mut bodies = Vec::new();
    let mut grants = Vec::new();
    for (resource_server, scope) in by_resource_server(shared, &login.scope) {
        let grant = state.grants.len();
        state.grants.push(Grant {
            client: login.client.clone(),
            scope,
            resource_server,
            targets: login.targets.clone(),
            revoked: false,
        });
        bodies.push(issue_for(shared, state, grant, login.offline));
        grants.push(grant);
    }
    let mut rest = bodies.into_iter();
    let mut primary = rest.next().unwrap_or_default();
    let others: Vec<Value> = rest.map(Value::Object).collect();
    if shared.config.name_resource_server {
        primary.insert("other_tokens".into(), Value::Array(others));
    }
    if login.scope.split(' ').any(|scope| scope == "openid") {
        let id_token = jwt::id_token(&shared.url(), &login.client, login.nonce.as_deref());
        primary.insert("id_token".into(), id_token.into());
    }
    (Value::Object(primary), grants)
}

/// New tokens of an existing grant. Without rotation there is no new refresh token.
pub(super) fn issue_for(shared: &Shared, state: &mut State, grant: usize, refresh: bool) -> Map<String, Value> {
    let access_token = random("at");
    let lifetime = shared.config.access_token_lifetime;
    state.access_tokens.insert(
        access_token.clone(),
        AccessToken {
            grant,
            expires: Instant::now() + Duration::from_secs(lifetime.unwrap_or(3600)),
            revoked: false,
        },
    );
    let Grant {
        scope, resource_server, ..
    } = &state.grants[grant];
    let mut body = Map::new();
    body.insert("access_token".into(), json!(access_token));
    body.insert("token_type".into(), json!("Bearer"));
    body.insert("scope".into(), json!(scope));
    if let Some(seconds) = lifetime {
        body.insert("expires_in".into(), json!(seconds));
    }
    if shared.config.name_resource_server {
        body.insert("resource_server".into(), json!(resource_server));
    }
    if refresh {
        let refresh_token = random("rt");
        body.insert("refresh_token".into(), json!(refresh_token));
        state.refresh_tokens.insert(
            refresh_token,
            RefreshToken {
                grant,
                spent: None,
                revoked: false,
            },
        );
    }
    body
}

fn by_resource_server(shared: &Shared, scope: &str) -> BTreeMap<String, String> {
    let mut servers: BTreeMap<String, String> = BTreeMap::new();
    for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
        let granted = servers.entry(resource_server_of(shared, scope)).or_default();
        if !granted.is_empty() {
            granted.push(' ');
        }
        granted.push_str(scope);
    }
    if servers.is_empty() {
        servers.insert(OTHER_RESOURCE_SERVER.into(), String::new());
    }
    servers
}

fn resource_server_of(shared: &Shared, scope: &str) -> String {
    let globus = scope.strip_prefix(GLOBUS_SCOPE).and_then(|rest| rest.split_once(':'));
    match globus {
        _ if !shared.config.name_resource_server => OTHER_RESOURCE_SERVER.into(),
        Some((resource_server, _)) => resource_server.to_owned(),
        None if matches!(scope, "openid" | "profile" | "email") => AUTH_SERVER_NAME.into(),
        None => OTHER_RESOURCE_SERVER.into(),
    }
}

/// 128 random bits behind a prefix that tells what they are for.
pub(super) fn random(prefix: &str) -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random bits");
    format!("{prefix}-{:032x}", u128::from_be_bytes(bytes))
}
