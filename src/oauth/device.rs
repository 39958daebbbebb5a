//! The device flow (RFC 8628): a person approves on another machine.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use token_storage_core::Secret;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{
    LoginError, LoginErrorKind, LoginOptions, OAuthClient,
    client::{pairs, unix_now},
};
use crate::{
    Grant, Renewal, TokenResponse,
    manager::{EndpointError, EndpointErrorKind},
};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// What counts if the server names none (RFC 8628 section 3.2).
const DEFAULT_INTERVAL: u64 = 5;
/// How much slower `slow_down` makes the polling (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// The longest pause between two polls, however often the network failed.
const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// A code that lasts longer than this is not waited for any longer.
const MAX_LIFETIME: u64 = 24 * 3600;

/// A login that a person approves on another machine, by entering a code there.
pub struct DeviceLogin {
    client: OAuthClient,
    scope: String,
    renewal: Renewal,
    device_code: Secret,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    interval: Duration,
    expires: Instant,
}

#[derive(Deserialize)]
struct Authorization {
    device_code: String,
    user_code: String,
    // Google's name for it is older than the RFC.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    expires_in: u64,
    // What need not be there counts as absent where it makes no sense.
    verification_uri_complete: Option<Value>,
    interval: Option<Value>,
}

impl OAuthClient {
    /// Asks the server for a user code. With the parameters of the options, too.
    ///
    /// ```no_run
    /// # use token_storage::{TokenResponse, oauth::{LoginError, LoginOptions, OAuthClient}};
    /// # async fn example(client: OAuthClient) -> Result<TokenResponse, LoginError> {
    /// let login = client.begin_device_login(&LoginOptions::new("openid")).await?;
    /// println!("Please visit {} and enter {}", login.verification_uri(), login.user_code());
    /// login.finish().await
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if the server has no device flow, [`LoginErrorKind::Server`],
    ///   [`LoginErrorKind::Answer`].
    pub async fn begin_device_login(&self, options: &LoginOptions) -> Result<DeviceLogin, LoginError> {
        let server = self.provider.server_name();
        let unreadable = || unreadable(server);
        let no_endpoint = || {
            let message = "has no device flow; use a browser, or paste a code";
            LoginError::about(server, LoginErrorKind::Configuration, message)
        };
        let endpoint = self.provider.device_authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or_else(no_endpoint)?;
        let mut form = Vec::new();
        if !options.scope().is_empty() {
            form.push(("scope", options.scope()));
        }
        let sent = options.start_parameters();
        form.extend(sent.map(|(name, value)| (name.as_str(), value.as_str())));
        let asked = Instant::now();
        let answer = self.post(endpoint, form).await?;
        if !answer.is_success() {
            return Err(answer.error().into());
        }
        let found: Authorization = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        Ok(DeviceLogin {
            client: self.clone(),
            scope: options.scope().to_owned(),
            renewal: options.renewal(Grant::RefreshToken),
            device_code: Secret::new(found.device_code),
            user_code: shown(found.user_code).ok_or_else(unreadable)?,
            verification_uri: web_address(&found.verification_uri).ok_or_else(unreadable)?,
            verification_uri_complete: found
                .verification_uri_complete
                .as_ref()
                .and_then(|address| web_address(address.as_str()?)),
            // Nobody needs to be asked more often than once a second, whatever the server says.
            interval: Duration::from_secs(interval(found.interval.as_ref()).max(1)).min(MAX_INTERVAL),
            expires: asked + Duration::from_secs(found.expires_in.min(MAX_LIFETIME)),
        })
    }
}

/// In seconds. Some servers write numbers as text.
fn interval(said: Option<&Value>) -> u64 {
    let number = said.and_then(|said| said.as_u64().or_else(|| said.as_str()?.parse().ok()));
    number.unwrap_or(DEFAULT_INTERVAL)
}

impl DeviceLogin {
    /// What the person enters.
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Where the person enters it.
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// The same with the code filled in, for a link or a QR code, if the server offers it.
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// The pause that the server wants before each poll. It may grow with each.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Waits until the person has decided. A network that fails for a while only makes the pauses longer.
    ///
    /// # Errors
    /// - [`LoginErrorKind::TimedOut`] if nobody decided in time, [`LoginErrorKind::Denied`] if the answer was no.
    /// - [`LoginErrorKind::Server`], [`LoginErrorKind::IdToken`].
    pub async fn finish(mut self) -> Result<TokenResponse, LoginError> {
        loop {
            self.wait().await?;
            if let Some(response) = self.poll().await? {
                return Ok(response);
            }
        }
    }

    /// Waits until the next [`poll`](Self::poll) is due. Nothing is sent meanwhile, so this may be dropped at any time.
    ///
    /// # Errors
    /// - [`LoginErrorKind::TimedOut`] once the code has expired.
    pub async fn wait(&self) -> Result<(), LoginError> {
        let next = Instant::now() + self.interval;
        if next > self.expires {
            sleep_until(self.expires).await;
            return Err(LoginError::late(self.client.provider.server_name(), "approved"));
        }
        sleep_until(next).await;
        Ok(())
    }

    /// Asks once: `None` means to ask again after [`wait`](Self::wait), or after [`interval`](Self::interval) for programs
    /// that wait by other means.
    ///
    /// # Errors
    /// Those of [`finish`](Self::finish). Start again after any of them.
    pub async fn poll(&mut self) -> Result<Option<TokenResponse>, LoginError> {
        let now = unix_now();
        let mut form = vec![("grant_type", DEVICE_GRANT), ("device_code", self.device_code.expose())];
        form.extend(pairs(&self.renewal.parameters));
        let answer = self.client.post(&self.client.provider.token_endpoint, form).await;
        let response = match answer {
            Ok(answer) => self.client.login_response(&answer, now).await,
            Err(error) => Err(error),
        };
        match response {
            Ok(response) => {
                let response = response.with_requested_scope(&self.scope).with_renewal(&self.renewal);
                self.client.identified(response, None).await.map(Some)
            }
            Err(error) if error.kind() == EndpointErrorKind::Transient => {
                self.interval = self.slower(&error);
                Ok(None)
            }
            Err(error) => Err(error.of_a_code().into()),
        }
    }

    fn slower(&self, error: &EndpointError) -> Duration {
        let slower = match error.code() {
            Some("authorization_pending") => self.interval,
            Some("slow_down") => self.interval + SLOWER,
            _ => (self.interval * 2).max(error.retry_after().unwrap_or_default()),
        };
        slower.min(MAX_INTERVAL)
    }
}

fn unreadable(server: &str) -> LoginError {
    let message =
        "answers the start of a device login with something that cannot be read; use a browser, or paste a code";
    LoginError::about(server, LoginErrorKind::Answer, message)
}

/// A code that can be shown as it is: it goes to a terminal, where control characters would do things.
fn shown(code: String) -> Option<String> {
    let fine = !code.is_empty() && code.len() <= 64 && !code.chars().any(char::is_control);
    fine.then_some(code)
}

/// An address that a browser may be sent to, in its escaped form.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.into())
}

impl fmt::Debug for DeviceLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLogin")
            .field("client", &self.client)
            .field("scope", &self.scope)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
