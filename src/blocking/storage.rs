use std::sync::Arc;

use token_storage_core::{
    Precondition, Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey, TokenStorage, Write,
};

use super::Runtime;
use crate::{EnumerateExt as _, ResponsesExt as _, StoredResponse, TokenResponse, TokenStorageExt as _};

/// A storage whose calls block until they are done. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage {
    storage: Arc<dyn TokenStorage>,
    runtime: Runtime,
}

/// Opens the storage that a URL names, as [`open`](crate::open()).
///
/// # Errors
/// Those of [`open`](crate::open()), and of [`Runtime::new`].
pub fn open(url: &str) -> Result<Storage> {
    let runtime = Runtime::new()?;
    let storage = runtime.wait(crate::open(url))?;
    Ok(Storage { storage, runtime })
}

impl Storage {
    /// A storage that has been made otherwise, with a backend of its own for example.
    pub fn new(storage: Arc<dyn TokenStorage>, runtime: Runtime) -> Self {
        Self { storage, runtime }
    }

    /// The storage itself, for code with async.
    pub fn inner(&self) -> &Arc<dyn TokenStorage> {
        &self.storage
    }

    /// What the calls run on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// As [`TokenStorage::get`].
    ///
    /// # Errors
    /// Those of [`TokenStorage::get`].
    pub fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.runtime.wait(self.storage.get(key))
    }

    /// As [`TokenStorageExt::store`](crate::TokenStorageExt::store).
    ///
    /// # Errors
    /// Those of [`TokenStorageExt::store`](crate::TokenStorageExt::store).
    pub fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.runtime.wait(self.storage.store(key, data, precondition))
    }

    /// As [`TokenStorage::store_all`].
    ///
    /// # Errors
    /// Those of [`TokenStorage::store_all`].
    pub fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.runtime.wait(self.storage.store_all(writes))
    }

    /// As [`TokenStorage::remove`].
    ///
    /// # Errors
    /// Those of [`TokenStorage::remove`].
    pub fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.runtime.wait(self.storage.remove(key, precondition))
    }

    /// Stores the answer to a login, as [`ResponsesExt::store_response`](crate::ResponsesExt::store_response).
    ///
    /// # Errors
    /// Those of [`ResponsesExt::store_response`](crate::ResponsesExt::store_response).
    pub fn store_response(&self, namespace: &str, response: &TokenResponse) -> Result<Vec<StoredResponse>> {
        self.runtime.wait(self.storage.store_response(namespace, response))
    }

    /// Stores the answer to a refresh, as [`ResponsesExt::merge_response`](crate::ResponsesExt::merge_response).
    ///
    /// # Errors
    /// Those of [`ResponsesExt::merge_response`](crate::ResponsesExt::merge_response).
    pub fn merge_response(&self, namespace: &str, response: &TokenResponse) -> Result<Vec<StoredResponse>> {
        self.runtime.wait(self.storage.merge_response(namespace, response))
    }

    /// The keys of a namespace; `None` if the storage cannot list.
    ///
    /// # Errors
    /// Those of [`Enumerate::list_keys`](crate::Enumerate::list_keys).
    pub fn keys(&self, namespace: &str) -> Result<Option<Vec<TokenKey>>> {
        let Some(enumerate) = self.storage.enumerate() else {
            return Ok(None);
        };
        let page = self.runtime.wait(enumerate.all_keys(namespace))?;
        Ok(Some(page.items))
    }

    /// As [`TokenStorage::describe`].
    pub fn describe(&self) -> StorageInfo {
        self.storage.describe()
    }
}
