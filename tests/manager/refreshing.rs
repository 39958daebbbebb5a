//! The conformance suite's refresh cases, with the manager as what refreshes, on every storage that has a lease.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use token_storage::{
    MemoryStorage, Secret, TokenKey, TokenStorage, async_trait,
    encryption::{Encrypted, FileKeys, Key, KeyFile, KeyRing},
    manager::TokenManager,
    sqlite::SqliteStorage,
    validating::{HasRefreshToken, Validating},
};
use token_storage_auth_testing::{
    auth_server::AuthServer,
    refreshing::{Abilities, RefreshSubject, Refresher, slowest_answer, verify},
};

use crate::{storages, support::endpoint};

/// Shorter than what is usual.
fn patience() -> Duration {
    slowest_answer() + Duration::from_secs(16)
}

/// Two keys are refreshed within the lease of a third, on a busy machine, too.
const LEASE: Duration = Duration::from_secs(20);

struct Subject<'a>(&'a (dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync));

#[async_trait]
impl RefreshSubject for Subject<'_> {
    async fn open(&self) -> Arc<dyn TokenStorage> {
        (self.0)()
    }

    async fn refresher(
        &self,
        storage: Arc<dyn TokenStorage>,
        server: &AuthServer,
    ) -> Result<Arc<dyn Refresher>, String> {
        let builder = TokenManager::builder(storage, endpoint(server));
        let manager = builder.trust(Duration::ZERO).request_timeout(patience());
        Ok(Arc::new(Managed(manager.build().map_err(|error| error.to_string())?)))
    }

    fn abilities(&self) -> Abilities {
        Abilities::all().giving_up_within(patience())
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
    let summary = verify(&Subject(open)).await;
    println!("{name}: {summary}");
    let proven = summary.failed().is_empty() && summary.unproven().is_empty();
    assert!(proven, "{name}: {summary}");
}

/// They wait most of the time; more of them would hold up one another.
const AT_ONCE: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_keeps_the_refresh_cases_on_every_storage() {
    stream::iter(storages::all_with_leases_of(LEASE).await)
        .for_each_concurrent(
            AT_ONCE,
            |place| async move { check(place.name, &|| place.open()).await },
        )
        .await;
}

/// S3, C4: sealed in a database, too; each opening has its own view of the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_keeps_the_refresh_cases_on_an_encrypted_storage() {
    let folder = tempfile::tempdir().unwrap();
    let keys = KeyFile::new(folder.path().join("key"));
    keys.create(&KeyRing::new(Key::generate().unwrap()), None).unwrap();
    let path = folder.path().join("tokens.db");
    let open = move || -> Arc<dyn TokenStorage> {
        let below = SqliteStorage::open(&path).unwrap();
        Arc::new(Encrypted::new(below, FileKeys::new(keys.path())))
    };
    check("encrypted", &open).await;
}

/// C4: through a wrapper too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manager_keeps_the_refresh_cases_through_the_validating_wrapper() {
    let memory = MemoryStorage::new();
    let open = move || -> Arc<dyn TokenStorage> {
        let storage = Validating::new(memory.clone()).with(HasRefreshToken);
        Arc::new(storage.with_unchanging_identity())
    };
    check("validating", &open).await;
}
