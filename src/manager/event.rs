use std::{fmt, sync::Arc};

use token_storage_core::TokenKey;

use super::ManagerError;

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
    NotRevoked(TokenKey),
    /// The key was logged out by this manager.
    LoggedOut(TokenKey),
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
            | Self::NotRevoked(key)
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
            Self::NotRevoked(_) => "tokens could not be revoked",
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
                tracing::warn!(target: "token_storage", namespace, resource_server, kind = ?error.kind(), "{name}");
            }
            (Self::NotRevoked(_) | Self::UnknownOutcome(_), None) => {
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
