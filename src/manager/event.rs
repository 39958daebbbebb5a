use std::{fmt, sync::Arc};

use token_storage_core::TokenKey;

use super::{EndpointError, ManagerError, quote};
use crate::ResponseWarning;

/// What happened to a token, for logs and metrics. Holds no secret.
///
/// The same is traced with the target `token_storage`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This process refreshed the token and stored it.
    Refreshed(TokenKey),
    /// Another holder had refreshed it when this one looked again.
    RefreshedElsewhere(TokenKey),
    /// Another holder is refreshing it; this one waits.
    Waiting(TokenKey),
    /// A holder before this one left without saying how its refresh ended; one guarded try is made.
    UnknownOutcome(TokenKey),
    /// The refresh failed.
    RefreshFailed(TokenKey, ManagerError),
    /// A refresh or the storage failed, and the token was handed out because it is still valid.
    ServedAnyway(TokenKey, ManagerError),
    /// A token was handed out that has not expired, but is probably dead: see
    /// [`AccessToken::is_doubtful`](super::AccessToken::is_doubtful).
    ServedDoubtful(TokenKey, ManagerError),
    /// The refreshed token cannot be stored for now; the manager keeps trying.
    NotStored(TokenKey, ManagerError),
    /// A token that could not be stored at first is stored now.
    StoredAfterAll(TokenKey),
    /// A token for this resource server came with the refresh of another and could not be stored; its record is as it
    /// was.
    OtherNotStored(TokenKey, ManagerError),
    /// A token for this resource server came with the refresh of another and was not kept: there is no record of the same
    /// server, client and person.
    OtherLeftAlone(TokenKey),
    /// Fresh tokens were revoked because nobody may use them: somebody had logged out, or logged in anew.
    Revoked(TokenKey),
    /// Tokens that were to be revoked could not be.
    NotRevoked(TokenKey, EndpointError),
    /// The answer to a refresh is odd: a member of it makes no sense and counts as absent, say, or an expiry is spelled in
    /// another way. The token is good all the same.
    OddAnswer(TokenKey, OddAnswer),
    /// The key was logged out by this manager.
    LoggedOut(TokenKey),
}

/// What is odd about an answer, and whose it is. `Display` says both, and quotes no value.
#[derive(Clone, Debug)]
pub struct OddAnswer {
    server: Option<Box<str>>,
    warning: ResponseWarning,
}

impl OddAnswer {
    pub(super) fn new(server: Option<&str>, warning: ResponseWarning) -> Self {
        Self {
            server: server.map(|name| quote::clean(name).into()),
            warning,
        }
    }

    /// The server that answered, by its issuer or token endpoint, if that is known.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// What is odd.
    pub fn warning(&self) -> &ResponseWarning {
        &self.warning
    }
}

impl fmt::Display for OddAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server().unwrap_or("the authorization server");
        write!(
            f,
            "in the answer of {server} to a refresh, {}; the token is good all the same, so nothing needs to be done",
            self.warning
        )
    }
}

impl Event {
    /// Which token it is about.
    pub fn key(&self) -> &TokenKey {
        match self {
            Self::Refreshed(key)
            | Self::RefreshedElsewhere(key)
            | Self::Waiting(key)
            | Self::UnknownOutcome(key)
            | Self::RefreshFailed(key, _)
            | Self::ServedAnyway(key, _)
            | Self::ServedDoubtful(key, _)
            | Self::NotStored(key, _)
            | Self::StoredAfterAll(key)
            | Self::OtherNotStored(key, _)
            | Self::OtherLeftAlone(key)
            | Self::Revoked(key)
            | Self::NotRevoked(key, _)
            | Self::OddAnswer(key, _)
            | Self::LoggedOut(key) => key,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Refreshed(_) => "refreshed",
            Self::RefreshedElsewhere(_) => "refreshed elsewhere",
            Self::Waiting(_) => "waiting for the refresh lease",
            Self::UnknownOutcome(_) => "an earlier refresh ended without an answer",
            Self::RefreshFailed(..) => "refresh failed",
            Self::ServedAnyway(..) => "served a token that is still valid",
            Self::ServedDoubtful(..) => "served a token that is probably dead, although it has not expired",
            Self::NotStored(..) => "the refreshed token is not stored",
            Self::StoredAfterAll(_) => "the refreshed token is stored after all",
            Self::OtherNotStored(..) => "a token that came with another one is not stored",
            Self::OtherLeftAlone(_) => "a token that came with another one is not for any record here",
            Self::Revoked(_) => "fresh tokens revoked",
            Self::NotRevoked(..) => "tokens could not be revoked",
            Self::OddAnswer(..) => "the answer to a refresh is odd",
            Self::LoggedOut(_) => "logged out",
        }
    }

    fn error(&self) -> Option<&ManagerError> {
        match self {
            Self::RefreshFailed(_, error)
            | Self::ServedAnyway(_, error)
            | Self::ServedDoubtful(_, error)
            | Self::NotStored(_, error)
            | Self::OtherNotStored(_, error) => Some(error),
            _ => None,
        }
    }

    fn trace(&self) {
        let (key, name) = (self.key(), self.name());
        let (namespace, resource_server) = (key.namespace(), key.resource_server());
        match (self, self.error()) {
            (_, Some(error)) => {
                let server = error.server_name();
                tracing::warn!(target: "token_storage", namespace, resource_server, server, kind = ?error.kind(), "{name}");
            }
            (Self::NotRevoked(_, error), None) => {
                let server = error.server();
                tracing::warn!(target: "token_storage", namespace, resource_server, server, kind = ?error.kind(), "{name}");
            }
            (Self::OddAnswer(_, odd), None) => {
                let (server, member) = (odd.server(), odd.warning().member());
                tracing::warn!(target: "token_storage", namespace, resource_server, server, member, "{name}");
            }
            (Self::UnknownOutcome(_), None) => {
                tracing::warn!(target: "token_storage", namespace, resource_server, "{name}");
            }
            (_, None) => tracing::debug!(target: "token_storage", namespace, resource_server, "{name}"),
        }
    }
}

/// Where events go: traced always, and to the callback if there is one.
#[derive(Clone, Default)]
pub(super) struct Events(pub(super) Option<Arc<Callback>>);

type Callback = dyn Fn(&Event) + Send + Sync;

impl Events {
    pub(super) fn emit(&self, event: &Event) {
        event.trace();
        if let Some(callback) = &self.0 {
            callback(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Events(callback)" } else { "Events" })
    }
}
