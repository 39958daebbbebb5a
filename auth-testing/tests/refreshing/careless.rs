//! Refreshers as they are usually written. By the trait that makes them without waiting.

use std::sync::Arc;

use token_storage_auth_testing::{
    auth_server::AuthServer,
    refreshing::{RefreshCase, Refresher, Refreshing, refresh_cases},
};
use token_storage_core::{
    MemoryStorage, Precondition, Secret, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, async_trait,
};

use crate::flaw::CARELESS;

/// Reads, asks, stores: no lease, no precondition, no merging.
#[derive(Clone)]
struct Careless {
    storage: Arc<dyn TokenStorage>,
    url: String,
    /// Takes any failure for the end of the login.
    gives_up: bool,
}

#[async_trait]
impl Refresher for Careless {
    async fn access_token(&self, key: &TokenKey) -> Result<Secret, String> {
        let stored = self.storage.get(key).await.unwrap().ok_or("nothing stored")?.data;
        if stored.expires_at != Some(0) {
            return Ok(stored.access_token);
        }
        match self.refresh(&stored).await {
            Some(data) => {
                self.storage.store(key, &data, Precondition::Any).await.unwrap();
                Ok(data.access_token)
            }
            None if self.gives_up => {
                self.storage.remove(key, Precondition::Any).await.unwrap();
                Err("log in again".into())
            }
            None => Err("it failed".into()),
        }
    }
}

impl Careless {
    async fn refresh(&self, stored: &TokenData) -> Option<TokenData> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", stored.refresh_token.as_ref()?.expose()),
            ("client_id", AuthServer::NATIVE_CLIENT),
        ];
        let answer = reqwest::Client::new().post(&self.url).form(&form).send().await.ok()?;
        let body: serde_json::Value = answer.error_for_status().ok()?.json().await.ok()?;
        let mut data = TokenData::new(&*stored.resource_server, "read write", body["access_token"].as_str()?);
        data.refresh_token = body["refresh_token"].as_str().map(Into::into);
        Some(data)
    }
}

struct Subject {
    storage: MemoryStorage,
    gives_up: bool,
}

#[async_trait]
impl Refreshing for Subject {
    async fn open(&self) -> Arc<dyn TokenStorage> {
        Arc::new(self.storage.clone())
    }

    fn refresher(&self, storage: Arc<dyn TokenStorage>, server: &AuthServer) -> Arc<dyn Refresher> {
        Arc::new(Careless {
            storage,
            url: server.token_url(),
            gives_up: self.gives_up,
        })
    }
}

fn catches(case: RefreshCase, gives_up: bool) -> bool {
    let run = move || {
        let subject = Subject {
            storage: MemoryStorage::new(),
            gives_up,
        };
        crate::runtime().block_on(case.run(&subject));
    };
    std::thread::spawn(run).join().is_err()
}

pub(crate) fn is_caught() -> Result<(), libtest_mimic::Failed> {
    for name in CARELESS {
        let case = *refresh_cases()
            .iter()
            .find(|case| case.name() == *name)
            .ok_or("no such case")?;
        if !catches(case, false) && !catches(case, true) {
            return Err(format!("{name} finds nothing wrong").into());
        }
    }
    Ok(())
}
