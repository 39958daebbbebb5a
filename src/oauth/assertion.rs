//! Clients that sign instead of showing a secret (RFC 7523, OpenID Connect Core section 9).
//!
//! The signatures are ring's, which is here for TLS. Why no JWT crate is used: `docs/login.md`, "What is by hand, and why".

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest, hmac, rand,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaEncoding, RsaKeyPair},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use token_storage_core::Secret;

use super::LoginError;
use crate::manager::EndpointError;

/// `client_assertion_type` of RFC 7523 section 2.2.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is good for, in seconds: long enough for clocks that differ, and below what any server allows.
const LIFETIME: i64 = 120;

/// A private key that a client proves with who it is (`private_key_jwt`). Clones share it; `Debug` does not show it.
#[derive(Clone)]
pub struct ClientKey {
    pair: Arc<Pair>,
    algorithm: &'static str,
    id: Option<String>,
    /// SHA-1 and SHA-256 of its certificate, in base64url.
    thumbprints: Option<[String; 2]>,
}

pub(super) enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// What an RSA key signs with, the usual one first.
pub(super) const RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

impl ClientKey {
    pub(super) fn new(pair: Pair, algorithm: &'static str) -> Self {
        Self {
            pair: Arc::new(pair),
            algorithm,
            id: None,
            thumbprints: None,
        }
    }

    /// The name that the server knows the key by (`kid`), if it has several of this client.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Names the key by its certificate, for servers that know it by that alone, as Microsoft Entra does: each JWT has the
    /// thumbprints in its header, `x5t` and `x5t#S256` (RFC 7515 sections 4.1.7 and 4.1.8). Takes the first certificate of a
    /// file in PEM. Whether it is that of this key is for the server to find out.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if there is none.
    pub fn with_certificate(mut self, pem: &str) -> Result<Self, LoginError> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        let certificate =
            certificate.map_err(|_| LoginError::configuration("the client's certificate is no certificate in PEM"))?;
        let thumbprint = |algorithm| URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &certificate));
        self.thumbprints = Some([
            thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            thumbprint(&digest::SHA256),
        ]);
        Ok(self)
    }

    /// Signs with this algorithm of RFC 7518 in place of the key's usual one: `PS256`, for instance.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if it does not go with the key.
    pub fn with_algorithm(mut self, name: &str) -> Result<Self, LoginError> {
        let usual = [self.algorithm];
        let fitting: &[&'static str] = match &*self.pair {
            Pair::Rsa(_) => &RSA,
            Pair::Ecdsa(_) => &usual,
            Pair::Ed25519(_) => &["EdDSA", "Ed25519"],
        };
        let unfit = || {
            let message = format!(
                "the client's key cannot sign with {name:?}, but with {}",
                fitting.join(", ")
            );
            LoginError::configuration(message)
        };
        self.algorithm = fitting.iter().find(|fits| **fits == name).ok_or_else(unfit)?;
        Ok(self)
    }

    /// The algorithm it signs with, by its name of RFC 7518.
    pub fn algorithm(&self) -> &str {
        self.algorithm
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let rng = rand::SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding(self.algorithm), &rng, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ecdsa(pair) => Some(pair.sign(&rng, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn padding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RS384" => &signature::RSA_PKCS1_SHA384,
        "RS512" => &signature::RSA_PKCS1_SHA512,
        "PS256" => &signature::RSA_PSS_SHA256,
        "PS384" => &signature::RSA_PSS_SHA384,
        "PS512" => &signature::RSA_PSS_SHA512,
        _ => &signature::RSA_PKCS1_SHA256,
    }
}

/// What an assertion says.
pub(super) struct Assertion<'a> {
    pub(super) client_id: &'a str,
    /// The server, by the name that it expects.
    pub(super) audience: &'a str,
    /// Seconds since the Unix epoch.
    pub(super) now: i64,
}

impl Assertion<'_> {
    /// Signed by a key (`private_key_jwt`).
    pub(super) fn signed(&self, key: &ClientKey) -> Result<Secret, EndpointError> {
        let mut header = serde_json::json!({"alg": key.algorithm, "typ": "JWT"});
        if let Some(id) = &key.id {
            header["kid"] = id.as_str().into();
        }
        if let Some([sha1, sha256]) = &key.thumbprints {
            header["x5t"] = sha1.as_str().into();
            header["x5t#S256"] = sha256.as_str().into();
        }
        self.jwt(&header, |message| key.sign(message))
    }

    /// Authenticated by the client's secret (`client_secret_jwt`).
    pub(super) fn authenticated(&self, secret: &Secret) -> Result<Secret, EndpointError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let header = serde_json::json!({"alg": "HS256", "typ": "JWT"});
        self.jwt(&header, |message| Some(hmac::sign(&key, message).as_ref().to_vec()))
    }

    fn jwt(
        &self,
        header: &serde_json::Value,
        sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Secret, EndpointError> {
        let failed =
            || EndpointError::transient("this machine cannot sign as its client, so nothing was sent there").not_done();
        let once: [u8; 16] = rand::generate(&rand::SystemRandom::new())
            .map_err(|_| failed())?
            .expose();
        let claims = serde_json::json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "jti": URL_SAFE_NO_PAD.encode(once),
            "iat": self.now,
            "exp": self.now.saturating_add(LIFETIME),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(&claims));
        let signature = sign(message.as_bytes()).ok_or_else(failed)?;
        Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
