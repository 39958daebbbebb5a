//! id_tokens by every algorithm, and by none that the key or the secret is not for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    },
};
use serde_json::{Value, json};
use token_storage::oauth::{ClientAuth, LoginErrorKind, LoginOptions, OAuthClient};

use crate::fake::{CLIENT, Fake, ISSUER};

fn part(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwt(alg: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = json!({"alg": alg}).to_string();
    let claims = json!({"iss": ISSUER, "aud": CLIENT, "sub": "ada", "exp": 4_000_000_000_u32}).to_string();
    let message = format!("{}.{}", part(header.as_bytes()), part(claims.as_bytes()));
    format!("{message}.{}", part(&sign(message.as_bytes())))
}

async fn who(fake: &Fake, client: OAuthClient, id_token: &str) -> Result<Option<String>, LoginErrorKind> {
    fake.answer(
        "/token",
        json!({"access_token": "at", "id_token": id_token}).to_string(),
    );
    let login = client
        .begin_login(&LoginOptions::new("read"), "https://app.example/")
        .unwrap();
    let outcome = login.finish_with_pasted("code").await;
    outcome
        .map(|response| response.primary().identity_id.clone())
        .map_err(|error| error.kind())
}

const ADA: Result<Option<&str>, LoginErrorKind> = Ok(Some("ada"));
const REFUSED: Result<Option<&str>, LoginErrorKind> = Err(LoginErrorKind::IdToken);

/// Who logs in by this id_token, where the server has this key.
async fn by_key(key: &Value, id_token: &str) -> Result<Option<String>, LoginErrorKind> {
    let fake = Fake::new();
    fake.answer("/keys", json!({ "keys": [key] }).to_string());
    who(&fake, fake.client(), id_token).await
}

#[tokio::test]
async fn ed25519_and_the_curves_are_known() {
    let rng = SystemRandom::new();
    let der = Ed25519KeyPair::generate_pkcs8(&rng).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": part(pair.public_key().as_ref())});
    let sign = |message: &[u8]| pair.sign(message).as_ref().to_vec();
    for alg in ["EdDSA", "Ed25519"] {
        assert_eq!(as_str(&by_key(&key, &jwt(alg, sign)).await), ADA, "{alg}");
        assert_eq!(as_str(&by_key(&key, &spoiled(&jwt(alg, sign))).await), REFUSED, "{alg}");
    }
    assert_eq!(as_str(&by_key(&key, &jwt("ES256", sign)).await), REFUSED);

    for (curve, name, alg) in [
        (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", "ES256"),
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", "ES384"),
    ] {
        let der = EcdsaKeyPair::generate_pkcs8(curve, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &rng).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(if name == "P-256" { 32 } else { 48 });
        let key = json!({"kty": "EC", "crv": name, "x": part(x), "y": part(y)});
        let sign = |message: &[u8]| pair.sign(&rng, message).unwrap().as_ref().to_vec();
        assert_eq!(as_str(&by_key(&key, &jwt(alg, sign)).await), ADA, "{alg}");
        assert_eq!(as_str(&by_key(&key, &spoiled(&jwt(alg, sign))).await), REFUSED, "{alg}");
        assert_eq!(as_str(&by_key(&key, &jwt("EdDSA", sign)).await), REFUSED);
    }
}

#[cfg(feature = "es512")]
#[tokio::test]
async fn p521_is_known_with_the_feature() {
    use p521::ecdsa::{Signature, SigningKey, signature::Signer as _};

    // Any scalar that is not too large.
    let mut scalar = [7; 66];
    scalar[0] = 0;
    let pair = SigningKey::from_slice(&scalar).unwrap();
    let point = pair.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(66);
    let key = json!({"kty": "EC", "crv": "P-521", "x": part(x), "y": part(y)});
    let sign = |message: &[u8]| {
        let signature: Signature = pair.sign(message);
        signature.to_bytes().to_vec()
    };
    assert_eq!(as_str(&by_key(&key, &jwt("ES512", sign)).await), ADA);
    assert_eq!(as_str(&by_key(&key, &spoiled(&jwt("ES512", sign))).await), REFUSED);
    assert_eq!(as_str(&by_key(&key, &jwt("ES384", sign)).await), REFUSED);
    let other = json!({"kty": "EC", "crv": "P-521", "x": part(y), "y": part(x)});
    assert_eq!(as_str(&by_key(&other, &jwt("ES512", sign)).await), REFUSED);
}

#[tokio::test]
async fn the_clients_secret_is_known_to_both() {
    for (alg, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ] {
        let made = |secret: &str| {
            let key = hmac::Key::new(algorithm, secret.as_bytes());
            jwt(alg, |message| hmac::sign(&key, message).as_ref().to_vec())
        };
        let fake = Fake::new();
        // What stands among the public keys is no secret.
        let key = json!({"kty": "oct", "k": part(b"known to all"), "alg": alg});
        fake.answer("/keys", json!({ "keys": [key] }).to_string());
        let confidential = |secret: &str| fake.client().with_secret(secret, ClientAuth::Header);
        assert_eq!(
            as_str(&who(&fake, confidential("s3cret"), &made("s3cret")).await),
            ADA,
            "{alg}"
        );
        for (client, token) in [
            (confidential("s3cret"), made("another")),
            (confidential("s3cret"), made("")),
            (confidential("s3cret"), made("known to all")),
            (confidential("s3cret"), spoiled(&made("s3cret"))),
            (confidential(""), made("")),
            (fake.client(), made("")),
            (fake.client(), made("known to all")),
        ] {
            assert_eq!(as_str(&who(&fake, client, &token).await), REFUSED, "{alg}");
        }
    }
}

#[tokio::test]
async fn a_secret_does_not_make_other_algorithms_any_weaker() {
    let fake = Fake::new();
    fake.answer("/keys", r#"{"keys":[]}"#);
    let client = || fake.client().with_secret("s3cret", ClientAuth::Header);
    for alg in ["none", "None", "", "hs256", "HS1"] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
        let token = jwt(alg, |message| hmac::sign(&key, message).as_ref().to_vec());
        assert_eq!(as_str(&who(&fake, client(), &token).await), REFUSED, "{alg}");
        assert_eq!(
            as_str(&who(&fake, client(), &jwt(alg, |_| Vec::new())).await),
            REFUSED,
            "{alg}"
        );
    }
}

/// With another signature of the same length.
fn spoiled(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    signature[7] ^= 1;
    format!("{message}.{}", part(&signature))
}

fn as_str(outcome: &Result<Option<String>, LoginErrorKind>) -> Result<Option<&str>, LoginErrorKind> {
    outcome.as_ref().map(Option::as_deref).map_err(|kind| *kind)
}
