//! Listings that show of a record what `get` would not answer: clause C5.

use std::collections::BTreeMap;

use token_storage_core::{
    Cursor, Enumerate, MemoryStorage, Page, Precondition, Result, Revision, ShowOutline, ShownOutline, TokenData,
    TokenKey, TokenStorage as _, TokenStorageExt as _, async_trait, record::Outline,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const ANSWERS: &str = "outlines::each_is_what_get_answers";
    vec![
        memory::<OutlinesFromBelow>("hands on the outlines below it", ANSWERS),
        memory::<OutlinesOfTheFirst>("outlines are those of the first store", ANSWERS),
        memory::<OutlinesHaveNoExpiry>("outlines lack the expiry", ANSWERS),
        memory::<OutlinesLoseOne>("each page of outlines loses one", "outlines::pages_of_them_add_up"),
    ]
}

type Change<'a> = dyn Fn(&TokenKey, TokenData) -> TokenData + Send + Sync + 'a;

/// Shows many records at once, each as `change` has it.
struct Listing<'a> {
    base: &'a MemoryStorage,
    change: Box<Change<'a>>,
    loses_one: bool,
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        self.base.list_keys(namespace, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        self.base.list_namespaces(after).await
    }

    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        let keys = self.list_keys(namespace, after).await?;
        let mut items = Vec::new();
        for key in &keys.items {
            if let Some(stored) = self.base.get(key).await? {
                let data = (self.change)(key, stored.data);
                items.push(show.record(key.resource_server(), Ok(Outline::of(&data))));
            }
        }
        if self.loses_one && keys.next.is_some() {
            items.pop();
        }
        Ok(Some(keys.with_items(items)))
    }
}

/// What stands for any scope and comes back.
fn turned(mut data: TokenData) -> TokenData {
    data.scope = data.scope.chars().rev().collect();
    data
}

flaw!(
    /// A layer that changes what is stored, and takes only `get` for reading.
    OutlinesFromBelow {
        fn written(&self, data: &TokenData) -> TokenData {
            turned(data.clone())
        }

        fn read(&self, data: TokenData) -> TokenData {
            turned(data)
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Listing { base: &self.0, change: Box::new(|_, data| data), loses_one: false }))
        }
    }
);

flaw!(
    /// What is shown stands in a table of its own, which is written when a record is new.
    OutlinesOfTheFirst with BTreeMap<TokenKey, TokenData> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let stored = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().entry(key.clone()).or_insert_with(|| data.clone());
            Ok(stored)
        }

        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            let change = |key: &TokenKey, data: TokenData| self.1.lock().unwrap().get(key).cloned().unwrap_or(data);
            Some(Box::new(Listing { base: &self.0, change: Box::new(change), loses_one: false }))
        }
    }
);

flaw!(
    /// It has no column for it.
    OutlinesHaveNoExpiry {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            let change = |_: &TokenKey, mut data: TokenData| {
                data.expires_at = None;
                data
            };
            Some(Box::new(Listing { base: &self.0, change: Box::new(change), loses_one: false }))
        }
    }
);

flaw!(
    /// The entry with which it notices that there are more is in neither page.
    OutlinesLoseOne {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Listing { base: &self.0, change: Box::new(|_, data| data), loses_one: true }))
        }
    }
);
