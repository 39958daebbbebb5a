//! The authorization server for tests takes no JWT of a client that a strict server refuses.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use token_storage_auth_testing::auth_server::{AuthServer, Config, profile};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn good(server: &AuthServer, jti: &str) -> Value {
    json!({
        "iss": AuthServer::SERVICE_CLIENT,
        "sub": AuthServer::SERVICE_CLIENT,
        "aud": server.token_url(),
        "exp": now() + 60,
        "iat": now(),
        "jti": jti,
    })
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn signed(header: &Value, claims: &Value) -> String {
    let lines = AuthServer::SERVICE_KEY.lines().filter(|line| !line.starts_with('-'));
    let der = STANDARD.decode(lines.collect::<String>()).unwrap();
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &rng).unwrap();
    let message = message(header, claims);
    let signature = pair.sign(&rng, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn authenticated(secret: &str, claims: &Value) -> String {
    let message = message(&json!({"alg": "HS256"}), claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()))
    )
}

fn by_key(claims: &Value) -> String {
    signed(&json!({"alg": "ES256", "kid": AuthServer::SERVICE_KEY_ID}), claims)
}

async fn ask(server: &AuthServer, jwt: &str, more: &[(&str, &str)]) -> (u16, String) {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", jwt),
    ];
    let form = [&form, more].concat();
    let sent = reqwest::Client::new().post(server.token_url()).form(&form).send();
    let answer = sent.await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn both_kinds_are_taken_once() {
    let server = AuthServer::start();
    let jwts = [
        by_key(&good(&server, "1")),
        signed(&json!({"alg": "ES256"}), &good(&server, "2")),
        authenticated(AuthServer::SERVICE_SECRET, &good(&server, "3")),
    ];
    for jwt in &jwts {
        assert_eq!(ask(&server, jwt, &[]).await.0, 200);
        let (status, body) = ask(&server, jwt, &[]).await;
        assert_eq!(status, 401);
        assert!(body.contains("used before"), "{body}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_is_told() {
    let server = AuthServer::start();
    for (member, value, why) in [
        ("iss", json!("another"), "iss and sub"),
        ("aud", json!("https://elsewhere.example.org"), "audience"),
        ("aud", json!(["https://elsewhere.example.org"]), "audience"),
        ("exp", json!(now() - 1), "expired"),
        ("exp", json!(now() + 3600), "too long"),
        ("iat", json!(now() + 3600), "not valid yet"),
        ("jti", json!(""), "no name"),
    ] {
        let mut claims = good(&server, "1");
        claims[member] = value;
        let (status, body) = ask(&server, &by_key(&claims), &[]).await;
        assert_eq!(status, 401, "{member}");
        assert!(
            body.contains("invalid_client") && body.contains(why),
            "{member}: {body}"
        );
    }
    let mut unknown = good(&server, "1");
    unknown["iss"] = "another".into();
    unknown["sub"] = "another".into();
    let unnamed = signed(&json!({"alg": "ES256", "kid": "another"}), &good(&server, "1"));
    let forged = by_key(&good(&server, "1")).replace('.', "..");
    let swapped = authenticated("another", &good(&server, "1"));
    let none = message(&json!({"alg": "none"}), &good(&server, "1")) + ".";
    for jwt in [by_key(&unknown), unnamed, forged, swapped, none, "garbage".into()] {
        assert_eq!(ask(&server, &jwt, &[]).await.0, 401, "{jwt}");
    }
    let jwt = by_key(&good(&server, "1"));
    for more in [("client_secret", AuthServer::SERVICE_SECRET), ("client_id", "another")] {
        assert_eq!(ask(&server, &jwt, &[more]).await.0, 401, "{more:?}");
    }
    assert_eq!(ask(&server, &jwt, &[]).await.0, 200, "it was not used up");
}

#[tokio::test]
async fn a_server_may_want_one_kind_alone_or_its_issuer_as_audience() {
    for client in [profile::Client::KeyJwt, profile::Client::SecretJwt] {
        let mut config = Config::default();
        config.profile.client = Some(client);
        let server = AuthServer::start_with(config);
        let key = ask(&server, &by_key(&good(&server, "1")), &[]).await.0;
        let secret = authenticated(AuthServer::SERVICE_SECRET, &good(&server, "2"));
        let secret = ask(&server, &secret, &[]).await.0;
        let taken = (key == 200, secret == 200);
        assert_eq!(
            taken,
            (client == profile::Client::KeyJwt, client == profile::Client::SecretJwt)
        );
    }
    let mut config = Config::default();
    config.issuer_as_audience = true;
    let server = AuthServer::start_with(config);
    let mut claims = good(&server, "1");
    assert_eq!(ask(&server, &by_key(&claims), &[]).await.0, 401);
    claims["aud"] = server.url().into();
    assert_eq!(ask(&server, &by_key(&claims), &[]).await.0, 200);
}

#[tokio::test]
async fn a_token_request_names_only_apis_that_the_login_named() {
    let server = AuthServer::start();
    let begin = |targets: &str| {
        let query = format!(
            "client_id={}&response_type=code&redirect_uri=http://127.0.0.1:1/&state=0123456789abcdef&scope=read{targets}",
            AuthServer::SERVICE_CLIENT
        );
        let back = server.decide(&format!("{}/?{query}", server.url()), true);
        let (_, code) = back.split_once("code=").unwrap();
        code.split('&').next().unwrap().to_owned()
    };
    let redeem = async |code: &str, more: &[(&str, &str)]| {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", AuthServer::SERVICE_CLIENT),
            ("client_secret", AuthServer::SERVICE_SECRET),
            ("redirect_uri", "http://127.0.0.1:1/"),
            ("code", code),
        ];
        let form = [&form, more].concat();
        let sent = reqwest::Client::new().post(server.token_url()).form(&form).send();
        let answer = sent.await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let named = begin("&resource=https://a.example/&resource=https://b.example/");
    let (status, body) = redeem(&named, &[("resource", "https://c.example/")]).await;
    assert_eq!((status, body.contains("invalid_target")), (400, true), "{body}");
    let both = [("resource", "https://a.example/"), ("resource", "https://b.example/")];
    assert_eq!(redeem(&named, &both).await.0, 200);
    assert_eq!(redeem(&begin(""), &both[..1]).await.0, 400);
    let log = server.requests();
    assert_eq!(log.last().unwrap().targets.len(), 1);
}
