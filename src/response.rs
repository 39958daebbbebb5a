//! Token responses: what an authorization server's token endpoint answers.

use token_storage_core::{Error, ErrorKind, Extra, Members, Operation, Result, Secret, TokenData};

mod expiry;
pub(crate) mod members;
mod parse;
mod path;
#[cfg(test)]
mod tests;
mod text;
mod warning;

pub use expiry::MAX_EXPIRES_IN;
pub use path::TokenPath;
pub use warning::ResponseWarning;

/// A token endpoint's answer: RFC 6749 section 5.1, with what Globus adds (one more token per resource server under
/// `other_tokens`, and a bare array of tokens for dependent tokens).
///
/// ```
/// use token_storage::TokenResponse;
///
/// let json = br#"{"access_token": "at", "token_type": "Bearer", "expires_in": "3600", "id_token": "eyJ"}"#;
/// let response = TokenResponse::parse(json, 1_000)?.with_resource_server("api.example.org")?;
/// let token = &response.tokens()[0];
/// assert_eq!(token.expires_at, Some(4_600));
/// assert_eq!(token.extra.get("id_token"), Some(r#""eyJ""#));
/// # Ok::<(), token_storage::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenResponse {
    /// Never empty.
    tokens: Vec<ResponseToken>,
    warnings: Vec<ResponseWarning>,
}

/// One token of a [`TokenResponse`]. A field that is `None` was missing, null or empty in the response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseToken {
    /// The resource server that the token is for, if the response says so (Globus does, most servers do not).
    pub resource_server: Option<String>,
    /// The granted scopes, separated by single spaces. Missing means: those that were asked for (RFC 6749 section 5.1).
    pub scope: Option<String>,
    /// The access token; never empty.
    pub access_token: Secret,
    /// The refresh token. Missing in the answer to a refresh means: the old one stays good (RFC 6749 section 6).
    pub refresh_token: Option<Secret>,
    /// When the access token expires, in seconds since the Unix epoch; `None` if the response does not say.
    pub expires_at: Option<i64>,
    /// How the token is presented, usually `Bearer`.
    pub token_type: Option<String>,
    /// Who logged in. Servers do not say so in a response; see [`TokenResponse::with_identity_id`].
    pub identity_id: Option<String>,
    /// Every other member, verbatim: `id_token`, `state`, `refresh_token_expires_in`, whatever the server adds.
    pub extra: Extra,
}

impl TokenResponse {
    /// Reads a response that arrived at `now` (seconds since the Unix epoch): JSON, or a form as GitHub sends it.
    ///
    /// A server has spent a code or a refresh token on it, so whatever else is wrong with it, a token that can be read is
    /// read. A member that makes no sense counts as absent, and [`warnings`](Self::warnings) name it. Where nothing would
    /// be lost, [`strict`](Self::strict) refuses such a response.
    ///
    /// - `expires_in` may be an integer, a fraction (rounded down), a numeric string or 0; missing is unknown (K8).
    ///   Negative, not finite or more than [`MAX_EXPIRES_IN`] makes no sense.
    /// - The time of expiry itself (`expires_at`, `expires_on`, `expiry`, `expires` and the like: seconds, milliseconds,
    ///   RFC 3339, an HTTP date) counts as well. The earliest of all is it, because what was cached is older than `now`.
    /// - `scope` may also be an array of strings, as a few servers send it.
    /// - Null and empty strings count as missing, because some servers send `"refresh_token": ""` for "as before".
    /// - Of duplicate members the last wins, with a warning if they differ, and of two tokens for one resource server too,
    ///   as in the Globus SDK.
    /// - What other programs keep is understood where the standard names are missing: `accessToken`, `token`, `scopes`.
    /// - A stored record, as the command `token-storage get --reveal --json` prints it, can be read as well: of it
    ///   `expires_at_seconds` counts, and its `identity_id` is taken over. Members that start with
    ///   [`RESERVED_PREFIX`](crate::backend::RESERVED_PREFIX) are left out.
    ///
    /// ```
    /// use token_storage::TokenResponse;
    ///
    /// let response = TokenResponse::parse(br#"{"access_token": "at", "expires_in": -1}"#, 1_000)?;
    /// assert_eq!(response.primary().expires_at, None);
    /// assert_eq!(response.warnings()[0].member(), "expires_in");
    /// assert!(response.strict().is_err());
    /// # Ok::<(), token_storage::Error>(())
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`]: neither JSON nor a form, no access token that is text, an error response. The message
    ///   names the place (line and column, or the member) and quotes nothing of the response.
    pub fn parse(body: impl AsRef<[u8]>, now: i64) -> Result<Self> {
        Self::read(body.as_ref(), None, now)
    }

    /// As [`parse`](Self::parse), for a server that wraps the token: Slack in `authed_user`, Withings in `body`. If there
    /// is nothing under that path, a token at the top level is read, with a warning: the same server may answer a refresh
    /// that way.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`], as `parse`.
    pub fn parse_at(body: impl AsRef<[u8]>, path: &TokenPath, now: i64) -> Result<Self> {
        Self::read(body.as_ref(), Some(path), now)
    }

    fn read(body: &[u8], path: Option<&TokenPath>, now: i64) -> Result<Self> {
        let parse::Parsed { tokens, warnings } = parse::response(body, path, now)?;
        Ok(Self { tokens, warnings })
    }

    /// What makes no sense in the response, and so counts as absent. Names members, quotes nothing.
    pub fn warnings(&self) -> &[ResponseWarning] {
        &self.warnings
    }

    /// Refuses a response in which something makes no sense: for input that is still there after a refusal.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] with the first of the [`warnings`](Self::warnings).
    pub fn strict(self) -> Result<Self> {
        match self.warnings.first() {
            Some(warning) => Err(invalid(warning.problem())),
            None => Ok(self),
        }
    }

    /// The tokens in the order of the response; at least one.
    pub fn tokens(&self) -> &[ResponseToken] {
        &self.tokens
    }

    /// The tokens, to be changed or taken apart.
    pub fn into_tokens(self) -> Vec<ResponseToken> {
        self.tokens
    }

    pub(crate) fn tokens_mut(&mut self) -> &mut [ResponseToken] {
        &mut self.tokens
    }

    /// The token at the top level of the response, or the first one of an array.
    pub fn primary(&self) -> &ResponseToken {
        &self.tokens[0]
    }

    /// The content of the top-level `id_token`, if there is one. It has not been verified.
    pub fn id_token(&self) -> Option<Secret> {
        let json = self.primary().extra.get("id_token")?;
        serde_json::from_str::<String>(json).ok().map(Secret::new)
    }

    /// Says which resource server the token is for that names none. Tokens that name theirs keep it.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] if several tokens name none: they would overwrite one another.
    pub fn with_resource_server(mut self, resource_server: &str) -> Result<Self> {
        let mut nameless = self.tokens.iter_mut().filter(|token| token.resource_server.is_none());
        if let Some(token) = nameless.next() {
            token.resource_server = Some(resource_server.to_owned());
        }
        if nameless.next().is_some() {
            return Err(invalid(
                "several tokens of the response name no resource server, so they cannot be told apart; store each alone",
            ));
        }
        Ok(self)
    }

    /// Says which scope was asked for: what the top-level token has if the response names no scope (RFC 6749 section
    /// 5.1). Not for the answer to a refresh: there the stored scope stays.
    pub fn with_requested_scope(mut self, scope: &str) -> Self {
        let primary = &mut self.tokens[0];
        if primary.scope.is_none() && !scope.is_empty() {
            primary.scope = Some(scope.to_owned());
        }
        self
    }

    /// Says who logged in, for every token of the response: the `sub` of the id_token, once it is verified.
    pub fn with_identity_id(mut self, identity_id: &str) -> Self {
        for token in &mut self.tokens {
            token.identity_id = Some(identity_id.to_owned());
        }
        self
    }
}

#[cfg(feature = "oauth")]
pub(crate) use text::is_whole;
#[cfg(feature = "manager")]
pub(crate) use text::plain;

/// The member that a body wraps its token in, if that is all that is wrong with it.
#[cfg(feature = "oauth")]
pub(crate) fn wrapped_in(body: &[u8]) -> Option<&'static str> {
    let json = text::json(body, &mut Vec::new()).ok()?;
    path::wrapper(&json)
}

impl ResponseToken {
    /// The record of a login: what the response does not say is absent, a missing scope is empty.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidInput`] if no resource server is known; see [`TokenResponse::with_resource_server`].
    pub fn to_data(&self) -> Result<TokenData> {
        let resource_server = self.required_resource_server()?;
        let scope = self.scope.as_deref().unwrap_or_default();
        let mut data = TokenData::new(resource_server, scope, self.access_token.clone());
        data.refresh_token.clone_from(&self.refresh_token);
        data.expires_at = self.expires_at;
        data.token_type.clone_from(&self.token_type);
        data.identity_id.clone_from(&self.identity_id);
        data.extra = self.extra.clone();
        // What a response says of a member is decided above, so each is named, and a new one asks for a decision.
        let Members {
            resource_server: _,
            scope: _,
            access_token: _,
            refresh_token: _,
            expires_at: _,
            token_type: _,
            identity_id: _,
            extra: _,
        } = data.members();
        Ok(data)
    }

    pub(crate) fn required_resource_server(&self) -> Result<&str> {
        self.resource_server
            .as_deref()
            .ok_or_else(|| invalid("it names no resource server; say which one the token is for"))
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Parse)
}
