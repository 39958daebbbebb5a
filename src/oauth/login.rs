//! The authorization code flow (RFC 6749 section 4.1) with PKCE (RFC 7636).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use token_storage_core::Secret;
use url::Url;
use zeroize::Zeroizing;

use super::{LoginError, LoginErrorKind, LoginOptions, OAuthClient, client::pairs, redirect::Expected};
use crate::{Grant, Renewal, TokenResponse, manager::EndpointError};

/// A login that a person has yet to agree to: they visit [`url`](PendingLogin::url), and what comes back finishes it.
///
/// It is used up by finishing, so that nothing can be answered twice. After a failure start a new one.
pub struct PendingLogin {
    pub(super) client: OAuthClient,
    pub(super) scope: String,
    pub(super) renewal: Renewal,
    pub(super) url: Url,
    pub(super) redirect_uri: String,
    pub(super) expected: Expected,
    pub(super) nonce: Option<Secret>,
    pub(super) verifier: Secret,
}

impl OAuthClient {
    /// Starts a login that ends at `redirect_uri`: a page of the server that shows a code, or an address of the
    /// application. It asks nobody anything yet. For a program with a browser on the same machine see
    /// [`begin_loopback_login`](Self::begin_loopback_login).
    ///
    /// ```no_run
    /// # use token_storage::{TokenResponse, oauth::{LoginError, LoginOptions, OAuthClient}};
    /// # async fn example(client: OAuthClient, read_line: fn() -> String) -> Result<TokenResponse, LoginError> {
    /// let login = client.begin_login(&LoginOptions::new("openid"), "https://auth.example.org/show-code")?;
    /// println!("Please visit {}", login.url());
    /// login.finish_with_pasted(&read_line()).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`] if the server has no authorization endpoint, or this is no address.
    pub fn begin_login(&self, options: &LoginOptions, redirect_uri: &str) -> Result<PendingLogin, LoginError> {
        let no_endpoint = || {
            let message = "has no address for logging in with a browser; try the device flow";
            LoginError::about(self.provider.server_name(), LoginErrorKind::Configuration, message)
        };
        let mut url = self.provider.authorization_endpoint.clone().ok_or_else(no_endpoint)?;
        Url::parse(redirect_uri).map_err(|_| LoginError::configuration("the redirect address is not a URL"))?;
        let [state, verifier] = [random()?, random()?];
        let nonce = options.asks_for_identity().then(random).transpose()?;
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("state", state.expose())
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256")
            .append_pair("redirect_uri", redirect_uri);
        if !options.scope().is_empty() {
            query.append_pair("scope", options.scope());
        }
        query.extend_pairs(options.start_parameters());
        if let Some(nonce) = &nonce {
            query.append_pair("nonce", nonce.expose());
        }
        drop(query);
        Ok(PendingLogin {
            client: self.clone(),
            scope: options.scope().to_owned(),
            renewal: options.renewal(Grant::RefreshToken),
            url,
            redirect_uri: redirect_uri.to_owned(),
            expected: Expected {
                server: self.provider.server_name().to_owned(),
                state,
                issuer: self.provider.issuer.clone(),
                issuer_required: self.provider.issuer_in_redirects,
            },
            nonce,
            verifier,
        })
    }
}

impl PendingLogin {
    /// Where the person has to go.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The state that the browser will bring back: what a web application finds the login by.
    pub fn state(&self) -> &str {
        self.expected.state.expose()
    }

    /// Finishes with what a person pasted, white space around it ignored: the code that the server showed, or the whole
    /// address that the browser was sent to, which is checked as
    /// [`finish_with_redirect`](Self::finish_with_redirect) does.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Answer`] if nothing was pasted, [`LoginErrorKind::Pasted`] if it is the address to log in at; those
    ///   of `finish_with_redirect`.
    pub async fn finish_with_pasted(self, pasted: &str) -> Result<TokenResponse, LoginError> {
        let pasted = pasted.trim();
        if pasted.is_empty() {
            return Err(LoginError::about(
                &self.expected.server,
                LoginErrorKind::Answer,
                "shows a code in the end, and none was pasted; start again",
            ));
        }
        if pasted.starts_with("http://") || pasted.starts_with("https://") {
            if self.is_own_address(pasted) {
                return Err(LoginError::about(
                    &self.expected.server,
                    LoginErrorKind::Pasted,
                    "was not asked anything: this is the address to log in at; start again, visit it, and paste what comes \
                     in the end, the code that is shown or the address that the browser is sent to",
                ));
            }
            return self.finish_with_redirect(pasted).await;
        }
        self.redeem(&Secret::from(pasted)).await
    }

    /// Whoever is asked for an address has that of the login at hand.
    fn is_own_address(&self, pasted: &str) -> bool {
        let Ok(pasted) = Url::parse(pasted) else { return false };
        let place = |url: &Url| (url.origin(), url.path().to_owned());
        place(&pasted) == place(&self.url) && !pasted.query_pairs().any(|(name, _)| name == "code" || name == "error")
    }

    /// Finishes with the address that the browser was sent to, or only its query (the part after `?`).
    ///
    /// # Errors
    /// - [`LoginErrorKind::StateMismatch`] if it is not the answer to this login.
    /// - [`LoginErrorKind::Denied`] if the person said no.
    /// - [`LoginErrorKind::Server`] if the server refused the login or the code, [`LoginErrorKind::IdToken`] if it cannot
    ///   prove who logged in.
    pub async fn finish_with_redirect(self, redirect: &str) -> Result<TokenResponse, LoginError> {
        let query = redirect.split_once('?').map_or(redirect, |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let code = self.expected.code(query)?;
        self.redeem(&code).await
    }

    pub(super) fn expected(&self) -> &Expected {
        &self.expected
    }

    pub(super) async fn redeem(self, code: &Secret) -> Result<TokenResponse, LoginError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", self.verifier.expose()),
        ];
        form.extend(pairs(&self.renewal.parameters));
        let response = self.client.tokens(form).await.map_err(EndpointError::of_a_code)?;
        let response = response.with_requested_scope(&self.scope).with_renewal(&self.renewal);
        self.client.identified(response, self.nonce.as_ref()).await
    }
}

/// 256 random bits, as text: for a state, a nonce, or a verifier of PKCE (RFC 7636 section 4.1).
fn random() -> Result<Secret, LoginError> {
    let mut bytes = Zeroizing::new([0; 32]);
    let failed = |_| LoginError::new(LoginErrorKind::Local, "this machine gives no random numbers");
    getrandom::fill(&mut *bytes).map_err(failed)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// S256 (RFC 7636 section 4.2).
fn challenge(verifier: &Secret) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogin")
            .field("client", &self.client)
            .field("scope", &self.scope)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}
