//! Logging in with a browser on this machine: it is sent back to a port of 127.0.0.1 (RFC 8252 section 7.3).

mod address;
mod page;
mod serve;

use std::{fmt, time::Duration};

use token_storage_core::Secret;
use tokio::{sync::oneshot, time::timeout};

use self::{
    address::LoopbackAddress,
    page::Page,
    serve::{Listening, listen},
};
use super::{LoginError, LoginErrorKind, LoginOptions, OAuthClient, PendingLogin};
use crate::TokenResponse;

/// A login whose end is awaited on a port of this machine. The port is closed when this is dropped.
pub struct LoopbackLogin {
    login: PendingLogin,
    code: oneshot::Receiver<Result<Secret, LoginError>>,
    /// What [`wait`](Self::wait) came to.
    waited: Option<Result<Secret, LoginError>>,
    listening: Listening,
}

impl OAuthClient {
    /// Starts a login for a browser on this machine: open [`LoopbackLogin::url`] there, then
    /// [`finish`](LoopbackLogin::finish).
    ///
    /// `redirect_uri` is the address to listen on, as it is registered at the server. Without a port, or with port 0, any
    /// free one is taken, which servers must allow; [`LOOPBACK`](OAuthClient::LOOPBACK) fits most. Must be called
    /// within a tokio runtime.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use token_storage::{TokenResponse, oauth::{LoginError, LoginOptions, OAuthClient}};
    /// # async fn example(client: OAuthClient, open: fn(&str)) -> Result<TokenResponse, LoginError> {
    /// let login = client.begin_loopback_login(&LoginOptions::new("openid"), OAuthClient::LOOPBACK)?;
    /// open(login.url());
    /// login.finish(Duration::from_secs(300)).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if the server has no authorization endpoint, or this is no address of this
    ///   machine.
    /// - [`LoginErrorKind::Local`] if the port cannot be had.
    pub fn begin_loopback_login(
        &self,
        options: &LoginOptions,
        redirect_uri: &str,
    ) -> Result<LoopbackLogin, LoginError> {
        let mut address = LoopbackAddress::parse(redirect_uri)?;
        let listener = address.bind()?;
        let login = self.begin_login(options, &address.to_string())?;
        let (sender, code) = oneshot::channel();
        let listening = listen(listener, address.path(), login.expected().clone(), sender)?;
        Ok(LoopbackLogin {
            login,
            code,
            waited: None,
            listening,
        })
    }

    /// Any free port of 127.0.0.1, without a path: what the Globus SDK uses.
    pub const LOOPBACK: &'static str = "http://127.0.0.1";
}

impl LoopbackLogin {
    /// Where the browser has to go.
    pub fn url(&self) -> &str {
        self.login.url()
    }

    /// Waits at most this long for the browser to come back, and sends nothing yet. Finishing tells how it went, and waits no
    /// longer: a program does here what it has to do before there are tokens, such as holding signals back until they are
    /// stored. Can be dropped and called again.
    pub async fn wait(&mut self, patience: Duration) {
        if self.waited.is_none() {
            let server = &self.login.expected.server;
            self.waited = Some(arrived(server, &mut self.code, patience).await);
        }
    }

    /// Waits at most this long for the browser to come back, and gets the tokens. The browser is shown a page that says
    /// how it ended.
    ///
    /// Requests that do not belong to this login, whoever makes them, are turned away and change nothing.
    ///
    /// # Errors
    /// - [`LoginErrorKind::TimedOut`] if nobody came, [`LoginErrorKind::Denied`] if the person said no.
    /// - [`LoginErrorKind::Server`], [`LoginErrorKind::IdToken`].
    pub async fn finish(self, patience: Duration) -> Result<TokenResponse, LoginError> {
        self.finish_and(patience, |response| async { Ok(response) }).await
    }

    /// As [`finish`](Self::finish), and keeps the tokens before the browser is told that all is well: `keep` stores them.
    ///
    /// # Errors
    /// Those of `finish`, and those of `keep`.
    pub async fn finish_and<T, E, F>(
        mut self,
        patience: Duration,
        keep: impl FnOnce(TokenResponse) -> F,
    ) -> Result<T, E>
    where
        E: From<LoginError> + fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let code = match self.waited.take() {
            Some(code) => code,
            None => arrived(&self.login.expected.server, &mut self.code, patience).await,
        };
        let Self { login, listening, .. } = self;
        let outcome = async { keep(login.redeem(&code?).await?).await };
        let outcome = outcome.await;
        let page = match &outcome {
            Ok(_) => Page::logged_in(),
            Err(error) => Page::failed(&error.to_string()),
        };
        listening.show(page).await;
        outcome
    }

    /// For when no browser can be opened here after all: the port is closed, and what the person pastes finishes the
    /// login. They find it in the address that their browser could not open.
    pub fn without_listening(self) -> PendingLogin {
        self.login
    }
}

async fn arrived(
    server: &str,
    code: &mut oneshot::Receiver<Result<Secret, LoginError>>,
    patience: Duration,
) -> Result<Secret, LoginError> {
    match timeout(patience, code).await {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => Err(LoginError::new(
            LoginErrorKind::Local,
            "the port of the login was closed; start again",
        )),
        Err(_) => Err(LoginError::late(server, "finished")),
    }
}

impl fmt::Debug for LoopbackLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackLogin")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
