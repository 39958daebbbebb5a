use std::fmt;

use token_storage_core::{Secret, TokenData, TokenKey, async_trait};

use super::EndpointError;
use crate::{IssuedBy, Renewal, TokenResponse};

/// The authorization server, as far as the manager needs it: redeem a refresh token, revoke a token.
///
/// The feature `oauth` has an implementation for any OAuth 2 server; programs that bring their own HTTP client implement
/// it themselves and let [`EndpointError::from_answer`] classify what came back.
#[async_trait]
pub trait TokenEndpoint: fmt::Debug + Send + Sync {
    /// Asks for a new token as `request.data` says ([`RefreshRequest::renewal`]), by its refresh token as a rule (RFC 6749
    /// section 6), in one request that is never repeated by itself: a second one may look like theft to the server.
    ///
    /// # Errors
    /// - What the server refused, or what went wrong; above all whether the request may have been carried out.
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError>;

    /// Whether the tokens of this record may be sent there at all. Asked before a stored token is revoked; `refresh` has
    /// to see to it itself. There is no default: one that says yes to everything sends the tokens of one server to another.
    /// [`IssuedBy::accepts`] knows the answer for a single server.
    ///
    /// # Errors
    /// - [`EndpointError::misdirected`] if another server issued them.
    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError>;

    /// Which server this is, and as which client it is asked. Tokens of other resource servers that come with an answer
    /// only go into records that this owns; without a word, only into records of the same server and client as the
    /// refreshed one, or where that names none, into those that name none.
    fn issued_by(&self) -> Option<IssuedBy> {
        None
    }

    /// Whether a new token can be had for this record without a person. By default: if it has a refresh token. An endpoint
    /// that knows the grant of client credentials says yes to such records too ([`Renewal::of`]).
    fn renews(&self, data: &TokenData) -> bool {
        data.refresh_token.is_some()
    }

    /// Revokes a token (RFC 7009). A token that is unknown or revoked already is a success.
    ///
    /// # Errors
    /// - [`Unsupported`](super::EndpointErrorKind::Unsupported) if the server cannot revoke; otherwise as for `refresh`.
    async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError>;
}

/// What is to be revoked.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RevokeRequest<'a> {
    /// Whose token it is.
    pub key: &'a TokenKey,
    /// The record that it is in, or that it was asked for with: it says which server issued it.
    pub data: &'a TokenData,
    /// The token.
    pub token: &'a Secret,
    /// Which of the two.
    pub kind: TokenKind,
}

impl<'a> RevokeRequest<'a> {
    /// A request; for tests of endpoints, the manager makes its own.
    pub fn new(key: &'a TokenKey, data: &'a TokenData, token: &'a Secret, kind: TokenKind) -> Self {
        Self { key, data, token, kind }
    }
}

/// What is to be redeemed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RefreshRequest<'a> {
    /// Whose token it is.
    pub key: &'a TokenKey,
    /// The stored record, refresh token included.
    pub data: &'a TokenData,
    /// The time just before the request is sent, in seconds since the Unix epoch: what `expires_in` counts from.
    pub now: i64,
}

impl<'a> RefreshRequest<'a> {
    /// A request; for tests of endpoints, the manager makes its own.
    pub fn new(key: &'a TokenKey, data: &'a TokenData, now: i64) -> Self {
        Self { key, data, now }
    }

    /// What the request is to say besides the refresh token: grant, scope, other parameters.
    ///
    /// # Errors
    /// - [`ClientRejected`](super::EndpointErrorKind::ClientRejected) if the record makes no sense; nothing is to be sent then.
    pub fn renewal(&self) -> Result<Renewal, EndpointError> {
        Renewal::of(self.data).map_err(|error| EndpointError::senseless(error.message()))
    }
}

/// Which of the two tokens: the `token_type_hint` of RFC 7009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}
