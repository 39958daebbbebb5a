use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use token_storage_core::{Error, ErrorKind, TokenKey};

use super::{AccessToken, Advice, EndpointError, EndpointErrorKind};
use crate::IssuedBy;

/// Why there is no access token, and what to do next. Cheap to clone, because all callers of one refresh get it.
///
/// `Display` says what could not be done for which key, which server it is about, what happened there, and what helps. It
/// includes what the server said, so [`source`](StdError::source) is the storage's error alone.
///
/// No part of it shows a token (clause S1); the one that [`ManagerErrorKind::NotStored`] carries is handed out by
/// [`ManagerError::token`] alone.
#[derive(Clone)]
pub struct ManagerError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ManagerErrorKind,
    action: Action,
    key: TokenKey,
    server: Option<Box<str>>,
    /// Empty where the cause says all there is to say.
    message: String,
    retry_after: Option<Duration>,
    token: Option<AccessToken>,
    in_the_way: Option<Box<IssuedBy>>,
    source: Option<Cause>,
}

/// What could not be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    #[default]
    GetToken,
    StoreLogin,
    NameLogin,
    FindLogin,
    LogOut,
    LookAtRefreshes,
    RevokeReplaced,
}

impl Action {
    fn told(self) -> &'static str {
        match self {
            Self::GetToken => "cannot get an access token for",
            Self::StoreLogin => "cannot store the login for",
            Self::NameLogin => "cannot choose a name for the login at",
            Self::FindLogin => "cannot find what came with the login of",
            Self::LogOut => "cannot log out of",
            Self::LookAtRefreshes => "cannot tell how the refreshes went of",
            Self::RevokeReplaced => "cannot revoke what a login replaced for",
        }
    }
}

#[derive(Clone, Debug)]
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
    /// The access token has expired, expires too soon, or is to be refreshed all the same, and there is no refresh token.
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
        Self(Arc::new(Inner {
            kind,
            action: Action::default(),
            key: key.clone(),
            server: None,
            message: message.into(),
            retry_after: None,
            token: None,
            in_the_way: None,
            source: None,
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn caused_by(self, cause: EndpointError) -> Self {
        self.change(|inner| inner.source = Some(Cause::Endpoint(cause)))
    }

    fn caused_by_storage(self, cause: Error) -> Self {
        self.change(|inner| inner.source = Some(Cause::Storage(cause)))
    }

    /// Says what could not be done, if that is something else than handing out a token.
    pub(super) fn doing(self, action: Action) -> Self {
        match self.0.action == action {
            true => self,
            false => self.change(|inner| inner.action = action),
        }
    }

    /// Says which server it is about, unless that is known: whoever issued what is stored there, or who would be asked.
    pub(super) fn at(self, name: Option<&str>) -> Self {
        let about_a_server = !matches!(
            self.0.kind,
            ManagerErrorKind::Storage | ManagerErrorKind::NotBearer | ManagerErrorKind::InTheWay
        );
        match name {
            Some(name) if about_a_server && self.0.server.is_none() => self.change(|inner| {
                inner.server = Some(super::quote::clean(name).into());
                if let Some(Cause::Endpoint(error)) = &inner.source {
                    inner.source = Some(Cause::Endpoint(error.clone().or_server(Some(name))));
                }
            }),
            _ => self,
        }
    }

    pub(super) fn reauth(reason: ReauthReason, key: &TokenKey) -> Self {
        let message = match reason {
            ReauthReason::NoToken => "no token is stored",
            ReauthReason::LoggedOut => "somebody logged out while the token was being refreshed",
            ReauthReason::NoRefreshToken => "a new access token is needed and there is no refresh token",
            ReauthReason::Refused => "the refresh token is refused",
            ReauthReason::Unrecognized => "there was no new token several times, for a reason that is not known",
            ReauthReason::UnknownOutcome => {
                "an earlier refresh ended without an answer, so its refresh token may be spent, and using it once more \
                 did not work"
            }
        };
        Self::new(ManagerErrorKind::ReauthRequired(reason), key, message)
    }

    /// As [`ManagerError::reauth`], with what the server said.
    pub(super) fn refused(reason: ReauthReason, key: &TokenKey, cause: EndpointError) -> Self {
        let says_all = reason == ReauthReason::Refused && !cause.is_remembered();
        let plain = Self::reauth(reason, key).caused_by(cause);
        match says_all {
            true => plain.change(|inner| inner.message.clear()),
            false => plain,
        }
    }

    pub(super) fn endpoint(key: &TokenKey, cause: EndpointError) -> Self {
        let kind = match cause.kind() {
            EndpointErrorKind::Transient | EndpointErrorKind::Unrecognized => ManagerErrorKind::Transient,
            _ => ManagerErrorKind::ClientRejected,
        };
        let after = cause.retry_after();
        Self::new(kind, key, "")
            .caused_by(cause)
            .change(|inner| inner.retry_after = after)
    }

    pub(super) fn storage_failed(key: &TokenKey, cause: Error) -> Self {
        let kind = match cause.kind() {
            ErrorKind::Busy => ManagerErrorKind::Busy,
            _ => ManagerErrorKind::Storage,
        };
        let after = cause.retry_after();
        let error = Self::new(kind, key, "the storage failed").caused_by_storage(cause);
        error.change(|inner| inner.retry_after = after)
    }

    pub(super) fn in_the_way(key: &TokenKey, theirs: &IssuedBy, ours: Option<&IssuedBy>) -> Self {
        let message = format!(
            "{} is stored there, this login is {}, and nothing was replaced",
            named("a token", "issued to", theirs),
            ours.map_or_else(
                || "at another server or as another client".to_owned(),
                |ours| named("one", "as", ours)
            ),
        );
        let error = Self::new(ManagerErrorKind::InTheWay, key, message).doing(Action::StoreLogin);
        error.change(|inner| inner.in_the_way = Some(Box::new(theirs.clone())))
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
        let message = "the resource server refuses a token that was refreshed just now";
        Self::new(ManagerErrorKind::StillRejected, key, message)
    }

    pub(super) fn not_stored(key: &TokenKey, token: Option<AccessToken>, revoked: bool, cause: Error) -> Self {
        let message = match (&token, revoked) {
            (Some(_), _) => "the refreshed token could not be stored",
            (None, true) => "the refreshed token could not be stored and was revoked",
            (None, false) => "the refreshed token could neither be stored nor revoked",
        };
        let error = Self::new(ManagerErrorKind::NotStored, key, message).caused_by_storage(cause);
        error.change(|inner| inner.token = token)
    }

    pub(super) fn not_revoked(key: &TokenKey, cause: EndpointError) -> Self {
        let error = Self::new(ManagerErrorKind::NotRevoked, key, "the token could not be revoked");
        error.caused_by(cause)
    }

    /// The same failure, told again while no new request may be made.
    pub(super) fn again_in(&self, after: Duration) -> Self {
        self.clone().change(|inner| {
            inner.retry_after = Some(after);
            inner.token = None;
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

    /// The server that it is about, by its issuer or host, if that is known.
    pub fn server_name(&self) -> Option<&str> {
        self.server()
            .and_then(EndpointError::server)
            .or(self.0.server.as_deref())
    }

    /// Whose record is in the way of a login ([`ManagerErrorKind::InTheWay`]).
    pub fn in_the_way_of(&self) -> Option<&IssuedBy> {
        self.0.in_the_way.as_deref()
    }

    /// What helps.
    pub fn advice(&self) -> Option<Advice> {
        let cause = self.server().and_then(EndpointError::advice);
        match self.0.kind {
            ManagerErrorKind::ReauthRequired(ReauthReason::NoToken | ReauthReason::LoggedOut) => Some(Advice::LogIn),
            ManagerErrorKind::ReauthRequired(_) => {
                cause.filter(|advice| advice.is_login()).or(Some(Advice::LogInAgain))
            }
            // Of what is not in order on this side the message says itself what helps.
            ManagerErrorKind::ClientRejected => match self.server().map(EndpointError::kind) {
                Some(EndpointErrorKind::Unsupported) => cause,
                _ => cause.or(Some(Advice::CheckClient)),
            },
            ManagerErrorKind::Transient => cause.or(Some(Advice::TryAgainLater)),
            ManagerErrorKind::Busy => Some(Advice::TryAgainLater),
            ManagerErrorKind::Storage | ManagerErrorKind::NotBearer => None,
            ManagerErrorKind::NotStored if self.0.token.is_some() => Some(Advice::TakeToken),
            ManagerErrorKind::NotStored => Some(Advice::LogInAgain),
            ManagerErrorKind::StillRejected => Some(Advice::CheckPermissions),
            ManagerErrorKind::NotRevoked if self.0.action == Action::LogOut => Some(Advice::RemoveOnly),
            ManagerErrorKind::NotRevoked => cause.or(Some(Advice::TryAgainLater)),
            ManagerErrorKind::InTheWay => Some(Advice::ReplaceOrRename),
            ManagerErrorKind::TimedOut | ManagerErrorKind::Interrupted => Some(Advice::TryAgain),
        }
    }

    /// What could not be done, for which key, at which server, and why: everything but what helps.
    pub fn problem(&self) -> String {
        let Inner {
            action, key, message, ..
        } = &*self.0;
        let cause = self.server().map(EndpointError::problem);
        let at = match (&cause, self.server_name()) {
            // It names the server itself.
            (Some(_), _) | (None, None) => String::new(),
            (None, Some(name)) => format!(" at {name}"),
        };
        let colon = if message.is_empty() || cause.is_none() {
            ""
        } else {
            ": "
        };
        format!(
            "{} {key}{at}: {message}{colon}{}",
            action.told(),
            cause.unwrap_or_default()
        )
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
        f.write_str(&self.problem())?;
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// A server, and the client that it knows.
fn named(what: &str, relation: &str, by: &IssuedBy) -> String {
    let server = super::quote::clean(by.server_name().unwrap_or("another server"));
    match &by.client_id {
        Some(client) => format!("{what} of {server} {relation} client {:?}", super::quote::clean(client)),
        None => format!("{what} of {server}"),
    }
}

impl fmt::Debug for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerError")
            .field("kind", &self.0.kind)
            .field("key", &self.0.key)
            .field("server", &self.0.server)
            .field("message", &self.0.message)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for ManagerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(Cause::Storage(error)) => Some(error),
            // Said already.
            Some(Cause::Endpoint(_)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_could_not_be_done_for_which_key() {
        let error = ManagerError::reauth(ReauthReason::NoToken, &TokenKey::new("ns", "rs"));
        let told = error.problem();
        assert!(
            told.starts_with("cannot get an access token for ") && told.contains("rs"),
            "{told}"
        );
        let told = error.doing(Action::LogOut).problem();
        assert!(told.starts_with("cannot log out of "), "{told}");
    }

    #[test]
    fn the_server_that_is_known_first_stays() {
        let error = ManagerError::reauth(ReauthReason::NoToken, &TokenKey::in_default("rs"));
        let error = error.at(None).at(Some("a.example")).at(Some("b.example"));
        assert_eq!(error.server_name(), Some("a.example"));
    }
}
