//! The authorization code flow (RFC 6749 section 4.1) with PKCE (RFC 7636).

use std::{borrow::Cow, fmt};

use oauth2::{AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use token_storage_core::Secret;
use url::Url;

use super::{
    LoginError, LoginErrorKind, LoginOptions, OAuthClient,
    client::{scopes, unix_now},
    redirect::Expected,
};
use crate::TokenResponse;

/// A login that a person has yet to agree to: they visit [`url`](PendingLogin::url), and what comes back finishes it.
///
/// It is used up by finishing, so that nothing can be answered twice. After a failure start a new one.
pub struct PendingLogin {
    client: OAuthClient,
    scope: String,
    url: Url,
    redirect_uri: String,
    expected: Expected,
    nonce: Option<Secret>,
    verifier: Secret,
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
            LoginError::configuration("this server has no address for logging in with a browser; try the device flow")
        };
        let endpoint = self.provider.authorization_endpoint.clone().ok_or_else(no_endpoint)?;
        let redirect = RedirectUrl::new(redirect_uri.to_owned())
            .map_err(|_| LoginError::configuration("the redirect address is not a URL"))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = options
            .asks_for_identity()
            .then(|| CsrfToken::new_random().into_secret());

        let requests = self.requests().set_auth_uri(AuthUrl::from_url(endpoint));
        let mut request = requests
            .authorize_url(CsrfToken::new_random)
            .add_scopes(scopes(options.scope()))
            .set_pkce_challenge(challenge)
            .set_redirect_uri(Cow::Borrowed(&redirect));
        for (name, value) in &options.parameters {
            request = request.add_extra_param(name, value);
        }
        if let Some(nonce) = &nonce {
            request = request.add_extra_param("nonce", nonce);
        }
        let (url, state) = request.url();
        Ok(PendingLogin {
            client: self.clone(),
            scope: options.scope().to_owned(),
            url,
            redirect_uri: redirect_uri.to_owned(),
            expected: Expected {
                state: Secret::new(state.into_secret()),
                issuer: self.provider.issuer.clone(),
                issuer_required: self.provider.issuer_in_redirects,
            },
            nonce: nonce.map(Secret::new),
            verifier: Secret::new(verifier.into_secret()),
        })
    }
}

impl PendingLogin {
    /// Where the person has to go.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Finishes with what a person pasted, white space around it ignored: the code that the server showed, or the whole
    /// address that the browser was sent to, which is checked as
    /// [`finish_with_redirect`](Self::finish_with_redirect) does.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Answer`] if nothing was pasted; those of `finish_with_redirect`.
    pub async fn finish_with_pasted(self, pasted: &str) -> Result<TokenResponse, LoginError> {
        let pasted = pasted.trim();
        if pasted.is_empty() {
            return Err(LoginError::new(
                LoginErrorKind::Answer,
                "there is no code; start again and paste the code that the server shows",
            ));
        }
        if pasted.starts_with("http://") || pasted.starts_with("https://") {
            return self.finish_with_redirect(pasted).await;
        }
        self.redeem(&Secret::from(pasted)).await
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
        let redirect = RedirectUrl::new(self.redirect_uri).map_err(|_| LoginError::configuration("not a URL"))?;
        let requests = self.client.requests();
        let request = requests
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(self.verifier.expose().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect));
        let now = unix_now();
        let capture = self.client.capture();
        let _ = request.request_async(&capture).await;
        let response = self.client.token_response(capture.taken()?, now)?;
        let response = response.with_requested_scope(&self.scope);
        self.client.identified(response, self.nonce.as_ref()).await
    }
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
