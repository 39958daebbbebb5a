//! A broken storage says only what it does differently from a correct one.

use std::{fmt::Debug, sync::Arc};

use token_storage_conformance::{Harness, Suite};
use token_storage_core::{
    Enumerate, Intent, LeaseGuard, MemoryStorage, Precondition, RefreshLease, Result, Revision, StorageInfo,
    StoredToken, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write, async_trait, backend::forward,
};

/// A storage with one flaw: every method does the right thing, but for what an implementation overrides.
///
/// Clones share their data.
#[async_trait]
pub(crate) trait Flaw: Clone + Debug + Send + Sync + 'static {
    /// A new, empty storage.
    fn new() -> Self;

    /// The correct storage that keeps the data.
    fn base(&self) -> &MemoryStorage;

    /// Another handle onto the same data.
    fn handle(&self) -> Self {
        self.clone()
    }

    /// The key that is really used.
    fn key(&self, key: &TokenKey) -> TokenKey {
        key.clone()
    }

    /// What is really written.
    fn written(&self, data: &TokenData) -> TokenData {
        data.clone()
    }

    /// What is read of what is there.
    fn read(&self, data: TokenData) -> TokenData {
        data
    }

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        let stored = self.base().get(&self.key(key)).await?;
        Ok(stored.map(|stored| StoredToken {
            data: self.read(stored.data),
            revision: stored.revision,
        }))
    }

    /// A batch of one, which is what every `store` is. Backends have a way of their own for it, and so have flaws.
    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.base()
            .store(&self.key(key), &self.written(data), precondition)
            .await
    }

    /// A batch of any other size.
    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let changed: Vec<_> = writes
            .iter()
            .map(|w| (self.key(w.key), self.written(w.data), w.precondition))
            .collect();
        let writes: Vec<_> = changed
            .iter()
            .map(|(key, data, condition)| Write::new(key, data, *condition))
            .collect();
        self.base().store_all(&writes).await
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        self.base().remove(&self.key(key), precondition).await
    }

    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        self.base().prove_writable(&self.key(key)).await
    }

    fn describe(&self) -> StorageInfo {
        self.base().describe()
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        self.base().enumerate()
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        self.base().lease()
    }

    /// What `Debug` of the storage shows.
    fn debug(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mutant")
    }
}

/// The storage that the suite sees.
pub(crate) struct Mutant<F>(F);

impl<F: Flaw> Debug for Mutant<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.debug(f)
    }
}

#[async_trait]
impl<F: Flaw> TokenStorage for Mutant<F> {
    forward!(self.0 => get, remove, prove_writable, describe, enumerate, lease);

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        match writes {
            [one] => Ok(vec![self.0.store_one(one.key, one.data, one.precondition).await?]),
            writes => self.0.store_all(writes).await,
        }
    }
}

/// The storage that the suite sees of a flaw.
pub(crate) fn open<F: Flaw>(flaw: F) -> Arc<dyn TokenStorage> {
    Arc::new(Mutant(flaw))
}

/// Opens mutants in memory.
pub(crate) struct InMemory<F>(std::marker::PhantomData<fn() -> F>);

impl<F> InMemory<F> {
    pub(crate) fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

#[async_trait]
impl<F: Flaw> Harness for InMemory<F> {
    type Place = F;

    async fn fresh(&self) -> Result<F> {
        Ok(F::new())
    }

    async fn reopen(&self, place: &F) -> Result<Arc<dyn TokenStorage>> {
        Ok(open(place.handle()))
    }
}

/// The suite over a mutant in memory, everything declared that the correct storage has.
pub(crate) fn suite<F: Flaw>(name: &str) -> Suite<InMemory<F>> {
    Suite::new(name, InMemory::<F>::new())
}

/// The guard inside of a broken one that has a `Drop` of its own, out of which nothing can be moved; `None` if there is none, or
/// once it was released.
#[derive(Debug)]
pub(crate) struct Inner(pub(crate) Option<Box<dyn LeaseGuard>>);

impl Inner {
    pub(crate) fn inner(&mut self) -> &mut dyn LeaseGuard {
        &mut **self.0.as_mut().expect("it is there until the guard is released")
    }

    pub(crate) fn intent(&self) -> Option<&Intent> {
        self.0.as_ref().and_then(|inner| inner.intent())
    }

    pub(crate) async fn release(&mut self) -> Result<()> {
        match self.0.take() {
            Some(inner) => inner.release().await,
            None => Ok(()),
        }
    }
}

/// Every key of a namespace.
pub(crate) async fn keys_of(listing: &dyn Enumerate, namespace: &str) -> Result<Vec<TokenKey>> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = listing.list_keys(namespace, after.as_ref()).await?;
        keys.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}

/// Every namespace.
pub(crate) async fn namespaces_of(listing: &dyn Enumerate) -> Result<Vec<String>> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = listing.list_namespaces(after.as_ref()).await?;
        names.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(names);
        }
    }
}

/// Declares a mutant without state of its own, and what it overrides.
macro_rules! flaw {
    ($(#[$meta:meta])* $name:ident { $($overridden:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name(::token_storage_core::MemoryStorage);

        #[::token_storage_core::async_trait]
        impl $crate::flaw::Flaw for $name {
            fn new() -> Self {
                Self::default()
            }

            fn base(&self) -> &::token_storage_core::MemoryStorage {
                &self.0
            }

            $($overridden)*
        }
    };
    ($(#[$meta:meta])* $name:ident with $state:ty { $($overridden:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name(::token_storage_core::MemoryStorage, ::std::sync::Arc<::std::sync::Mutex<$state>>);

        #[::token_storage_core::async_trait]
        impl $crate::flaw::Flaw for $name {
            fn new() -> Self {
                Self::default()
            }

            fn base(&self) -> &::token_storage_core::MemoryStorage {
                &self.0
            }

            $($overridden)*
        }
    };
}
pub(crate) use flaw;

/// Declares mutants that write something else than they were given.
macro_rules! written {
    ($($(#[$meta:meta])* $name:ident, |$data:ident| $change:expr;)*) => {
        $($crate::flaw::flaw!(
            $(#[$meta])*
            $name {
                fn written(&self, data: &::token_storage_core::TokenData) -> ::token_storage_core::TokenData {
                    let mut $data = data.clone();
                    $change;
                    $data
                }
            }
        );)*
    };
}
pub(crate) use written;
