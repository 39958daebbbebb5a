//! The suite over a storage that somebody has: no harness to write, but less can be asked of it.

use std::{future::Future, pin::Pin, sync::Arc};

use token_storage_core::{
    Durability, Enumerate, Error, ErrorKind, LeaseKind, Operation, Result, SharingScope, TokenKey, TokenStorage,
    async_trait,
};

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
    /// With a `namespace`, those of the suite are this, a dash and a random number. The storage is read before anything
    /// is written: to write to one that is damaged would change what its owner may still want to save.
    ///
    /// # Errors
    /// - [`InvalidInput`](ErrorKind::InvalidInput): there are records in that namespace, or in one that begins with its
    ///   name. Only a storage that enumerates can tell; on others the random numbers make sure that nothing is met.
    /// - What opening or reading the storage fails with.
    pub async fn suite(name: impl Into<String>, namespace: Option<&str>, open: Opener) -> Result<Suite<Self>> {
        let storage = open().await?;
        let info = storage.describe();
        let mut suite = Suite::new(name, Self { open });
        let probe = TokenKey::new(suite.own_namespace(), "probe");
        storage.get(&probe).await?;
        if let Some(namespace) = namespace {
            expect_nothing_in(namespace, &*storage).await?;
            suite = suite.namespace(namespace);
        }
        if info.enumerates {
            suite = suite.enumerates();
        }
        suite = match info.lease {
            Some(LeaseKind::Process) => suite.process_leases(),
            Some(LeaseKind::Timed { .. }) => suite.timed_leases(),
            _ => suite,
        };
        suite = match info.durability {
            Durability::Volatile => suite.without(Need::Durable, "the storage says that it is gone with its handles"),
            _ => suite.durable(),
        };
        suite = match info.sharing {
            SharingScope::Host | SharingScope::Network => suite.without(
                Need::Processes,
                "several processes and kills are for the backend's own tests",
            ),
            _ => suite.without(Need::Processes, "the storage says that no other process can use it"),
        };
        Ok(suite.without(Need::Files, "modes and damage of files are for the backend's own tests"))
    }
}

async fn expect_nothing_in(namespace: &str, storage: &dyn TokenStorage) -> Result<()> {
    let Some(listing) = storage.enumerate() else {
        return Ok(());
    };
    match namespaces(&*listing, namespace).await?.first() {
        None => Ok(()),
        Some(found) => {
            let message = format!(
                "there are records in the namespace {found:?}, and the suite runs only where nothing is: name \
                 another namespace, or none"
            );
            Err(Error::new(ErrorKind::InvalidInput, message).with_operation(Operation::Manage))
        }
    }
}

/// The namespaces that hold records and begin with this.
pub(crate) async fn namespaces(listing: &dyn Enumerate, beginning: &str) -> Result<Vec<String>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = listing.list_namespaces(after.as_ref()).await?;
        found.extend(page.items.into_iter().filter(|name| name.starts_with(beginning)));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
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
