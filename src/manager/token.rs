use std::{fmt, sync::Arc, time::Duration};

use token_storage_core::{Secret, TokenData};

use super::{ManagerError, ManagerErrorKind, ReauthReason};
use crate::{bearer::is_bearer_type, lifetime};

/// An access token that was good when it was handed out. Cheap to clone; `Debug` shows no secret.
///
/// Two are equal if they are the same token, for whatever reason they were handed out.
#[derive(Clone)]
pub struct AccessToken(Arc<Parts>, Option<ManagerError>);

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for AccessToken {}

#[derive(PartialEq, Eq)]
struct Parts {
    secret: Secret,
    token_type: Option<String>,
    scope: String,
    expires_at: Option<i64>,
    identity_id: Option<String>,
    lifetime: Option<Duration>,
}

impl AccessToken {
    pub(super) fn of(data: &TokenData) -> Self {
        let parts = Parts {
            lifetime: lifetime::of(data),
            secret: data.access_token.clone(),
            token_type: data.token_type.clone(),
            scope: data.scope.clone(),
            expires_at: data.expires_at,
            identity_id: data.identity_id.clone(),
        };
        Self(Arc::new(parts), None)
    }

    /// Handed out in spite of this.
    pub(super) fn despite(self, failure: ManagerError) -> Self {
        Self(self.0, Some(failure))
    }

    /// For how long it was good when it was issued, if that is known.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.0.lifetime
    }

    /// What [`TokenData::freshness`] calls stale.
    pub(super) fn is_stale(&self, now: i64, skew: Duration) -> bool {
        self.expires_at()
            .is_some_and(|expires_at| now > expires_at.saturating_sub_unsigned(skew.as_secs()))
    }

    /// Why a better one could not be had in time, if this one was handed out because it has not expired yet.
    pub fn failure(&self) -> Option<&ManagerError> {
        self.1.as_ref()
    }

    /// Whether it is probably dead although it has not expired: its refresh token was spent, the answer was lost, and the
    /// server refused to repeat it. Most servers end the access token with that, so the next 401 is no surprise, and only
    /// a new login helps.
    pub fn is_doubtful(&self) -> bool {
        let reason = self.failure().map(ManagerError::kind);
        reason == Some(ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome))
    }

    /// Whether it goes into a header as a bearer token (RFC 6750), as [`is_bearer`](crate::is_bearer) says.
    pub fn is_bearer(&self) -> bool {
        is_bearer_type(self.token_type())
    }

    /// The token itself.
    pub fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// The token as text. The name is meant to stand out where it is used.
    pub fn expose(&self) -> &str {
        self.0.secret.expose()
    }

    /// When it expires, in seconds since the Unix epoch; `None`: unknown.
    pub fn expires_at(&self) -> Option<i64> {
        self.0.expires_at
    }

    /// How it is presented, as the server said it.
    pub fn token_type(&self) -> Option<&str> {
        self.0.token_type.as_deref()
    }

    /// The granted scopes, separated by spaces.
    pub fn scope(&self) -> &str {
        &self.0.scope
    }

    /// Who logged in, if that is known.
    pub fn identity_id(&self) -> Option<&str> {
        self.0.identity_id.as_deref()
    }

    /// The value of the `Authorization` header (RFC 6750 section 2.1), `Bearer` and the token.
    ///
    /// # Errors
    /// - [`NotBearer`] if the token is of another type, such as `DPoP` or `mac`: it is of no use without a proof that this
    ///   library does not make (RFC 6749 section 7.1). Or if it has characters that no token may have (RFC 6749 appendix
    ///   A.12), such as a line break: behind one, a server could say more in the header than a token.
    pub fn header_value(&self) -> Result<Secret, NotBearer> {
        if !self.is_bearer() {
            return Err(NotBearer(
                "the token is not a bearer token, so it cannot be sent as one; its token_type says how it is used",
            ));
        }
        let fits = |byte: u8| matches!(byte, b' '..=b'~');
        if !self.expose().bytes().all(fits) {
            return Err(NotBearer(
                "the token has characters that no header may have, so it cannot be sent in one; log in again, or ask its server",
            ));
        }
        Ok(Secret::new(format!("Bearer {}", self.expose())))
    }
}

/// The token cannot be sent as a bearer token; see [`AccessToken::header_value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotBearer(&'static str);

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.0.expires_at)
            .field("scope", &self.0.scope)
            .field("failure", &self.1)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token_type: Option<&str>) -> AccessToken {
        let mut data = TokenData::new("rs", "read", "canary");
        data.token_type = token_type.map(str::to_owned);
        AccessToken::of(&data)
    }

    #[test]
    fn the_header_names_the_scheme() {
        for (token_type, want) in [
            (None, Some("Bearer canary")),
            (Some(""), Some("Bearer canary")),
            (Some("bearer"), Some("Bearer canary")),
            (Some("bot"), Some("Bearer canary")),
            (Some("DPoP"), None),
            (Some("mac"), None),
            (Some("N_A"), None),
        ] {
            let value = token(token_type).header_value().ok();
            assert_eq!(value.as_ref().map(Secret::expose), want, "{token_type:?}");
        }
    }

    #[test]
    fn s1_debug_shows_no_token() {
        assert!(!format!("{:?}", token(None)).contains("canary"));
    }
}
