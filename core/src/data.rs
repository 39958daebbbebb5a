use std::time::Duration;

use crate::{Extra, Secret};

/// One stored token with its fields, as in RFC 6749 section 5.1 and the Globus SDK's `TokenStorageData`.
///
/// `resource_server` round-trips as given and is not compared with the key (clause K1). New fields may be added:
/// build it with [`TokenData::new`] and the `with_` methods, or change the public fields of a clone.
///
/// ```
/// use token_storage_core::TokenData;
///
/// let data = TokenData::new("groups.api.globus.org", "view_my_groups", "access")
///     .with_refresh_token("refresh")
///     .with_expires_at(1_795_649_003);
/// assert_eq!(data.token_type, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenData {
    /// The resource server that the token is for, in the words of the authorization server.
    pub resource_server: String,
    /// The granted scopes, separated by single spaces; may be empty (RFC 6749 section 3.3).
    pub scope: String,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if the server gave one.
    pub refresh_token: Option<Secret>,
    /// When the access token expires, in seconds since the Unix epoch; any `i64`. `None` is "unknown": neither "never"
    /// nor "expired" (K8).
    pub expires_at: Option<i64>,
    /// How the token is presented, usually `Bearer`.
    pub token_type: Option<String>,
    /// Who logged in: the `sub` of the verified id_token, where there was one.
    pub identity_id: Option<String>,
    /// Every member that has no field here, verbatim. Secret as a whole.
    pub extra: Extra,
}

/// All members of a [`TokenData`], to be taken apart without `..` wherever each has to be thought of: when a member is added,
/// the compiler names those places, also in other crates. For them that is a breaking change on purpose, so whoever need
/// not know of every member uses the fields of [`TokenData`].
///
/// Their meaning is that of the fields of the same names.
#[derive(Clone, Copy, Debug)]
#[allow(
    missing_docs,
    reason = "they have the names and the meaning of the fields of `TokenData`"
)]
pub struct Members<'a> {
    pub resource_server: &'a str,
    pub scope: &'a str,
    pub access_token: &'a Secret,
    pub refresh_token: Option<&'a Secret>,
    pub expires_at: Option<i64>,
    pub token_type: Option<&'a str>,
    pub identity_id: Option<&'a str>,
    pub extra: &'a Extra,
}

/// Whether an access token may still be handed out; see [`TokenData::freshness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Usable: `now <= expires_at - skew`.
    Fresh,
    /// Expired, or about to within the skew.
    Stale,
    /// The expiry is unknown; only a 401 tells.
    Unknown,
}

impl TokenData {
    /// A record with the three fields that every token has; the rest is absent.
    pub fn new(resource_server: impl Into<String>, scope: impl Into<String>, access_token: impl Into<Secret>) -> Self {
        Self {
            resource_server: resource_server.into(),
            scope: scope.into(),
            access_token: access_token.into(),
            refresh_token: None,
            expires_at: None,
            token_type: None,
            identity_id: None,
            extra: Extra::new(),
        }
    }

    /// Sets the refresh token.
    pub fn with_refresh_token(mut self, refresh_token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(refresh_token.into());
        self
    }

    /// Sets the expiry, in seconds since the Unix epoch.
    pub fn with_expires_at(mut self, expires_at: i64) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Sets the token type.
    pub fn with_token_type(mut self, token_type: impl Into<String>) -> Self {
        self.token_type = Some(token_type.into());
        self
    }

    /// Sets the identity.
    pub fn with_identity_id(mut self, identity_id: impl Into<String>) -> Self {
        self.identity_id = Some(identity_id.into());
        self
    }

    /// Replaces the unknown members.
    pub fn with_extra(mut self, extra: Extra) -> Self {
        self.extra = extra;
        self
    }

    /// All members; see [`Members`].
    pub fn members(&self) -> Members<'_> {
        let Self {
            resource_server,
            scope,
            access_token,
            refresh_token,
            expires_at,
            token_type,
            identity_id,
            extra,
        } = self;
        Members {
            resource_server,
            scope,
            access_token,
            refresh_token: refresh_token.as_ref(),
            expires_at: *expires_at,
            token_type: token_type.as_deref(),
            identity_id: identity_id.as_deref(),
            extra,
        }
    }

    /// Whether the access token may be handed out at `now` (seconds since the Unix epoch) when it is to be good for at
    /// least `skew` more, in whole seconds (clause L9). The arithmetic saturates, so absurd expiries are harmless.
    ///
    /// ```
    /// use std::time::Duration;
    /// use token_storage_core::{Freshness, TokenData};
    ///
    /// let data = TokenData::new("rs", "", "at").with_expires_at(1_000);
    /// let skew = Duration::from_secs(60);
    /// assert_eq!(data.freshness(940, skew), Freshness::Fresh);
    /// assert_eq!(data.freshness(941, skew), Freshness::Stale);
    /// ```
    pub fn freshness(&self, now: i64, skew: Duration) -> Freshness {
        match self.expires_at {
            None => Freshness::Unknown,
            Some(expires_at) if now <= expires_at.saturating_sub_unsigned(skew.as_secs()) => Freshness::Fresh,
            Some(_) => Freshness::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l9_freshness_saturates() {
        let at = |expires_at| TokenData::new("rs", "", "at").with_expires_at(expires_at);
        let skew = Duration::from_secs(60);
        assert_eq!(at(i64::MIN).freshness(0, skew), Freshness::Stale);
        assert_eq!(at(i64::MAX).freshness(i64::MAX, skew), Freshness::Stale);
        assert_eq!(at(i64::MAX).freshness(i64::MAX, Duration::ZERO), Freshness::Fresh);
        assert_eq!(at(i64::MAX).freshness(0, Duration::MAX), Freshness::Stale);
        assert_eq!(TokenData::new("rs", "", "at").freshness(0, skew), Freshness::Unknown);
    }

    #[test]
    fn s1_debug_hides_tokens_and_extra() {
        let mut extra = Extra::new();
        extra.insert("id_token", "\"canary-3\"").unwrap();
        let data = TokenData::new("rs", "s", "canary-1")
            .with_refresh_token("canary-2")
            .with_extra(extra);
        assert!(!format!("{data:?} {data:#?}").contains("canary"));
        assert!(format!("{data:?}").contains("Extra(1 members)"), "{data:?}");
    }
}
