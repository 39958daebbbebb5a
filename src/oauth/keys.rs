//! The keys that a server signs id_tokens with (RFC 7517), fetched once per client.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::{
    hmac,
    signature::{self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey},
};
use serde::Deserialize;
use token_storage_core::Secret;

use super::{LoginError, OAuthClient, id_token::invalid};

/// Some servers pad what should not be padded.
pub(super) const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a client has fetched.
#[derive(Debug, Default)]
pub(super) struct KeyCache(Mutex<Option<Arc<Keys>>>);

#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

/// A public key. Members that its kind does not have are absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Key {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct KeySet {
    // One by one, so that a key of a kind to come does not hide the others.
    keys: Vec<serde_json::Value>,
}

impl OAuthClient {
    /// The keys that fit; fetched if there are none yet, and again if none fits, as servers change their keys.
    pub(super) async fn keys_for(&self, alg: &str, kid: Option<&str>) -> Result<Arc<Keys>, LoginError> {
        if let Some(keys) = self.keys.get().filter(|keys| keys.has(alg, kid)) {
            return Ok(keys);
        }
        let missing = || invalid("it has no address of its keys");
        let url = self.provider.jwks_uri.as_ref().ok_or_else(missing)?;
        let answer = self.http.get(url.as_str(), None).await?;
        if !answer.is_success() {
            return Err(answer.said_by(self.provider.server_name()).error().into());
        }
        let keys = Keys::parse(&answer.body).ok_or_else(|| invalid("the server's keys cannot be read"))?;
        let keys = Arc::new(keys);
        self.keys.set(keys.clone());
        Ok(keys)
    }
}

impl KeyCache {
    fn get(&self) -> Option<Arc<Keys>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, keys: Arc<Keys>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }
}

impl Keys {
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let set: KeySet = serde_json::from_slice(json).ok()?;
        let keys = set.keys.into_iter();
        Some(Self(keys.filter_map(|key| serde_json::from_value(key).ok()).collect()))
    }

    fn has(&self, alg: &str, kid: Option<&str>) -> bool {
        self.fitting(alg, kid).next().is_some()
    }

    /// The keys that a signature of this algorithm may be checked with.
    pub(super) fn fitting<'a>(&'a self, alg: &'a str, kid: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| key.fits(alg, kid))
    }
}

enum Algorithm {
    Rsa(&'static RsaParameters),
    Ecdsa(&'static EcdsaVerificationAlgorithm),
    Ed25519,
    #[cfg(feature = "es512")]
    P521,
}

/// Why nothing signed with this algorithm can be checked, if that is so; a name is repeated only if it looks like one.
pub(super) fn unknown(alg: &str) -> Option<String> {
    let known = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519",
    ];
    if known.contains(&alg) || (cfg!(feature = "es512") && alg == "ES512") {
        return None;
    }
    let is_name = alg.len() <= 16 && alg.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let named = if is_name { alg } else { "something else" };
    let mut why = format!(
        "its id_token is signed with {named}, which is not checked here; let the server sign with RS256 \
                           or ES256 for this client (id_token_signed_response_alg)"
    );
    if alg == "ES512" {
        why += ", or build with the feature es512";
    }
    Some(why)
}

#[cfg(feature = "es512")]
fn verifies_p521(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use p521::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};

    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(point), Signature::from_slice(signature)) else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

/// Whether an algorithm signs with what both sides know.
pub(super) fn is_by_secret(alg: &str) -> bool {
    secret_algorithm(alg).is_some()
}

/// Whether a message was authenticated with the client's secret (OpenID Connect Core section 10.1).
pub(super) fn authenticates(alg: &str, secret: &Secret, message: &[u8], tag: &[u8]) -> bool {
    secret_algorithm(alg).is_some_and(|algorithm| {
        let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
        hmac::verify(&key, message, tag).is_ok()
    })
}

fn secret_algorithm(alg: &str) -> Option<hmac::Algorithm> {
    Some(match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => return None,
    })
}

/// The algorithms of RFC 7518 that there are keys for. It is the key that decides what an algorithm may be: `none`, or
/// one with a shared secret, goes with no public key.
fn algorithm(alg: &str, kty: &str, crv: Option<&str>) -> Option<Algorithm> {
    use Algorithm::{Ecdsa, Ed25519, Rsa};
    Some(match (alg, kty, crv) {
        ("RS256", "RSA", None) => Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        ("RS384", "RSA", None) => Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        ("RS512", "RSA", None) => Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        ("PS256", "RSA", None) => Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        ("PS384", "RSA", None) => Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        ("PS512", "RSA", None) => Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        ("ES256", "EC", Some("P-256")) => Ecdsa(&signature::ECDSA_P256_SHA256_FIXED),
        ("ES384", "EC", Some("P-384")) => Ecdsa(&signature::ECDSA_P384_SHA384_FIXED),
        #[cfg(feature = "es512")]
        ("ES512", "EC", Some("P-521")) => Algorithm::P521,
        // RFC 8037, and by its newer name RFC 9864.
        ("EdDSA" | "Ed25519", "OKP", Some("Ed25519")) => Ed25519,
        _ => return None,
    })
}

impl Key {
    fn fits(&self, alg: &str, kid: Option<&str>) -> bool {
        let named = kid.is_none() || self.kid.as_deref() == kid;
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let plain = |alg| if alg == "Ed25519" { "EdDSA" } else { alg };
        let same = self.alg.as_deref().is_none_or(|own| plain(own) == plain(alg));
        named && signs && same && algorithm(alg, &self.kty, self.crv.as_deref()).is_some()
    }

    pub(super) fn verifies(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        let part = |text: &Option<String>| BASE64_URL.decode(text.as_deref()?).ok();
        match algorithm(alg, &self.kty, self.crv.as_deref()) {
            Some(Algorithm::Rsa(parameters)) => {
                let (Some(n), Some(e)) = (part(&self.n), part(&self.e)) else {
                    return false;
                };
                // Some servers add a zero for the sign, which ring does not take.
                let n = n.strip_prefix(&[0]).unwrap_or(&n).to_vec();
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            Some(Algorithm::Ecdsa(algorithm)) => {
                let (Some(x), Some(y)) = (part(&self.x), part(&self.y)) else {
                    return false;
                };
                // The uncompressed form of a point.
                let point = [&[4][..], &x, &y].concat();
                let key = UnparsedPublicKey::new(algorithm, point);
                key.verify(message, signature).is_ok()
            }
            Some(Algorithm::Ed25519) => part(&self.x).is_some_and(|x| {
                UnparsedPublicKey::new(&signature::ED25519, x)
                    .verify(message, signature)
                    .is_ok()
            }),
            #[cfg(feature = "es512")]
            Some(Algorithm::P521) => match (part(&self.x), part(&self.y)) {
                (Some(x), Some(y)) => verifies_p521(&[&[4][..], &x, &y].concat(), message, signature),
                _ => false,
            },
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 appendix A.4, which another hand made.
    #[cfg(feature = "es512")]
    #[test]
    fn the_example_of_the_rfc_is_good() {
        let keys = Keys::parse(
            br#"{"keys":[{"kty":"EC","crv":"P-521",
                "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
                "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}]}"#,
        );
        let keys = keys.unwrap();
        let message = b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA";
        let signature = BASE64_URL
            .decode(concat!(
                "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7Xdt",
                "AG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
            ))
            .unwrap();
        let key = keys.fitting("ES512", None).next().expect("the key fits");
        assert!(key.verifies("ES512", message, &signature));
        assert!(!key.verifies("ES512", &message[1..], &signature));
        assert!(!key.verifies("ES512", message, &signature[1..]));
        assert!(keys.fitting("ES256", None).next().is_none());
    }

    #[test]
    fn what_is_not_checked_is_told_and_nothing_else_is() {
        assert!(unknown("RS256").is_none() && unknown("EdDSA").is_none());
        assert_eq!(unknown("ES512").is_none(), cfg!(feature = "es512"));
        assert!(unknown("none").unwrap().contains("signed with none,"));
        let long = unknown("eyJhbGciOiJub25lIn0.secret").unwrap();
        assert!(!long.contains("secret"), "{long}");
    }
}
