//! The authorization code flow, without a listener.

use token_storage::oauth::{ClientAuth, HttpClient, LoginErrorKind, LoginOptions, OAuthClient, Provider};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault};

use crate::support::{
    Browser, assert_logged_in, assert_nothing_redeemed, code_of, code_page, options, param, world, world_with,
};

const REDIRECT: &str = "http://127.0.0.1:1/back";

#[tokio::test]
async fn a_pasted_code_logs_in() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), &code_page(&server)).unwrap();
    let shown = Browser::new().decide(login.url(), "approve").await;
    let code = param(&shown, "code").unwrap();
    let response = login.finish_with_pasted(&format!("  {code}\r\n")).await.unwrap();
    assert_logged_in(&server, &response);
}

#[tokio::test]
async fn a_pasted_address_logs_in_and_is_checked() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), REDIRECT).unwrap();
    let other = client.begin_login(&options(), REDIRECT).unwrap();
    let target = Browser::new().decide(login.url(), "approve").await;
    let error = other.finish_with_pasted(target.as_str()).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::StateMismatch);
    assert_nothing_redeemed(&server);
    let response = login.finish_with_pasted(&format!("{target}\n")).await.unwrap();
    assert_logged_in(&server, &response);
}

#[tokio::test]
async fn the_address_has_all_that_protects_the_login() {
    let (server, client) = world().await;
    let asked = options().with_parameter("access_type", "offline").unwrap();
    let asked = asked.with_parameter("prompt", "login").unwrap();
    let [one, two] = [(); 2].map(|()| client.begin_login(&asked, REDIRECT).unwrap().url().to_owned());
    assert!(
        one.as_str()
            .starts_with(&format!("{}/v2/oauth2/authorize?", server.url()))
    );
    for (name, value) in [
        ("client_id", AuthServer::NATIVE_CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", asked.scope()),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
        ("prompt", "login"),
    ] {
        assert_eq!(param(&one, name).as_deref(), Some(value), "{name}");
    }
    for random in ["state", "nonce", "code_challenge"] {
        let [one, two] = [&one, &two].map(|url| param(url, random).unwrap());
        assert!(
            one.len() >= 22 && one != two,
            "{random}: 128 random bits, new each time"
        );
    }
    let anonymous = client.begin_login(&LoginOptions::new("read"), REDIRECT).unwrap();
    assert_eq!(param(anonymous.url(), "nonce"), None, "nothing would hold it");
}

#[tokio::test]
async fn the_answer_to_another_login_is_refused() {
    let (server, client) = world().await;
    for change in ["", "code=x", "code=x&state=", "code=x&state=0123456789abcdefghijkl"] {
        for redirect in [change.to_owned(), format!("{REDIRECT}?{change}")] {
            let login = client.begin_login(&options(), REDIRECT).unwrap();
            let error = login.finish_with_redirect(&redirect).await.unwrap_err();
            assert_eq!(error.kind(), LoginErrorKind::StateMismatch, "{redirect}");
        }
    }
    assert_nothing_redeemed(&server);
}

#[tokio::test]
async fn no_is_no() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), REDIRECT).unwrap();
    let target = Browser::new().decide(login.url(), "deny").await;
    let error = login.finish_with_redirect(target.as_str()).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Denied);
    assert_nothing_redeemed(&server);
}

#[tokio::test]
async fn a_code_is_only_good_for_the_login_it_was_given_to() {
    let (server, client) = world().await;
    let one = client.begin_login(&options(), &code_page(&server)).unwrap();
    let two = client.begin_login(&options(), &code_page(&server)).unwrap();
    let code = param(&Browser::new().decide(one.url(), "approve").await, "code").unwrap();
    // Its verifier is another one (RFC 7636).
    let error = two.finish_with_pasted(&code).await.unwrap_err();
    assert_eq!(
        (error.kind(), code_of(&error)),
        (LoginErrorKind::Server, Some("invalid_grant"))
    );
    assert_logged_in(&server, &one.finish_with_pasted(&code).await.unwrap());
}

#[tokio::test]
async fn a_code_that_comes_twice_costs_its_tokens_and_says_so() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), &code_page(&server)).unwrap();
    let code = param(&Browser::new().decide(login.url(), "approve").await, "code").unwrap();
    let response = login.finish_with_pasted(&code).await.unwrap();
    let again = client.begin_login(&options(), &code_page(&server)).unwrap();
    let error = again.finish_with_pasted(&code).await.unwrap_err();
    assert_eq!(code_of(&error), Some("invalid_grant"));
    assert!(!server.is_active(response.primary().access_token.expose()));
}

#[tokio::test]
async fn nothing_pasted_is_told_without_asking_anyone() {
    let (server, client) = world().await;
    for nothing in ["", " \r\n"] {
        let login = client.begin_login(&options(), &code_page(&server)).unwrap();
        let error = login.finish_with_pasted(nothing).await.unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Answer);
    }
    assert_nothing_redeemed(&server);
}

#[tokio::test]
async fn a_server_that_names_itself_is_held_to_it() {
    let (server, client) = world_with(|config| config.issuer_in_redirects = true).await;
    assert!(client.provider().issuer_in_redirects(), "discovered");
    let browser = Browser::new();
    for (issuer, fine) in [
        (Some(&*server.url()), true),
        (Some("https://elsewhere.example.org"), false),
        (None, false),
    ] {
        let login = client.begin_login(&options(), REDIRECT).unwrap();
        let mut target = browser.decide(login.url(), "approve").await;
        let rest: Vec<_> = target
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| name != "iss")
            .collect();
        assert_eq!(rest.len(), 2, "the server named itself");
        target.query_pairs_mut().clear().extend_pairs(rest);
        if let Some(issuer) = issuer {
            target.query_pairs_mut().append_pair("iss", issuer);
        }
        let outcome = login.finish_with_redirect(target.as_str()).await;
        match (outcome, fine) {
            (Ok(response), true) => assert_logged_in(&server, &response),
            (Err(error), false) => assert_eq!(error.kind(), LoginErrorKind::StateMismatch),
            (outcome, _) => panic!("{issuer:?}: {outcome:?}"),
        }
        assert_eq!(server.count(Endpoint::Token), 1, "only the first was redeemed");
    }
}

#[tokio::test]
async fn a_confidential_client_logs_a_person_in_too() {
    let server = AuthServer::start();
    let http = HttpClient::new().unwrap();
    for client_auth in [ClientAuth::Header, ClientAuth::Form] {
        let provider = Provider::discover(&http, &server.url()).await.unwrap();
        let client = OAuthClient::new(http.clone(), provider, AuthServer::SERVICE_CLIENT)
            .with_secret(AuthServer::SERVICE_SECRET, client_auth);
        let login = client.begin_login(&options(), &code_page(&server)).unwrap();
        let target = Browser::new().decide(login.url(), "approve").await;
        let response = login.finish_with_redirect(target.as_str()).await.unwrap();
        assert_logged_in(&server, &response);
    }
    let last = server
        .requests()
        .into_iter()
        .rfind(|request| request.endpoint == Endpoint::Token);
    assert!(last.unwrap().params.contains_key("code_verifier"));
}

#[tokio::test]
async fn a_scope_that_the_answer_leaves_out_is_the_one_asked_for() {
    let (server, client) = world().await;
    let login = client
        .begin_login(&LoginOptions::new("read"), &code_page(&server))
        .unwrap();
    let code = param(&Browser::new().decide(login.url(), "approve").await, "code").unwrap();
    server.script(Endpoint::Token, Fault::Omit(&["scope"]));
    let response = login.finish_with_pasted(&code).await.unwrap();
    assert_eq!(response.primary().scope.as_deref(), Some("read"));
    assert_eq!(response.primary().identity_id, None, "nobody was asked for");
}

#[tokio::test]
async fn a_server_without_a_browser_login_is_a_matter_of_configuration() {
    let provider = Provider::new("https://auth.example.org/token").unwrap();
    let client = OAuthClient::new(HttpClient::new().unwrap(), provider, "client");
    let kinds = [
        client.begin_login(&options(), REDIRECT).unwrap_err().kind(),
        client
            .begin_loopback_login(&options(), OAuthClient::LOOPBACK)
            .unwrap_err()
            .kind(),
        client.begin_device_login(&options()).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [LoginErrorKind::Configuration; 3]);
}

/// The address that is at hand is that of the login itself: no attack, and nothing to ask the server.
#[tokio::test]
async fn the_address_of_the_login_pasted_back_is_told_as_that() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), &code_page(&server)).unwrap();
    let (own, place) = (
        login.url().to_owned(),
        url::Url::parse(login.url()).unwrap().path().to_owned(),
    );
    let error = login.finish_with_pasted(&own).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::Pasted);
    assert!(error.to_string().contains("the address to log in at"), "{error}");
    // One that has a code is a redirect, wherever it leads, and is checked as one.
    let login = client.begin_login(&options(), &code_page(&server)).unwrap();
    let other = format!("{}{place}?code=c&state=s", server.url());
    let error = login.finish_with_pasted(&other).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::StateMismatch);
    assert_nothing_redeemed(&server);
}

#[tokio::test]
async fn a_wrong_code_is_called_a_code() {
    let (server, client) = world().await;
    let login = client.begin_login(&options(), &code_page(&server)).unwrap();
    let error = login.finish_with_pasted("no-such-code").await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains(&server.url()) && said.contains("this code (invalid_grant"),
        "{said}"
    );
    assert!(!said.contains("token"), "{said}");
}
