//! A handle bound to one namespace.

use token_storage_core::{
    DEFAULT_NAMESPACE, Enumerate, Page, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt,
};

use crate::{EnumerateExt, StoredResponse, TokenResponse, apply};

/// The tokens of one namespace: what an application that serves one user, or one tenant at a time, works with.
///
/// ```
/// use token_storage::{MemoryStorage, Namespaced, Precondition, TokenData};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
/// let storage = MemoryStorage::new();
/// let (alice, bob) = (Namespaced::new(storage.clone(), "alice"), Namespaced::new(storage, "bob"));
/// alice.store("rs", &TokenData::new("rs", "", "at"), Precondition::Any).await?;
/// assert!(alice.get("rs").await?.is_some());
/// assert!(bob.get("rs").await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Namespaced<S> {
    storage: S,
    namespace: Box<str>,
}

impl<S: TokenStorage> Namespaced<S> {
    /// The given namespace of a storage. Any string is legal, up to the length that the storage declares.
    pub fn new(storage: S, namespace: impl Into<Box<str>>) -> Self {
        Self {
            storage,
            namespace: namespace.into(),
        }
    }

    /// The namespace [`DEFAULT_NAMESPACE`], which the Globus SDK uses when none is named.
    pub fn in_default(storage: S) -> Self {
        Self::new(storage, DEFAULT_NAMESPACE)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The storage below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The storage below, for good.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// The key of a resource server in this namespace.
    pub fn key(&self, resource_server: &str) -> TokenKey {
        TokenKey::new(&*self.namespace, resource_server)
    }

    /// As [`TokenStorage::get`].
    ///
    /// # Errors
    /// Those of [`TokenStorage::get`].
    pub async fn get(&self, resource_server: &str) -> Result<Option<StoredToken>> {
        self.storage.get(&self.key(resource_server)).await
    }

    /// As [`TokenStorageExt::store`].
    ///
    /// # Errors
    /// Those of [`TokenStorageExt::store`].
    pub async fn store(&self, resource_server: &str, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.storage.store(&self.key(resource_server), data, precondition).await
    }

    /// As [`TokenStorage::remove`].
    ///
    /// # Errors
    /// Those of [`TokenStorage::remove`].
    pub async fn remove(&self, resource_server: &str, precondition: Precondition) -> Result<bool> {
        self.storage.remove(&self.key(resource_server), precondition).await
    }

    /// Stores the answer to a login: each token's whole record is replaced, all or none of them.
    ///
    /// # Errors
    /// Those of [`ResponsesExt::store_response`](crate::ResponsesExt::store_response).
    pub async fn store_response(&self, response: &TokenResponse) -> Result<Vec<StoredResponse>> {
        apply::store_response(&self.storage, &self.namespace, response).await
    }

    /// Stores the answer to a refresh: merged with what is stored (clause L8), all or none of the records.
    ///
    /// # Errors
    /// Those of [`ResponsesExt::merge_response`](crate::ResponsesExt::merge_response).
    pub async fn merge_response(&self, response: &TokenResponse) -> Result<Vec<StoredResponse>> {
        apply::merge_response(&self.storage, &self.namespace, response).await
    }

    /// The listing of this namespace; `None` if the storage cannot list. Having the value means that it works (C1).
    pub fn listing(&self) -> Option<Listing<'_>> {
        let enumerate = self.storage.enumerate()?;
        Some(Listing {
            enumerate,
            namespace: &self.namespace,
        })
    }
}

/// The keys of one namespace; see [`Namespaced::listing`].
pub struct Listing<'a> {
    enumerate: Box<dyn Enumerate + 'a>,
    namespace: &'a str,
}

impl Listing<'_> {
    /// All keys of the namespace, as one page.
    ///
    /// # Errors
    /// Those of [`Enumerate::list_keys`].
    pub async fn keys(&self) -> Result<Page<TokenKey>> {
        self.enumerate.all_keys(self.namespace).await
    }
}

impl std::fmt::Debug for Listing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listing")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
