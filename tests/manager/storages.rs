//! Every storage that has a lease: what holds for the manager must hold on each of them.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use token_storage::TokenStorage;

#[path = "../storages/mod.rs"]
mod kinds;

/// Short, so that a lease that was dropped and not released costs little, and long enough that a busy machine does not lose
/// one that is held.
const LEASE: Duration = Duration::from_secs(5);

/// One storage's data, and how to open it as another process would.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    open: Box<dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync>,
    directory: TempDir,
}

impl Place {
    async fn new(kind: kinds::Kind, lease: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = kind.place(directory.path()).await;
        let open: Box<dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync> = if kind.is_memory() {
            let storage = kinds::open(&place, lease);
            Box::new(move || storage.clone())
        } else {
            Box::new(move || kinds::open(&place, lease))
        };
        Self {
            name: kind.name(),
            open,
            directory,
        }
    }

    pub(crate) fn open(&self) -> Arc<dyn TokenStorage> {
        (self.open)()
    }

    /// The file, where the record is all in one.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        (self.name == "json").then(|| std::fs::read(self.directory.path().join("tokens")).unwrap())
    }
}

/// A new, empty place of each kind.
pub(crate) async fn all() -> Vec<Place> {
    all_with_leases_of(LEASE).await
}

/// The same with other timed leases.
pub(crate) async fn all_with_leases_of(time: Duration) -> Vec<Place> {
    let mut places = Vec::new();
    for kind in kinds::all() {
        places.push(Place::new(kind, time).await);
    }
    places
}
