//! Whatever refreshes tokens, on the storage under test, against the strict authorization server (feature
//! `auth-server`): the part of clauses L1 to L10 that a storage and a refresher keep only together.
//!
//! Whoever writes a storage gives the token manager to it; whoever writes a refresher of their own gives that. Each case
//! panics with the clause that is broken.
//!
//! ```ignore
//! for case in refresh_cases() {
//!     case.run(&MyStorageAndManager::new()).await;
//! }
//! ```

mod cases;
mod watched;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use token_storage_core::{Precondition, Secret, StoredToken, TokenData, TokenKey, TokenStorage, async_trait};

use crate::{
    auth_server::{AuthServer, Config},
    rng::fresh_u64,
};

pub use cases::refresh_cases;

/// One storage's data, and what refreshes the tokens in it.
#[async_trait]
pub trait Refreshing: Send + Sync {
    /// A handle onto the data, always the same data. Each call opens another one, as another process would.
    async fn open(&self) -> Arc<dyn TokenStorage>;

    /// What a process would use that has this handle: a client of the server, registered as
    /// [`AuthServer::NATIVE_CLIENT`]. It must look into the storage each time, wait for others as long as needed, and
    /// share nothing with other refreshers.
    fn refresher(&self, storage: Arc<dyn TokenStorage>, server: &AuthServer) -> Arc<dyn Refresher>;
}

/// Hands out access tokens and refreshes them when they are expired.
#[async_trait]
pub trait Refresher: Send + Sync {
    /// A good access token.
    ///
    /// # Errors
    /// - Why there is none, for people.
    async fn access_token(&self, key: &TokenKey) -> Result<Secret, String>;
}

/// One thing that must hold.
#[derive(Clone, Copy)]
pub struct RefreshCase {
    name: &'static str,
    clauses: &'static [&'static str],
    config: fn() -> Config,
    run: for<'a> fn(&'a World<'a>) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl RefreshCase {
    /// `refresh::what_is_expected`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The clauses of the contract that it checks.
    pub fn clauses(&self) -> &'static [&'static str] {
        self.clauses
    }

    /// Runs it with a server of its own and under a namespace of its own, within tokio with its timer.
    ///
    /// # Panics
    /// If a clause does not hold.
    pub async fn run(&self, subject: &dyn Refreshing) {
        let world = World {
            subject,
            server: AuthServer::start_with((self.config)()),
            storage: subject.open().await,
            key: TokenKey::new(format!("refreshing-{:016x}", fresh_u64()), "resource.example.org"),
        };
        world.log_in().await;
        (self.run)(&world).await;
        // What cannot be removed does no harm: its namespace is random.
        let _ = world.storage.remove(&world.key, Precondition::None).await;
    }
}

impl fmt::Debug for RefreshCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshCase")
            .field("name", &self.name)
            .field("clauses", &self.clauses)
            .finish_non_exhaustive()
    }
}

/// What a case works with.
struct World<'a> {
    subject: &'a dyn Refreshing,
    server: AuthServer,
    storage: Arc<dyn TokenStorage>,
    key: TokenKey,
}

impl World<'_> {
    async fn refresher(&self) -> Arc<dyn Refresher> {
        self.subject.refresher(self.subject.open().await, &self.server)
    }

    /// A new record, expired.
    async fn log_in(&self) {
        self.store(&self.issued().with_expires_at(0)).await;
    }

    /// What a login brings, good for an hour by any clock that these cases run by.
    fn issued(&self) -> TokenData {
        let body = self.server.issue(AuthServer::NATIVE_CLIENT, "read write");
        let body: serde_json::Value = serde_json::from_str(&body).expect("the server answers JSON");
        let text = |name: &str| body[name].as_str().expect("the server names it").to_owned();
        TokenData::new(self.key.resource_server(), text("scope"), text("access_token"))
            .with_refresh_token(text("refresh_token"))
            .with_identity_id("somebody")
            .with_expires_at(i64::MAX)
    }

    async fn store(&self, data: &TokenData) {
        let stored = self.storage.store(&self.key, data, Precondition::None).await;
        stored.expect("the storage under test can store");
    }

    async fn stored(&self) -> Option<StoredToken> {
        self.storage
            .get(&self.key)
            .await
            .expect("the storage under test can read")
    }

    async fn record(&self) -> StoredToken {
        self.stored().await.expect("the record is still there")
    }

    /// Lets the stored token be expired for everyone.
    async fn expire(&self) {
        let mut data = self.record().await.data;
        data.expires_at = Some(0);
        self.store(&data).await;
    }

    async fn assert_current(&self, clause: &str, token: &Secret) {
        assert_eq!(
            *token,
            self.record().await.data.access_token,
            "{clause}: callers get what is stored"
        );
        assert!(self.server.is_active(token.expose()), "{clause}: the server takes it");
    }
}
