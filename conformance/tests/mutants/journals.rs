//! Batches that lie in a journal until they are copied to their places, and listings that look into the one before the other:
//! clause C5.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use token_storage_core::{
    Cursor, Enumerate, Page, Precondition, Result, Revision, TokenData, TokenKey, TokenStorage as _,
    TokenStorageExt as _, Write, async_trait,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const READ: &str = "enumeration::what_was_read_is_listed";
    vec![
        memory::<FolderFirst>("lists its folder, then its journal", READ),
        memory::<NoNamespaces>("a journal has no namespaces", READ),
        memory::<NoJournal>("lists no journal", READ),
    ]
}

/// Where a key is found by listings. Records are found in either place.
#[derive(Debug, Default)]
pub(crate) struct Places {
    folder: BTreeSet<TokenKey>,
    journal: Vec<TokenKey>,
}

type Shared = Arc<Mutex<Places>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    FolderFirst,
    NoNamespaces,
    NoJournal,
}

struct Listing<'a>(&'a Shared, Flaw);

impl Listing<'_> {
    fn journal(&self) -> Vec<TokenKey> {
        self.0.lock().unwrap().journal.clone()
    }

    fn folder(&self) -> BTreeSet<TokenKey> {
        self.0.lock().unwrap().folder.clone()
    }

    async fn all(&self) -> BTreeSet<TokenKey> {
        let (mut found, journal) = match self.1 {
            Flaw::FolderFirst => {
                let folder = self.folder();
                crate::pause().await;
                (folder, self.journal())
            }
            Flaw::NoJournal => (self.folder(), Vec::new()),
            Flaw::NoNamespaces => {
                let journal = self.journal();
                (self.folder(), journal)
            }
        };
        found.extend(journal);
        found
    }
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let all = self.all().await.into_iter().filter(|key| key.namespace() == namespace);
        Ok(Page::after(all, after, 100, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let all = match self.1 {
            Flaw::NoNamespaces => self.folder(),
            _ => self.all().await,
        };
        let mut names: Vec<String> = all.iter().map(|key| key.namespace().to_owned()).collect();
        names.dedup();
        Ok(Page::after(names.into_iter(), after, 100, String::as_str))
    }
}

macro_rules! journal {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name with Places {
                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    let revision = self.0.store(key, data, precondition).await?;
                    self.1.lock().unwrap().folder.insert(key.clone());
                    Ok(revision)
                }

                async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    let keys: Vec<TokenKey> = writes.iter().map(|write| write.key.clone()).collect();
                    let revisions = self.0.store_all(writes).await?;
                    self.1.lock().unwrap().journal.extend(keys.iter().cloned());
                    crate::pause().await;
                    let mut places = self.1.lock().unwrap();
                    places.folder.extend(keys.iter().cloned());
                    places.journal.retain(|key| !keys.contains(key));
                    Ok(revisions)
                }

                async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
                    let removed = self.0.remove(key, precondition).await?;
                    if removed {
                        self.1.lock().unwrap().folder.remove(key);
                    }
                    Ok(removed)
                }

                fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
                    Some(Box::new(Listing(&self.1, Flaw::$name)))
                }
            }
        );)*
    };
}

journal! {
    /// What is copied out in between is in neither.
    FolderFirst;
    /// Their listing looks into the folder alone.
    NoNamespaces;
    /// So does every listing.
    NoJournal;
}
