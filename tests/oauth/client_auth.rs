//! How a client says who it is: each way, with real signatures checked as a server checks them.

use std::collections::HashSet;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::Value;
use token_storage::oauth::{ClientAuth, ClientKey, LoginErrorKind, OAuthClient};
use token_storage_auth_testing::auth_server::AuthServer;

use crate::fake::{CLIENT, Fake, ISSUER, values};

const RSA_KEY: &[u8] = include_bytes!("../../auth-testing/src/auth_server/testdata/signing-key.der");

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}

/// A private key in PEM, and its public part.
fn ecdsa(curve: &'static signature::EcdsaSigningAlgorithm) -> (String, Vec<u8>) {
    let rng = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(curve, &rng).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &rng).unwrap();
    (pem("PRIVATE KEY", der.as_ref()), pair.public_key().as_ref().to_vec())
}

fn ed25519() -> (String, Vec<u8>) {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    (pem("PRIVATE KEY", der.as_ref()), pair.public_key().as_ref().to_vec())
}

fn rsa() -> (String, Vec<u8>) {
    let public = RsaKeyPair::from_der(RSA_KEY).unwrap().public_key().as_ref().to_vec();
    (pem("RSA PRIVATE KEY", RSA_KEY), public)
}

struct Sent {
    header: Value,
    claims: Value,
    message: String,
    signature: Vec<u8>,
}

/// The assertions of all token requests, each of the right form.
async fn sent(fake: &Fake, client: &OAuthClient) -> Sent {
    client.client_credentials("read").await.unwrap();
    let forms = fake.forms("/token");
    let form = forms.last().unwrap();
    assert_eq!(values(form, "client_id"), [CLIENT]);
    assert_eq!(
        values(form, "client_assertion_type"),
        ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    );
    assert!(values(form, "client_secret").is_empty() && fake.header("authorization").is_none());
    let [jwt] = values(form, "client_assertion")[..] else {
        panic!("one assertion");
    };
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    Sent {
        header: serde_json::from_slice(&decoded(header)).unwrap(),
        claims: serde_json::from_slice(&decoded(claims)).unwrap(),
        message: message.to_owned(),
        signature: decoded(signature),
    }
}

#[tokio::test]
async fn a_client_signs_with_its_key() {
    let p256 = ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let p384 = ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING);
    let cases: [(_, _, &'static dyn VerificationAlgorithm); 9] = [
        (p256, "ES256", &signature::ECDSA_P256_SHA256_FIXED),
        (p384, "ES384", &signature::ECDSA_P384_SHA384_FIXED),
        (ed25519(), "EdDSA", &signature::ED25519),
        (rsa(), "RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
        (rsa(), "RS384", &signature::RSA_PKCS1_2048_8192_SHA384),
        (rsa(), "RS512", &signature::RSA_PKCS1_2048_8192_SHA512),
        (rsa(), "PS256", &signature::RSA_PSS_2048_8192_SHA256),
        (rsa(), "PS384", &signature::RSA_PSS_2048_8192_SHA384),
        (rsa(), "PS512", &signature::RSA_PSS_2048_8192_SHA512),
    ];
    for ((pem, public), name, algorithm) in cases {
        let key = ClientKey::from_pem(&pem).unwrap().with_id("key-1");
        let key = key.with_algorithm(name).unwrap();
        assert!(!format!("{key:?}").contains(&pem[40..60]));
        let fake = Fake::new();
        let sent = sent(&fake, &fake.client().with_key(key)).await;
        assert_eq!(
            (&sent.header["alg"], &sent.header["kid"]),
            (&name.into(), &"key-1".into())
        );
        let key = UnparsedPublicKey::new(algorithm, public);
        key.verify(sent.message.as_bytes(), &sent.signature).expect(name);
    }
}

/// The thumbprints are those that `openssl x509 -fingerprint` tells, in base64url.
#[tokio::test]
async fn a_key_is_named_by_its_certificate() {
    let key = ClientKey::from_pem(AuthServer::SERVICE_KEY).unwrap();
    let both = format!("{}{}", AuthServer::SERVICE_KEY, AuthServer::SERVICE_CERTIFICATE);
    for pem in [AuthServer::SERVICE_CERTIFICATE, &both] {
        let fake = Fake::new();
        let named = key.clone().with_certificate(pem).unwrap();
        let sent = sent(&fake, &fake.client().with_key(named)).await;
        assert_eq!(sent.header["x5t"], "crhNN3o6wf71tTqPziTlQKvMSdE");
        assert_eq!(sent.header["x5t#S256"], "4YyyfHcctKeSoVKpiwWn2OdlEJDReLlYehp68ddAK6s");
        assert!(sent.header.get("kid").is_none());
    }
    let fake = Fake::new();
    let plain = sent(&fake, &fake.client().with_key(key.clone())).await;
    assert!(plain.header.get("x5t").is_none() && plain.header.get("x5t#S256").is_none());
    for odd in ["", AuthServer::SERVICE_KEY] {
        let error = key.clone().with_certificate(odd).unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Configuration, "{error}");
    }
}

#[tokio::test]
async fn a_client_proves_that_it_knows_its_secret() {
    for secret in ["s3cret", "ß: &", ""] {
        let fake = Fake::new();
        let sent = sent(&fake, &fake.client().with_secret(secret, ClientAuth::SecretJwt)).await;
        assert_eq!(sent.header["alg"], "HS256");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, sent.message.as_bytes(), &sent.signature).expect(secret);
    }
}

#[tokio::test]
async fn an_assertion_is_for_one_request_at_one_server() {
    let fake = Fake::new();
    let client = fake.client().with_secret("s3cret", ClientAuth::SecretJwt);
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let claims = sent(&fake, &client).await.claims;
        assert_eq!((&claims["iss"], &claims["sub"]), (&CLIENT.into(), &CLIENT.into()));
        assert_eq!(claims["aud"], format!("{ISSUER}/token"));
        assert_eq!(claims["exp"].as_i64().unwrap(), claims["iat"].as_i64().unwrap() + 120);
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()), "jti twice");
    }
    let client = client.with_assertion_audience(ISSUER);
    assert_eq!(sent(&fake, &client).await.claims["aud"], ISSUER);
    // Not only token requests: revocation has it too, and names the token endpoint as well.
    client
        .revoke_response(&client.client_credentials("").await.unwrap())
        .await;
    assert!(!fake.forms("/revoke").is_empty());
    for form in fake.forms("/revoke") {
        assert_eq!(values(&form, "client_assertion").len(), 1);
    }
}

#[tokio::test]
async fn the_empty_text_is_a_secret_too() {
    let fake = Fake::new();
    let public = fake.client();
    public.client_credentials("").await.unwrap();
    assert!(values(&fake.forms("/token")[0], "client_secret").is_empty());
    let form = public.clone().with_secret("", ClientAuth::Form);
    form.client_credentials("").await.unwrap();
    assert_eq!(values(&fake.forms("/token")[1], "client_secret"), [""]);
    let header = public.with_secret("", ClientAuth::Header);
    header.client_credentials("").await.unwrap();
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:")));
    assert_eq!(fake.header("authorization"), Some(expected));
}

#[test]
fn a_key_that_cannot_sign_is_a_matter_of_configuration() {
    let (p256, _) = ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let cut = p256.replace("-----BEGIN PRIVATE KEY-----\nM", "-----BEGIN PRIVATE KEY-----\nA");
    let wrong = pem("PUBLIC KEY", b"key");
    let sec1 = pem("EC PRIVATE KEY", b"key");
    for text in ["", "key", &cut, &wrong, &sec1] {
        let error = ClientKey::from_pem(text).unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Configuration, "{text}");
    }
    let key = ClientKey::from_pem(&p256).unwrap();
    for name in ["none", "HS256", "RS256", "ES384", ""] {
        let error = key.clone().with_algorithm(name).unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Configuration, "{name}");
    }
}

/// The integers of a key in PKCS #1: version, n, e, d, p, q, dp, dq, qi.
fn integers(der: &[u8]) -> Vec<Vec<u8>> {
    let length = |at: usize| match der[at] {
        short @ ..=0x7f => (usize::from(short), at + 1),
        long => {
            let bytes = usize::from(long & 0x7f);
            let value = der[at + 1..=at + bytes]
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (value, at + 1 + bytes)
        }
    };
    let (_, mut at) = length(1);
    let mut found = Vec::new();
    while at < der.len() {
        assert_eq!(der[at], 2, "an integer");
        let (size, start) = length(at + 1);
        let value = &der[start..start + size];
        found.push(value.strip_prefix(&[0]).unwrap_or(value).to_vec());
        at = start + size;
    }
    found
}

fn jwk(kty: &str, curve: Option<&str>, members: &[(&str, &[u8])]) -> Value {
    let mut jwk = serde_json::json!({"kty": kty, "kid": "key-2"});
    if let Some(curve) = curve {
        jwk["crv"] = curve.into();
    }
    for (name, value) in members {
        jwk[*name] = URL_SAFE_NO_PAD.encode(value).into();
    }
    jwk
}

#[tokio::test]
async fn a_key_as_jwk_is_the_same_key() {
    let rng = SystemRandom::new();
    let mut keys: Vec<(Value, Vec<u8>, &str, &'static dyn VerificationAlgorithm)> = Vec::new();
    // Where ring puts the private scalar.
    for (curve, name, at, size, alg, verify) in [
        (
            &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            "P-256",
            36,
            32,
            "ES256",
            &signature::ECDSA_P256_SHA256_FIXED,
        ),
        (
            &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            "P-384",
            35,
            48,
            "ES384",
            &signature::ECDSA_P384_SHA384_FIXED,
        ),
    ] {
        let der = EcdsaKeyPair::generate_pkcs8(curve, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &rng).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let (x, y) = public[1..].split_at(size);
        let members = [("d", &der.as_ref()[at..at + size]), ("x", x), ("y", y)];
        keys.push((jwk("EC", Some(name), &members), public.clone(), alg, verify));
    }
    let der = Ed25519KeyPair::generate_pkcs8(&rng).unwrap();
    let public = Ed25519KeyPair::from_pkcs8(der.as_ref())
        .unwrap()
        .public_key()
        .as_ref()
        .to_vec();
    let members = [("d", &der.as_ref()[16..48]), ("x", &*public)];
    keys.push((
        jwk("OKP", Some("Ed25519"), &members),
        public.clone(),
        "EdDSA",
        &signature::ED25519,
    ));
    let numbers = integers(RSA_KEY);
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let members: Vec<(&str, &[u8])> = names.into_iter().zip(numbers[1..].iter().map(Vec::as_slice)).collect();
    let mut rsa_jwk = jwk("RSA", None, &members);
    keys.push((
        rsa_jwk.clone(),
        rsa().1,
        "RS256",
        &signature::RSA_PKCS1_2048_8192_SHA256,
    ));
    rsa_jwk["alg"] = "PS512".into();
    keys.push((rsa_jwk.clone(), rsa().1, "PS512", &signature::RSA_PSS_2048_8192_SHA512));
    for (jwk, public, alg, verify) in &keys {
        let key = ClientKey::from_jwk(&jwk.to_string()).unwrap();
        let fake = Fake::new();
        let sent = sent(&fake, &fake.client().with_key(key)).await;
        assert_eq!(
            (&sent.header["alg"], &sent.header["kid"]),
            (&(*alg).into(), &"key-2".into())
        );
        let key = UnparsedPublicKey::new(*verify, public);
        key.verify(sent.message.as_bytes(), &sent.signature).expect(alg);
    }
    rsa_jwk["alg"] = "RSA-OAEP".into();
    let mut public = keys[0].0.clone();
    public.as_object_mut().unwrap().remove("d");
    let mut other = keys[0].0.clone();
    other["x"] = keys[1].0["x"].clone();
    let set = serde_json::json!({"keys": [keys[0].0]});
    for odd in [rsa_jwk, public, other, set, Value::Null] {
        let error = ClientKey::from_jwk(&odd.to_string()).unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Configuration, "{error}");
    }
}

#[test]
fn a_record_says_how_the_client_proved_itself() {
    let fake = Fake::new();
    let way = |client: OAuthClient| client.issued_by().client_auth;
    assert_eq!(way(fake.client()), None);
    for auth in [ClientAuth::Header, ClientAuth::Form, ClientAuth::SecretJwt] {
        let told = way(fake.client().with_secret("s3cret", auth));
        assert_eq!(told.as_deref().and_then(ClientAuth::by_name), Some(auth));
    }
    let key = ClientKey::from_pem(&ed25519().0).unwrap();
    assert_eq!(way(fake.client().with_key(key)).as_deref(), Some("private_key_jwt"));
}
