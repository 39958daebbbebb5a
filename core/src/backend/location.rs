use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Finding, Result, TokenStorage};

use super::{Action, Warnings};

/// One storage that a URL names: what [`Scheme::parse`](super::Scheme::parse) made of it.
#[async_trait]
pub trait Location: fmt::Debug + Send + Sync {
    /// What stands behind the scheme and its colon, in the form that people read best. Parsed again, it names the same
    /// place in the same way: no parameter is lost. There is no secret in it.
    fn rest(&self) -> String;

    /// Opens the storage. What is not there yet is made by the first write, if this kind of storage can do that.
    ///
    /// # Errors
    /// - [`Misconfigured`](crate::ErrorKind::Misconfigured): nothing there can be such a storage.
    /// - What else opening fails with.
    async fn open(&self) -> Result<Opened>;

    /// Looks for what a person should know or do, and changes nothing: what `token-storage doctor` prints. Work that blocks
    /// goes to a thread of its own.
    ///
    /// # Errors
    /// - What keeps it from looking. A storage that is not as it should be is a finding and no error.
    async fn examine(&self) -> Result<Vec<Finding>>;

    /// The action of this name, if it can be done to this very storage; having the value means that it works. Its name is
    /// one of those in [`SchemeInfo::actions`](super::SchemeInfo::actions).
    fn action(&self, name: &str) -> Option<Box<dyn Action>>;
}

/// A storage that was opened by its URL.
#[derive(Clone)]
pub struct Opened {
    storage: Arc<dyn TokenStorage>,
    concrete: Arc<dyn Any + Send + Sync>,
    warnings: Warnings,
}

impl Opened {
    /// A storage that warns of nothing.
    pub fn new<S: TokenStorage + 'static>(storage: S) -> Self {
        Self::with_warnings(storage, Warnings::default())
    }

    /// A storage, and where it puts its warnings, those of later calls included.
    pub fn with_warnings<S: TokenStorage + 'static>(storage: S, warnings: Warnings) -> Self {
        let storage = Arc::new(storage);
        Self {
            storage: storage.clone(),
            concrete: storage,
            warnings,
        }
    }

    /// The storage.
    pub fn storage(&self) -> &Arc<dyn TokenStorage> {
        &self.storage
    }

    /// The storage alone.
    pub fn into_storage(self) -> Arc<dyn TokenStorage> {
        self.storage
    }

    /// The storage as what it is, for what only this kind can do; `None` if it is another kind.
    ///
    /// ```
    /// use token_storage_core::{MemoryStorage, backend::Opened};
    ///
    /// let opened = Opened::new(MemoryStorage::new());
    /// assert!(opened.downcast::<MemoryStorage>().is_some());
    /// ```
    pub fn downcast<S: TokenStorage + 'static>(&self) -> Option<Arc<S>> {
        self.concrete.clone().downcast().ok()
    }

    /// What a person should know although every call went well. Later calls on the storage add to it.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("storage", &self.storage)
            .field("warnings", &self.warnings)
            .finish()
    }
}
