use std::{fmt, sync::Arc, time::Duration};

use token_storage_core::{
    Freshness, TokenData, TokenKey,
    backend::{Clock, SystemClock},
};

use super::{ValidationError, Validator};

/// The scopes that each resource server's token must have, before storing and after reading. Keys of other resource
/// servers are not looked at.
#[derive(Clone, Debug, Default)]
pub struct RequiredScopes(Vec<(Box<str>, Box<str>)>);

impl RequiredScopes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires scopes, separated by spaces, of the records under this resource server.
    #[must_use]
    pub fn require(mut self, resource_server: &str, scopes: &str) -> Self {
        let scopes = scopes.split_ascii_whitespace();
        self.0
            .extend(scopes.map(|scope| (resource_server.into(), scope.into())));
        self
    }

    fn check(&self, key: &TokenKey, data: &TokenData) -> Result<(), ValidationError> {
        let granted = |wanted: &str| data.scope.split_ascii_whitespace().any(|scope| scope == wanted);
        let required = self.0.iter().filter(|(name, _)| **name == *key.resource_server());
        let missing: Vec<String> = required
            .filter(|(_, scope)| !granted(scope))
            .map(|(_, scope)| scope.to_string())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ValidationError::MissingScopes { missing })
    }
}

impl Validator for RequiredScopes {
    fn before_store(&self, key: &TokenKey, data: &TokenData) -> Result<(), ValidationError> {
        self.check(key, data)
    }

    fn after_get(&self, key: &TokenKey, data: &TokenData) -> Result<(), ValidationError> {
        self.check(key, data)
    }
}

/// Every record has a refresh token, before storing and after reading.
#[derive(Clone, Copy, Debug)]
pub struct HasRefreshToken;

impl HasRefreshToken {
    fn check(data: &TokenData) -> Result<(), ValidationError> {
        match data.refresh_token {
            Some(_) => Ok(()),
            None => Err(ValidationError::MissingRefreshToken),
        }
    }
}

impl Validator for HasRefreshToken {
    fn before_store(&self, _: &TokenKey, data: &TokenData) -> Result<(), ValidationError> {
        Self::check(data)
    }

    fn after_get(&self, _: &TokenKey, data: &TokenData) -> Result<(), ValidationError> {
        Self::check(data)
    }
}

/// Every record that is read is still good; one of unknown expiry is. What is stored is not looked at.
#[derive(Clone)]
pub struct NotExpired {
    skew: Duration,
    clock: Arc<dyn Clock>,
}

impl NotExpired {
    /// By the system's clock, to the second.
    pub fn new() -> Self {
        Self {
            skew: Duration::ZERO,
            clock: Arc::new(SystemClock::default()),
        }
    }

    /// How much longer a token must be good to be handed out; nothing by default. Whole seconds.
    #[must_use]
    pub fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Replaces the machine's clocks, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for NotExpired {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for NotExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotExpired")
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}

impl Validator for NotExpired {
    fn before_store(&self, _: &TokenKey, _: &TokenData) -> Result<(), ValidationError> {
        Ok(())
    }

    fn after_get(&self, _: &TokenKey, data: &TokenData) -> Result<(), ValidationError> {
        match data.expires_at {
            Some(expires_at) if data.freshness(self.clock.now(), self.skew) == Freshness::Stale => {
                Err(ValidationError::Expired { expires_at })
            }
            _ => Ok(()),
        }
    }
}
