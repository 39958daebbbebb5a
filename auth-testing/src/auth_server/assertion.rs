//! Clients that authenticate by a JWT (RFC 7523 sections 2.2 and 3, OpenID Connect Core section 9). Whatever a server may
//! insist on, this one does.

use std::sync::LazyLock;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA256, digest},
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use serde::Deserialize;

use super::{
    AuthServer, Shared,
    http::{Answer, Request},
    jwt,
    profile::Client,
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion that lasts for longer is refused, in seconds.
const LONGEST: u64 = 300;
/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 30;

static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let lines = AuthServer::SERVICE_KEY.lines().filter(|line| !line.starts_with('-'));
    let der = STANDARD.decode(lines.collect::<String>());
    let der = der.expect("the key beside this file is in PEM");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new());
    let pair = pair.expect("the key beside this file is a key");
    pair.public_key().as_ref().to_vec()
});

/// Of the certificate of that key.
static THUMBPRINT: LazyLock<String> = LazyLock::new(|| {
    let lines = AuthServer::SERVICE_CERTIFICATE
        .lines()
        .filter(|line| !line.starts_with('-'));
    let der = STANDARD.decode(lines.collect::<String>());
    let der = der.expect("the certificate beside this file is in PEM");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &der))
});

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: Option<u64>,
    nbf: Option<u64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Whether the client means to authenticate by a JWT.
pub(super) fn is_in(request: &Request) -> bool {
    request.param("client_assertion").is_some() || request.param("client_assertion_type").is_some()
}

/// The client whose assertion it is; else what is wrong with it.
pub(super) fn client(shared: &Shared, request: &Request) -> Result<String, &'static str> {
    if request.param("client_assertion_type") != Some(TYPE) {
        return Err("client_assertion_type is another");
    }
    let jwt = request.param("client_assertion").unwrap_or_default();
    let (message, signature) = jwt.rsplit_once('.').ok_or("the assertion is no JWT")?;
    let (header, claims) = message.split_once('.').ok_or("the assertion is no JWT")?;
    let header: Header = read(header)?;
    let claims: Claims = read(claims)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| "the signature is not base64url")?;
    if !is_authentic(shared, &header, message.as_bytes(), &signature)? {
        return Err("the signature is wrong");
    }
    check(shared, request, &claims)?;
    if !shared.state().assertions.insert(claims.jti) {
        return Err("the assertion was used before");
    }
    Ok(claims.sub)
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, &'static str> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part is not base64url")?;
    serde_json::from_slice(&json).map_err(|_| "a part is not as it must be")
}

fn is_authentic(shared: &Shared, header: &Header, message: &[u8], signature: &[u8]) -> Result<bool, &'static str> {
    let method = match header.alg.as_str() {
        "ES256" => Client::KeyJwt,
        "HS256" => Client::SecretJwt,
        _ => return Err("the algorithm is not registered for this client"),
    };
    let client = shared.config.profile.client;
    if client.is_some_and(|client| client != method) {
        return Err("the algorithm is not registered for this client");
    }
    if method == Client::SecretJwt {
        let key = hmac::Key::new(hmac::HMAC_SHA256, shared.config.service_secret.as_bytes());
        return Ok(hmac::verify(&key, message, signature).is_ok());
    }
    if header.kid.as_deref().is_some_and(|id| id != AuthServer::SERVICE_KEY_ID) {
        return Err("the key is not known");
    }
    let by_certificate = shared.config.profile.by_certificate;
    if by_certificate && header.thumbprint.is_none()
        || header
            .thumbprint
            .as_ref()
            .is_some_and(|thumbprint| *thumbprint != *THUMBPRINT)
    {
        return Err("the certificate is not known");
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &*KEY);
    Ok(key.verify(message, signature).is_ok())
}

fn check(shared: &Shared, request: &Request, claims: &Claims) -> Result<(), &'static str> {
    let now = jwt::now();
    let token_endpoint = format!("{}{}", shared.url(), super::http::TOKEN_PATH);
    let is_meant =
        |audience: &str| audience == shared.url() || (audience == token_endpoint && !shared.config.issuer_as_audience);
    let is_audience = match &claims.aud {
        Audience::One(audience) => is_meant(audience),
        Audience::Many(audiences) => audiences.iter().any(|audience| is_meant(audience)),
    };
    let client_id = request.param("client_id");
    let problems = [
        (claims.iss != claims.sub, "iss and sub differ"),
        (claims.sub != AuthServer::SERVICE_CLIENT, "the client is not known"),
        (client_id.is_some_and(|id| id != claims.sub), "client_id is another's"),
        (!is_audience, "the audience is another"),
        (claims.exp <= now, "the assertion has expired"),
        (claims.exp > now + LONGEST + LEEWAY, "the assertion lasts too long"),
        (
            claims.iat.or(claims.nbf).is_some_and(|start| start > now + LEEWAY),
            "the assertion is not valid yet",
        ),
        (claims.jti.is_empty(), "the assertion has no name"),
    ];
    match problems.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, problem)) => Err(problem),
        None => Ok(()),
    }
}

/// Says why, as a developer wants to know.
pub(super) fn refused(why: &'static str) -> Box<Answer> {
    let mut answer = Answer::refuse(401, "invalid_client");
    answer.body = serde_json::json!({"error": "invalid_client", "error_description": why}).to_string();
    Box::new(answer)
}
