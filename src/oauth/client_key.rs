//! The private key of a client, in the forms in which it lies in files: PEM, and JWK (RFC 7517).

use base64::Engine as _;
use ring::{
    rand,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    LoginError,
    assertion::{ClientKey, Pair, RSA},
    keys::BASE64_URL,
};

impl ClientKey {
    /// A key in PEM: PKCS #8 of RSA (2048 bits or more), P-256, P-384 or Ed25519, or PKCS #1 of RSA. It signs with RS256,
    /// ES256, ES384 or EdDSA.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if it is none of these.
    pub fn from_pem(pem: &str) -> Result<Self, LoginError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_| LoginError::configuration("the client's key is no private key in PEM"))?;
        let found = match &der {
            PrivateKeyDer::Pkcs8(key) => of_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der())
                .ok()
                .map(|pair| (Pair::Rsa(pair), RSA[0])),
            _ => None,
        };
        let unusable = || {
            LoginError::configuration(
                "the client's key cannot be used: it has to be PKCS #8 of RSA (2048 bits or more), P-256, P-384 or \
                 Ed25519; `openssl pkcs8 -topk8 -nocrypt` makes it so",
            )
        };
        let (pair, algorithm) = found.ok_or_else(unusable)?;
        Ok(Self::new(pair, algorithm))
    }

    /// A private key as JWK (RFC 7517, RFC 7518 section 6, RFC 8037): RSA with all its primes' members, P-256, P-384 or
    /// Ed25519. Its members `kid` and `alg` count, if they are there.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Configuration`](super::LoginErrorKind::Configuration) if it is none of these, a set of keys, or
    ///   its `alg` is not for it.
    pub fn from_jwk(json: &str) -> Result<Self, LoginError> {
        let jwk: Jwk = serde_json::from_str(json).map_err(|_| {
            LoginError::configuration("the client's key is no JWK: it has to be one object with the member kty")
        })?;
        let unusable = || {
            LoginError::configuration(
                "the client's key cannot be used: it has to be the private JWK of RSA (2048 bits or more, with p, q, dp, \
                 dq and qi), P-256, P-384 or Ed25519",
            )
        };
        let (pair, algorithm) = jwk.pair().ok_or_else(unusable)?;
        let mut key = Self::new(pair, algorithm);
        if let Some(id) = &jwk.kid {
            key = key.with_id(id.as_str());
        }
        match &jwk.alg {
            Some(algorithm) => key.with_algorithm(algorithm),
            None => Ok(key),
        }
    }
}

fn of_pkcs8(der: &[u8]) -> Option<(Pair, &'static str)> {
    let rng = rand::SystemRandom::new();
    let ecdsa = |curve| EcdsaKeyPair::from_pkcs8(curve, der, &rng).ok().map(Pair::Ecdsa);
    let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed25519);
    let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa);
    let named = |name| move |pair| (pair, name);
    ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map(named("ES256"))
        .or_else(|| ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING).map(named("ES384")))
        .or_else(|| ed25519().map(named("EdDSA")))
        .or_else(|| rsa().map(named(RSA[0])))
}

/// A private key. Members that its kind does not have are absent.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    n: Member,
    #[serde(default)]
    e: Member,
    #[serde(default)]
    d: Member,
    #[serde(default)]
    p: Member,
    #[serde(default)]
    q: Member,
    #[serde(default)]
    dp: Member,
    #[serde(default)]
    dq: Member,
    #[serde(default)]
    qi: Member,
    #[serde(default)]
    x: Member,
    #[serde(default)]
    y: Member,
}

/// Base64 of bytes that may be secret; wiped when dropped.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Member(Option<String>);

impl Member {
    fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        BASE64_URL.decode(self.0.as_deref()?).ok().map(Zeroizing::new)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Jwk {
    fn pair(&self) -> Option<(Pair, &'static str)> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => Some((Pair::Rsa(self.rsa()?), RSA[0])),
            ("EC", Some("P-256")) => self.ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256"),
            ("EC", Some("P-384")) => self.ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES384"),
            ("OKP", Some("Ed25519")) => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(&self.d.bytes()?, &self.x.bytes()?);
                Some((Pair::Ed25519(pair.ok()?), "EdDSA"))
            }
            _ => None,
        }
    }

    fn ecdsa(&self, curve: &'static EcdsaSigningAlgorithm, name: &'static str) -> Option<(Pair, &'static str)> {
        // The uncompressed form of a point.
        let point = [&[4][..], &self.x.bytes()?, &self.y.bytes()?].concat();
        let rng = rand::SystemRandom::new();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve, &self.d.bytes()?, &point, &rng);
        Some((Pair::Ecdsa(pair.ok()?), name))
    }

    fn rsa(&self) -> Option<RsaKeyPair> {
        let [n, e, d] = [self.n.bytes()?, self.e.bytes()?, self.d.bytes()?];
        let [p, q] = [self.p.bytes()?, self.q.bytes()?];
        let [dp, dq, qi] = [self.dp.bytes()?, self.dq.bytes()?, self.qi.bytes()?];
        let components = ring::rsa::KeyPairComponents {
            public_key: ring::rsa::PublicKeyComponents {
                n: n.as_slice(),
                e: e.as_slice(),
            },
            d: d.as_slice(),
            p: p.as_slice(),
            q: q.as_slice(),
            dP: dp.as_slice(),
            dQ: dq.as_slice(),
            qInv: qi.as_slice(),
        };
        RsaKeyPair::from_components(&components).ok()
    }
}
