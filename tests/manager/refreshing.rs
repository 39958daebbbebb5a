//! The conformance suite's refresh cases, with the manager as what refreshes, on every storage that has a lease.

use std::{sync::Arc, time::Duration};

use token_storage::{
    MemoryStorage, Secret, TokenKey, TokenStorage, async_trait,
    manager::TokenManager,
    validating::{HasRefreshToken, Validating},
};
use token_storage_conformance::{
    auth_server::AuthServer,
    refreshing::{Refresher, Refreshing, refresh_cases},
};

use crate::{storages, support::endpoint};

struct Subject<'a>(&'a (dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync));

#[async_trait]
impl Refreshing for Subject<'_> {
    async fn open(&self) -> Arc<dyn TokenStorage> {
        (self.0)()
    }

    fn refresher(&self, storage: Arc<dyn TokenStorage>, server: &AuthServer) -> Arc<dyn Refresher> {
        let manager = TokenManager::builder(storage, endpoint(server)).trust(Duration::ZERO);
        Arc::new(Managed(manager.build().unwrap()))
    }
}

struct Managed(TokenManager);

#[async_trait]
impl Refresher for Managed {
    async fn access_token(&self, key: &TokenKey) -> Result<Secret, String> {
        match self.0.access_token(key).await {
            Ok(token) => Ok(token.secret().clone()),
            Err(error) => Err(error.to_string()),
        }
    }
}

async fn check(name: &str, open: &(dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync)) {
    for case in refresh_cases() {
        // Stays on the screen if the case panics.
        eprintln!("{} {:?} on {name}", case.name(), case.clauses());
        case.run(&Subject(open)).await;
    }
}

#[tokio::test]
async fn the_manager_keeps_the_refresh_cases_on_every_storage() {
    for place in storages::all().await {
        check(place.name, &|| place.open()).await;
    }
}

/// C4: through a wrapper too.
#[tokio::test]
async fn the_manager_keeps_the_refresh_cases_through_the_validating_wrapper() {
    let memory = MemoryStorage::new();
    let open = move || -> Arc<dyn TokenStorage> {
        let storage = Validating::new(memory.clone()).with(HasRefreshToken);
        Arc::new(storage.with_unchanging_identity())
    };
    check("validating", &open).await;
}
