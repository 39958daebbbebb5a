use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Instant,
};

use serde_json::{Value, json};

use super::{Endpoint, http::Request};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Not answered yet, or never.
    Pending,
    /// Answered as asked.
    Served,
    /// Tokens were issued or refreshed.
    Issued,
    /// Refused with this error code.
    Refused(&'static str),
    /// A spent refresh token: refused, and its family revoked.
    ReuseDetected,
    /// A scripted fault instead of an answer; nothing was done.
    Faulted,
}

/// One request to the server. `Debug` shows no token.
#[derive(Clone)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// What it was for.
    pub endpoint: Endpoint,
    /// When it arrived.
    pub arrived: Instant,
    /// The query and the form, tokens and secrets included.
    pub params: BTreeMap<String, String>,
    /// The names of those that came in the query of the URL, where RFC 6749 has no place for a token or a secret.
    pub in_url: BTreeSet<String>,
    /// `resource` and `audience` with their values, in the order in which they came.
    pub targets: Vec<(String, String)>,
    /// Whether the client authenticated with an `Authorization: Basic` header.
    pub basic: bool,
    /// What became of it.
    pub outcome: Outcome,
}

impl LoggedRequest {
    /// The form or query member `grant_type`.
    pub fn grant_type(&self) -> Option<&str> {
        self.params.get("grant_type").map(String::as_str)
    }

    pub(super) fn is_refresh(&self) -> bool {
        self.endpoint == Endpoint::Token && self.grant_type() == Some("refresh_token")
    }
}

impl fmt::Debug for LoggedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedRequest")
            .field("endpoint", &self.endpoint)
            .field("grant_type", &self.grant_type())
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct Log(Vec<LoggedRequest>);

impl Log {
    pub(super) fn begin(&mut self, request: &Request) -> usize {
        self.0.push(LoggedRequest {
            endpoint: request.endpoint,
            arrived: Instant::now(),
            params: request.params.clone(),
            in_url: request.in_url.clone(),
            targets: request.targets.clone(),
            basic: request.basic.is_some(),
            outcome: Outcome::Pending,
        });
        self.0.len() - 1
    }

    pub(super) fn finish(&mut self, index: usize, outcome: Outcome) {
        self.0[index].outcome = outcome;
    }

    pub(super) fn requests(&self) -> Vec<LoggedRequest> {
        self.0.clone()
    }

    pub(super) fn count(&self, wanted: impl Fn(&LoggedRequest) -> bool) -> usize {
        self.0.iter().filter(|request| wanted(request)).count()
    }

    pub(super) fn as_json(&self) -> Value {
        let entry = |request: &LoggedRequest| {
            json!({
                "endpoint": format!("{:?}", request.endpoint),
                "grant_type": request.grant_type(),
                "outcome": format!("{:?}", request.outcome),
            })
        };
        self.0.iter().map(entry).collect()
    }
}
