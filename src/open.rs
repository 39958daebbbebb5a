//! Opening a storage by its URL.

use std::sync::Arc;

use token_storage_core::{Finding, Result, TokenStorage};

use crate::Schemes;

/// Opens the storage that a URL names; what URLs there are, [`StorageUrl`](crate::StorageUrl) tells. Backends that are not
/// built in are opened by [`Schemes::open`].
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
/// - [`Misconfigured`](crate::ErrorKind::Misconfigured): the URL is not usable, or its scheme is not compiled in; the message
///   then names the feature that adds it.
/// - Those of the backend's own `open`.
pub async fn open(url: &str) -> Result<Arc<dyn TokenStorage>> {
    Schemes::builtin().open(url).await
}

/// Examines the storage that a URL names, without changing anything: what `token-storage doctor` prints. Files are read on
/// a thread of their own.
///
/// # Errors
/// - [`Misconfigured`](crate::ErrorKind::Misconfigured): as for [`open`].
/// - What keeps the backend from looking.
pub async fn examine(url: &str) -> Result<Vec<Finding>> {
    Schemes::builtin().examine(url).await
}
