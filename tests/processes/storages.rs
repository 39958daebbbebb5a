//! The storages that processes can share, and how a worker opens the one that it is told of.

use std::{sync::Arc, time::Duration};

use token_storage::{TokenStorage, json::JsonStorage, sqlite::SqliteStorage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Sqlite,
    #[cfg(feature = "dynamodb")]
    DynamoDb,
}

/// How long a timed lease lasts that is to be taken over: short, so that this is tested in seconds; what holds for it
/// holds for longer ones.
pub(crate) const SHORT_LEASE: Duration = Duration::from_secs(1);

/// How long any other one lasts: no machine is so slow that its holder loses it.
pub(crate) const LONG_LEASE: Duration = Duration::from_secs(300);

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

/// Opens a storage; its leases last so long, if they are timed.
#[cfg_attr(not(feature = "dynamodb"), expect(unused_variables))]
pub(crate) async fn open(place: &str, lease_ttl: Duration) -> Arc<dyn TokenStorage> {
    match place.split_once(':').expect("a place has a kind") {
        ("json", path) => Arc::new(JsonStorage::open(path).unwrap()),
        ("sqlite", path) => Arc::new(SqliteStorage::open(path).unwrap()),
        #[cfg(feature = "dynamodb")]
        ("dynamodb", table) => dynamodb::open(table, lease_ttl).await,
        (other, _) => panic!("no storage is called {other}"),
    }
}

#[cfg(feature = "dynamodb")]
mod dynamodb {
    use super::{Arc, Duration, TokenStorage};
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

    pub(super) async fn open(place: &str, lease_ttl: Duration) -> Arc<dyn TokenStorage> {
        let (table, endpoint) = place.split_once('@').unwrap();
        let storage = DynamoDbStorage::builder(table).lease_ttl(lease_ttl);
        Arc::new(storage.with_client(client(endpoint)))
    }
}
