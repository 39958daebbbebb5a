//! Parameters that are sent with each request for a token, and kept for the next.

use std::sync::Arc;

use token_storage::{
    Grant, MemoryStorage, Renewal, TokenKey, TokenResponse, TokenStorage,
    manager::TokenManager,
    oauth::{ClientAuth, LoginErrorKind, LoginKey, LoginOptions, OAuthClient},
};

use crate::{
    fake::{CLIENT, Fake, values},
    support::world,
};

fn options() -> LoginOptions {
    LoginOptions::new("read")
        .with_resource("https://api.example/a")
        .and_then(|options| options.with_resource("https://api.example/b"))
        .map(|options| options.with_audience("one").with_audience("two"))
        .and_then(|options| options.with_token_parameter("organization", "o-1"))
        .and_then(|options| options.with_parameter("prompt", "login"))
        .unwrap()
}

/// What [`options`] adds to a token request.
fn assert_named(form: &[(String, String)]) {
    assert_eq!(
        values(form, "resource"),
        ["https://api.example/a", "https://api.example/b"]
    );
    assert_eq!(values(form, "audience"), ["one", "two"]);
    assert_eq!(values(form, "organization"), ["o-1"]);
}

/// Keeps what a login gave, and lets a manager renew it.
async fn renew(client: OAuthClient, response: TokenResponse) {
    let manager = TokenManager::builder(MemoryStorage::new(), Arc::new(client))
        .build()
        .unwrap();
    let response = response.with_resource_server("rs").unwrap();
    manager.store_login("DEFAULT", &response).await.unwrap();
    // The second shows that a renewal keeps what the next one has to say.
    for _ in 0..2 {
        manager.refresh(&TokenKey::in_default("rs")).await.unwrap();
    }
}

#[tokio::test]
async fn a_browser_login_names_them_and_so_does_each_refresh() {
    let fake = Fake::new();
    let login = fake.client().begin_login(&options(), "https://app.example/").unwrap();
    let query: Vec<(String, String)> = url::Url::parse(login.url())
        .unwrap()
        .query_pairs()
        .into_owned()
        .collect();
    assert_named(&query);
    assert_eq!(values(&query, "prompt"), ["login"]);
    let response = login.finish_with_pasted("code").await.unwrap();
    renew(fake.client(), response).await;
    let forms = fake.forms("/token");
    let grants: Vec<_> = forms.iter().map(|form| values(form, "grant_type")[0]).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token", "refresh_token"]);
    for form in forms {
        assert_named(&form);
        assert!(values(&form, "prompt").is_empty(), "that is for the person");
    }
}

#[tokio::test]
async fn a_login_that_waited_elsewhere_names_them_too() {
    let fake = Fake::new();
    let key = LoginKey::new([7; 32]);
    let login = fake.client().begin_login(&options(), "https://app.example/").unwrap();
    let sealed = login.seal(&key, 600).unwrap();
    let login = fake.client().resume_login(sealed.expose(), &key).unwrap();
    let response = login.finish_with_pasted("code").await.unwrap();
    renew(fake.client(), response).await;
    assert_eq!(fake.forms("/token").len(), 3);
    fake.forms("/token").iter().for_each(|form| assert_named(form));
}

#[tokio::test]
async fn the_device_flow_names_them_too() {
    let fake = Fake::new();
    fake.answer(
        "/device",
        r#"{"device_code":"dc","user_code":"uc","verification_uri":"https://id.example/d","expires_in":600}"#,
    );
    let mut login = fake.client().begin_device_login(&options()).await.unwrap();
    let response = login.poll().await.unwrap().unwrap();
    renew(fake.client(), response).await;
    let started = &fake.forms("/device")[0];
    assert_named(started);
    assert_eq!(values(started, "prompt"), ["login"]);
    assert_eq!(fake.forms("/token").len(), 3);
    fake.forms("/token").iter().for_each(|form| assert_named(form));
}

#[tokio::test]
async fn a_client_renews_its_own_token_the_way_it_got_it() {
    let fake = Fake::new();
    fake.answer("/token", r#"{"access_token":"at","expires_in":60}"#);
    let client = fake.client().with_secret("s3cret", ClientAuth::Form);
    let response = client.client_credentials_with(&options()).await.unwrap();
    renew(client, response).await;
    let forms = fake.forms("/token");
    assert_eq!(forms.len(), 3);
    for form in forms {
        assert_named(&form);
        assert_eq!(values(&form, "grant_type"), ["client_credentials"]);
        assert_eq!(values(&form, "scope"), ["read"]);
        assert_eq!(values(&form, "client_id"), [CLIENT]);
        assert_eq!(values(&form, "client_secret"), ["s3cret"]);
        assert!(values(&form, "refresh_token").is_empty() && values(&form, "prompt").is_empty());
    }
}

#[tokio::test]
async fn a_refresh_asks_for_fewer_scopes_where_the_record_says_so() {
    let fake = Fake::new();
    let narrow = Renewal::new(Grant::RefreshToken).with_scope("read");
    let response = TokenResponse::parse(r#"{"access_token":"at","refresh_token":"rt","scope":"read write"}"#, 0)
        .unwrap()
        .with_issued_by(&fake.client().issued_by())
        .with_renewal(&narrow);
    renew(fake.client(), response).await;
    for form in fake.forms("/token") {
        assert_eq!(values(&form, "scope"), ["read"]);
    }
}

#[tokio::test]
async fn without_any_nothing_is_kept_and_nothing_is_sent() {
    let (server, client) = world().await;
    let response = TokenResponse::parse(server.issue(client.client_id(), "read"), 0).unwrap();
    let storage = MemoryStorage::new();
    let manager = TokenManager::builder(storage.clone(), Arc::new(client.clone()))
        .build()
        .unwrap();
    let response = response.with_issued_by(&client.issued_by());
    let response = response.with_resource_server("rs").unwrap();
    let key = TokenKey::in_default(response.primary().resource_server.as_deref().unwrap());
    manager.store_login("DEFAULT", &response).await.unwrap();
    manager.refresh(&key).await.unwrap();
    let names: Vec<String> = server.requests().pop().unwrap().params.into_keys().collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["client_id", "grant_type", "refresh_token"]);
    let data = storage.get(&key).await.unwrap().unwrap().data;
    assert_eq!(Renewal::of(&data).unwrap(), Renewal::default());
}

#[test]
fn what_a_login_sets_itself_is_no_parameter() {
    for name in [
        "",
        "state",
        "nonce",
        "scope",
        "client_id",
        "grant_type",
        "client_secret",
        "refresh_token",
        "code",
    ] {
        let error = options().with_token_parameter(name, "x").unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Configuration, "{name}");
    }
    for uri in ["", "api", "/api", "https://api.example/#part"] {
        let error = options().with_resource(uri).unwrap_err();
        assert_eq!(error.kind(), LoginErrorKind::Configuration, "{uri}");
    }
}
