//! Answers in other shapes than RFC 6749 has them, and what becomes of those that cannot be used.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use token_storage::{
    IssuedBy, Secret, TokenData, TokenKey, TokenPath, TokenResponse, async_trait,
    manager::{EndpointError, RefreshRequest, TokenEndpoint as _},
    oauth::{HttpAnswer, HttpClient, HttpRequest, HttpTransport, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault};

use crate::support::{Browser, code_page, options, world};

fn says(status: u16, content_type: &'static str, body: &'static str) -> Fault {
    Fault::Answer {
        status,
        content_type,
        body,
    }
}

async fn service(server: &AuthServer) -> OAuthClient {
    let http = HttpClient::new().unwrap();
    let provider = Provider::discover(&http, &server.url()).await.unwrap();
    OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT)
}

fn record(refresh_token: &str) -> TokenData {
    let mut data = TokenData::new("rs", "read", Secret::from("old"));
    data.refresh_token = Some(refresh_token.into());
    data
}

#[tokio::test]
async fn a_form_and_a_created_are_answers_too() {
    let (server, client) = world().await;
    let form = "access_token=new%2B1&expires_in=3600&token_type=bearer";
    let json = r#"{"access_token":"new+1","expires_in":3600,"token_type":"bearer"}"#;
    for (status, content_type, body) in [
        (200, "application/x-www-form-urlencoded", form),
        (200, "text/html", form),
        (201, "application/json", json),
        (201, "application/x-www-form-urlencoded; charset=utf-8", form),
    ] {
        server.script(Endpoint::Token, says(status, content_type, body));
        let login = client.client_credentials("read").await.unwrap();
        assert_eq!(
            login.primary().access_token.expose(),
            "new+1",
            "{status} {content_type}"
        );
        server.script(Endpoint::Token, says(status, content_type, body));
        let (key, data) = (TokenKey::in_default("rs"), record("rt"));
        let fresh = client.refresh(RefreshRequest::new(&key, &data, 1_000)).await.unwrap();
        assert_eq!(
            fresh.primary().access_token.expose(),
            "new+1",
            "{status} {content_type}"
        );
        assert_eq!(fresh.primary().expires_at, Some(4_600));
    }
}

#[tokio::test]
async fn a_token_is_found_under_a_path_at_login_and_at_refresh() {
    let (server, client) = world().await;
    let client = client.with_token_path(TokenPath::parse("authed_user").unwrap());
    let nested = r#"{"ok":true,"access_token":"bot","authed_user":{"access_token":"mine"}}"#;
    server.script(Endpoint::Token, says(200, "application/json", nested));
    let login = client.client_credentials("").await.unwrap();
    assert_eq!(login.primary().access_token.expose(), "mine");
    assert_eq!(login.warnings(), []);
    let data = login.with_resource_server("rs").unwrap().primary().to_data().unwrap();
    let from = IssuedBy::of(&data).unwrap().unwrap();
    assert_eq!(from.token_path.as_deref(), Some("authed_user"), "the record keeps it");

    for (body, token, warnings) in [
        (nested, "mine", 0),
        (r#"{"ok":true,"access_token":"plain"}"#, "plain", 1),
    ] {
        server.script(Endpoint::Token, says(200, "application/json", body));
        let (key, data) = (TokenKey::in_default("rs"), record("rt"));
        let fresh = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap();
        assert_eq!(fresh.primary().access_token.expose(), token);
        assert_eq!(fresh.warnings().len(), warnings, "{:?}", fresh.warnings());
    }
}

#[tokio::test]
async fn what_is_odd_in_an_answer_is_told_to_who_logs_in() {
    let (server, client) = world().await;
    server.script(
        Endpoint::Token,
        says(200, "application/json", r#"{"access_token":"at","expires_in":-1}"#),
    );
    let login = client.client_credentials("").await.unwrap();
    assert_eq!(login.warnings()[0].member(), "expires_in");
}

/// Else nobody would know why the same server works with another program.
#[tokio::test]
async fn a_token_where_nobody_looked_for_it_is_told_with_its_place() {
    let (server, client) = world().await;
    let body = r#"{"data":{"access_token":"canary","refresh_token":"canary"},"error":""}"#;
    server.script(Endpoint::Token, says(200, "application/json", body));
    let told = client.client_credentials("").await.unwrap_err().to_string();
    assert!(
        told.contains("in its member `data`") && told.contains("127.0.0.1"),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
}

fn compressed<W: Write>(mut encoder: W, text: &str, finish: fn(W) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(text.as_bytes()).unwrap();
    finish(encoder).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    compressed(GzEncoder::new(Vec::new(), Compression::best()), text, GzEncoder::finish)
}

fn zlib(text: &str) -> Vec<u8> {
    compressed(
        ZlibEncoder::new(Vec::new(), Compression::best()),
        text,
        ZlibEncoder::finish,
    )
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf32(text: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0xfe, 0xff];
    bytes.extend(text.chars().flat_map(|c| u32::from(c).to_be_bytes()));
    bytes
}

/// With a member that is no ASCII.
fn latin(text: &str) -> Vec<u8> {
    let named = text.replacen('{', r#"{"name":"Zo~","#, 1);
    named
        .bytes()
        .map(|byte| if byte == b'~' { 0xeb } else { byte })
        .collect()
}

/// Real tokens of the strict server, on which it has spent a refresh token: none of them is lost to its encoding.
#[tokio::test]
async fn a_token_in_another_encoding_is_read() {
    type Change = fn(&str) -> Vec<u8>;
    let nothing: &[(&str, &str)] = &[];
    let (server, client) = world().await;
    let mut token = login(&server, &client).await;
    for (what, body, headers) in [
        ("hijacking", (|text| format!(")]}}'\n{text}").into()) as Change, nothing),
        (
            "hijacking with a comma",
            |text| format!(")]}}',\n{text}").into(),
            nothing,
        ),
        ("while", |text| format!("while(1);{text}").into(), nothing),
        ("for", |text| format!("for (;;);{text}").into(), nothing),
        ("start", |text| format!("&&&START&&&{text}").into(), nothing),
        ("call", |text| format!("callback( {text} );\n").into(), nothing),
        (
            "notice",
            |text| format!("<br />\n<b>Notice</b>: x[1] in <b>/t.php</b><br />\n{text}").into(),
            nothing,
        ),
        ("comment", |text| format!("{text}\n<!-- 0.02 s -->").into(), nothing),
        ("mark", |text| format!("\u{feff}{text}").into(), nothing),
        (
            "utf-16",
            utf16,
            &[("content-type", "application/json; charset=utf-16le")],
        ),
        ("utf-16 unnamed", utf16, nothing),
        ("utf-32", utf32, nothing),
        (
            "latin",
            latin,
            &[("content-type", "application/json;charset=ISO-8859-1")],
        ),
        ("gzip", gzip, &[("content-encoding", "gzip")]),
        ("gzip unnamed", gzip, nothing),
        ("deflate", zlib, &[("content-encoding", "deflate")]),
        ("wrongly named", |text| text.into(), &[("content-encoding", "br")]),
        (
            "gzip and a prefix",
            |text| gzip(&format!(")]}}'\n{text}")),
            &[("content-encoding", "x-gzip")],
        ),
    ] {
        server.script(Endpoint::Token, Fault::Encoded { body, headers });
        let (key, data) = (TokenKey::in_default("rs"), record(&token));
        let fresh = client.refresh(RefreshRequest::new(&key, &data, 0)).await;
        let fresh = fresh.unwrap_or_else(|error| panic!("{what}: {error}"));
        let fresh = fresh.primary();
        assert!(server.is_active(fresh.access_token.expose()), "{what}");
        fresh.refresh_token.as_ref().unwrap().expose().clone_into(&mut token);
        if what == "latin" {
            assert_eq!(fresh.extra.get("name"), Some("\"Zoë\""));
        }
    }
}

async fn login(server: &AuthServer, client: &OAuthClient) -> String {
    let login = client.begin_login(&options(), &code_page(server)).unwrap();
    let shown = Browser::new().decide(login.url(), "approve").await;
    let response = login.finish_with_redirect(shown.as_str()).await.unwrap();
    response.primary().refresh_token.as_ref().unwrap().expose().to_owned()
}

#[tokio::test]
async fn an_encoding_that_cannot_be_read_is_told() {
    let (server, client) = world().await;
    let token = login(&server, &client).await;
    let body = |_: &str| vec![0x0b, 0x05, 0x80, 0xff];
    let headers = &[("content-encoding", "br")];
    server.script(Endpoint::Token, Fault::Encoded { body, headers });
    let (key, data) = (TokenKey::in_default("rs"), record(&token));
    let error = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap_err();
    assert!(error.to_string().contains("is compressed by br"), "{error}");
    assert!(error.to_string().contains(&server.url()), "{error}");
    assert!(error.may_have_been_done());
}

/// What the server says of itself, its keys and its refusals come from the same programs.
#[tokio::test]
async fn other_answers_in_another_encoding_are_read_too() {
    let server = AuthServer::start();
    let headers = &[];
    let prefixed = || Fault::Encoded {
        body: |text| format!(")]}}'\n{text}").into(),
        headers,
    };
    let wide = Fault::Encoded { body: utf16, headers };
    server.script(Endpoint::OpenIdConfiguration, wide.clone());
    server.script(Endpoint::Keys, prefixed());
    let client = service(&server).await;
    login(&server, &client).await;
    assert_eq!(server.count(Endpoint::Keys), 1);
    for fault in [wide, prefixed()] {
        server.script(Endpoint::Token, fault);
        let (key, data) = (TokenKey::in_default("rs"), record("unknown"));
        let error = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap_err();
        assert_eq!(error.code(), Some("invalid_grant"), "{error}");
    }
}

#[tokio::test]
async fn a_login_revokes_what_it_cannot_use() {
    let (server, client) = world().await;
    for (body, revoked) in [
        (r#"{"authed_user":{"access_token":"at","refresh_token":"rt"}}"#, 2),
        (r#"{"access_token":7,"refresh_token":"rt"}"#, 1),
        ("refresh_token=rt&scope=read", 1),
        ("<html>", 0),
    ] {
        let before = server.count(Endpoint::Revoke);
        server.script(Endpoint::Token, says(200, "application/json", body));
        assert!(client.client_credentials("").await.is_err(), "{body}");
        assert_eq!(server.count(Endpoint::Revoke) - before, revoked, "{body}");
    }
}

/// A program's hook: it signs each request, and takes the token out of what this server wraps it in.
#[derive(Debug)]
struct Hook {
    inner: Arc<dyn HttpTransport>,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl HttpTransport for Hook {
    async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, EndpointError> {
        self.sent.lock().unwrap().push(format!("{request:?}"));
        let answer = self.inner.send(request.with_header("DPoP", "proof".into())).await?;
        let body = String::from_utf8_lossy(answer.body()).replace("the_token", "access_token");
        Ok(answer.with_body(body))
    }
}

#[tokio::test]
async fn a_program_may_change_requests_and_answers() {
    let server = AuthServer::start();
    let hook = Arc::new(Hook {
        inner: HttpClient::new().unwrap().transport().clone(),
        sent: Mutex::default(),
    });
    let http = HttpClient::with_transport(hook.clone());
    let provider = Provider::discover(&http, &server.url()).await.unwrap();
    let client = OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT);
    server.script(Endpoint::Token, says(200, "application/json", r#"{"the_token":"at"}"#));
    let (key, data) = (TokenKey::in_default("rs"), record("rt-secret"));
    let fresh = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap();
    assert_eq!(fresh.primary().access_token.expose(), "at");
    let sent = hook.sent.lock().unwrap();
    assert_eq!(sent.len(), server.requests().len(), "every request passes it: {sent:?}");
    assert!(!format!("{sent:?}").contains("rt-secret"));
}

/// What a record says of `client`'s server, and a token of it.
async fn recorded(server: &AuthServer) -> (OAuthClient, IssuedBy, TokenData) {
    let issued_by = service(server).await.issued_by();
    (of(&issued_by), issued_by, issued(server))
}

/// A record with a refresh token that this server takes.
fn issued(server: &AuthServer) -> TokenData {
    let response = TokenResponse::parse(server.issue(AuthServer::NATIVE_CLIENT, "openid"), 0).unwrap();
    record(response.primary().refresh_token.as_ref().unwrap().expose())
}

fn of(issued_by: &IssuedBy) -> OAuthClient {
    let provider = Provider::of_record(issued_by).unwrap().unwrap();
    OAuthClient::new(HttpClient::new().unwrap(), provider, AuthServer::NATIVE_CLIENT)
}

fn asked_for_addresses(server: &AuthServer) -> usize {
    server.count(Endpoint::OpenIdConfiguration) + server.count(Endpoint::Metadata)
}

#[tokio::test]
async fn a_record_is_enough_to_refresh_and_to_log_out() {
    let (server, _) = world().await;
    let (client, _, data) = recorded(&server).await;
    let before = asked_for_addresses(&server);
    let key = TokenKey::in_default("rs");
    let fresh = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap();
    client.revoke_response(&fresh).await;
    assert_eq!(server.count(Endpoint::Token), 1);
    assert!(!server.is_active(fresh.primary().access_token.expose()));
    assert_eq!(asked_for_addresses(&server), before);
}

#[tokio::test]
async fn addresses_that_are_gone_are_asked_for_again() {
    let (server, _) = world().await;
    let (_, real, data) = recorded(&server).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let key = TokenKey::in_default("rs");
    for old in [format!("{}/no/such/path", server.url()), format!("http://{gone}/t")] {
        let mut moved = real.clone();
        moved.token_endpoint = Some(old.clone());
        moved.revocation_endpoint = Some(old.clone());
        let client = of(&moved);
        let before = (asked_for_addresses(&server), server.refresh_requests());
        let data = issued(&server);
        let fresh = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap();
        assert!(server.is_active(fresh.primary().access_token.expose()), "{old}");
        client.revoke_response(&fresh).await;
        assert!(!server.is_active(fresh.primary().access_token.expose()), "{old}");
        assert_eq!(
            (
                asked_for_addresses(&server) - before.0,
                server.refresh_requests() - before.1
            ),
            (1, 1),
            "{old}"
        );
    }

    // What another server may have done is not done again, and where nothing better is known the first failure is told.
    for status in [400, 404, 410, 500] {
        let client = of(&real);
        let before = server.count(Endpoint::Token);
        server.script(
            Endpoint::Token,
            Fault::Status {
                status,
                retry_after: None,
            },
        );
        let error = client.refresh(RefreshRequest::new(&key, &data, 0)).await.unwrap_err();
        assert_eq!(
            (error.status(), server.count(Endpoint::Token) - before),
            (Some(status), 1)
        );
    }
}

#[tokio::test]
async fn a_record_without_a_revocation_endpoint_is_helped() {
    let (server, _) = world().await;
    let (_, mut old, data) = recorded(&server).await;
    old.revocation_endpoint = None;
    let client = of(&old);
    let before = asked_for_addresses(&server);
    let token = data.refresh_token.unwrap();
    client
        .revoke_token(&token, token_storage::manager::TokenKind::Refresh)
        .await
        .unwrap();
    assert_eq!(server.live_refresh_tokens(), 0);
    assert_eq!(asked_for_addresses(&server) - before, 1);
}
