//! A part of a storage that looks like the whole.

use std::sync::Arc;

use token_storage_core::{
    Acquisition, Begin, Cursor, Enumerate, Error, Intent, LeaseGuard, LeaseView, Page, Precondition, RefreshLease,
    Result, Revision, ShowOutline, ShownOutline, StorageInfo, StoredToken, TokenKey, TokenStorage, Write, async_trait,
    backend::forward,
};

/// How many namespaces a page of a tenant's listing has.
const PAGE: usize = 1000;

/// One tenant's part of a storage: a storage of its own to whoever has it, with all namespaces, listing and leases, and no
/// way to another tenant's.
///
/// Its namespaces are those of the storage that begin with the tenant's name and a slash; the name's own slashes and percent
/// signs are escaped, so that no tenant's part lies in another's, whatever they are called. Keys in answers and errors are
/// as the tenant knows them.
///
/// Two things cost: namespaces are shorter by the prefix, and a page of [`Enumerate::list_namespaces`] is a walk over the
/// namespaces of all tenants, so that not even a [`Cursor`] tells of others. Namespaces of the tenant that are no Unicode are
/// not counted ([`Page::unnameable`]): whose they are cannot be told.
///
/// ```
/// use token_storage::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _};
/// use token_storage::layers::Tenant;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage::Result<()> {
/// let shared = MemoryStorage::new();
/// let (acme, initech) = (Tenant::new(shared.clone(), "acme"), Tenant::new(shared.clone(), "initech"));
/// let key = TokenKey::new("alice", "rs");
/// acme.store(&key, &TokenData::new("rs", "", "at"), Precondition::Any).await?;
/// assert!(initech.get(&key).await?.is_none());
/// assert!(shared.get(&TokenKey::new("acme/alice", "rs")).await?.is_some());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Tenant<S> {
    storage: S,
    names: Names,
}

impl<S: TokenStorage> Tenant<S> {
    /// The part of this tenant. Any name is legal; it must be a good deal shorter than the namespaces that the storage takes.
    pub fn new(storage: S, tenant: &str) -> Self {
        let escaped = tenant.replace('%', "%25").replace('/', "%2F");
        Self {
            storage,
            names: Names(format!("{escaped}/").into()),
        }
    }
}

/// What the tenant and the storage below call the same: the prefix between them.
#[derive(Clone, Debug)]
struct Names(Arc<str>);

impl Names {
    fn below(&self, key: &TokenKey) -> TokenKey {
        TokenKey::new(self.namespace_below(key.namespace()), key.resource_server())
    }

    fn namespace_below(&self, namespace: &str) -> String {
        format!("{}{namespace}", self.0)
    }

    /// A namespace of the storage below as the tenant knows it, if it is the tenant's.
    fn own<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        namespace.strip_prefix(&*self.0)
    }

    fn own_key(&self, key: &TokenKey) -> TokenKey {
        let own = self.own(key.namespace()).unwrap_or_default();
        TokenKey::new(own, key.resource_server())
    }

    /// An answer whose error names the key as the tenant knows it.
    fn told<T>(&self, answer: Result<T>) -> Result<T> {
        answer.map_err(|error| self.told_error(error))
    }

    fn told_error(&self, error: Error) -> Error {
        if let Some(conflict) = error.conflict() {
            let told = Error::precondition_failed(self.own_key(&conflict.key), conflict.current);
            return match error.operation() {
                Some(operation) => told.with_operation(operation),
                None => told,
            };
        }
        match error.key().map(|key| self.own_key(key)) {
            Some(key) => error.with_key(&key),
            None => error,
        }
    }
}

#[async_trait]
impl<S: TokenStorage> TokenStorage for Tenant<S> {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let key = self.names.below(key);
        self.names.told(self.storage.get(&key).await)
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let keys: Vec<TokenKey> = writes.iter().map(|write| self.names.below(write.key)).collect();
        let below = writes.iter().zip(&keys);
        let below: Vec<Write<'_>> = below.map(|(w, key)| Write::new(key, w.data, w.precondition)).collect();
        self.names.told(self.storage.store_all(&below).await)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        let key = self.names.below(key);
        self.names.told(self.storage.remove(&key, precondition).await)
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        let key = self.names.below(key);
        self.names.told(self.storage.prove_writable(&key).await)
    }

    fn describe(&self) -> StorageInfo {
        let mut info = self.storage.describe();
        let limit = &mut info.limits.namespace_bytes;
        *limit = limit.saturating_sub(self.names.0.len());
        info
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(Listing {
            names: &self.names,
            inner: self.storage.enumerate()?,
        }))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(Lease {
            names: &self.names,
            inner: self.storage.lease()?,
        }))
    }
}

struct Listing<'a> {
    names: &'a Names,
    inner: Box<dyn Enumerate + 'a>,
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let below = self.names.namespace_below(namespace);
        let mut page = self.names.told(self.inner.list_keys(&below, after).await)?;
        for key in &mut page.items {
            *key = self.names.own_key(key);
        }
        Ok(page)
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let (mut own, mut below) = (Vec::new(), None);
        loop {
            let page = self.inner.list_namespaces(below.as_ref()).await?;
            own.extend(
                page.items
                    .iter()
                    .filter_map(|name| self.names.own(name))
                    .map(str::to_owned),
            );
            below = page.next;
            if below.is_none() {
                break;
            }
        }
        own.sort_unstable();
        Ok(Page::after(own.into_iter(), after, PAGE, String::as_str))
    }

    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        let (below, names) = (self.names.namespace_below(namespace), self.names.clone());
        let show = show.with_errors(move |error| names.told_error(error));
        self.names.told(self.inner.list_outlines(&below, after, &show).await)
    }
}

struct Lease<'a> {
    names: &'a Names,
    inner: Box<dyn RefreshLease + 'a>,
}

#[async_trait]
impl RefreshLease for Lease<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let key = self.names.below(key);
        let acquired = self.names.told(self.inner.try_acquire(&key).await)?;
        Ok(acquired.map(|inner| self.guard(inner)))
    }

    async fn try_begin(&self, key: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let key = self.names.below(key);
        let begun = self.names.told(self.inner.try_begin(&key, revision, intent).await)?;
        Ok(begun.map(|inner| self.guard(inner)))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let key = self.names.below(key);
        self.names.told(self.inner.look(&key).await)
    }
}

impl Lease<'_> {
    fn guard(&self, inner: Box<dyn LeaseGuard>) -> Box<dyn LeaseGuard> {
        let names = self.names.clone();
        Box::new(Guard { names, inner })
    }
}

/// Only for the names in its errors.
#[derive(Debug)]
struct Guard {
    names: Names,
    inner: Box<dyn LeaseGuard>,
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent, remaining);

    async fn renew(&mut self) -> Result<()> {
        self.names.told(self.inner.renew().await)
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.names.told(self.inner.record_intent(intent).await)
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.names.told(self.inner.clear_intent().await)
    }

    async fn release(self: Box<Self>) -> Result<()> {
        self.names.told(self.inner.release().await)
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.names.told(self.inner.finish().await)
    }
}
