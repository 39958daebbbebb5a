//! The storages that processes can share, and how a worker opens the one that it is told of.

use std::sync::Arc;

use token_storage::{TokenStorage, json::JsonStorage, sqlite::SqliteStorage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Sqlite,
    #[cfg(feature = "dynamodb")]
    DynamoDb,
}

/// Short, so that taking over is tested in seconds; what holds for it holds for longer ones.
#[cfg(feature = "dynamodb")]
const LEASE_TTL: std::time::Duration = std::time::Duration::from_secs(1);

pub(crate) fn all() -> Vec<Kind> {
    vec![
        Kind::Json,
        Kind::Sqlite,
        #[cfg(feature = "dynamodb")]
        Kind::DynamoDb,
    ]
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sqlite => "sqlite",
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb => "dynamodb",
        }
    }

    /// Whether a holder that is stopped loses its lease.
    pub(crate) fn is_timed(self) -> bool {
        !matches!(self, Self::Json | Self::Sqlite)
    }

    /// A new, empty storage: its place, in the words of [`open`].
    pub(crate) async fn place(self, directory: &std::path::Path) -> String {
        match self {
            Self::Json => format!("json:{}", directory.join("tokens.json").display()),
            Self::Sqlite => format!("sqlite:{}", directory.join("tokens.db").display()),
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb => dynamodb::new_table(directory).await,
        }
    }
}

pub(crate) async fn open(place: &str) -> Arc<dyn TokenStorage> {
    match place.split_once(':').expect("a place has a kind") {
        ("json", path) => Arc::new(JsonStorage::open(path).unwrap()),
        ("sqlite", path) => Arc::new(SqliteStorage::open(path).unwrap()),
        #[cfg(feature = "dynamodb")]
        ("dynamodb", table) => dynamodb::open(table).await,
        (other, _) => panic!("no storage is called {other}"),
    }
}

#[cfg(feature = "dynamodb")]
mod dynamodb {
    use super::{Arc, LEASE_TTL, TokenStorage};
    use token_storage::dynamodb::{DynamoDbStorage, TableOptions};
    use token_storage_dynamodb_testing::{client, emulator};

    /// `TABLE@ENDPOINT`; the directory's name is unique, and so is the table's.
    pub(super) async fn new_table(directory: &std::path::Path) -> String {
        let endpoint = emulator().await;
        let unique = directory.file_name().and_then(|name| name.to_str()).unwrap();
        let table = format!("tokens-{}-{}", std::process::id(), unique.trim_start_matches('.'));
        let storage = DynamoDbStorage::from_client(client(&endpoint), &table);
        storage.create_table(&TableOptions::default(), |_| {}).await.unwrap();
        format!("dynamodb:{table}@{endpoint}")
    }

    pub(super) async fn open(place: &str) -> Arc<dyn TokenStorage> {
        let (table, endpoint) = place.split_once('@').unwrap();
        let storage = DynamoDbStorage::builder(table).lease_ttl(LEASE_TTL);
        Arc::new(storage.with_client(client(endpoint)))
    }
}
