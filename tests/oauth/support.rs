use std::time::Duration;

use token_storage::{
    TokenResponse,
    oauth::{HttpClient, LoginError, LoginOptions, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Config, Endpoint};
use url::Url;

pub(crate) const GROUPS: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";
/// Longer than any test takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn client(server: &AuthServer) -> OAuthClient {
    crate::log::everything();
    let http = HttpClient::new().unwrap();
    let provider = Provider::discover(&http, &server.url()).await.unwrap();
    OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT)
}

/// A server and a client of it.
pub(crate) async fn world() -> (AuthServer, OAuthClient) {
    world_with(|_| {}).await
}

pub(crate) async fn world_with(change: impl FnOnce(&mut Config)) -> (AuthServer, OAuthClient) {
    let mut config = Config::default();
    change(&mut config);
    let server = AuthServer::start_with(config);
    let client = client(&server).await;
    (server, client)
}

/// Who logged in, at two resource servers.
pub(crate) fn options() -> LoginOptions {
    LoginOptions::new(format!("openid {GROUPS}"))
}

/// The page of the server that shows a code.
pub(crate) fn code_page(server: &AuthServer) -> String {
    format!("{}/v2/web/auth-code", server.url())
}

/// A browser whose person presses the same button everywhere. It follows redirects only when it is told to.
pub(crate) struct Browser(reqwest::Client);

impl Browser {
    pub(crate) fn new() -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        Self(client.build().unwrap())
    }

    /// Looks at the consent page, decides, and says where the browser is sent.
    pub(crate) async fn decide(&self, url: &str, decision: &str) -> Url {
        let url: Url = url.parse().unwrap();
        let page = self.0.get(url.as_str()).send().await.unwrap();
        assert_eq!(page.status(), 200, "{}", page.text().await.unwrap());
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("decision".into(), decision.into()));
        let action = url.join("/v2/oauth2/authorize/decision").unwrap();
        let answer = self.0.post(action.as_str()).form(&form).send().await.unwrap();
        let location = answer.headers().get("location").expect("a redirect");
        location.to_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn get(&self, url: &str) -> reqwest::Response {
        self.0.get(url).send().await.unwrap()
    }

    /// The button on the page of the device flow.
    pub(crate) async fn decide_device(&self, page: &str, user_code: &str, decision: &str) {
        let form = [("user_code", user_code), ("decision", decision)];
        let answer = self.0.post(page).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
}

pub(crate) fn param(url: impl AsRef<str>, name: &str) -> Option<String> {
    let url: Url = url.as_ref().parse().unwrap();
    let mut values = url.query_pairs().filter(|(found, _)| found == name);
    let value = values.next().map(|(_, value)| value.into_owned());
    assert!(values.next().is_none(), "{name} twice");
    value
}

/// Both tokens of [`options`], with the identity that the id_token names.
pub(crate) fn assert_logged_in(server: &AuthServer, response: &TokenResponse) {
    let tokens = response.tokens();
    let names: Vec<_> = tokens
        .iter()
        .map(|token| token.resource_server.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["auth.globus.org", "groups.api.globus.org"]);
    for token in tokens {
        assert_eq!(token.identity_id.as_deref(), Some(AuthServer::IDENTITY));
        assert!(server.is_active(token.access_token.expose()));
        assert!(server.is_active(token.refresh_token.as_ref().unwrap().expose()));
    }
}

/// No request with a code was made.
pub(crate) fn assert_nothing_redeemed(server: &AuthServer) {
    assert_eq!(server.count(Endpoint::Token), 0);
}

pub(crate) fn code_of(error: &LoginError) -> Option<&str> {
    error.server().and_then(|error| error.code())
}
