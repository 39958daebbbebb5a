//! Who logged in: the id_token's signature and claims (OpenID Connect Core section 3.1.3.7).

use base64::Engine as _;
use serde::Deserialize;
use token_storage_core::Secret;

use super::{
    LoginError, LoginErrorKind, OAuthClient, Provider,
    client::unix_now,
    keys::{BASE64_URL, Keys},
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
enum Audience {
    One(String),
    Many(Vec<String>),
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
        if self.provider.issuer.is_none() || self.provider.jwks_uri.is_none() {
            return Ok(response);
        }
        let wanted = Wanted {
            provider: &self.provider,
            client_id: &self.client_id,
            nonce,
            now: unix_now(),
        };
        match self.identity(&id_token, &wanted).await {
            Ok(identity) => Ok(response.with_identity_id(&identity)),
            Err(error) => {
                self.revoke_response(&response).await;
                Err(error)
            }
        }
    }

    async fn identity(&self, id_token: &Secret, wanted: &Wanted<'_>) -> Result<String, LoginError> {
        let parts = Parts::of(id_token.expose()).ok_or_else(|| invalid("it is not a signed JWT"))?;
        let keys = self.keys_for(&parts.header.alg, parts.header.kid.as_deref()).await?;
        verify(&parts, &keys, wanted)
    }
}

pub(super) fn invalid(what: &str) -> LoginError {
    let message = format!("the server does not prove who logged in: {what}; nothing was stored");
    LoginError::new(LoginErrorKind::IdToken, message)
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
}

/// The identity of a token that one of the keys signed for this client.
fn verify(parts: &Parts<'_>, keys: &Keys, wanted: &Wanted<'_>) -> Result<String, LoginError> {
    let Header { alg, kid, crit } = &parts.header;
    if crit.is_some() {
        return Err(invalid("its id_token demands extensions that are not known here"));
    }
    let mut fitting = keys.fitting(alg, kid.as_deref()).peekable();
    if fitting.peek().is_none() {
        return Err(invalid("none of the server's keys fits its id_token"));
    }
    let message = parts.signed.as_bytes();
    if !fitting.any(|key| key.verifies(alg, message, &parts.signature)) {
        return Err(invalid("the signature of its id_token is wrong"));
    }
    let claims = serde_json::from_slice(&parts.claims).map_err(|_| invalid("its id_token cannot be read"))?;
    check(&claims, wanted)?;
    Ok(claims.sub)
}

fn check(claims: &Claims, wanted: &Wanted<'_>) -> Result<(), LoginError> {
    let own = |audience: &String| audience == wanted.client_id;
    let (for_us, several) = match &claims.aud {
        Audience::One(audience) => (own(audience), false),
        Audience::Many(audiences) => (audiences.iter().any(own), audiences.len() > 1),
    };
    let issuer = wanted.provider.issuer_of_tenant(claims.tid.as_deref());
    let party_fits = claims.azp.as_ref().map_or(!several, own);
    // Exact: seconds of the present are far below 2^53.
    let now = wanted.now as f64;
    let problems = [
        (
            issuer.as_ref() != Some(&claims.iss),
            "its id_token is of another issuer",
        ),
        (!for_us || !party_fits, "its id_token is for another client"),
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
