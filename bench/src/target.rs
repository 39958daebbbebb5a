use std::{fmt::Debug, sync::Arc};

use token_storage_core::{Result, TokenStorage, async_trait};

/// A storage to measure.
#[async_trait]
pub trait Target: Debug + Send + Sync {
    /// What the report calls it: its URL, for example. No credentials.
    fn name(&self) -> String;

    /// Opens it anew, as another program would. A storage that is gone with its handle is opened once.
    ///
    /// # Errors
    /// - What keeps it from being opened.
    async fn open(&self) -> Result<Arc<dyn TokenStorage>>;
}
