//! Each row of `docs/providers.md`, run with this library's client and manager against a server that has these habits:
//! login, refresh, stampede, refusal, logout.

use std::{sync::Arc, time::Duration};

use token_storage::{
    MemoryStorage, Precondition, ResponsesExt, TokenKey, TokenPath, TokenStorage, TokenStorageExt as _,
    manager::{Logout, ManagerErrorKind, TokenManager},
    oauth::{ClientAuth, ClientKey, HttpClient, LoginOptions, OAuthClient, Provider},
};
use token_storage_auth_testing::auth_server::{AuthServer, Endpoint, Fault, Habits, profile, provider_habits};

const NAME: &str = "resource.example.org";

struct Row {
    habits: &'static Habits,
    server: AuthServer,
    client: Arc<OAuthClient>,
    storage: MemoryStorage,
    key: TokenKey,
}

impl Row {
    async fn new(habits: &'static Habits, http: HttpClient) -> Self {
        let server = AuthServer::start_with(habits.config());
        let provider = Provider::discover(&http, &server.url()).await.unwrap();
        let client = match habits.profile.client {
            Some(profile::Client::Public) => OAuthClient::new(http, provider, AuthServer::NATIVE_CLIENT),
            Some(profile::Client::KeyJwt) => {
                let key = ClientKey::from_pem(AuthServer::SERVICE_KEY).unwrap();
                let key = match habits.profile.by_certificate {
                    true => key.with_certificate(AuthServer::SERVICE_CERTIFICATE).unwrap(),
                    false => key.with_id(AuthServer::SERVICE_KEY_ID),
                };
                OAuthClient::new(http, provider, AuthServer::SERVICE_CLIENT).with_key(key)
            }
            method => {
                let by = match method {
                    Some(profile::Client::Basic) => ClientAuth::Header,
                    _ => ClientAuth::Form,
                };
                OAuthClient::new(http, provider, AuthServer::SERVICE_CLIENT).with_secret(AuthServer::SERVICE_SECRET, by)
            }
        };
        let client = match habits.profile.nested {
            Some(name) => client.with_token_path(TokenPath::parse(name).unwrap()),
            None => client,
        };
        Self {
            habits,
            server,
            client: Arc::new(client),
            storage: MemoryStorage::new(),
            key: TokenKey::in_default(NAME),
        }
    }

    async fn log_in(&self) {
        let asked = LoginOptions::new("read write").with_audience("https://api.example.org");
        if self.habits.own {
            let response = self.client.client_credentials_with(&asked).await.unwrap();
            let response = response.with_resource_server(NAME).unwrap();
            self.storage.store_response("DEFAULT", &response).await.unwrap();
            let stored = self.storage.get(&self.key).await.unwrap().unwrap().data;
            assert!(stored.refresh_token.is_none(), "there is none for a client itself");
            return;
        }
        let login = self.client.begin_login(&asked, "http://127.0.0.1:1/back").unwrap();
        let target = self.server.decide(login.url(), true);
        let response = login.finish_with_redirect(&target).await.unwrap();
        let response = response.with_resource_server(NAME).unwrap();
        self.storage.store_response("DEFAULT", &response).await.unwrap();
        let stored = self.storage.get(&self.key).await.unwrap().unwrap().data;
        assert!(stored.refresh_token.is_some(), "a refresh token");
        let told = self.habits.profile.expiry != profile::Expiry::Untold;
        assert_eq!(stored.expires_at.is_some(), told, "the expiry");
    }

    async fn expire(&self) {
        let mut data = self.storage.get(&self.key).await.unwrap().unwrap().data;
        data.expires_at = Some(0);
        self.storage.store(&self.key, &data, Precondition::Any).await.unwrap();
    }

    fn manager(&self) -> TokenManager<MemoryStorage> {
        let manager = TokenManager::builder(self.storage.clone(), self.client.clone()).trust(Duration::ZERO);
        manager.build().unwrap()
    }

    async fn refresh(&self) {
        self.expire().await;
        let managers = [self.manager(), self.manager()];
        let calls = (0..12).map(|nth| managers[nth % 2].access_token(&self.key));
        for token in futures_util::future::join_all(calls).await {
            assert!(self.server.is_active(token.unwrap().expose()), "a good token");
        }
        if self.habits.own {
            let grants = self.server.requests();
            let own = grants
                .iter()
                .filter(|request| request.grant_type() == Some("client_credentials"));
            assert_eq!(own.count(), 2, "one request at the login, and one at expiry");
            return;
        }
        assert_eq!(self.server.refresh_requests(), 1, "one request");
        assert_eq!(self.server.reuse_detections(), 0);
    }

    async fn be_refused(&self) {
        self.expire().await;
        self.server.revoke_everything();
        if let (true, Some(refusal)) = (self.habits.own, self.habits.profile.refusal) {
            let fault = Fault::Answer {
                status: refusal.status,
                content_type: "application/json",
                body: refusal.body,
            };
            self.server.script(Endpoint::Token, fault);
        }
        let error = self.manager().access_token(&self.key).await.unwrap_err();
        let is_clients = self.habits.own && error.kind() == ManagerErrorKind::ClientRejected;
        assert!(error.needs_login() || is_clients, "{error:?}");
        assert!(
            !self.server.shows_token(&format!("{error:?} {error}")),
            "no token is shown"
        );
    }

    async fn log_out(&self) {
        self.log_in().await;
        let manager = self.manager();
        let ended = manager.logout(&self.key, Logout::Revoke).await;
        if self.habits.profile.revokes {
            assert!(ended.unwrap(), "logged out");
            assert_eq!(self.server.live_refresh_tokens(), 0, "revoked at the server");
        } else {
            assert_eq!(ended.unwrap_err().kind(), ManagerErrorKind::NotRevoked);
            assert_eq!(self.server.count(Endpoint::Revoke), 0, "there is nothing to be asked");
            assert!(manager.logout(&self.key, Logout::RemoveOnly).await.unwrap());
        }
        assert!(self.storage.get(&self.key).await.unwrap().is_none());
    }
}

async fn run(habits: &'static Habits, http: HttpClient) {
    let row = Row::new(habits, http).await;
    row.log_in().await;
    row.refresh().await;
    row.be_refused().await;
    row.log_out().await;
}

#[tokio::test]
async fn each_row_is_run() {
    let http = HttpClient::new().unwrap();
    let mut failed = Vec::new();
    for habits in provider_habits() {
        if tokio::spawn(run(habits, http.clone())).await.is_err() {
            failed.push(habits.provider);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
