//! Who logged in: the id_token's signature and claims (OpenID Connect Core section 3.1.3.7).

use base64::Engine as _;
use serde::Deserialize;
use token_storage_core::Secret;

use super::{
    LoginError, LoginErrorKind, OAuthClient, Provider,
    client::unix_now,
    keys::{self, BASE64_URL, Keys},
};
use crate::TokenResponse;

/// How far the clocks of this machine and the server's may be apart, in seconds: as in the Globus SDK.
const LEEWAY: f64 = 300.0;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    /// The tenant, at a server that has an issuer for each.
    tid: Option<String>,
    exp: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self, client_id: &str) -> bool {
        match self {
            Self::One(audience) => audience == client_id,
            Self::Many(audiences) => audiences.iter().any(|audience| audience == client_id),
        }
    }
}

/// What the claims are compared with.
struct Wanted<'a> {
    provider: &'a Provider,
    client_id: &'a str,
    nonce: Option<&'a Secret>,
    now: i64,
}

impl OAuthClient {
    /// Puts the `sub` of the response's id_token into each of its tokens, once it is verified. Without an id_token, or at
    /// a server whose issuer or keys are not known, nobody can say who logged in, and no identity is set.
    ///
    /// If the id_token is not what it must be, the tokens that came with it are revoked: nobody will store them.
    pub(super) async fn identified(
        &self,
        response: TokenResponse,
        nonce: Option<&Secret>,
    ) -> Result<TokenResponse, LoginError> {
        let Some(id_token) = response.id_token() else {
            return Ok(response);
        };
        let parts = Parts::of(id_token.expose());
        let by_secret = parts
            .as_ref()
            .is_some_and(|parts| keys::is_by_secret(&parts.header.alg));
        if self.provider.issuer.is_none() || (self.provider.jwks_uri.is_none() && !by_secret) {
            return Ok(response);
        }
        let wanted = Wanted {
            provider: &self.provider,
            client_id: &self.client_id,
            nonce,
            now: unix_now(),
        };
        match self.identity(parts, &wanted).await {
            Ok(identity) => Ok(response.with_identity_id(&identity)),
            Err(error) => {
                self.revoke_response(&response).await;
                Err(error.at_prover(self.provider.server_name()))
            }
        }
    }

    async fn identity(&self, parts: Option<Parts<'_>>, wanted: &Wanted<'_>) -> Result<String, LoginError> {
        let parts = parts.ok_or_else(|| invalid("it is not a signed JWT"))?;
        if keys::is_by_secret(&parts.header.alg) {
            // A public key is no secret: it is never taken for one (RFC 8725 section 2.1).
            let secret = self.credentials.secret().filter(|secret| !secret.expose().is_empty());
            let secret =
                secret.ok_or_else(|| invalid("its id_token is signed with a secret that this client has not"))?;
            return parts.verified(|parts| Ok(parts.is_authenticated_by(secret)), wanted);
        }
        if let Some(why) = keys::unknown(&parts.header.alg) {
            return Err(invalid(&why));
        }
        let keys = self.keys_for(&parts.header.alg, parts.header.kid.as_deref()).await?;
        parts.verified(|parts| parts.is_signed_by(&keys), wanted)
    }
}

/// Which server that is, is added where it is known.
pub(super) fn invalid(what: &str) -> LoginError {
    LoginError::new(LoginErrorKind::IdToken, what)
}

/// A compact JWS (RFC 7515 section 7.1).
struct Parts<'a> {
    header: Header,
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: serde_json::from_slice(&BASE64_URL.decode(header).ok()?).ok()?,
            signed,
            claims: BASE64_URL.decode(claims).ok()?,
            signature: BASE64_URL.decode(signature).ok()?,
        })
    }

    /// The identity of a token whose signature is good and that is for this client.
    fn verified(
        &self,
        is_good: impl FnOnce(&Self) -> Result<bool, LoginError>,
        wanted: &Wanted<'_>,
    ) -> Result<String, LoginError> {
        if self.header.crit.is_some() {
            return Err(invalid("its id_token demands extensions that are not known here"));
        }
        if !is_good(self)? {
            return Err(invalid("the signature of its id_token is wrong"));
        }
        let claims = serde_json::from_slice(&self.claims).map_err(|_| invalid("its id_token cannot be read"))?;
        check(&claims, wanted)?;
        Ok(claims.sub)
    }

    fn is_signed_by(&self, keys: &Keys) -> Result<bool, LoginError> {
        let Header { alg, kid, .. } = &self.header;
        let mut fitting = keys.fitting(alg, kid.as_deref()).peekable();
        if fitting.peek().is_none() {
            return Err(invalid("none of the server's keys fits its id_token"));
        }
        Ok(fitting.any(|key| key.verifies(alg, self.signed.as_bytes(), &self.signature)))
    }

    fn is_authenticated_by(&self, secret: &Secret) -> bool {
        keys::authenticates(&self.header.alg, secret, self.signed.as_bytes(), &self.signature)
    }
}

fn check(claims: &Claims, wanted: &Wanted<'_>) -> Result<(), LoginError> {
    let issuer = wanted.provider.issuer_of_tenant(claims.tid.as_deref());
    // Other audiences are no harm where none is said to be the one that asked: the token came from the server itself.
    let party_fits = claims.azp.as_ref().is_none_or(|party| party == wanted.client_id);
    // Exact: seconds of the present are far below 2^53.
    let now = wanted.now as f64;
    let problems = [
        (
            issuer.as_ref() != Some(&claims.iss),
            "its id_token is of another issuer",
        ),
        (
            !claims.aud.names(wanted.client_id) || !party_fits,
            "its id_token is for another client",
        ),
        (
            now >= claims.exp + LEEWAY,
            "its id_token is expired; check the clock of this machine",
        ),
        (
            claims.nbf.is_some_and(|start| start > now + LEEWAY),
            "its id_token is not valid yet; check the clock of this machine",
        ),
        (!nonce_fits(claims, wanted), "its id_token belongs to another login"),
        (claims.sub.is_empty(), "its id_token names nobody"),
    ];
    match problems.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, problem)) => Err(invalid(problem)),
        None => Ok(()),
    }
}

fn nonce_fits(claims: &Claims, wanted: &Wanted<'_>) -> bool {
    let Some(sent) = wanted.nonce else { return true };
    claims.nonce.as_deref().map(Secret::from).as_ref() == Some(sent)
}
