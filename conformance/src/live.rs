//! The suite over a storage that somebody has: no harness to write, but less can be asked of it.

use std::{future::Future, pin::Pin, sync::Arc};

use token_storage_core::{Durability, LeaseKind, Result, SharingScope, TokenStorage, async_trait};

use crate::{Harness, Need, Suite};

/// How a [`Live`] storage is opened: each call makes a handle of its own.
pub type Opener = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Arc<dyn TokenStorage>>> + Send>> + Send + Sync>;

/// The harness of a storage that exists: one place, shared with whatever is in it.
///
/// The suite writes only to random namespaces of its own, whose names begin with `conformance-`, and removes every
/// record it has written when a case ends. Cases that need more than that are ignored.
pub struct Live {
    open: Opener,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

impl Live {
    /// The suite over a storage, with everything declared that the storage says of itself.
    ///
    /// # Errors
    /// - What opening the storage fails with.
    pub async fn suite(name: impl Into<String>, open: Opener) -> Result<Suite<Self>> {
        let info = open().await?.describe();
        let mut suite = Suite::new(name, Self { open });
        if info.enumerates {
            suite = suite.enumerates();
        }
        suite = match info.lease {
            Some(LeaseKind::Process) => suite.process_leases(),
            Some(LeaseKind::Timed { .. }) => suite.timed_leases(),
            None => suite,
        };
        if info.durability != Durability::Volatile {
            suite = suite.durable();
        }
        if matches!(info.sharing, SharingScope::Host | SharingScope::Network) {
            suite = suite.without(Need::Processes, "several processes are for the backend's own tests");
        }
        Ok(suite)
    }
}

#[async_trait]
impl Harness for Live {
    type Place = ();

    async fn fresh(&self) -> Result<()> {
        Ok(())
    }

    async fn reopen(&self, (): &()) -> Result<Arc<dyn TokenStorage>> {
        (self.open)().await
    }

    fn exclusive(&self) -> bool {
        false
    }
}
