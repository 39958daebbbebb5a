use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

/// Everything the server remembers. Nothing is forgotten: a test server does not live long.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) grants: Vec<Grant>,
    pub(super) refresh_tokens: HashMap<String, RefreshToken>,
    pub(super) access_tokens: HashMap<String, AccessToken>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) devices: Vec<Device>,
    /// The `jti` of every assertion that was taken.
    pub(super) assertions: HashSet<String>,
}

/// What one login allows one client at one resource server: the family of the tokens that come from it.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) client: String,
    pub(super) scope: String,
    pub(super) resource_server: String,
    /// The APIs that the login named.
    pub(super) targets: Vec<String>,
    pub(super) revoked: bool,
}

#[derive(Debug)]
pub(super) struct RefreshToken {
    pub(super) grant: usize,
    pub(super) spent: Option<Instant>,
    pub(super) revoked: bool,
}

#[derive(Debug)]
pub(super) struct AccessToken {
    pub(super) grant: usize,
    pub(super) expires: Instant,
    pub(super) revoked: bool,
}

#[derive(Debug)]
pub(super) struct Code {
    pub(super) login: super::grants::Login,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) issued: Instant,
    /// The grants that came of it, once it was used.
    pub(super) used_for: Option<Vec<usize>>,
}

impl Code {
    /// RFC 6749 section 4.1.2 recommends at most ten minutes.
    pub(super) const LIFETIME: Duration = Duration::from_secs(600);
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) device_code: String,
    pub(super) user_code: String,
    pub(super) login: super::grants::Login,
    pub(super) decision: Decision,
    pub(super) expires: Instant,
    pub(super) last_poll: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Waiting,
    Approved,
    Denied,
    Used,
}

impl State {
    pub(super) fn live_refresh_tokens(&self) -> usize {
        let live = self.refresh_tokens.values().filter(|token| self.refresh_is_live(token));
        live.count()
    }

    pub(super) fn refresh_is_live(&self, token: &RefreshToken) -> bool {
        !token.revoked && token.spent.is_none() && !self.grants[token.grant].revoked
    }

    pub(super) fn access_is_live(&self, token: &AccessToken) -> bool {
        !token.revoked && token.expires > Instant::now() && !self.grants[token.grant].revoked
    }

    pub(super) fn is_active(&self, token: &str) -> bool {
        let refresh = self.refresh_tokens.get(token);
        let access = self.access_tokens.get(token);
        refresh.is_some_and(|token| self.refresh_is_live(token))
            || access.is_some_and(|token| self.access_is_live(token))
    }

    pub(super) fn has_issued(&self, token: &str) -> bool {
        self.refresh_tokens.contains_key(token) || self.access_tokens.contains_key(token)
    }

    pub(super) fn shows_token(&self, text: &str) -> bool {
        let mut tokens = self.refresh_tokens.keys().chain(self.access_tokens.keys());
        tokens.any(|token| text.contains(token.split_once('-').map_or(token.as_str(), |(_, random)| random)))
    }

    pub(super) fn spend(&mut self, refresh_token: &str) -> bool {
        let token = self.refresh_tokens.get_mut(refresh_token);
        token.is_some_and(|token| !token.revoked && token.spent.replace(Instant::now()).is_none())
    }

    pub(super) fn expire_access_tokens(&mut self) {
        let now = Instant::now();
        for token in self.access_tokens.values_mut() {
            token.expires = now;
        }
    }

    pub(super) fn revoke_everything(&mut self) {
        for grant in &mut self.grants {
            grant.revoked = true;
        }
    }

    /// The grant of an access token that is good now.
    pub(super) fn grant_of_access(&self, token: &str) -> Option<&Grant> {
        let access = self.access_tokens.get(token)?;
        self.access_is_live(access).then(|| &self.grants[access.grant])
    }
}
