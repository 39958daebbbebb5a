use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use token_storage_core::{Secret, TokenData, async_trait};
use tokio::sync::OnceCell;
use url::Url;

use super::{ClientAuth, HttpClient, LoginError, Provider, http::Answer, keys::KeyCache, leftover};
use crate::{
    IssuedBy, TokenPath, TokenResponse,
    manager::{EndpointError, RefreshRequest, TokenEndpoint, TokenKind},
};

/// A client of one authorization server: logs in, refreshes and revokes.
///
/// It is a [`TokenEndpoint`], so a [`TokenManager`](crate::manager::TokenManager) works with it.
#[derive(Clone)]
pub struct OAuthClient {
    pub(super) http: HttpClient,
    pub(super) provider: Provider,
    pub(super) client_id: String,
    client_secret: Option<Secret>,
    client_auth: ClientAuth,
    pub(super) keys: Arc<KeyCache>,
    token_path: Option<TokenPath>,
    /// What the issuer said once an address of its record was gone.
    pub(super) found: Arc<OnceCell<Provider>>,
}

impl OAuthClient {
    /// A public client, which has no secret: a command, a desktop or mobile application (RFC 8252).
    pub fn new(http: HttpClient, provider: Provider, client_id: impl Into<String>) -> Self {
        Self {
            http,
            provider,
            client_id: client_id.into(),
            client_secret: None,
            client_auth: ClientAuth::Header,
            keys: Arc::default(),
            token_path: None,
            found: Arc::default(),
        }
    }

    /// Makes it a confidential client: a service that can keep a secret.
    pub fn with_secret(mut self, secret: impl Into<Secret>, client_auth: ClientAuth) -> Self {
        self.client_secret = Some(secret.into());
        self.client_auth = client_auth;
        self
    }

    /// Says where in the server's answers the token is, for a server that wraps it: `authed_user` at Slack, `body` at
    /// Withings. It counts for logins and refreshes alike; an answer that has its token at the top level all the same is
    /// read there, with a warning. The record keeps it ([`IssuedBy::token_path`]).
    pub fn with_token_path(mut self, path: TokenPath) -> Self {
        self.token_path = Some(path);
        self
    }

    /// The server's addresses.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The client's id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// This server and this client, as every record says of itself that comes from them.
    pub fn issued_by(&self) -> IssuedBy {
        let mut issued_by = self.provider.issued_by(&self.client_id);
        issued_by.token_path = self.token_path.as_ref().map(|path| path.as_str().to_owned());
        issued_by
    }

    /// Tokens for the client itself, without a person (RFC 6749 section 4.4).
    ///
    /// # Errors
    /// - [`LoginErrorKind::Server`](super::LoginErrorKind::Server).
    pub async fn client_credentials(&self, scope: &str) -> Result<TokenResponse, LoginError> {
        let mut form = vec![("grant_type", "client_credentials")];
        let scopes: Vec<&str> = scope.split_ascii_whitespace().collect();
        let scope = scopes.join(" ");
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        Ok(self.tokens(form).await?.with_requested_scope(&scope))
    }

    /// Globus: trades a token that this service was called with for tokens of the services that it calls itself. One
    /// token for each resource server, and no id_token.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Server`](super::LoginErrorKind::Server).
    pub async fn dependent_tokens(
        &self,
        token: &Secret,
        scope: Option<&str>,
        refresh_tokens: bool,
    ) -> Result<TokenResponse, LoginError> {
        let mut form = vec![
            ("grant_type", "urn:globus:auth:grant_type:dependent_token"),
            ("token", token.expose()),
        ];
        if refresh_tokens {
            form.push(("access_type", "offline"));
        }
        form.extend(scope.map(|scope| ("scope", scope)));
        Ok(self.tokens(form).await?)
    }

    /// What `/userinfo` says about the owner of an access token, as JSON (OpenID Connect Core section 5.3).
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if the server has no such address, [`LoginErrorKind::Server`](super::LoginErrorKind::Server).
    pub async fn user_info(&self, token: &Secret) -> Result<Vec<u8>, LoginError> {
        let missing = || LoginError::configuration("this server has no userinfo address");
        let url = self.provider.userinfo_endpoint.as_ref().ok_or_else(missing)?;
        self.get_resource(url.as_str(), token).await
    }

    /// The body of a protected resource, asked for with an access token. A helper for small JSON answers.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Server`](super::LoginErrorKind::Server); the token was refused if its code is `invalid_token` or its status 401.
    pub async fn get_resource(&self, url: &str, token: &Secret) -> Result<Vec<u8>, LoginError> {
        let answer = self.http.get(url, Some(token)).await?;
        if answer.is_success() {
            return Ok(answer.body.to_vec());
        }
        Err(answer.error().into())
    }

    /// Revokes the tokens of a response that will not be used after all, for instance because it could not be stored.
    /// Failures are ignored: the tokens then end when they expire. All in all it takes no longer than one request may.
    pub async fn revoke_response(&self, response: &TokenResponse) {
        let refresh = response.tokens().iter().filter_map(|token| token.refresh_token.clone());
        let access = response.tokens().iter().map(|token| token.access_token.clone());
        let refresh = refresh.map(|token| (token, TokenKind::Refresh));
        let access = access.map(|token| (token, TokenKind::Access));
        self.revoke_all(refresh.chain(access).collect()).await;
    }

    /// The refresh tokens first, as they live longest.
    async fn revoke_all(&self, tokens: Vec<(Secret, TokenKind)>) {
        let revoked = async {
            for (token, kind) in &tokens {
                let _ = self.revoke(token, *kind).await;
            }
        };
        let _ = tokio::time::timeout(self.http.timeout(), revoked).await;
    }

    /// A form with this client's authentication.
    pub(super) async fn post(&self, url: &Url, mut form: Vec<(&str, &str)>) -> Result<Answer, EndpointError> {
        let secret = self.client_secret.as_ref().map(Secret::expose);
        let basic = match (secret, self.client_auth) {
            (Some(secret), ClientAuth::Header) => Some((self.client_id.as_str(), secret)),
            (secret, _) => {
                form.push(("client_id", &self.client_id));
                form.extend(secret.map(|secret| ("client_secret", secret)));
                None
            }
        };
        let answer = self.http.post_form(url.as_str(), &form, basic).await;
        match &self.provider.issuer {
            Some(issuer) => answer
                .map(|answer| answer.said_by(issuer))
                .map_err(|error| error.with_server(issuer)),
            None => answer,
        }
    }

    /// What the token endpoint gives for a grant.
    pub(super) async fn tokens(&self, form: Vec<(&str, &str)>) -> Result<TokenResponse, EndpointError> {
        let now = unix_now();
        let answer = self.post(&self.provider.token_endpoint, form).await?;
        self.login_response(&answer, now).await
    }

    /// As [`token_response`](Self::token_response), for a login: what of an answer cannot be used is revoked.
    pub(super) async fn login_response(&self, answer: &Answer, now: i64) -> Result<TokenResponse, EndpointError> {
        let response = self.token_response(answer, now);
        if response.is_err() && answer.is_success() {
            self.revoke_all(leftover::tokens(&answer.body)).await;
        }
        response
    }

    /// Asks the token endpoint at `url` for what follows a refresh token.
    pub(super) async fn redeem_at(
        &self,
        url: &Url,
        request: &RefreshRequest<'_>,
    ) -> Result<TokenResponse, EndpointError> {
        let Some(refresh_token) = &request.data.refresh_token else {
            return Err(EndpointError::client_rejected("no refresh token"));
        };
        let form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        let answer = self.post(url, form).await?;
        self.token_response(&answer, request.now)
    }

    /// Reads a token response that was asked for at `now`, and says in it whose it is.
    pub(super) fn token_response(&self, answer: &Answer, now: i64) -> Result<TokenResponse, EndpointError> {
        if !answer.is_success() {
            return Err(answer.error());
        }
        let response = match &self.token_path {
            Some(path) => TokenResponse::parse_at(&*answer.body, path, now),
            None => TokenResponse::parse(&*answer.body, now),
        };
        let response = response.map_err(|_| answer.error())?;
        Ok(response.with_issued_by(&self.issued_by()))
    }
}

#[async_trait]
impl TokenEndpoint for OAuthClient {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        self.accepts(request.data)?;
        let renewed = self.redeem_at(self.token_endpoint(), &request).await;
        let Some(url) = self
            .moved(&renewed, self.token_endpoint(), |found| Some(&found.token_endpoint))
            .await
        else {
            return renewed;
        };
        self.redeem_at(url, &request).await
    }

    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        if self.issued_by().accepts(data) {
            return Ok(());
        }
        Err(EndpointError::misdirected())
    }

    fn issued_by(&self) -> Option<IssuedBy> {
        Some(Self::issued_by(self))
    }

    async fn revoke(&self, token: &Secret, kind: TokenKind) -> Result<(), EndpointError> {
        let Some(url) = self.revocation_endpoint().await? else {
            return Err(EndpointError::unsupported(
                "this authorization server cannot revoke tokens",
            ));
        };
        let revoked = self.revoke_at(url, token, kind).await;
        match self
            .moved(&revoked, url, |found| found.revocation_endpoint.as_ref())
            .await
        {
            Some(url) => self.revoke_at(url, token, kind).await,
            None => revoked,
        }
    }
}

impl OAuthClient {
    async fn revoke_at(&self, url: &Url, token: &Secret, kind: TokenKind) -> Result<(), EndpointError> {
        let hint = match kind {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        };
        let answer = self
            .post(url, vec![("token", token.expose()), ("token_type_hint", hint)])
            .await?;
        if answer.is_success() {
            return Ok(());
        }
        let error = answer.error();
        // A token that is of no use is what was wanted (RFC 7009 section 2.2), though not every server says so with 200.
        if error.is_about_a_dead_token() {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// Counting from before the request makes an expiry too early by its duration, never too late.
pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("provider", &self.provider)
            .field("client_id", &self.client_id)
            .field("confidential", &self.client_secret.is_some())
            .finish_non_exhaustive()
    }
}
