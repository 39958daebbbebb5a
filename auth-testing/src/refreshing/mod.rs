//! Whatever refreshes tokens, on the storage under test, against the strict authorization server: the part of clauses L1 to L10 that a storage and a refresher keep only together.
//!
//! Whoever writes a storage gives the token manager to it; whoever writes a refresher of their own gives that. Each case
//! panics with the clause that is broken.
//!
//! ```ignore
//! for case in refresh_cases() {
//!     case.run(&MyStorageAndManager::new()).await;
//! }
//! ```
//!
//! A refresher that has to be made asynchronously, by discovery perhaps, is given as a [`RefreshSubject`], to
//! [`verify`] or to [`RefreshCase::run_on`]. `examples/refresher.rs` of this package is a complete program of that kind.
//!
//! What a refresher cannot do it does not [declare](Abilities); what therefore was not proven is said and counted.

mod abilities;
mod cases;
mod spied;
mod staged;
mod summary;
mod world;

use std::{collections::BTreeSet, fmt, future::Future, pin::Pin, sync::Arc};

use token_storage_core::{Secret, TokenKey, TokenStorage, async_trait};

use crate::auth_server::{AuthServer, Config};

pub use abilities::{Abilities, Ability};
pub use cases::refresh_cases;
pub use summary::{Summary, verify};
pub use world::slowest_answer;

use world::World;

/// One storage's data, and what refreshes the tokens in it.
#[async_trait]
pub trait Refreshing: Send + Sync {
    /// A handle onto the data, always the same data. Each call opens another one, as another process would.
    async fn open(&self) -> Arc<dyn TokenStorage>;

    /// What a process would use that has this handle: a client of the server, registered as
    /// [`AuthServer::NATIVE_CLIENT`]. It must look into the storage each time, wait for others as long as needed, and
    /// share nothing with other refreshers.
    fn refresher(&self, storage: Arc<dyn TokenStorage>, server: &AuthServer) -> Arc<dyn Refresher>;

    /// What it can do beyond what every refresher must.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
}

/// As [`Refreshing`], for refreshers that are made asynchronously.
#[async_trait]
pub trait RefreshSubject: Send + Sync {
    /// As [`Refreshing::open`].
    async fn open(&self) -> Arc<dyn TokenStorage>;

    /// As [`Refreshing::refresher`]. Requests to the server are welcome here: [`AuthServer::url`] is its issuer, and both
    /// discovery documents are served.
    ///
    /// # Errors
    /// - Why there is none, for people. It fails the case.
    async fn refresher(
        &self,
        storage: Arc<dyn TokenStorage>,
        server: &AuthServer,
    ) -> Result<Arc<dyn Refresher>, String>;

    /// What it can do beyond what every refresher must.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
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
    /// Without it there is nothing to be run.
    needs: Option<Ability>,
    /// How often the server may work on one refresh token.
    tries: usize,
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

    /// Runs it with a server of its own and under a namespace of its own, within tokio with its timer. What cannot be
    /// proven, because it is not declared, is said on standard error.
    ///
    /// # Panics
    /// If a clause does not hold.
    pub async fn run(&self, subject: &dyn Refreshing) {
        for ability in self.run_on(&Plain(subject)).await {
            eprintln!("{} is unproven in part or as a whole: {ability}", self.name);
        }
    }

    /// As [`run`](Self::run), and returns the abilities for want of which it has left something out.
    ///
    /// # Panics
    /// If a clause does not hold.
    pub async fn run_on(&self, subject: &dyn RefreshSubject) -> BTreeSet<Ability> {
        let missing = self.needs.filter(|ability| !subject.abilities().has(*ability));
        if let Some(missing) = missing {
            return [missing].into();
        }
        let world = World::new(subject, (self.config)()).await;
        (self.run)(&world).await;
        world.close(self.tries).await
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

/// What is made without waiting.
struct Plain<'a>(&'a dyn Refreshing);

#[async_trait]
impl RefreshSubject for Plain<'_> {
    async fn open(&self) -> Arc<dyn TokenStorage> {
        self.0.open().await
    }

    async fn refresher(
        &self,
        storage: Arc<dyn TokenStorage>,
        server: &AuthServer,
    ) -> Result<Arc<dyn Refresher>, String> {
        Ok(self.0.refresher(storage, server))
    }

    fn abilities(&self) -> Abilities {
        self.0.abilities()
    }
}
