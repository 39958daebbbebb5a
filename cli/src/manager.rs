//! The token manager as the commands use it, and what its errors mean for an exit code.

use std::{sync::Arc, time::Duration};

use token_storage::{
    Namespaced, TokenKey, TokenStorage,
    manager::{
        AccessToken, EndpointError, EndpointErrorKind, Event, ManagerError, ManagerErrorKind, ReauthReason,
        TokenManager,
    },
    oauth::{LoginError, LoginErrorKind},
};

use crate::{
    Context, Exit, Failure, Result,
    failure::chain,
    interrupt,
    server::{Endpoint, Server, ServerArgs},
    voice::{self, note},
};

/// For how long a token must be good that is asked for without a word, beyond the skew of the library.
pub(crate) const SKEW: Duration = Duration::ZERO;

pub(crate) type Tokens = Namespaced<Arc<dyn TokenStorage>>;

/// What a command needs that uses the tokens of a namespace.
pub(crate) struct Session {
    pub(crate) tokens: Tokens,
    pub(crate) manager: TokenManager,
    pub(crate) endpoint: Arc<Endpoint>,
}

impl Session {
    /// Opens the storage to log in at the server that is named, or Globus; no server is asked yet.
    pub(crate) async fn for_login(context: &Context, server: &ServerArgs) -> Result<Self> {
        let server = server.server()?;
        Self::new(context.tokens().await?, Ok(server), SKEW)
    }

    /// Opens the storage to use the token for a resource server; no authorization server is asked yet.
    pub(crate) async fn open(context: &Context, server: &ServerArgs, resource_server: &str) -> Result<Self> {
        Self::with_skew(context, server, resource_server, SKEW).await
    }

    /// Whose token is refreshed earlier, if it must be good for longer than usual.
    pub(crate) async fn with_skew(
        context: &Context,
        server: &ServerArgs,
        resource_server: &str,
        skew: Duration,
    ) -> Result<Self> {
        Self::on(context.tokens().await?, server, resource_server, skew).await
    }

    /// On a storage that is open.
    pub(crate) async fn on(tokens: Tokens, server: &ServerArgs, resource_server: &str, skew: Duration) -> Result<Self> {
        let server = match tokens.get(resource_server).await {
            Ok(Some(stored)) => {
                voice::prove(resource_server);
                voice::prove(tokens.namespace());
                server.server_of(&stored.data)
            }
            // Only told if that has changed when the manager looks.
            Ok(None) => server.server_of_none("the token was stored only just now; try again".to_owned()),
            Err(error) => server.server_of_none(chain(&error)),
        };
        Self::new(tokens, server?, skew)
    }

    fn new(tokens: Tokens, server: Result<Server, String>, skew: Duration) -> Result<Self> {
        let endpoint = Endpoint::new(server);
        let manager = TokenManager::builder(tokens.storage().clone(), endpoint.clone())
            // It would end with the command, in the middle of a refresh.
            .refresh_ahead(Duration::ZERO)
            // Nobody could use it up: the next command reads the storage.
            .revoke_unstored(true)
            .valid_for(skew)
            .on_event(tell)
            .build()?;
        Ok(Self {
            tokens,
            manager,
            endpoint,
        })
    }

    /// The access token, refreshed if need be.
    pub(crate) async fn access_token(&self, key: &TokenKey) -> Result<AccessToken, ManagerError> {
        let token = self.manager.access_token(key).await;
        interrupt::release();
        token
    }

    /// What a service answers to the stored token, refreshed if need be, and once more if the service refuses it.
    pub(crate) async fn get(&self, resource_server: &str, url: &str) -> Result<Vec<u8>> {
        let authorizer = self.manager.authorizer(&self.tokens.key(resource_server));
        let send = |token: AccessToken| async move {
            interrupt::release();
            let client = self.endpoint.client().await?;
            Ok::<_, Failure>(client.get_resource(url, token.secret()).await)
        };
        let answer = authorizer.send(send, is_unauthorized).await;
        interrupt::release();
        answer?.map_err(|error| not_served(&error))
    }
}

fn is_unauthorized(answer: &Result<Vec<u8>, LoginError>) -> bool {
    let refused = answer.as_ref().err().and_then(LoginError::server);
    refused.is_some_and(|error| error.status() == Some(401))
}

/// What a service other than the authorization server answered.
fn not_served(error: &LoginError) -> Failure {
    let status = error.server().and_then(EndpointError::status);
    let (exit, message) = match status {
        Some(401) => (
            Exit::Expired,
            "the service refuses the token, refreshed as it is; log in again with `token-storage login`".to_owned(),
        ),
        Some(403) => (
            Exit::Failure,
            "the token does not allow this; log in with more scopes, `token-storage login --scope ...`".to_owned(),
        ),
        Some(status @ (408 | 429 | 500..)) => (
            Exit::Unreachable,
            format!("the service cannot answer now (HTTP status {status}); try again later"),
        ),
        Some(status) => (
            Exit::Failure,
            format!("the service does not answer as it should (HTTP status {status}); check its address"),
        ),
        None => (
            Exit::Unreachable,
            "no answer from the service; check its address, the network and its certificate".to_owned(),
        ),
    };
    Failure::new(exit, message)
}

/// Tells what people should know and the command's own result does not say.
fn tell(event: &Event) {
    match event {
        Event::ServedAnyway(_, error) => note(&format!(
            "warning: this token is still good, but refreshing it failed: {}",
            chain(error)
        )),
        Event::ServedDoubtful(_, error) => note(&format!(
            "warning: this token has not expired, but is probably dead: {}",
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
        Self::new(exit(&error), told(&error))
    }
}

/// The error and its causes, with the command that helps.
fn told(error: &ManagerError) -> String {
    chain(error).replace("log in again", "log in again with `token-storage login`")
}

fn exit(error: &ManagerError) -> Exit {
    match error.kind() {
        ManagerErrorKind::ReauthRequired(ReauthReason::NoToken | ReauthReason::LoggedOut) => Exit::NotFound,
        ManagerErrorKind::ReauthRequired(_) => Exit::Expired,
        ManagerErrorKind::ClientRejected => Exit::Usage,
        ManagerErrorKind::Transient | ManagerErrorKind::TimedOut => Exit::Unreachable,
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
            EndpointErrorKind::Transient | EndpointErrorKind::Unrecognized => Self::Unreachable,
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
