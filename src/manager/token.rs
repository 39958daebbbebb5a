use std::{fmt, sync::Arc};

use token_storage_core::{Secret, TokenData};
use zeroize::Zeroizing;

/// An access token that was good when it was handed out. Cheap to clone; `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    secret: Secret,
    token_type: Option<String>,
    scope: String,
    expires_at: Option<i64>,
    identity_id: Option<String>,
}

impl AccessToken {
    pub(super) fn of(data: &TokenData) -> Self {
        Self(Arc::new(Parts {
            secret: data.access_token.clone(),
            token_type: data.token_type.clone(),
            scope: data.scope.clone(),
            expires_at: data.expires_at,
            identity_id: data.identity_id.clone(),
        }))
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

    /// The value of the `Authorization` header (RFC 6750 section 2.1). Servers compare the scheme without regard to
    /// case, and a few do not: `bearer` in any spelling, or none, becomes `Bearer`.
    pub fn header_value(&self) -> Zeroizing<String> {
        let scheme = match self.token_type() {
            None => "Bearer",
            Some(scheme) if scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer") => "Bearer",
            Some(scheme) => scheme,
        };
        Zeroizing::new(format!("{scheme} {}", self.expose()))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.0.expires_at)
            .field("scope", &self.0.scope)
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
            (None, "Bearer canary"),
            (Some(""), "Bearer canary"),
            (Some("bearer"), "Bearer canary"),
            (Some("DPoP"), "DPoP canary"),
        ] {
            assert_eq!(*token(token_type).header_value(), want);
        }
    }

    #[test]
    fn s1_debug_shows_no_token() {
        assert!(!format!("{:?}", token(None)).contains("canary"));
    }
}
