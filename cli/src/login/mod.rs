//! Logging a person in, for every command that finds no tokens.

mod ask;
mod browser;
mod replace;
mod terminal;

use std::{sync::Mutex, time::Duration};

use token_storage::{
    StoredResponse, TokenKey, TokenResponse,
    oauth::{LoopbackLogin, OAuthClient, PendingLogin},
};
use tokio::time::{Instant, timeout, timeout_at};

use self::{
    ask::Way,
    browser::can_open,
    terminal::{announce, read_line, say},
};
pub(crate) use self::{
    ask::{Apis, Ask, AskArgs, usual_scope},
    browser::open_here,
    terminal::is_attended,
};
use crate::{
    Exit, Failure, Result,
    interrupt::{self, Sent},
    manager::{Session, out_of_time},
    text,
    voice::note,
};

/// How long to wait for a browser that may not have come up, before its program's word is not waited for any longer.
const BROWSER_STARTS: Duration = Duration::from_secs(2);

/// Logs in as was asked for, and stores the tokens: all of them or none. If they cannot be stored, they are revoked.
///
/// Signals that come between sending the code and storing wait: the server may have issued tokens that nobody else knows of.
pub(crate) async fn log_in(session: &Session<'_>, ask: Ask) -> Result<Vec<StoredResponse>> {
    if ask.way == Way::Client && !session.endpoint.has_credentials() {
        return Err(no_credentials(session));
    }
    let client = timeout(ask.patience, session.endpoint.client()).await;
    let client = client.map_err(|_| out_of_time(&session.endpoint.server_name(), ask.patience))??;
    let login = Login {
        client,
        session,
        ask,
        agreed: Mutex::default(),
    };
    login.prepare().await?;
    let stored = match login.ask.way {
        Way::Browser => login.with_browser().await,
        Way::Paste => login.with_pasted_code(login.ask.open).await,
        Way::Device => login.with_device().await,
        Way::Client => login.without_person().await,
    };
    interrupt::release(stored.is_ok());
    stored
}

/// RFC 6749 section 4.4: only for clients that prove who they are.
fn no_credentials(session: &Session<'_>) -> Failure {
    // There may be a better reason.
    match session.endpoint.usable() {
        Err(failure) => failure,
        Ok(()) => {
            let message = "a token for the client itself is only given to one that proves who it is; give its secret with \
                           --client-secret-file, or its key with --client-key-file";
            Failure::new(Exit::Usage, message)
        }
    }
}

const BROWSER: &str = "the browser to come back, so nobody is logged in";
const PASTED: &str = "what was to be pasted, so nobody is logged in";
const DEVICE: &str = "the login on the other device, so nobody is logged in";

struct Login<'a> {
    client: &'a OAuthClient,
    session: &'a Session<'a>,
    ask: Ask,
    /// Whose records may be replaced, because a person has said so.
    agreed: Mutex<Vec<TokenKey>>,
}

impl Login<'_> {
    async fn with_browser(&self) -> Result<Vec<StoredResponse>> {
        if !can_open() {
            say("There is no browser here.");
            return self.with_pasted_code(false).await;
        }
        let redirect = self.ask.redirect_uri.as_deref().unwrap_or(OAuthClient::LOOPBACK);
        let mut login = self.client.begin_loopback_login(&self.ask.options, redirect)?;
        interrupt::wait_for(BROWSER);
        say("Opening your browser. If it does not come up, visit this address in a browser of this machine, or start");
        say("again with --no-browser:");
        say(&format!("\n{}\n", login.url()));
        let opened = tokio::time::timeout(BROWSER_STARTS, browser::open(login.url())).await;
        if opened == Ok(false) {
            say("No browser could be opened.");
            return self.without_browser(login).await;
        }
        login.wait(self.ask.patience).await;
        interrupt::hold(Sent::Login);
        login
            .finish_and(self.ask.patience, |response| self.keep(response))
            .await
    }

    /// A browser was promised, but there is none: the code page if the server has one, else the port's address.
    async fn without_browser(&self, login: LoopbackLogin) -> Result<Vec<StoredResponse>> {
        match &self.ask.code_page {
            Some(_) => self.with_pasted_code(false).await,
            None => self.paste_address(login.without_listening()).await,
        }
    }

    async fn with_pasted_code(&self, open: bool) -> Result<Vec<StoredResponse>> {
        let given = self.ask.redirect_uri.as_ref().filter(|_| !self.ask.listens());
        let Some(page) = given.or(self.ask.code_page.as_ref()) else {
            let redirect = self.ask.redirect_uri.as_deref().unwrap_or(OAuthClient::LOOPBACK);
            let login = self.client.begin_loopback_login(&self.ask.options, redirect)?;
            return self.paste_address(login.without_listening()).await;
        };
        let login = self.client.begin_login(&self.ask.options, page)?;
        announce(self.ask.greeting(), login.url());
        if open && can_open() {
            // The address is on the screen, whatever becomes of it.
            let _ = tokio::time::timeout(BROWSER_STARTS, browser::open(login.url())).await;
        }
        interrupt::wait_for(PASTED);
        let code = read_line("Enter the resulting Authorization Code here: ", self.ask.patience).await?;
        self.finish(login, &code).await
    }

    async fn paste_address(&self, login: PendingLogin) -> Result<Vec<StoredResponse>> {
        announce(self.ask.greeting(), login.url());
        say("In the end the browser is sent to an address of its own machine, http://127.0.0.1 or the like, that it");
        say("cannot open. That is expected: copy it from the address bar.");
        interrupt::wait_for(PASTED);
        let address = read_line("Enter the resulting address here: ", self.ask.patience).await?;
        self.finish(login, &address).await
    }

    async fn with_device(&self) -> Result<Vec<StoredResponse>> {
        let deadline = Instant::now() + self.ask.patience;
        let begun = timeout_at(deadline, self.client.begin_device_login(&self.ask.options)).await;
        let late = |_| out_of_time(&self.session.endpoint.server_name(), self.ask.patience);
        let mut login = begun.map_err(late)??;
        announce(self.ask.greeting(), login.verification_uri());
        say(&format!("Enter this code there: {}", text::name(login.user_code())));
        if let Some(complete) = login.verification_uri_complete() {
            say(&format!("\nOr visit {complete}"));
        }
        interrupt::wait_for(DEVICE);
        say("\nWaiting until you have done so ...");
        loop {
            timeout_at(deadline, login.wait())
                .await
                .map_err(|_| self.nobody_came())??;
            interrupt::hold(Sent::Login);
            if let Some(response) = login.poll().await? {
                return self.keep(response).await;
            }
            // Nothing came of it, so a signal of meanwhile is obeyed.
            interrupt::release(false);
            interrupt::wait_for(DEVICE);
        }
    }

    async fn without_person(&self) -> Result<Vec<StoredResponse>> {
        interrupt::hold(Sent::Login);
        self.keep(self.client.client_credentials_with(&self.ask.options).await?)
            .await
    }

    fn nobody_came(&self) -> Failure {
        let seconds = self.ask.patience.as_secs();
        let message = format!(
            "nobody finished the login at {} in time, {seconds} s; start again",
            self.server()
        );
        Failure::new(Exit::Failure, message)
    }

    async fn finish(&self, login: PendingLogin, pasted: &str) -> Result<Vec<StoredResponse>> {
        interrupt::hold(Sent::Login);
        self.keep(login.finish_with_pasted(pasted).await?).await
    }

    async fn keep(&self, response: TokenResponse) -> Result<Vec<StoredResponse>> {
        let stored = match self.named(response.clone()).await {
            Ok(named) => self.store(&named).await,
            Err(failure) => Err(failure),
        };
        if stored.is_err() {
            self.client.revoke_response(&response).await;
        }
        stored.map_err(|failure| failure.at("the tokens were not stored, so they were revoked"))
    }

    async fn named(&self, response: TokenResponse) -> Result<TokenResponse> {
        let named = response.with_resource_server(&self.resource_server().await?)?;
        for warning in named.warnings() {
            note(&format!("warning: in the answer of {}, {warning}", self.server()));
        }
        Ok(named)
    }
}
