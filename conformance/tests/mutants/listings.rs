//! Listings that forget, invent or change keys: clauses C1, C5, D3.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use token_storage_core::{
    Cursor, Enumerate, Error, ErrorKind, LeaseView, MemoryStorage, Page, Precondition, RefreshLease, Result, Revision,
    TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};

use crate::{
    Mutant,
    flaw::{Flaw, flaw, keys_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<UnknownIsAnError>(
            "an unknown namespace is an error",
            "enumeration::an_unknown_namespace_is_empty",
        ),
        memory::<ListsWhatIsShown>("lists keys as they are shown", "enumeration::lists_keys_byte_for_byte"),
        memory::<ListsRemoved>("lists what was removed", "enumeration::removed_keys_are_not_listed"),
        memory::<NamespacesStay>("a namespace stays", "enumeration::emptied_namespaces_are_not_listed"),
        memory::<HalfWhileWriting>(
            "lists half while it writes",
            "enumeration::what_stays_is_listed_while_others_write",
        ),
        memory::<IndexFollows>("the listing lags behind", "enumeration::listing_works_behind_dyn"),
        memory::<ListsLeases>("lists leases", "enumeration::a_lease_is_no_key"),
        memory::<ListsRefused>("lists what was refused", "enumeration::what_was_refused_is_not_listed"),
        memory::<ListsEveryWrite>("lists every write", "enumeration::written_again_is_listed_once"),
    ]
}

/// What a wrong listing makes of the keys of a namespace.
fn page(keys: Vec<TokenKey>, after: Option<&Cursor>) -> Page<TokenKey> {
    Page::after(keys.into_iter(), after, 100, TokenKey::resource_server)
}

macro_rules! listing {
    ($(#[$meta:meta])* $name:ident $(with $state:ty)? { $($more:tt)* } |$self:ident, $namespace:ident| $keys:expr) => {
        flaw!(
            $(#[$meta])*
            $name $(with $state)? {
                fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
                    Some(Box::new(self))
                }

                $($more)*
            }
        );

        #[async_trait]
        impl Enumerate for &$name {
            async fn list_keys(&self, $namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
                let $self = *self;
                Ok(page($keys, after))
            }

            async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
                (&self.0).list_namespaces(after).await
            }
        }
    };
}

listing!(
    /// Who asks for it must have stored something.
    UnknownIsAnError {}
    |storage, namespace| {
        let keys = keys_of(&&storage.0, namespace).await?;
        if keys.is_empty() {
            let message = "there is no such namespace";
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        keys
    }
);

listing!(
    /// Control characters would spoil the screen.
    ListsWhatIsShown {}
    |storage, namespace| {
        let shown = |text: &str| text.replace(|c: char| c.is_control(), "\u{fffd}");
        let keys = keys_of(&&storage.0, namespace).await?;
        let keys = keys.iter().map(|key| TokenKey::new(key.namespace(), shown(key.resource_server())));
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }
);

listing!(
    /// A remove leaves the index as it is.
    ListsRemoved with BTreeSet<TokenKey> {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let removed = self.0.remove(key, precondition).await?;
            if removed {
                self.1.lock().unwrap().insert(key.clone());
            }
            Ok(removed)
        }
    }
    |storage, namespace| {
        let mut keys: BTreeSet<_> = keys_of(&&storage.0, namespace).await?.into_iter().collect();
        let removed = storage.1.lock().unwrap();
        keys.extend(removed.iter().filter(|key| key.namespace() == namespace).cloned());
        keys.into_iter().collect()
    }
);

listing!(
    /// What is stored later is listed once something else has been stored.
    IndexFollows with Option<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            *self.1.lock().unwrap() = Some(key.clone());
            Ok(revision)
        }
    }
    |storage, namespace| {
        let mut keys = keys_of(&&storage.0, namespace).await?;
        let newest = storage.1.lock().unwrap();
        keys.retain(|key| Some(key) != newest.as_ref());
        keys
    }
);

flaw!(
    /// A table of its own, into which nobody looks when a record goes.
    NamespacesStay with BTreeSet<String> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().insert(key.namespace().to_owned());
            Ok(revision)
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(self))
        }
    }
);

#[async_trait]
impl Enumerate for &NamespacesStay {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        (&self.0).list_keys(namespace, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let names = self.1.lock().unwrap().clone();
        Ok(Page::after(names.into_iter(), after, 100, String::as_str))
    }
}

/// The index is written anew with each write.
#[derive(Clone, Debug, Default)]
pub(crate) struct HalfWhileWriting(MemoryStorage, Arc<AtomicUsize>);

#[async_trait]
impl Flaw for HalfWhileWriting {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        self.1.fetch_add(1, Ordering::SeqCst);
        crate::pause().await;
        let stored = self.0.store(key, data, precondition).await;
        self.1.fetch_sub(1, Ordering::SeqCst);
        stored
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }
}

#[async_trait]
impl Enumerate for &HalfWhileWriting {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let mut keys = keys_of(&&self.0, namespace).await?;
        if self.1.load(Ordering::SeqCst) > 0 {
            keys.truncate(keys.len() / 2);
        }
        Ok(page(keys, after))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        (&self.0).list_namespaces(after).await
    }
}

/// Lists some more than there are.
struct More<'a> {
    base: &'a MemoryStorage,
    more: Vec<TokenKey>,
}

#[async_trait]
impl Enumerate for More<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let mut page = self
            .base
            .enumerate()
            .expect("memory can be listed")
            .list_keys(namespace, after)
            .await?;
        if page.next.is_none() {
            page.items
                .extend(self.more.iter().filter(|key| key.namespace() == namespace).cloned());
        }
        Ok(page)
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.base
            .enumerate()
            .expect("memory can be listed")
            .list_namespaces(after)
            .await
    }
}

struct Noted<'a>(Box<dyn RefreshLease + 'a>, Arc<Mutex<Vec<TokenKey>>>);

#[async_trait]
impl RefreshLease for Noted<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<token_storage_core::Acquisition> {
        self.1.lock().unwrap().push(TokenKey::new(
            key.namespace(),
            format!("lease#{}", key.resource_server()),
        ));
        self.0.try_acquire(key).await
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        self.0.look(key).await
    }
}

flaw!(
    /// They are rows of the same table.
    ListsLeases with Vec<TokenKey> {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            Some(Box::new(Noted(self.0.lease()?, Arc::clone(&self.1))))
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(More { base: &self.0, more: self.1.lock().unwrap().clone() }))
        }
    }
);

flaw!(
    /// The index of keys is written first.
    ListsRefused with Vec<TokenKey> {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let done = self.0.store_all(writes).await;
            if done.is_err() {
                self.1.lock().unwrap().extend(writes.iter().take(1).map(|write| write.key.clone()));
            }
            done
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(More { base: &self.0, more: self.1.lock().unwrap().clone() }))
        }
    }
);

flaw!(
    /// The index of keys grows with each write.
    ListsEveryWrite with Vec<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if precondition == Precondition::Any && self.0.get(key).await?.is_some() {
                self.1.lock().unwrap().push(key.clone());
            }
            self.0.store(key, data, precondition).await
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(More { base: &self.0, more: self.1.lock().unwrap().clone() }))
        }
    }
);
