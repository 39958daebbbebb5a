//! Tables of the emulator.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage::{
    TokenStorage,
    dynamodb::{DynamoDbStorage, TableOptions},
};
use token_storage_dynamodb_testing::{client, emulator};

use super::Server;

pub(super) const SERVER: Server = Server {
    scheme: "dynamodb",
    new: |directory| Box::pin(new_table(directory)),
    open,
};

/// `TABLE@ENDPOINT`.
async fn new_table(directory: &Path) -> String {
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let endpoint = emulator().await;
    let unique = directory.file_name().and_then(|name| name.to_str()).unwrap();
    let number = TABLES.fetch_add(1, Ordering::Relaxed);
    let table = format!(
        "tokens-{}-{number}-{}",
        std::process::id(),
        unique.trim_start_matches('.')
    );
    let storage = DynamoDbStorage::from_client(client(&endpoint), &table);
    storage.create_table(&TableOptions::default(), |_| {}).await.unwrap();
    format!("{table}@{endpoint}")
}

fn open(place: &str, lease_ttl: Duration) -> Arc<dyn TokenStorage> {
    let (table, endpoint) = place.split_once('@').unwrap();
    let storage = DynamoDbStorage::builder(table).lease_ttl(lease_ttl);
    Arc::new(storage.with_client(client(endpoint)))
}
