//! The authorization server for tests is as strict as it claims to be.

use std::time::Duration;

use serde_json::Value;
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate, Outcome, profile};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const STATE: &str = "0123456789abcdef";
const GROUPS: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";
const REDIRECT: &str = "http://127.0.0.1:1/";

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    client.pool_max_idle_per_host(0).build().unwrap()
}

/// The first token of an issued response, as access and refresh token.
fn issued(server: &AuthServer, scope: &str) -> (String, String) {
    tokens(&serde_json::from_str(&server.issue(AuthServer::NATIVE_CLIENT, scope)).unwrap())
}

fn tokens(body: &Value) -> (String, String) {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn post(url: String, form: &[(&str, &str)]) -> reqwest::Result<(u16, Value)> {
    let response = client().post(url).form(form).send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

async fn refresh(server: &AuthServer, refresh_token: &str) -> (u16, Value) {
    try_refresh(server, refresh_token).await.unwrap()
}

async fn try_refresh(server: &AuthServer, refresh_token: &str) -> reqwest::Result<(u16, Value)> {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", AuthServer::NATIVE_CLIENT),
        ("refresh_token", refresh_token),
    ];
    post(server.token_url(), &form).await
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_revokes_the_family() {
    let server = AuthServer::start();
    let (_, first) = issued(&server, "read");
    let (other_access, _) = issued(&server, "read");
    let (status, body) = refresh(&server, &first).await;
    assert_eq!(status, 200);
    let (access, second) = tokens(&body);
    assert!(server.is_active(&access) && server.is_active(&second));
    let (status, body) = refresh(&server, &first).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(server.reuse_detections(), 1);
    assert!(
        !server.is_active(&access) && !server.is_active(&second),
        "the family is revoked"
    );
    assert!(server.is_active(&other_access), "and no other");
    assert_eq!(refresh(&server, &second).await.0, 400);
    assert_eq!((server.refresh_requests(), server.reuse_detections()), (3, 1));
}

#[tokio::test]
async fn within_the_grace_window_a_spent_token_may_come_again() {
    let mut config = Config::default();
    config.grace = Duration::from_secs(3600);
    let server = AuthServer::start_with(config);
    let (_, first) = issued(&server, "read");
    assert_eq!(refresh(&server, &first).await.0, 200);
    assert_eq!(refresh(&server, &first).await.0, 200);
    assert_eq!(server.reuse_detections(), 0);
}

#[tokio::test]
async fn faults_come_in_order_and_say_whether_the_token_was_spent() {
    let server = AuthServer::start();
    let (_, token) = issued(&server, "read");
    let status = |status| Fault::Status {
        status,
        retry_after: Some(7),
    };
    server.script(Endpoint::Token, status(503));
    server.script(Endpoint::Token, Fault::DropConnection);
    server.script(Endpoint::Token, Fault::Omit(&["refresh_token", "scope"]));
    assert_eq!(refresh(&server, &token).await.0, 503);
    assert!(try_refresh(&server, &token).await.is_err());
    assert!(server.is_active(&token), "neither of them spent it");
    let (_, body) = refresh(&server, &token).await;
    assert!(body["access_token"].is_string() && body["refresh_token"].is_null() && body["scope"].is_null());
    for fault in [Fault::DropAnswer, Fault::TruncateAnswer] {
        let (_, token) = issued(&server, "read");
        server.script(Endpoint::Token, fault);
        assert!(try_refresh(&server, &token).await.is_err());
        assert!(!server.is_active(&token), "spent, and the answer lost");
    }
    let outcomes: Vec<_> = server.requests().into_iter().map(|request| request.outcome).collect();
    use Outcome::{Faulted, Issued};
    assert_eq!(outcomes, [Faulted, Faulted, Issued, Issued, Issued]);
}

#[tokio::test]
async fn a_gate_holds_a_request_until_it_opens() {
    let server = AuthServer::start();
    let (_, token) = issued(&server, "read");
    let gate = Gate::new();
    server.script(Endpoint::Token, Fault::GateAfter(gate.clone()));
    let asking = tokio::spawn({
        let (url, token) = (server.token_url(), token.clone());
        async move {
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", AuthServer::NATIVE_CLIENT),
                ("refresh_token", &token),
            ];
            post(url, &form).await.unwrap()
        }
    });
    gate.arrived().await;
    assert!(!server.is_active(&token), "it was spent before the gate");
    assert!(!asking.is_finished());
    gate.open();
    assert_eq!(asking.await.unwrap().0, 200);
}

async fn code(server: &AuthServer, change: impl Fn(&mut Vec<(&str, String)>)) -> Result<String, u16> {
    let mut query = vec![
        ("client_id", AuthServer::NATIVE_CLIENT.to_owned()),
        ("redirect_uri", REDIRECT.to_owned()),
        ("response_type", "code".to_owned()),
        ("scope", format!("openid {GROUPS}")),
        ("state", STATE.to_owned()),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
    ];
    change(&mut query);
    let page = client()
        .get(format!("{}/v2/oauth2/authorize", server.url()))
        .query(&query);
    let status = page.send().await.unwrap().status().as_u16();
    if status != 200 {
        return Err(status);
    }
    query.push(("decision", "approve".to_owned()));
    let decision = client().post(format!("{}/v2/oauth2/authorize/decision", server.url()));
    let response = decision.form(&query).send().await.unwrap();
    let target = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(target.starts_with(REDIRECT) && target.contains(STATE), "{target}");
    let code = target.split("code=").nth(1).unwrap();
    Ok(code.split('&').next().unwrap().to_owned())
}

async fn redeem(server: &AuthServer, code: &str, verifier: &str, redirect: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", AuthServer::NATIVE_CLIENT),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect),
    ];
    post(server.token_url(), &form).await.unwrap()
}

#[tokio::test]
async fn the_code_flow_checks_pkce_redirect_and_single_use() {
    let server = AuthServer::start();
    let good = code(&server, |_| ()).await.unwrap();
    let wrong_verifier = VERIFIER.replace('d', "e");
    assert_eq!(redeem(&server, &good, &wrong_verifier, REDIRECT).await.0, 400);
    assert_eq!(redeem(&server, &good, VERIFIER, "http://127.0.0.1:2/").await.0, 400);
    let (status, body) = redeem(&server, &good, VERIFIER, REDIRECT).await;
    assert_eq!(status, 200);
    assert_eq!(body["resource_server"], "auth.globus.org");
    assert_eq!(body["other_tokens"][0]["resource_server"], "groups.api.globus.org");
    assert_eq!(body["id_token"].as_str().unwrap().split('.').count(), 3);
    let (access, _) = tokens(&body);
    assert!(server.is_active(&access));
    assert_eq!(redeem(&server, &good, VERIFIER, REDIRECT).await.0, 400);
    assert!(!server.is_active(&access), "a code that comes twice costs its tokens");
}

#[tokio::test]
async fn bad_authorization_requests_are_refused_on_the_page() {
    let server = AuthServer::start();
    for (name, value) in [
        ("redirect_uri", "https://evil.example.org/"),
        ("redirect_uri", "http://127.0.0.1:1@evil.example.org/"),
        ("response_type", "token"),
        ("state", "_default"),
        ("code_challenge_method", "plain"),
    ] {
        let refused = code(&server, |query| {
            query.retain(|(known, _)| *known != name);
            query.push((name, value.to_owned()));
        });
        assert_eq!(refused.await, Err(400), "{name}={value}");
    }
    let without_pkce = code(&server, |query| {
        query.retain(|(name, _)| !name.starts_with("code_challenge"))
    });
    assert_eq!(without_pkce.await, Err(400));
}

#[tokio::test]
async fn groups_need_a_good_token_of_the_right_service() {
    let server = AuthServer::start();
    let ask = async |token: &str| {
        let request = client()
            .get(format!("{}/v2/groups/my_groups", server.url()))
            .bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let (groups, _) = issued(&server, GROUPS);
    let (other, _) = issued(&server, "openid");
    assert_eq!(
        (ask(&groups).await, ask(&other).await, ask("guess").await),
        (200, 403, 401)
    );
    server.expire_access_tokens();
    assert_eq!(ask(&groups).await, 401);
}

#[tokio::test]
async fn revocation_and_introspection_agree() {
    let server = AuthServer::start();
    let (access, token) = issued(&server, "read");
    let (service, secret) = (AuthServer::SERVICE_CLIENT, AuthServer::SERVICE_SECRET);
    let introspect = async |token: &str| {
        let form = [("token", token), ("client_id", service), ("client_secret", secret)];
        let url = format!("{}/introspect", server.token_url());
        post(url, &form).await.unwrap().1["active"].as_bool()
    };
    assert_eq!(introspect(&access).await, Some(true));
    let stranger = [("token", token.as_str()), ("client_id", "stranger")];
    post(server.revocation_url(), &stranger).await.unwrap();
    assert_eq!(introspect(&token).await, Some(true), "a stranger cannot revoke it");
    let owner = [("token", token.as_str()), ("client_id", AuthServer::NATIVE_CLIENT)];
    assert_eq!(post(server.revocation_url(), &owner).await.unwrap().0, 200);
    assert_eq!(
        (introspect(&token).await, introspect(&access).await),
        (Some(false), Some(false))
    );
}

#[tokio::test]
async fn a_device_waits_until_a_person_decides() {
    let mut config = Config::default();
    config.device_interval = 0;
    let server = AuthServer::start_with(config);
    let url = format!("{}/v2/oauth2/device_authorization", server.url());
    let form = [("client_id", AuthServer::NATIVE_CLIENT), ("scope", "read")];
    let (_, device) = post(url, &form).await.unwrap();
    let poll = async || {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", AuthServer::NATIVE_CLIENT),
            ("device_code", device["device_code"].as_str().unwrap()),
        ];
        post(server.token_url(), &form).await.unwrap()
    };
    assert_eq!(poll().await.1["error"], "authorization_pending");
    let user_code = device["user_code"].as_str().unwrap();
    let approve = [("user_code", user_code), ("decision", "approve")];
    assert_eq!(post(format!("{}/device", server.url()), &approve).await.unwrap().0, 200);
    assert_eq!(poll().await.0, 200);
    assert_eq!(poll().await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn the_log_shows_no_token() {
    let server = AuthServer::start();
    let (_, token) = issued(&server, "read");
    refresh(&server, &token).await;
    assert!(!format!("{:?}", server.requests()).contains(&token));
    assert_eq!(
        server.requests()[0].params["refresh_token"],
        token,
        "but it is there to be looked at"
    );
}

#[tokio::test]
async fn a_profile_is_strict_about_the_client_and_speaks_its_own_way() {
    let mut config = Config::default();
    config.name_resource_server = false;
    config.profile.client = Some(profile::Client::Public);
    config.profile.status = 201;
    config.profile.nested = Some("body");
    config.profile.expiry = profile::Expiry::InText;
    config.profile.scopes = profile::Scopes::Commas;
    config.profile.revokes = false;
    config.profile.refusal = Some(profile::Refusal {
        status: 200,
        body: r#"{"ok":false}"#,
    });
    let server = AuthServer::start_with(config);
    let (_, token) = issued(&server, "read write");
    let (status, body) = refresh(&server, &token).await;
    let tokens = &body["body"];
    assert_eq!(
        (status, &tokens["expires_in"], &tokens["scope"]),
        (201, &"3600".into(), &"read,write".into())
    );
    let (status, body) = refresh(&server, &token).await;
    assert_eq!((status, &body["ok"]), (200, &false.into()));
    assert_eq!(server.reuse_detections(), 1, "whatever it is called");
    let confidential = [
        ("grant_type", "client_credentials"),
        ("client_id", AuthServer::SERVICE_CLIENT),
        ("client_secret", AuthServer::SERVICE_SECRET),
    ];
    assert_eq!(post(server.token_url(), &confidential).await.unwrap().0, 401);
    let owner = [("token", token.as_str()), ("client_id", AuthServer::NATIVE_CLIENT)];
    assert_eq!(post(server.revocation_url(), &owner).await.unwrap().0, 404);
}
