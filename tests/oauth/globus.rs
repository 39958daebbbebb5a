//! The Globus preset, against a server with the paths of Globus.

use token_storage::{
    Secret,
    globus::{Access, Environment, dependent_tokens, login_options, scopes},
    oauth::{ClientAuth, HttpClient, OAuthClient},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault};

use crate::support::{Browser, assert_logged_in, code_of, param};

fn globus(server: &AuthServer) -> Environment {
    let globus = Environment::named("production").unwrap();
    let globus = globus.with_auth_url(&server.url()).unwrap();
    globus.with_groups_url(&format!("{}/", server.url())).unwrap()
}

fn client(globus: &Environment, id: &str) -> OAuthClient {
    OAuthClient::new(HttpClient::new().unwrap(), globus.provider(), id)
}

#[tokio::test]
async fn a_native_application_logs_in_with_the_code_page_and_reads_groups() {
    let server = AuthServer::start();
    let globus = globus(&server);
    let client = client(&globus, AuthServer::NATIVE_CLIENT);
    let scope = format!("{} {}", scopes::OPENID, scopes::VIEW_MY_GROUPS);
    let options = login_options(&scope, Access::Offline, Some("app on host"));
    let login = client.begin_login(&options, &globus.code_page()).unwrap();
    assert_eq!(
        param(login.url(), "prefill_named_grant").as_deref(),
        Some("app on host")
    );
    let code = param(&Browser::new().decide(login.url(), "approve").await, "code").unwrap();
    let response = login.finish_with_pasted(&code).await.unwrap();
    assert_logged_in(&server, &response);
    assert_eq!(
        server.count(Endpoint::OpenIdConfiguration),
        0,
        "its addresses are known"
    );

    let groups = globus
        .my_groups(&client, &response.tokens()[1].access_token)
        .await
        .unwrap();
    let seen: Vec<_> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.enforce_session, group.roles.join(",")))
        .collect();
    assert_eq!(
        seen,
        [
            ("Ada's \"Engines\", Ltd", false, "admin,member".to_owned()),
            ("Línea\nnueva", true, "manager".to_owned()),
        ]
    );
    let error = globus.my_groups(&client, &Secret::from("unknown")).await.unwrap_err();
    assert_eq!(code_of(&error), Some("invalid_token"));
    server.script(Endpoint::Groups, Fault::Garbage);
    let error = globus.my_groups(&client, &response.tokens()[1].access_token).await;
    assert!(error.unwrap_err().to_string().contains("cannot be read"));
}

#[tokio::test]
async fn without_refresh_tokens_none_are_asked_for() {
    let server = AuthServer::start();
    let globus = globus(&server);
    let client = client(&globus, AuthServer::NATIVE_CLIENT);
    let options = login_options(scopes::VIEW_MY_GROUPS, Access::Online, None);
    let login = client.begin_login(&options, &globus.code_page()).unwrap();
    let target = Browser::new().decide(login.url(), "approve").await;
    let response = login.finish_with_redirect(target.as_str()).await.unwrap();
    assert!(response.primary().refresh_token.is_none());
}

#[tokio::test]
async fn a_service_gets_dependent_tokens_without_an_identity() {
    let server = AuthServer::start();
    let service = client(&globus(&server), AuthServer::SERVICE_CLIENT)
        .with_secret(AuthServer::SERVICE_SECRET, ClientAuth::Header);
    let called_with: serde_json::Value =
        serde_json::from_str(&server.issue(AuthServer::NATIVE_CLIENT, scopes::VIEW_MY_GROUPS)).unwrap();
    let token = Secret::from(called_with["access_token"].as_str().unwrap());
    let scope = format!("openid {}", scopes::VIEW_MY_GROUPS);
    let response = dependent_tokens(&service, &token, Some(&scope), Access::Offline)
        .await
        .unwrap();
    assert_eq!(response.tokens().len(), 2);
    for token in response.tokens() {
        assert!(token.refresh_token.is_some() && token.identity_id.is_none());
    }
}
