//! Opening a storage by its URL.

use std::sync::Arc;

use token_storage_core::{Error, ErrorKind, Finding, MemoryStorage, Operation, Result, Severity, TokenStorage};

use crate::StorageUrl;

#[cfg(feature = "dynamodb")]
mod dynamodb;

/// Opens the storage that a URL names; what URLs there are, [`StorageUrl`] tells.
///
/// A local storage that does not exist yet opens all the same and nothing is touched: reads answer `None`, the first
/// write creates it.
///
/// ```
/// use token_storage::TokenStorage;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
/// let storage = token_storage::open("memory:").await?;
/// assert_eq!(storage.describe().backend, "memory");
/// # Ok(()) }
/// ```
///
/// # Errors
/// - [`ErrorKind::Misconfigured`]: the URL is not usable, or its scheme is not compiled in; the message then names the
///   feature that adds it.
/// - Those of the backend's own `open`.
pub async fn open(url: &str) -> Result<Arc<dyn TokenStorage>> {
    StorageUrl::parse(url)?.open().await
}

/// Examines the storage that a URL names, without changing anything: what `token-storage doctor` prints. Local files are
/// read on the calling thread.
///
/// # Errors
/// - [`ErrorKind::Misconfigured`]: as for [`open`].
pub async fn examine(url: &str) -> Result<Vec<Finding>> {
    StorageUrl::parse(url)?.examine().await
}

impl StorageUrl {
    /// Opens the storage; see [`open`].
    ///
    /// # Errors
    /// Those of [`open`].
    pub async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
        match self {
            Self::Memory => Ok(Arc::new(MemoryStorage::new())),
            #[cfg(feature = "json")]
            Self::Json(path) => Ok(Arc::new(token_storage_json::JsonStorage::open(path)?)),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Arc::new(token_storage_sqlite::SqliteStorage::open(path)?)),
            #[cfg(feature = "sqlite")]
            Self::SqliteInMemory => Ok(Arc::new(token_storage_sqlite::SqliteStorage::open_in_memory()?)),
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb { .. } => Ok(Arc::new(dynamodb::open(self).await?)),
            #[allow(unreachable_patterns, reason = "with all features on, no storage is missing")]
            _ => Err(self.not_compiled_in()),
        }
    }

    /// Opens the DynamoDB table itself, for what only tables have: making, describing and deleting them.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: the URL names another kind of storage.
    /// - Those of [`open`].
    #[cfg(feature = "dynamodb")]
    pub async fn open_dynamodb(&self) -> Result<token_storage_dynamodb::DynamoDbStorage> {
        dynamodb::open(self).await
    }

    /// Examines the storage; see [`examine`].
    ///
    /// # Errors
    /// Those of [`examine`].
    pub async fn examine(&self) -> Result<Vec<Finding>> {
        match self {
            Self::Memory => Ok(vec![volatile(self)]),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(token_storage_sqlite::examine(path)),
            #[cfg(feature = "sqlite")]
            Self::SqliteInMemory => Ok(vec![volatile(self)]),
            #[cfg(feature = "json")]
            Self::Json(path) => Ok(token_storage_json::examine(path)),
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb { .. } => dynamodb::examine(self).await,
            #[allow(unreachable_patterns, reason = "with all features on, no storage is missing")]
            _ => Err(self.not_compiled_in()),
        }
    }

    #[allow(dead_code, reason = "with all features on, no storage is missing")]
    fn not_compiled_in(&self) -> Error {
        let feature = match self {
            Self::Json(_) => "json",
            Self::Sqlite(_) | Self::SqliteInMemory => "sqlite",
            Self::DynamoDb { .. } => "dynamodb",
            Self::Memory => "default",
        };
        let message = format!("`{feature}:` storages are not compiled in; build with the feature `{feature}`");
        Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::Open)
    }
}

fn volatile(url: &StorageUrl) -> Finding {
    let advice = "name a file or a table if the tokens are to be kept";
    Finding::new(
        Severity::Info,
        url.to_string(),
        "this storage is gone with the process",
        advice,
    )
}
