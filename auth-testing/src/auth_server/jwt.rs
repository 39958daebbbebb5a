//! Signed id_tokens. The key is for tests and lies beside this file for everyone to see.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{KeyPair as _, RSA_PKCS1_SHA512, RsaKeyPair, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use super::AuthServer;

pub(super) const KEY_ID: &str = "test-key-1";

static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let der = include_bytes!("testdata/signing-key.der");
    RsaKeyPair::from_der(der).expect("the key beside this file is a key")
});

pub(super) fn key_set() -> Value {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(KEY.public_key());
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"keys": [{
        "kty": "RSA",
        "use": "sig",
        "alg": "RS512",
        "kid": KEY_ID,
        "n": part(&public.n),
        "e": part(&public.e),
    }]})
}

pub(super) fn id_token(issuer: &str, audience: &str, nonce: Option<&str>) -> String {
    let now = now();
    let mut claims = json!({
        "iss": issuer,
        "aud": audience,
        "sub": AuthServer::IDENTITY,
        "iat": now,
        "exp": now + 3600,
        "preferred_username": "ada@example.org",
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    sign(&json!({"typ": "JWT", "alg": "RS512", "kid": KEY_ID}), &claims)
}

/// Seconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or(Duration::ZERO).as_secs()
}

pub(super) fn sign(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; KEY.public_key().modulus_len()];
    KEY.sign(
        &RSA_PKCS1_SHA512,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .expect("the key can sign");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What a forger makes who hopes that the public key is taken for a shared secret.
pub(super) fn authenticated_with_public_key(message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.public_key().as_ref());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()))
}
