use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use token_storage_core::{Error, ErrorKind, TokenKey};

use super::{AccessToken, EndpointError, EndpointErrorKind};

/// Why there is no access token, and what to do next. Cheap to clone, because all callers of one refresh get it.
///
/// No part of it shows a token (clause S1); the one that [`ManagerErrorKind::NotStored`] carries is handed out by
/// [`ManagerError::token`] alone.
#[derive(Clone)]
pub struct ManagerError(Arc<Inner>);

struct Inner {
    kind: ManagerErrorKind,
    key: TokenKey,
    message: String,
    retry_after: Option<Duration>,
    token: Option<AccessToken>,
    source: Option<Cause>,
}

#[derive(Clone)]
enum Cause {
    Storage(Error),
    Endpoint(EndpointError),
}

/// The kind of a [`ManagerError`]: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagerErrorKind {
    /// A person must log in again, for this reason.
    ReauthRequired(ReauthReason),
    /// The authorization server does not accept this client; the stored token may be fine. Change the configuration.
    ClientRejected,
    /// A failure that may pass; the stored token is as it was. Try again later.
    Transient,
    /// Another process holds the refresh lease and did not finish in time. Try again later.
    Busy,
    /// The storage failed; see [`ManagerError::storage`]. This call has spent no refresh token.
    Storage,
    /// The refreshed token could not be stored. [`ManagerError::token`] has it; as long as the manager lives it keeps
    /// trying to store it, unless it was told to revoke such tokens.
    NotStored,
    /// The resource server refuses a token that was refreshed just before because it had refused the one before that.
    /// Another refresh would not help: scopes, permissions or the address are wrong.
    StillRejected,
    /// Logging out could not revoke the token at the server; see [`TokenManager::logout`](super::TokenManager::logout).
    NotRevoked,
    /// A login was not stored, because a record of another server or client has its name; see
    /// [`TokenManager::store_login_with`](super::TokenManager::store_login_with).
    InTheWay,
    /// The token is not a bearer token, so there is no `Authorization` header of it that would do.
    NotBearer,
    /// The call took longer than [`ManagerBuilder::timeout`](super::ManagerBuilder::timeout). What it began goes on; try
    /// again.
    TimedOut,
    /// The refresh ended without a result, because the runtime it ran on was shut down, or because the token endpoint or
    /// an event callback panicked. Try again.
    Interrupted,
}

/// Why a new login is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReauthReason {
    /// Nothing is stored under this key.
    NoToken,
    /// The record was removed while it was being refreshed; the fresh tokens were revoked.
    LoggedOut,
    /// The access token is expired and there is no refresh token.
    NoRefreshToken,
    /// The authorization server refuses the refresh token: expired, revoked, or spent elsewhere.
    Refused,
    /// The authorization server gives no token and says why in no way that is known, several times in a row. It is asked
    /// again every ten minutes.
    Unrecognized,
    /// A refresh before this one ended without an answer (its process died, or the answer was lost), so the refresh
    /// token may have been spent then; the one guarded try to use it again failed.
    UnknownOutcome,
}

impl ManagerError {
    pub(super) fn new(kind: ManagerErrorKind, key: &TokenKey, message: impl Into<String>) -> Self {
        Self(Arc::new(Self::blank(kind, key, message)))
    }

    fn build(mut inner: Inner, change: impl FnOnce(&mut Inner)) -> Self {
        change(&mut inner);
        Self(Arc::new(inner))
    }

    fn blank(kind: ManagerErrorKind, key: &TokenKey, message: impl Into<String>) -> Inner {
        Inner {
            kind,
            key: key.clone(),
            message: message.into(),
            retry_after: None,
            token: None,
            source: None,
        }
    }

    pub(super) fn reauth(reason: ReauthReason, key: &TokenKey) -> Self {
        let message = match reason {
            ReauthReason::NoToken => "no token is stored",
            ReauthReason::LoggedOut => "somebody logged out while the token was being refreshed",
            ReauthReason::NoRefreshToken => "the access token is expired and there is no refresh token",
            ReauthReason::Refused => "the authorization server refuses the refresh token",
            ReauthReason::Unrecognized => {
                "the authorization server has given no new token several times, for a reason that is not known"
            }
            ReauthReason::UnknownOutcome => {
                "an earlier refresh ended without an answer, so its refresh token may be spent, and using it once more \
                 did not work"
            }
        };
        Self::new(
            ManagerErrorKind::ReauthRequired(reason),
            key,
            format!("{message}; log in again"),
        )
    }

    /// As [`ManagerError::reauth`], with what the server said.
    pub(super) fn refused(reason: ReauthReason, key: &TokenKey, cause: EndpointError) -> Self {
        let plain = Self::reauth(reason, key);
        let inner = Self::blank(plain.kind(), key, plain.0.message.clone());
        Self::build(inner, |inner| inner.source = Some(Cause::Endpoint(cause)))
    }

    pub(super) fn endpoint(key: &TokenKey, cause: EndpointError) -> Self {
        let (kind, message) = match cause.kind() {
            EndpointErrorKind::Transient | EndpointErrorKind::Unrecognized => (
                ManagerErrorKind::Transient,
                "the refresh failed for now; try again later",
            ),
            _ => (ManagerErrorKind::ClientRejected, "the refresh was rejected"),
        };
        let inner = Self::blank(kind, key, message);
        Self::build(inner, |inner| {
            inner.retry_after = cause.retry_after();
            inner.source = Some(Cause::Endpoint(cause));
        })
    }

    pub(super) fn storage_failed(key: &TokenKey, cause: Error) -> Self {
        let kind = match cause.kind() {
            ErrorKind::Busy => ManagerErrorKind::Busy,
            _ => ManagerErrorKind::Storage,
        };
        let inner = Self::blank(kind, key, "the storage failed");
        Self::build(inner, |inner| {
            inner.retry_after = cause.retry_after();
            inner.source = Some(Cause::Storage(cause));
        })
    }

    pub(super) fn in_the_way(key: &TokenKey, theirs: &crate::IssuedBy) -> Self {
        let server = theirs.server_name().unwrap_or("another server");
        let message = format!(
            "a token of another server or client ({server}) is stored there, and nothing was replaced; log in under \
             another name, log out of that one first, or say that it is to be replaced"
        );
        Self::new(ManagerErrorKind::InTheWay, key, message)
    }

    pub(super) fn timed_out(key: &TokenKey, after: Duration) -> Self {
        let message = format!("it takes longer than {after:?}, and goes on in the background");
        Self::new(ManagerErrorKind::TimedOut, key, message)
    }

    pub(super) fn not_bearer(key: &TokenKey, cause: super::NotBearer) -> Self {
        Self::new(ManagerErrorKind::NotBearer, key, cause.to_string())
    }

    /// Tells the time at which a new request may be made.
    pub(super) fn with_retry_after(self, after: Option<Duration>) -> Self {
        match after {
            Some(after) => self.again_in(after.max(self.retry_after().unwrap_or_default())),
            None => self,
        }
    }

    pub(super) fn still_rejected(key: &TokenKey) -> Self {
        let message = "the resource server refuses a token that was refreshed just now; check scopes and permissions";
        Self::new(ManagerErrorKind::StillRejected, key, message)
    }

    pub(super) fn not_stored(key: &TokenKey, token: Option<AccessToken>, revoked: bool, cause: Error) -> Self {
        let message = match (&token, revoked) {
            (Some(_), _) => "the refreshed token could not be stored; this error carries it",
            (None, true) => "the refreshed token could not be stored and was revoked; log in again",
            (None, false) => "the refreshed token could neither be stored nor revoked; log in again",
        };
        let inner = Self::blank(ManagerErrorKind::NotStored, key, message);
        Self::build(inner, |inner| {
            inner.token = token;
            inner.source = Some(Cause::Storage(cause));
        })
    }

    pub(super) fn not_revoked(key: &TokenKey, cause: EndpointError) -> Self {
        let message =
            "the token could not be revoked, so nothing was removed; try again, or remove it without revoking";
        let inner = Self::blank(ManagerErrorKind::NotRevoked, key, message);
        Self::build(inner, |inner| inner.source = Some(Cause::Endpoint(cause)))
    }

    /// The same failure, told again while no new request may be made.
    pub(super) fn again_in(&self, after: Duration) -> Self {
        let inner = Self::blank(self.0.kind, &self.0.key, self.0.message.clone());
        Self::build(inner, |inner| {
            inner.retry_after = Some(after);
            inner.source.clone_from(&self.0.source);
        })
    }

    /// The kind.
    pub fn kind(&self) -> ManagerErrorKind {
        self.0.kind
    }

    /// Whether a person must log in again.
    pub fn needs_login(&self) -> bool {
        matches!(self.0.kind, ManagerErrorKind::ReauthRequired(_))
    }

    /// Whether the same call may succeed later without anything being changed.
    pub fn is_retryable(&self) -> bool {
        match self.0.kind {
            ManagerErrorKind::Transient
            | ManagerErrorKind::Busy
            | ManagerErrorKind::Interrupted
            | ManagerErrorKind::TimedOut => true,
            ManagerErrorKind::Storage => self.storage().is_some_and(Error::is_retryable),
            _ => false,
        }
    }

    /// When a new try is worth while at the earliest, if that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Which token it is about.
    pub fn key(&self) -> &TokenKey {
        &self.0.key
    }

    /// The token that was refreshed but could not be stored ([`ManagerErrorKind::NotStored`]): good for use, but it ends
    /// with this process.
    pub fn token(&self) -> Option<&AccessToken> {
        self.0.token.as_ref()
    }

    /// The storage's error, where the storage failed.
    pub fn storage(&self) -> Option<&Error> {
        match &self.0.source {
            Some(Cause::Storage(error)) => Some(error),
            _ => None,
        }
    }

    /// The authorization server's error, where there was one.
    pub fn server(&self) -> Option<&EndpointError> {
        match &self.0.source {
            Some(Cause::Endpoint(error)) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.0.kind {
            ManagerErrorKind::InTheWay => "cannot store the login for",
            _ => "cannot get an access token for",
        };
        write!(f, "{what} {}: {}", self.0.key, self.0.message)
    }
}

impl fmt::Debug for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerError")
            .field("kind", &self.0.kind)
            .field("key", &self.0.key)
            .field("message", &self.0.message)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.source())
            .finish_non_exhaustive()
    }
}

impl StdError for ManagerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(Cause::Storage(error)) => Some(error),
            Some(Cause::Endpoint(error)) => Some(error),
            None => None,
        }
    }
}
