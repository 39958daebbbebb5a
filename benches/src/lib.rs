//! What the benches of this folder share: how they tell whether a goal is met, and a server that must not be asked.

use std::fmt;

use token_storage::{
    TokenData, TokenResponse, async_trait,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint},
};

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
