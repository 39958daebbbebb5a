//! Logging a person in, for every command that finds no tokens.

mod ask;
mod browser;
mod terminal;

use std::time::Duration;

use token_storage::{
    StoredResponse, TokenResponse,
    oauth::{LoopbackLogin, OAuthClient, PendingLogin},
};

use self::{
    ask::Way,
    browser::can_open,
    terminal::{announce, read_line, say},
};
pub(crate) use self::{
    ask::{Ask, AskArgs, usual_scope},
    browser::open_here,
    terminal::is_attended,
};
use crate::{Failure, Result, interrupt, manager::Session, text};

/// How long to wait for a browser that may not have come up, before its program's word is not waited for any longer.
const BROWSER_STARTS: Duration = Duration::from_secs(2);

/// Logs in as was asked for, and stores the tokens: all of them or none. If they cannot be stored, they are revoked.
///
/// Signals that come between sending the code and storing wait: the server may have issued tokens that nobody else knows of.
pub(crate) async fn log_in(session: &Session, ask: Ask) -> Result<Vec<StoredResponse>> {
    let client = session.endpoint.client().await?;
    let login = Login { client, session, ask };
    let stored = match login.ask.way {
        Way::Browser => login.with_browser().await,
        Way::Paste => login.with_pasted_code(login.ask.open).await,
        Way::Device => login.with_device().await,
    };
    interrupt::release();
    stored
}

struct Login<'a> {
    client: &'a OAuthClient,
    session: &'a Session,
    ask: Ask,
}

impl Login<'_> {
    async fn with_browser(&self) -> Result<Vec<StoredResponse>> {
        if !can_open() {
            say("There is no browser here.");
            return self.with_pasted_code(false).await;
        }
        let redirect = self.ask.redirect_uri.as_deref().unwrap_or(OAuthClient::LOOPBACK);
        let mut login = self.client.begin_loopback_login(&self.ask.options, redirect)?;
        say("Opening your browser. If it does not come up, visit this address in a browser of this machine, or start");
        say("again with --no-browser:");
        say(&format!("\n{}\n", login.url()));
        let opened = tokio::time::timeout(BROWSER_STARTS, browser::open(login.url().as_str())).await;
        if opened == Ok(false) {
            say("No browser could be opened.");
            return self.without_browser(login).await;
        }
        login.wait(self.ask.patience).await;
        interrupt::hold();
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
        announce(self.ask.greeting(), login.url().as_str());
        if open && can_open() {
            // The address is on the screen, whatever becomes of it.
            let _ = tokio::time::timeout(BROWSER_STARTS, browser::open(login.url().as_str())).await;
        }
        let code = read_line("Enter the resulting Authorization Code here: ")?;
        self.finish(login, &code).await
    }

    async fn paste_address(&self, login: PendingLogin) -> Result<Vec<StoredResponse>> {
        announce(self.ask.greeting(), login.url().as_str());
        say("In the end the browser is sent to an address of its own machine, http://127.0.0.1 or the like, that it");
        say("cannot open. That is expected: copy it from the address bar.");
        let address = read_line("Enter the resulting address here: ")?;
        self.finish(login, &address).await
    }

    async fn with_device(&self) -> Result<Vec<StoredResponse>> {
        let mut login = self.client.begin_device_login(&self.ask.options).await?;
        announce(self.ask.greeting(), login.verification_uri());
        say(&format!("Enter this code there: {}", text::name(login.user_code())));
        if let Some(complete) = login.verification_uri_complete() {
            say(&format!("\nOr visit {complete}"));
        }
        say("\nWaiting until you have done so ...");
        loop {
            login.wait().await?;
            interrupt::hold();
            if let Some(response) = login.poll().await? {
                return self.keep(response).await;
            }
            interrupt::release();
        }
    }

    async fn finish(&self, login: PendingLogin, pasted: &str) -> Result<Vec<StoredResponse>> {
        interrupt::hold();
        self.keep(login.finish_with_pasted(pasted).await?).await
    }

    async fn keep(&self, response: TokenResponse) -> Result<Vec<StoredResponse>> {
        let named = response.with_resource_server(&self.resource_server())?;
        let Session { manager, tokens, .. } = self.session;
        match manager.store_login(tokens.namespace(), &named).await {
            Ok(stored) => Ok(stored),
            Err(error) => {
                self.client.revoke_response(&named).await;
                Err(Failure::from(error).at("the tokens could not be stored, so they were revoked"))
            }
        }
    }

    /// What a token is stored under that names no resource server: what was said, else the server's host.
    fn resource_server(&self) -> String {
        let host = self.client.provider().token_endpoint.host_str();
        let given = self.ask.resource_server.clone();
        given.unwrap_or_else(|| host.unwrap_or_default().to_owned())
    }
}
