use std::{fmt, sync::Arc};

use token_storage_core::{
    Secret, TokenData, async_trait,
    backend::{Clock as _, SystemClock},
};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    ClientAuth, ClientKey, HttpClient, LoginError, LoginErrorKind, LoginOptions, Provider,
    assertion::Assertion,
    credentials::{Credentials, Proof},
    http::Answer,
    keys::KeyCache,
    leftover, renewed,
};
use crate::{
    Grant, IssuedBy, Renewal, TokenPath, TokenResponse,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint, TokenKind},
    response::wrapped_in,
};

/// A client of one authorization server: logs in, refreshes and revokes.
///
/// It is a [`TokenEndpoint`], so a [`TokenManager`](crate::manager::TokenManager) works with it.
#[derive(Clone)]
pub struct OAuthClient {
    pub(super) http: HttpClient,
    pub(super) provider: Provider,
    pub(super) client_id: String,
    pub(super) credentials: Credentials,
    assertion_audience: Option<String>,
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
            credentials: Credentials::None,
            assertion_audience: None,
            keys: Arc::default(),
            token_path: None,
            found: Arc::default(),
        }
    }

    /// Makes it a confidential client: a service that can keep a secret. The empty text is a secret, too, and is sent.
    pub fn with_secret(mut self, secret: impl Into<Secret>, client_auth: ClientAuth) -> Self {
        self.credentials = Credentials::Secret(secret.into(), client_auth);
        self
    }

    /// Makes it a confidential client that signs with a key, whose public part the server knows (`private_key_jwt`, RFC
    /// 7523 section 2.2, OpenID Connect Core section 9).
    ///
    /// Each request has a JWT of its own: `iss` and `sub` are the client's id, `jti` is random, `exp` is 2 minutes away, and
    /// `aud` is the token endpoint, unless [`with_assertion_audience`](Self::with_assertion_audience) says otherwise.
    pub fn with_key(mut self, key: ClientKey) -> Self {
        self.credentials = Credentials::Key(key);
        self
    }

    /// What the JWTs that prove who the client is name as their audience, in place of the token endpoint: the issuer, at
    /// servers that follow FAPI 2.0.
    pub fn with_assertion_audience(mut self, audience: impl Into<String>) -> Self {
        self.assertion_audience = Some(audience.into());
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
        issued_by.client_auth = self.credentials.method().map(str::to_owned);
        issued_by
    }

    /// Tokens for the client itself, without a person (RFC 6749 section 4.4). See
    /// [`client_credentials_with`](Self::client_credentials_with).
    ///
    /// # Errors
    /// - [`LoginErrorKind::Server`](super::LoginErrorKind::Server).
    pub async fn client_credentials(&self, scope: &str) -> Result<TokenResponse, LoginError> {
        self.client_credentials_with(&LoginOptions::new(scope)).await
    }

    /// As [`client_credentials`](Self::client_credentials), with the parameters for token requests of the options.
    ///
    /// The response says how it came about ([`Renewal`]), so a [`TokenManager`](crate::manager::TokenManager) that keeps it
    /// fetches a new token the same way when it expires, once for all processes.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Server`](super::LoginErrorKind::Server).
    pub async fn client_credentials_with(&self, options: &LoginOptions) -> Result<TokenResponse, LoginError> {
        let mut renewal = options.renewal(Grant::ClientCredentials);
        renewal.scope = Some(options.scope().to_owned()).filter(|scope| !scope.is_empty());
        let now = unix_now();
        let answer = self.ask(self.token_endpoint(), &renewal, None).await?;
        let response = self.login_response(&answer, now).await;
        let response = response.map_err(EndpointError::of_the_client)?;
        Ok(response.with_requested_scope(options.scope()).with_renewal(&renewal))
    }

    /// What `/userinfo` says about the owner of an access token, as JSON (OpenID Connect Core section 5.3). The token has to be
    /// a bearer token.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if the server has no such address, [`LoginErrorKind::Server`](super::LoginErrorKind::Server).
    pub async fn user_info(&self, token: &Secret) -> Result<Vec<u8>, LoginError> {
        let missing = || {
            let message = "has no address that says who somebody is; ask for the scope openid at login";
            LoginError::about(self.provider.server_name(), LoginErrorKind::Configuration, message)
        };
        let url = self.provider.userinfo_endpoint.as_ref().ok_or_else(missing)?;
        self.get_resource(url.as_str(), token).await
    }

    /// The body of a protected resource, asked for with an access token. A helper for small JSON answers. The token is sent
    /// as a bearer token, so it has to be one ([`is_bearer`](crate::is_bearer)).
    ///
    /// # Errors
    /// - [`LoginErrorKind::Server`](super::LoginErrorKind::Server); the token was refused if its code is `invalid_token` or its status 401.
    pub async fn get_resource(&self, url: &str, token: &Secret) -> Result<Vec<u8>, LoginError> {
        let answer = self.http.get(url, Some(token)).await?;
        if answer.is_success() {
            return Ok(answer.body.to_vec());
        }
        Err(answer.error().of_a_service().into())
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
                let _ = self.revoke_token(token, *kind).await;
            }
        };
        let _ = tokio::time::timeout(self.http.timeout(), revoked).await;
    }

    /// A form with this client's authentication.
    pub(super) async fn post(&self, url: &Url, mut form: Vec<(&str, &str)>) -> Result<Answer, EndpointError> {
        let token_endpoint = self.token_endpoint().as_str();
        let assertion = Assertion {
            client_id: &self.client_id,
            audience: self.assertion_audience.as_deref().unwrap_or(token_endpoint),
            now: unix_now(),
        };
        let proof = self.credentials.prove(&assertion)?;
        let basic = match &proof {
            Proof::Basic(secret) => Some((self.client_id.as_str(), *secret)),
            Proof::Form(members) => {
                form.push(("client_id", &self.client_id));
                form.extend(members.iter().map(|(name, value)| (*name, value.expose())));
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
    pub(crate) async fn tokens(&self, form: Vec<(&str, &str)>) -> Result<TokenResponse, EndpointError> {
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

    /// Asks for a token as a record says that it is to be asked for anew.
    async fn ask(&self, url: &Url, renewal: &Renewal, token: Option<&Secret>) -> Result<Answer, EndpointError> {
        let mut form = match (renewal.grant, token) {
            (Grant::ClientCredentials, _) => vec![("grant_type", "client_credentials")],
            (Grant::RefreshToken, Some(token)) => {
                vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())]
            }
            (Grant::RefreshToken, None) => return Err(EndpointError::client_rejected("no refresh token")),
        };
        form.extend(renewal.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(pairs(&renewal.parameters));
        self.post(url, form).await
    }

    async fn renew(
        &self,
        url: &Url,
        renewal: &Renewal,
        request: &RefreshRequest<'_>,
    ) -> Result<TokenResponse, EndpointError> {
        let answer = self.ask(url, renewal, request.data.refresh_token.as_ref()).await?;
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
        let response = response.map_err(|_| match (&self.token_path, wrapped_in(&answer.body)) {
            (None, Some(member)) => {
                EndpointError::wrapped(member, answer.status).with_server(self.provider.server_name())
            }
            _ => answer.error(),
        })?;
        Ok(response.with_issued_by(&self.issued_by()))
    }
}

#[async_trait]
impl TokenEndpoint for OAuthClient {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        self.accepts(request.data)?;
        let renewal = request.renewal()?;
        let mut renewed = self.renew(self.token_endpoint(), &renewal, &request).await;
        let moved = self.moved(&renewed, self.token_endpoint(), |found| Some(&found.token_endpoint));
        if let Some(url) = moved.await {
            renewed = self.renew(url, &renewal, &request).await;
        }
        match renewed::check(self, request.data, renewed?) {
            Ok(response) => Ok(response),
            Err((response, error)) => {
                self.revoke_fresh(&response, request.data).await;
                Err(error)
            }
        }
    }

    fn renews(&self, data: &TokenData) -> bool {
        // A grant that cannot be read is for `refresh` to complain about.
        data.refresh_token.is_some() || Renewal::of(data).is_ok_and(|renewal| renewal.grant == Grant::ClientCredentials)
    }

    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        if self.issued_by().accepts(data) {
            return Ok(());
        }
        Err(EndpointError::misdirected(&self.issued_by(), data))
    }

    fn issued_by(&self) -> Option<IssuedBy> {
        Some(Self::issued_by(self))
    }

    async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError> {
        self.revoke_token(request.token, request.kind).await
    }
}

impl OAuthClient {
    /// Revokes a token (RFC 7009). One that is unknown or revoked already is a success.
    ///
    /// # Errors
    /// - [`Unsupported`](crate::manager::EndpointErrorKind::Unsupported) if the server cannot revoke; otherwise what it
    ///   answered, or what went wrong on the way.
    pub async fn revoke_token(&self, token: &Secret, kind: TokenKind) -> Result<(), EndpointError> {
        let Some(url) = self.revocation_endpoint().await? else {
            let error = EndpointError::unsupported("it has no address where tokens are revoked");
            return Err(error.with_server(self.provider.server_name()));
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

/// Parameters as members of a form.
pub(super) fn pairs(parameters: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Counting from before the request makes an expiry too early by its duration, never too late.
pub(super) fn unix_now() -> i64 {
    SystemClock::default().now()
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("provider", &self.provider)
            .field("client_id", &self.client_id)
            .field("confidential", &!matches!(self.credentials, Credentials::None))
            .finish_non_exhaustive()
    }
}
