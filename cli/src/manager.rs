//! The token manager as the commands use it, and what its errors mean for an exit code.

use std::{sync::Arc, time::Duration};

use token_storage::{
    TokenStorage,
    manager::{EndpointErrorKind, Event, ManagerBuilder, ManagerError, ManagerErrorKind, ReauthReason, TokenManager},
    oauth::{LoginError, LoginErrorKind},
};

use crate::{
    Exit, Failure,
    failure::{chain, note},
    server::Endpoint,
};

/// How much longer a token must be good to be handed out without a refresh; that of the Globus SDK.
pub(crate) const SKEW: Duration = Duration::from_secs(60);

/// Sets up a manager for a command, which asks once and ends.
pub(crate) fn builder(
    storage: Arc<dyn TokenStorage>,
    endpoint: Arc<Endpoint>,
) -> ManagerBuilder<Arc<dyn TokenStorage>> {
    TokenManager::builder(storage, endpoint)
        // It would end with the command, in the middle of a refresh.
        .refresh_ahead(Duration::ZERO)
        // Nobody could use it up: the next command reads the storage.
        .revoke_unstored(true)
        .skew(SKEW)
        .on_event(tell)
}

/// Tells what people should know and the command's own result does not say.
fn tell(event: &Event) {
    match event {
        Event::ServedAnyway(_, error) => note(&format!(
            "warning: this token is still good, but refreshing it failed: {}",
            chain(error)
        )),
        Event::NotStored(_, error) => note(&format!(
            "warning: still trying to store the new token: {}",
            chain(error)
        )),
        Event::UnknownOutcome(_) => note("warning: an earlier refresh ended without an answer; trying once more"),
        Event::NotRevoked(_) => note("warning: tokens that nobody may use any more could not be revoked"),
        _ => {}
    }
}

impl From<ManagerError> for Failure {
    fn from(error: ManagerError) -> Self {
        let message = chain(&error).replace("log in again", "log in again with `token-storage login`");
        Self::new(exit(&error), message)
    }
}

fn exit(error: &ManagerError) -> Exit {
    match error.kind() {
        ManagerErrorKind::ReauthRequired(ReauthReason::NoToken | ReauthReason::LoggedOut) => Exit::NotFound,
        ManagerErrorKind::ReauthRequired(_) => Exit::Expired,
        ManagerErrorKind::ClientRejected => Exit::Usage,
        ManagerErrorKind::Transient => Exit::Unreachable,
        ManagerErrorKind::Busy => Exit::Unavailable,
        ManagerErrorKind::Storage | ManagerErrorKind::NotStored => {
            error.storage().map_or(Exit::Failure, |error| error.kind().into())
        }
        ManagerErrorKind::NotRevoked => error.server().map_or(Exit::Failure, |error| error.kind().into()),
        _ => Exit::Failure,
    }
}

impl From<EndpointErrorKind> for Exit {
    fn from(kind: EndpointErrorKind) -> Self {
        match kind {
            EndpointErrorKind::Transient => Self::Unreachable,
            EndpointErrorKind::ClientRejected | EndpointErrorKind::Unsupported => Self::Usage,
            EndpointErrorKind::Refused => Self::Expired,
            _ => Self::Failure,
        }
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        let exit = match (error.server(), error.kind()) {
            (_, LoginErrorKind::Configuration) => Exit::Usage,
            (_, LoginErrorKind::Denied | LoginErrorKind::TimedOut) => Exit::Failure,
            (Some(server), _) => server.kind().into(),
            (None, LoginErrorKind::Server | LoginErrorKind::Answer) => Exit::Unreachable,
            (None, _) => Exit::Failure,
        };
        Self::new(exit, chain(&error))
    }
}
