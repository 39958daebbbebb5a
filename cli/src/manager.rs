//! The token manager as the commands use it, and what its errors mean for an exit code.

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use token_storage::{
    Namespaced, Secret, TokenData, TokenKey, TokenStorage,
    manager::{
        AccessToken, EndpointError, EndpointErrorKind, Event, ManagerError, ManagerErrorKind, ReauthReason,
        TokenManager,
    },
    oauth::{LoginError, LoginErrorKind},
};

use crate::{
    Context, Exit, Failure, Result,
    advice::{told, told_of_login},
    commands::access_token::not_bearer,
    failure::chain,
    input, interrupt,
    server::{Endpoint, SOME_SERVER, Server, ServerArgs},
    text,
    voice::{self, note},
};

/// How much longer a token must be good.
#[derive(Clone, Copy)]
pub(crate) struct Margin {
    /// Not to be refreshed; at most a part of its lifetime.
    pub(crate) skew: Duration,
    /// Whatever its lifetime.
    pub(crate) valid_for: Duration,
}

/// Unless it is said otherwise; the skew is that of the Globus SDK.
pub(crate) const MARGIN: Margin = Margin {
    skew: Duration::from_secs(60),
    valid_for: Duration::ZERO,
};

pub(crate) type Tokens = Namespaced<Arc<dyn TokenStorage>>;

/// What a command needs that uses the tokens of a namespace.
pub(crate) struct Session<'a> {
    pub(crate) tokens: Tokens,
    pub(crate) manager: TokenManager,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) context: &'a Context,
}

/// Whether the stored token will do although it has not expired.
#[derive(Debug, clap::Args)]
pub(crate) struct Fresh {
    /// Refresh the token although it has not expired, unless another process just did
    #[arg(long)]
    refresh: bool,

    /// A file with the token that a service refused, `-` is standard input: another is wanted, the one that is stored by now
    /// or a refreshed one
    #[arg(long, value_name = "FILE", conflicts_with = "refresh")]
    rejected: Option<String>,
}

impl Fresh {
    pub(crate) fn is_forced(&self) -> bool {
        self.refresh || self.rejected.is_some()
    }

    /// The token that a service refused.
    pub(crate) fn rejected(&self) -> Result<Option<Secret>> {
        let Some(file) = &self.rejected else { return Ok(None) };
        let (place, bytes) = input::read(file, "the token that was refused")?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if text.is_empty() || text.contains(char::is_whitespace) {
            let message = format!("{place}: is not one token");
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Some(text.into()))
    }
}

impl<'a> Session<'a> {
    /// Opens the storage to log in at the server that is named, or Globus; no server is asked yet.
    pub(crate) async fn for_login(context: &'a Context, server: &ServerArgs) -> Result<Self> {
        let server = server.server()?;
        Self::new(context.tokens().await?, Ok(server), MARGIN, context)
    }

    /// Opens the storage to log in at the server that a record came from.
    pub(crate) async fn for_login_again(context: &'a Context, server: &ServerArgs, data: &TokenData) -> Result<Self> {
        Self::new(context.tokens().await?, server.server_of(data)?, MARGIN, context)
    }

    /// Opens the storage to use the token for a resource server; no authorization server is asked yet.
    pub(crate) async fn open(context: &'a Context, server: &ServerArgs, resource_server: &str) -> Result<Self> {
        Self::with_margin(context, server, resource_server, MARGIN).await
    }

    /// Whose token is refreshed earlier, if it must be good for longer than usual.
    pub(crate) async fn with_margin(
        context: &'a Context,
        server: &ServerArgs,
        resource_server: &str,
        margin: Margin,
    ) -> Result<Self> {
        Self::on(context.tokens().await?, server, resource_server, margin, context).await
    }

    /// On a storage that is open.
    pub(crate) async fn on(
        tokens: Tokens,
        server: &ServerArgs,
        resource_server: &str,
        margin: Margin,
        context: &'a Context,
    ) -> Result<Self> {
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
        Self::new(tokens, server?, margin, context)
    }

    fn new(tokens: Tokens, server: Result<Server, String>, margin: Margin, context: &'a Context) -> Result<Self> {
        let endpoint = Endpoint::new(server.map(|server| server.within(context.timeout)));
        let mut builder = TokenManager::builder(tokens.storage().clone(), endpoint.clone())
            // It would end with the command, in the middle of a refresh.
            .refresh_ahead(Duration::ZERO)
            // Nobody could use it up: the next command reads the storage.
            .revoke_unstored()
            .skew(margin.skew)
            .valid_for(margin.valid_for)
            .on_event({
                let (context, endpoint) = (context.clone(), Arc::downgrade(&endpoint));
                move |event| tell(event, &context, endpoint.upgrade().as_deref())
            });
        if let Some(timeout) = context.timeout {
            builder = builder.request_timeout(timeout).lease_wait(timeout);
        }
        Ok(Self {
            tokens,
            manager: builder.build()?,
            endpoint,
            context,
        })
    }

    /// Does something that the server has to answer to, for as long as the options say. What has been sent by then is waited
    /// for, because it may have spent a refresh token.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.answered_by(&self.endpoint.server_name(), work).await
    }

    /// The same of whoever is named.
    async fn answered_by<T>(&self, whom: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(timeout) = self.context.timeout else {
            return work.await;
        };
        match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_) => {
                self.manager.finish().await;
                Err(out_of_time(whom, timeout))
            }
        }
    }

    /// A failure, and the whole command that helps.
    pub(crate) fn failed(&self, error: &ManagerError) -> Failure {
        Failure::of_manager(error, self.context)
    }

    /// Tells why a token that is handed out all the same could not be refreshed. Where that is the failure it is said once.
    pub(crate) fn warn_of(&self, token: &AccessToken) {
        let Some(error) = token.failure() else { return };
        let state = match token.is_doubtful() {
            true => "this token has not expired, but is probably dead",
            false => "this token is still good, but refreshing it failed",
        };
        note(&format!("warning: {state}: {}", told(error, self.context)));
    }

    /// The access token, refreshed if need be.
    pub(crate) async fn access_token(
        &self,
        key: &TokenKey,
        fresh: &Fresh,
        rejected: Option<&Secret>,
    ) -> Result<AccessToken, ManagerError> {
        let token = match (fresh.refresh, rejected) {
            (true, _) => self.manager.refresh(key).await,
            (false, None) => self.manager.access_token(key).await,
            (false, Some(rejected)) => self.other_than(key, rejected).await,
        };
        let token = match token {
            Ok(token) => self.awaited(key, token).await,
            error => error,
        };
        interrupt::release(token.is_ok());
        token
    }

    /// A token that is handed out because its refresh takes long. Once that is sent it is waited for: it would end with the
    /// command, the refresh token spent and its successor lost.
    async fn awaited(&self, key: &TokenKey, token: AccessToken) -> Result<AccessToken, ManagerError> {
        let mut token = token;
        let is_late = |token: &AccessToken| {
            token
                .failure()
                .is_some_and(|why| why.kind() == ManagerErrorKind::TimedOut)
        };
        while is_late(&token) && self.finish().await {
            token = self.manager.access_token(key).await?;
        }
        Ok(token)
    }

    /// Waits for what was sent, if anything was.
    async fn finish(&self) -> bool {
        let has_sent = self.endpoint.has_sent();
        if has_sent {
            self.manager.finish().await;
        }
        has_sent
    }

    /// Has another token than this one, which a service refused.
    pub(crate) async fn replace(&self, key: &TokenKey, refused: &Secret) -> Result<(), ManagerError> {
        let token = self.other_than(key, refused).await;
        interrupt::release(token.is_ok());
        token.map(|_| ())
    }

    async fn other_than(&self, key: &TokenKey, rejected: &Secret) -> Result<AccessToken, ManagerError> {
        let token = self.manager.access_token(key).await?;
        if token.secret() == rejected {
            return self.manager.rejected(key, &token).await;
        }
        Ok(token)
    }

    /// What a service answers to the stored token, refreshed if need be, and once more if the service refuses it.
    pub(crate) async fn get(&self, resource_server: &str, url: &str) -> Result<Vec<u8>> {
        let key = &self.tokens.key(resource_server);
        let authorizer = self.manager.authorizer(key);
        let send = |token: AccessToken| async move {
            let token = self.awaited(key, token).await?;
            interrupt::release(true);
            self.warn_of(&token);
            if !token.is_bearer() {
                return Err(NotSent::Other(not_bearer("")));
            }
            let client = self.endpoint.client().await.map_err(NotSent::Other)?;
            Ok::<_, NotSent>(client.get_resource(url, token.secret()).await)
        };
        let asked = async { Ok(authorizer.send(send, is_unauthorized).await) };
        let whom = format!("{}, or the service at {}", self.endpoint.server_name(), place(url));
        let answer = self.answered_by(&whom, asked).await;
        // A refresh that waited for another process may have begun meanwhile.
        self.finish().await;
        interrupt::release(answer.is_ok());
        let answer = answer?.map_err(|error| match error {
            NotSent::Manager(error) => self.failed(&error),
            NotSent::Other(failure) => failure,
        })?;
        let again = self.context.login_again(Some(resource_server));
        answer.map_err(|error| not_served(&error, url, &again))
    }
}

/// From here on nothing is sent any more: nobody would wait for the answer.
impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.endpoint.close();
    }
}

/// Why a service was not asked.
enum NotSent {
    Manager(ManagerError),
    Other(Failure),
}

impl From<ManagerError> for NotSent {
    fn from(error: ManagerError) -> Self {
        Self::Manager(error)
    }
}

fn is_unauthorized(answer: &Result<Vec<u8>, LoginError>) -> bool {
    let refused = answer.as_ref().err().and_then(LoginError::server);
    refused.is_some_and(|error| error.status() == Some(401))
}

/// The address of a service, for messages.
fn place(url: &str) -> String {
    text::mention(url.split(['?', '#']).next().unwrap_or_default())
}

/// What a service other than the authorization server answered.
fn not_served(error: &LoginError, url: &str, again: &str) -> Failure {
    let service = place(url);
    let status = error.server().and_then(EndpointError::status);
    let (exit, message) = match status {
        Some(401) => (
            Exit::Expired,
            format!("the service at {service} refuses the token, refreshed as it is; log in again with `{again}`"),
        ),
        Some(403) => (
            Exit::Failure,
            format!("the token does not allow this at {service}; log in with more scopes, `{again} --scope ...`"),
        ),
        Some(status @ (408 | 429 | 500..)) => (
            Exit::Unreachable,
            format!("the service at {service} cannot answer now (HTTP status {status}); try again later"),
        ),
        Some(status) => (
            Exit::Failure,
            format!("the service at {service} does not answer as it should (HTTP status {status}); check its address"),
        ),
        None => (
            Exit::Unreachable,
            format!("no answer from the service at {service}; check its address, the network and its certificate"),
        ),
    };
    Failure::new(exit, message)
}

const OTHER: &str = "another process that is refreshing this token";

/// Tells what people should know and the command's own result does not say. What is wrong with a token is told where it is
/// handed out ([`Session::warn_of`]).
fn tell(event: &Event, context: &Context, endpoint: Option<&Endpoint>) {
    let server = || endpoint.map_or_else(|| SOME_SERVER.to_owned(), Endpoint::server_name);
    let warning = match event {
        // Until the other has ended, or something is sent after all.
        Event::Waiting(_) => {
            interrupt::wait_for(OTHER);
            // In a script it is nothing special.
            if std::io::stderr().is_terminal() {
                note(&format!("waiting for {OTHER}"));
            }
            return;
        }
        Event::NotStored(_, error) => format!("the new token is not stored: {}", told(error, context)),
        Event::UnknownOutcome(_) => {
            format!(
                "an earlier refresh at {} ended without an answer; trying once more",
                server()
            )
        }
        Event::NotRevoked(_, error) => format!("tokens that nobody may use any more could not be revoked: {error}"),
        Event::OddAnswer(_, odd) => odd.to_string(),
        _ => return,
    };
    note(&format!("warning: {warning}"));
}

/// `whom`: who did not answer.
pub(crate) fn out_of_time(whom: &str, timeout: Duration) -> Failure {
    let seconds = timeout.as_secs();
    let message = format!(
        "there was no answer from {whom} within {seconds} s, as --timeout or TOKEN_STORAGE_TIMEOUT says; try again later"
    );
    Failure::new(Exit::Unreachable, message)
}

pub(crate) fn exit(error: &ManagerError) -> Exit {
    match error.kind() {
        ManagerErrorKind::ReauthRequired(ReauthReason::NoToken | ReauthReason::LoggedOut) => Exit::NotFound,
        ManagerErrorKind::ReauthRequired(_) => Exit::Expired,
        ManagerErrorKind::ClientRejected | ManagerErrorKind::InTheWay => Exit::Usage,
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
        Self::new(exit, told_of_login(&error))
    }
}
