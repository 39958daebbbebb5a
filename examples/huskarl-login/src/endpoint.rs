//! The hook: `TokenEndpoint` is all that a `TokenManager` needs of a client. huskarl sends, and the manager sees to it that it
//! is done once, and that nothing is lost.

use std::fmt;

use huskarl::{
    core::{
        client_auth::{Audience, JwtBearer},
        dpop::DPoP,
        jwk::{Jwk, JwkJson},
        prelude::*,
        secrets::{ProvidedSecret, SecretString},
        server_metadata::AuthorizationServerMetadata,
    },
    grant::{
        core::TokenResponse as Answer,
        refresh::{RefreshGrant, RefreshGrantParameters},
    },
    prelude::*,
    revocation::{RevocableToken, TokenRevocation},
    token::RefreshToken,
};
use huskarl_crypto_native::asymmetric::signer::PrivateKey;
use huskarl_reqwest::ReqwestClient;
use token_storage::{
    IssuedBy, Secret, TokenData, TokenResponse, async_trait,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint, TokenKind},
};

pub const CLIENT: &str = "signing";
/// The member of a record that has the key which its tokens are bound to, as JWK. `extra` is secret as a whole.
pub const DPOP_KEY: &str = "dpop_key";

pub struct Huskarl {
    issuer: String,
    client_key: PrivateKey,
    http: ReqwestClient,
}

impl Huskarl {
    pub async fn new(issuer: &str, client_key: &str) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            issuer: issuer.to_owned(),
            client_key: from_json(client_key).await?,
            http: ReqwestClient::builder().build().await?,
        })
    }

    pub async fn metadata(&self) -> Result<AuthorizationServerMetadata, huskarl::core::Error> {
        AuthorizationServerMetadata::oidc_fetch()
            .http_client(&self.http)
            .issuer(self.issuer.as_str())
            .call()
            .await
    }

    pub fn http(&self) -> ReqwestClient {
        self.http.clone()
    }

    pub fn client_auth(&self) -> JwtBearer {
        JwtBearer::builder()
            .signer(self.client_key.clone())
            .audience(Audience::Issuer)
            .build()
    }

    pub fn issued_by(&self) -> IssuedBy {
        let mut issued_by = IssuedBy::named(self.issuer.as_str(), CLIENT);
        issued_by.client_auth = Some("private_key_jwt".to_owned());
        issued_by
    }
}

#[async_trait]
impl TokenEndpoint for Huskarl {
    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        self.accepts(request.data)?;
        let refused = || EndpointError::refused("no refresh token");
        let token = request.data.refresh_token.as_ref().ok_or_else(refused)?;
        let key = key_of(request.data).await;
        let key = key.map_err(|_| EndpointError::client_rejected("the record has no key for its tokens"))?;
        // Nothing has been spent so far.
        let metadata = self.metadata().await.map_err(|error| failed(&error).not_done())?;
        let grant = RefreshGrant::builder_from_metadata(&metadata)
            .client_id(CLIENT)
            .http_client(self.http.clone())
            .client_auth(self.client_auth())
            .dpop(dpop(&key))
            .build();
        // The client proves who it is, so its refresh tokens are not bound to the key as well (RFC 9449 section 5).
        let token = RefreshToken::new(SecretString::new(token.expose()), None);
        let answer = grant.exchange(RefreshGrantParameters::refresh_token(token)).await;
        let answer = answer.map_err(|error| failed(&error))?;
        response_of(&answer, None, &self.issued_by(), request.now)
            .map_err(|_| EndpointError::transient("the answer to a refresh cannot be kept"))
    }

    fn accepts(&self, data: &TokenData) -> Result<(), EndpointError> {
        let ours = Self::issued_by(self);
        match ours.accepts(data) {
            true => Ok(()),
            false => Err(EndpointError::misdirected(&ours, data)),
        }
    }

    fn issued_by(&self) -> Option<IssuedBy> {
        Some(Self::issued_by(self))
    }

    async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError> {
        let metadata = self.metadata().await.map_err(|error| failed(&error))?;
        let unsupported = || EndpointError::unsupported("this server cannot revoke tokens");
        let revocation = TokenRevocation::builder_from_metadata(&metadata).map_err(|_| unsupported())?;
        let revocation = revocation.client_id(CLIENT).client_auth(self.client_auth()).build();
        let token = Revoked(request.token, request.kind);
        revocation
            .revoke(&self.http, &token)
            .await
            .map_err(|error| failed(&error))
    }
}

struct Revoked<'a>(&'a Secret, TokenKind);

impl RevocableToken for Revoked<'_> {
    fn token_value(&self) -> &str {
        self.0.expose()
    }

    fn token_type_hint(&self) -> &'static str {
        match self.1 {
            TokenKind::Access => "access_token",
            TokenKind::Refresh => "refresh_token",
        }
    }
}

/// What the server said no with, in the words that this library classifies; all else may have been carried out.
fn failed(error: &huskarl::core::Error) -> EndpointError {
    match error.verdict() {
        Some(said) => {
            let body = serde_json::json!({ "error": said.code().as_str() });
            EndpointError::from_answer(400, None, body.to_string().as_bytes())
        }
        None => EndpointError::transient("there is no answer from the authorization server that can be used"),
    }
}

/// The answer as it came, with everything that huskarl has no field for; at a login with the key that its tokens are bound to.
pub fn response_of(
    answer: &Answer,
    key: Option<&PrivateKey>,
    issued_by: &IssuedBy,
    now: i64,
) -> Result<TokenResponse, Box<dyn std::error::Error>> {
    let mut members = serde_json::to_value(answer.raw_token_response())?;
    if let Some(key) = key {
        members[DPOP_KEY] = serde_json::to_value(Jwk::from(key.as_private_jwk()))?;
    }
    Ok(TokenResponse::parse(members.to_string(), now)?.with_issued_by(issued_by))
}

pub fn dpop(key: &PrivateKey) -> DPoP {
    DPoP::builder().signer(key.clone()).build()
}

/// The key that a record's tokens are bound to.
pub async fn key_of(data: &TokenData) -> Result<PrivateKey, Box<dyn std::error::Error>> {
    let json = data.extra.get(DPOP_KEY).ok_or("the record has no key for its tokens")?;
    Ok(from_json(json).await?)
}

async fn from_json(jwk: &str) -> Result<PrivateKey, huskarl::core::Error> {
    PrivateKey::from_secret(ProvidedSecret::new(SecretString::new(jwk)).mapped(JwkJson)).await
}

impl fmt::Debug for Huskarl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Huskarl")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
