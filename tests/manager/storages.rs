//! Every storage that has a lease: what holds for the manager must hold on each of them.

use std::{path::Path, sync::Arc};
#[cfg(feature = "dynamodb")]
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tempfile::TempDir;
use token_storage::{MemoryStorage, TokenStorage, json::JsonStorage, sqlite::SqliteStorage};

/// One storage's data, and how to open it as another process would.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    open: Box<dyn Fn() -> Arc<dyn TokenStorage> + Send + Sync>,
    directory: Option<TempDir>,
}

impl Place {
    pub(crate) fn open(&self) -> Arc<dyn TokenStorage> {
        (self.open)()
    }

    /// The file, where the record is all in one.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let directory = self.directory.as_ref().filter(|_| self.name == "json")?;
        Some(std::fs::read(directory.path().join("tokens")).unwrap())
    }

    fn in_files<S: TokenStorage + 'static>(
        name: &'static str,
        open: impl Fn(&Path) -> S + Send + Sync + 'static,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tokens");
        Self {
            name,
            open: Box::new(move || Arc::new(open(&file))),
            directory: Some(directory),
        }
    }
}

/// A new, empty place of each kind.
pub(crate) async fn all() -> Vec<Place> {
    let memory = MemoryStorage::new();
    vec![
        Place {
            name: "memory",
            open: Box::new(move || Arc::new(memory.clone())),
            directory: None,
        },
        Place::in_files("json", |file| JsonStorage::open(file).unwrap()),
        Place::in_files("sqlite", |file| SqliteStorage::open(file).unwrap()),
        #[cfg(feature = "dynamodb")]
        dynamodb().await,
    ]
}

#[cfg(feature = "dynamodb")]
async fn dynamodb() -> Place {
    use token_storage::dynamodb::{DynamoDbStorage, TableOptions};
    use token_storage_dynamodb_testing::{client, emulator};

    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let endpoint = emulator().await;
    let table = format!(
        "manager-{}-{}",
        std::process::id(),
        TABLES.fetch_add(1, Ordering::Relaxed)
    );
    let storage = DynamoDbStorage::from_client(client(&endpoint), &table);
    storage.create_table(&TableOptions::default(), |_| {}).await.unwrap();
    Place {
        name: "dynamodb",
        open: Box::new(move || {
            // Short, so that a lease that was dropped and not released costs little, and long enough that a busy machine
            // does not lose one that is held.
            let storage = DynamoDbStorage::builder(&table).lease_ttl(Duration::from_secs(5));
            Arc::new(storage.with_client(client(&endpoint)))
        }),
        directory: None,
    }
}
