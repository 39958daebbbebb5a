//! What the library says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use token_storage::{
    IssuedBy, MemoryStorage, Precondition, ResponsesExt as _, TokenData, TokenKey, TokenResponse, TokenStorage,
    TokenStorageExt as _,
    manager::{
        Clock, ConnectionProblem, EndpointError, Logout, ManagerBuilder, ManagerError, ManagerErrorKind,
        RefreshRequest, TokenEndpoint as _, TokenKind, TokenManager,
    },
    oauth::{HttpClient, LoginError, LoginKey, LoginOptions, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint, Fault, Gate, IdTokenFlaw};

use crate::{
    common::CANARY,
    rules::{By, Message},
    servers::{self, Tls},
};

fn message(when: &str, error: &impl std::fmt::Display, server: &str) -> Message {
    Message::new(By::Library, when, &error.to_string(), server)
}

pub(crate) async fn messages() -> Vec<Message> {
    let mut all = connections().await;
    all.extend(answers().await);
    all.extend(refreshes().await);
    all.extend(endings().await);
    all.extend(discovery().await);
    all.extend(browser_logins().await);
    all.extend(device_logins().await);
    all.extend(others().await);
    all
}

fn client_at(token_endpoint: &str, timeout: Duration) -> OAuthClient {
    let http = HttpClient::new().unwrap().with_timeout(timeout);
    OAuthClient::new(http, Provider::new(token_endpoint).unwrap(), "client")
}

/// Longer than any answer on loopback takes.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

async fn connections() -> Vec<Message> {
    use ConnectionProblem::{
        Broken, CertificateExpired, HeadersTooLarge, NotHttp, NotTls, Refused, TimedOut, Tls as TlsProblem, TlsBroken,
        TooLong, UnknownAuthority, UnknownName, WrongName,
    };
    let http = |address| (format!("http://{address}"), LONG);
    let https = |address| (format!("https://{address}"), LONG);
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let mut all = Vec::new();
    for (problem, when, (url, timeout)) in [
        (Refused, "nobody listens there", http(servers::refusing())),
        (
            UnknownName,
            "nobody knows the name",
            (format!("https://{}", servers::unknown_host()), LONG),
        ),
        (
            NotTls,
            "plain HTTP at an https address",
            https(servers::saying(200, "")),
        ),
        (
            WrongName,
            "a certificate for another name",
            https(servers::secured(Tls::WrongName)),
        ),
        (
            CertificateExpired,
            "an expired certificate",
            https(servers::secured(Tls::Expired)),
        ),
        (
            UnknownAuthority,
            "a certificate of an unknown authority",
            https(servers::secured(Tls::Stranger)),
        ),
        (
            TlsProblem,
            "no common version of TLS",
            https(servers::secured(Tls::Alert)),
        ),
        (
            TimedOut,
            "no answer in time",
            (format!("http://{}", servers::silent()), SHORT),
        ),
        (Broken, "an answer that breaks off", http(servers::answering(cut))),
        (TooLong, "an answer without end", http(servers::endless())),
        (HeadersTooLarge, "an answer with 5,000 headers", http(servers::wordy())),
        (NotHttp, "another protocol than HTTP", http(servers::no_http())),
        (
            TlsBroken,
            "a certificate of the client is wanted",
            https(servers::secured(Tls::WantsCertificate)),
        ),
    ] {
        let client = client_at(&format!("{url}/token"), timeout);
        let error = client.client_credentials("read").await.unwrap_err();
        let told = error.server().and_then(EndpointError::connection_problem);
        assert_eq!(told, Some(problem), "{when}: {error}");
        all.push(message(when, &error, &url));
    }
    all
}

fn record() -> TokenData {
    TokenData::new("api.example.org", "read", format!("{CANARY}-access"))
        .with_refresh_token(format!("{CANARY}-refresh-1"))
}

async fn answer(when: &str, server: std::net::SocketAddr) -> Message {
    let url = format!("http://{server}");
    let client = client_at(&format!("{url}/token"), LONG);
    let (key, data) = (TokenKey::in_default("api.example.org"), record());
    let error = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap_err();
    message(when, &error, &url)
}

/// What the token endpoint says to a refresh.
async fn answers() -> Vec<Message> {
    let repeats = format!(r#"{{"error":"invalid_grant","error_description":"token {CANARY}-refresh-1 is dead"}}"#);
    let odd = r#"{"error":"invalid_scope","error_description":"No\u001b[2J scope\r\n'x' here","error_uri":"https://auth.example.org/errors#scope"}"#;
    let mut all = Vec::new();
    for (when, status, body) in [
        (
            "the refresh token is refused, with a reason",
            400,
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
        ),
        ("the reason repeats the token, and is not told", 400, repeats.as_str()),
        ("a person is needed", 400, r#"{"error":"interaction_required"}"#),
        (
            "the token or the request is refused",
            400,
            r#"{"error":"invalid_request"}"#,
        ),
        ("the client is refused", 401, r#"{"error":"invalid_client"}"#),
        ("the request is refused, with a page to read", 400, odd),
        ("401 without a word", 401, ""),
        ("it may work later", 400, r#"{"error":"temporarily_unavailable"}"#),
        (
            "an error that nobody knows",
            400,
            r#"{"error":"computer_says_no","error_description":"abc"}"#,
        ),
        ("429", 429, ""),
        (
            "500",
            500,
            r#"{"error":"server_error","error_description":"The database sleeps."}"#,
        ),
        ("503", 503, "<html>"),
        ("404", 404, "<html>"),
        ("a success that cannot be read", 200, "<html>"),
    ] {
        all.push(answer(when, servers::saying(status, body)).await);
    }
    all.push(answer("a redirect", servers::redirecting()).await);
    all
}

#[derive(Debug, Default)]
struct Told(AtomicI64);

impl Clock for Told {
    fn wall(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn monotonic(&self) -> Duration {
        self.wall()
    }
}

/// A server, a storage with a token that has expired, and managers of it.
struct World {
    server: AuthServer,
    client: Arc<OAuthClient>,
    storage: MemoryStorage,
    clock: Arc<Told>,
    key: TokenKey,
}

impl World {
    async fn new() -> Self {
        let server = AuthServer::start();
        let http = HttpClient::new().unwrap();
        let provider = Provider::discover(&http, &server.url()).await.unwrap();
        let clock = Arc::new(Told::default());
        clock.0.store(1_795_649_003, Ordering::SeqCst);
        let world = Self {
            client: Arc::new(OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT)),
            server,
            storage: MemoryStorage::new(),
            clock,
            key: TokenKey::in_default("auth.globus.org"),
        };
        let body = world.server.issue(AuthServer::NATIVE_CLIENT, "openid");
        let response = TokenResponse::parse(body, 0)
            .unwrap()
            .with_issued_by(&world.client.issued_by());
        world.storage.store_response("DEFAULT", &response).await.unwrap();
        world
    }

    fn builder(&self) -> ManagerBuilder<MemoryStorage> {
        let builder = TokenManager::builder(self.storage.clone(), self.client.clone());
        builder.clock(self.clock.clone()).refresh_ahead(Duration::ZERO)
    }

    fn manager(&self) -> TokenManager<MemoryStorage> {
        self.builder().build().unwrap()
    }

    async fn edit(&self, change: impl FnOnce(&mut TokenData)) {
        let mut stored = self.storage.get(&self.key).await.unwrap().unwrap().data;
        change(&mut stored);
        self.storage.store(&self.key, &stored, Precondition::Any).await.unwrap();
    }

    /// What a refresh fails with that meets these faults, one after the other.
    async fn failure(&self, faults: &[Fault]) -> ManagerError {
        let mut failed = None;
        for fault in faults {
            self.server.script(Endpoint::Token, fault.clone());
            failed = Some(self.manager().access_token(&self.key).await.unwrap_err());
            self.clock.0.fetch_add(3600, Ordering::SeqCst);
        }
        failed.expect("a fault")
    }

    fn message(&self, when: &str, error: &impl std::fmt::Display) -> Message {
        message(when, error, &self.server.url())
    }
}

fn says(status: u16, body: &'static str) -> Fault {
    Fault::Answer {
        status,
        content_type: "application/json",
        body,
    }
}

async fn refreshes() -> Vec<Message> {
    let refused = || {
        says(
            400,
            r#"{"error":"invalid_grant","error_description":"The session has ended."}"#,
        )
    };
    let unknown = || says(400, r#"{"error":"computer_says_no"}"#);
    let mut all = Vec::new();
    for (when, faults) in [
        ("the refresh token is refused", vec![refused()]),
        (
            "an answer was lost, and the next try is refused",
            vec![Fault::DropAnswer, refused()],
        ),
        (
            "an error that nobody knows, five times",
            vec![unknown(), unknown(), unknown(), unknown(), unknown()],
        ),
        (
            "the client is refused",
            vec![says(401, r#"{"error":"invalid_client"}"#)],
        ),
        (
            "the server fails",
            vec![Fault::Status {
                status: 503,
                retry_after: None,
            }],
        ),
        ("the connection breaks", vec![Fault::DropConnection]),
    ] {
        let world = World::new().await;
        let error = world.failure(&faults).await;
        all.push(world.message(when, &error));
    }
    let world = World::new().await;
    world.server.script(Endpoint::Token, refused());
    let _ = world.manager().access_token(&world.key).await.unwrap_err();
    let error = world.manager().access_token(&world.key).await.unwrap_err();
    all.push(world.message("it was refused to another process before", &error));

    let world = World::new().await;
    world.storage.remove(&world.key, Precondition::Any).await.unwrap();
    let error = world.manager().access_token(&world.key).await.unwrap_err();
    all.push(world.message("there is no token", &error));

    let world = World::new().await;
    world.edit(|data| data.refresh_token = None).await;
    let error = world.manager().access_token(&world.key).await.unwrap_err();
    all.push(world.message("it has expired, and there is no refresh token", &error));

    let world = World::new().await;
    world.edit(|data| data.identity_id = Some("somebody else".into())).await;
    let odd = Fault::Member("id_token", r#""no.id.token""#);
    let error = world.failure(&[odd]).await;
    all.push(world.message("the answer does not say whose it is", &error));

    let world = World::new().await;
    world
        .edit(|data| data.extra.insert("token_storage_grant", "7").unwrap())
        .await;
    let error = world.manager().access_token(&world.key).await.unwrap_err();
    all.push(world.message("the record makes no sense", &error));

    let world = World::new().await;
    let gate = Gate::new();
    world.server.script(Endpoint::Token, Fault::GateBefore(gate.clone()));
    let manager = world.manager();
    let asked = async { manager.access_token(&world.key).await.unwrap_err() };
    let ended = async {
        gate.arrived().await;
        world.storage.remove(&world.key, Precondition::Any).await.unwrap();
        gate.open();
    };
    let (error, ()) = tokio::join!(asked, ended);
    all.push(world.message("somebody logged out meanwhile", &error));

    let world = World::new().await;
    let lease = world.storage.lease().unwrap().try_acquire(&world.key).await.unwrap();
    let hurried = world.builder().lease_wait(Duration::ZERO).build().unwrap();
    let error = hurried.access_token(&world.key).await.unwrap_err();
    all.push(world.message("another process is refreshing it", &error));
    drop(lease);

    // Its request takes as long, and on a busy machine ends first at times.
    let mut tries = 0..20;
    let (world, error) = loop {
        let world = World::new().await;
        world.server.script_all(Endpoint::Token, Some(Fault::Hang));
        let hurried = world.builder().timeout(SHORT).build().unwrap();
        let error = hurried.access_token(&world.key).await.unwrap_err();
        if error.kind() == ManagerErrorKind::TimedOut || tries.next().is_none() {
            break (world, error);
        }
    };
    all.push(world.message("a call takes longer than it may", &error));
    let world = World::new().await;
    world.server.script_all(Endpoint::Token, Some(Fault::Hang));
    let hurried = world.builder().request_timeout(SHORT).build().unwrap();
    let error = hurried.access_token(&world.key).await.unwrap_err();
    all.push(world.message("a request takes longer than it may", &error));

    let world = World::new().await;
    let manager = world.manager();
    let first = manager.access_token(&world.key).await.unwrap();
    let second = manager.rejected(&world.key, &first).await.unwrap();
    let error = manager.rejected(&world.key, &second).await.unwrap_err();
    all.push(world.message("a service refuses the refreshed token too", &error));

    let world = World::new().await;
    let other = IssuedBy::named("https://elsewhere.example", "another");
    let body = r#"{"access_token":"at","refresh_token":"rt","resource_server":"auth.globus.org","expires_in":0}"#;
    let theirs = TokenResponse::parse(body, 0).unwrap().with_issued_by(&other);
    let error = world.manager().store_login("DEFAULT", &theirs).await.unwrap_err();
    all.push(world.message("a login would replace another server's record", &error));
    world.storage.store_response("DEFAULT", &theirs).await.unwrap();
    let error = world.manager().access_token(&world.key).await.unwrap_err();
    all.push(world.message("the token came from another server", &error));
    all
}

/// Logging out.
async fn endings() -> Vec<Message> {
    let mut all = Vec::new();
    for (when, fault) in [
        (
            "revocation fails",
            Fault::Status {
                status: 503,
                retry_after: None,
            },
        ),
        (
            "revocation is refused",
            says(400, r#"{"error":"unsupported_token_type"}"#),
        ),
        ("revocation is not answered", Fault::DropConnection),
    ] {
        let world = World::new().await;
        world.server.script_all(Endpoint::Revoke, Some(fault));
        let error = world.manager().logout(&world.key, Logout::Revoke).await.unwrap_err();
        all.push(world.message(when, &error));
    }
    let world = World::new().await;
    let known = world.client.provider();
    let provider = Provider::new(known.token_endpoint())
        .unwrap()
        .with_issuer(known.issuer().unwrap())
        .unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let error = client
        .revoke_token(&"token".into(), TokenKind::Access)
        .await
        .unwrap_err();
    let manager = TokenManager::builder(world.storage.clone(), Arc::new(client))
        .build()
        .unwrap();
    let whole = manager.logout(&world.key, Logout::Revoke).await.unwrap_err();
    assert!(whole.to_string().contains(&error.problem()), "{whole}");
    all.push(world.message("no revocation endpoint is known", &whole));
    all
}

async fn discovery() -> Vec<Message> {
    let mut all = Vec::new();
    let elsewhere = r#"{"issuer":"https://elsewhere.example","token_endpoint":"https://elsewhere.example/t"}"#;
    for (when, url) in [
        ("nobody listens there", format!("http://{}", servers::refusing())),
        (
            "there is no discovery document",
            format!("http://{}", servers::saying(404, "")),
        ),
        ("it cannot be read", format!("http://{}", servers::saying(200, "{"))),
        (
            "it is of another issuer",
            format!("http://{}", servers::saying(200, elsewhere)),
        ),
        (
            "the issuer is not reached in time",
            format!("http://{}", servers::silent()),
        ),
    ] {
        let http = HttpClient::new().unwrap();
        let http = http.with_timeout(if when.contains("in time") { SHORT } else { LONG });
        let error = Provider::discover(&http, &url).await.unwrap_err();
        all.push(message(when, &error, &url));
    }
    let server = AuthServer::start();
    let plain = Fault::Member("token_endpoint", r#""http://auth.example.org/t""#);
    server.script(Endpoint::OpenIdConfiguration, plain.clone());
    server.script(Endpoint::Metadata, plain);
    let error = Provider::discover(&HttpClient::new().unwrap(), &server.url())
        .await
        .unwrap_err();
    all.push(message("it names an address without encryption", &error, &server.url()));
    let error = Provider::new("http://auth.example.org/t").unwrap_err();
    all.push(message("an address without encryption", &error, "auth.example.org"));
    all
}

async fn browser_logins() -> Vec<Message> {
    let world = World::new().await;
    let (client, server) = (&world.client, &world.server);
    let options = LoginOptions::new("openid");
    let page = format!("{}/v2/web/auth-code", server.url());
    let begin = || client.begin_login(&options, &page).unwrap();
    let mut all = Vec::new();
    let mut told = |when: &str, error: LoginError| all.push(world.message(when, &error));

    let login = begin();
    let denied = server.decide(login.url(), false);
    told(
        "the person says no",
        login.finish_with_redirect(&denied).await.unwrap_err(),
    );
    for (when, query) in [
        (
            "the login is refused, with a reason",
            "error=invalid_scope&error_description=Ask+for%0Aless.",
        ),
        ("the server cannot serve the login", "error=temporarily_unavailable"),
        ("the browser brings no code", "x=y"),
        (
            "the answer comes from another server",
            "code=c&iss=https%3A%2F%2Felsewhere.example",
        ),
    ] {
        let login = begin();
        let redirect = format!("{page}?state={}&{query}", login.state());
        told(when, login.finish_with_redirect(&redirect).await.unwrap_err());
    }
    let strange = format!("{page}?code={CANARY}&state=of-another-login");
    told(
        "the answer is of another login",
        begin().finish_with_redirect(&strange).await.unwrap_err(),
    );
    let login = begin();
    let own = login.url().to_owned();
    told(
        "the address to log in at is pasted",
        login.finish_with_pasted(&own).await.unwrap_err(),
    );
    told("nothing is pasted", begin().finish_with_pasted(" ").await.unwrap_err());
    told(
        "a wrong code is pasted",
        begin().finish_with_pasted(CANARY).await.unwrap_err(),
    );
    let late = client.begin_loopback_login(&options, OAuthClient::LOOPBACK).unwrap();
    told("nobody comes back", late.finish(Duration::ZERO).await.unwrap_err());
    for flaw in [
        IdTokenFlaw::Nonce,
        IdTokenFlaw::Audience,
        IdTokenFlaw::Signature,
        IdTokenFlaw::Expired,
    ] {
        server.script(Endpoint::Token, Fault::IdToken(flaw));
        let login = begin();
        let target = server.decide(login.url(), true);
        let error = login.finish_with_redirect(&target).await.unwrap_err();
        told(&format!("the id_token is wrong: {flaw:?}"), error);
    }
    let key = LoginKey::new([7; 32]);
    told(
        "a login that waited was not begun here",
        client.resume_login("e30", &key).unwrap_err(),
    );
    let sealed = begin().seal(&key, 0).unwrap();
    told(
        "a login waited too long",
        client.resume_login(sealed.expose(), &key).unwrap_err(),
    );
    all
}

async fn device_logins() -> Vec<Message> {
    let mut config = Config::default();
    config.device_interval = 1;
    let server = AuthServer::start_with(config);
    let http = HttpClient::new().unwrap();
    let provider = Provider::discover(&http, &server.url()).await.unwrap();
    let client = OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT);
    let options = LoginOptions::new("openid");
    let mut all = Vec::new();
    for (when, fault) in [
        (
            "the client may not log in by a device",
            says(400, r#"{"error":"unauthorized_client"}"#),
        ),
        ("the answer to the start cannot be read", says(200, "{}")),
    ] {
        server.script(Endpoint::DeviceAuthorization, fault);
        let error = client.begin_device_login(&options).await.unwrap_err();
        all.push(message(when, &error, &server.url()));
    }
    for (when, fault) in [
        (
            "the person says no, on another device",
            says(400, r#"{"error":"access_denied"}"#),
        ),
        (
            "nobody says anything, on another device",
            says(400, r#"{"error":"expired_token"}"#),
        ),
        (
            "the code is refused, on another device",
            says(400, r#"{"error":"invalid_grant"}"#),
        ),
    ] {
        let mut login = client.begin_device_login(&options).await.unwrap();
        server.script(Endpoint::Token, fault);
        let error = login.poll().await.unwrap_err();
        all.push(message(when, &error, &server.url()));
    }
    all
}

/// Servers that do not do everything, and services.
async fn others() -> Vec<Message> {
    let server = AuthServer::start();
    let provider = Provider::new(&server.token_url())
        .unwrap()
        .with_issuer(&server.url())
        .unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT);
    let options = LoginOptions::new("openid");
    let mut all = vec![
        message(
            "there is no way to log in with a browser",
            &client.begin_login(&options, "http://127.0.0.1:1").unwrap_err(),
            &server.url(),
        ),
        message(
            "there is no way to log in on another device",
            &client.begin_device_login(&options).await.unwrap_err(),
            &server.url(),
        ),
        message(
            "nobody says who somebody is",
            &client.user_info(&CANARY.into()).await.unwrap_err(),
            &server.url(),
        ),
    ];
    for (when, status, body) in [
        ("a service refuses the token", 401, ""),
        ("a service refuses the scopes", 403, r#"{"error":"insufficient_scope"}"#),
        ("a service fails", 500, ""),
    ] {
        let url = format!("http://{}", servers::saying(status, body));
        let error = client.get_resource(&url, &CANARY.into()).await.unwrap_err();
        all.push(message(when, &error, &url));
    }
    let unanswered = EndpointError::transient("it hides").with_server(&server.url());
    all.push(message(
        "an endpoint of the program's own fails",
        &unanswered,
        &server.url(),
    ));
    all
}
