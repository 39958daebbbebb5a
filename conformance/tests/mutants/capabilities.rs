//! Storages that claim too much, or list wrongly: clauses C1, C3 to C5.

use token_storage_core::{
    Cursor, Enumerate, Error, ErrorKind, MemoryStorage, Operation, Page, RefreshLease, Result, StorageInfo, TokenKey,
    TokenStorage, async_trait,
};

use crate::{
    Mutant,
    flaw::{flaw, keys_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<UnsupportedAtRunTime>("unsupported at run time", "enumeration::lists_each_key_once"),
        memory::<ClaimsEnumeration>("claims what it lacks", "capability::declared_matches_reported"),
        memory::<HidesEnumeration>("hides what it has", "capability::declared_matches_reported"),
        memory::<ForgetsToForwardLeases>("forgets to forward", "capability::declared_matches_reported"),
        memory::<HasNoName>("has no name", "capability::the_description_makes_sense"),
        memory::<ListsAPageTwice>("lists a page twice", "enumeration::lists_each_key_once"),
        memory::<ListsOnePageOnly>("lists one page only", "enumeration::pages_add_up"),
        memory::<ListsByPrefix>("lists by prefix", "enumeration::lists_only_the_asked_namespace"),
        memory::<ListsAKeyTwice>("lists a key twice", "enumeration::lists_each_key_once"),
        memory::<ListsAllNamespaces>("lists all namespaces", "enumeration::lists_only_the_asked_namespace"),
        memory::<ListsNoNamespaces>("lists no namespaces", "enumeration::lists_each_namespace_once"),
    ]
}

flaw!(
    /// Has the capability to list, and answers that it is not supported.
    UnsupportedAtRunTime {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(Unsupported))
        }
    }
);

struct Unsupported;

#[async_trait]
impl Enumerate for Unsupported {
    async fn list_keys(&self, _: &str, _: Option<&Cursor>) -> Result<Page<TokenKey>> {
        Err(Error::new(ErrorKind::Misconfigured, "listing is not supported").with_operation(Operation::List))
    }

    async fn list_namespaces(&self, _: Option<&Cursor>) -> Result<Page<String>> {
        Err(Error::new(ErrorKind::Misconfigured, "listing is not supported").with_operation(Operation::List))
    }
}

flaw!(
    /// Describes a listing that it does not have.
    ClaimsEnumeration {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            None
        }
    }
);

flaw!(
    /// Has a listing that it does not describe.
    HidesEnumeration {
        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.enumerates = false;
            info
        }
    }
);

flaw!(
    /// A wrapper that forgets to forward the leases of what it wraps.
    ForgetsToForwardLeases {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            None
        }
    }
);

flaw!(
    /// Describes itself without a name.
    HasNoName {
        fn describe(&self) -> StorageInfo {
            let mut info = self.0.describe();
            info.backend.clear();
            info
        }
    }
);

/// A listing that is wrong in one respect.
struct Listing<'a> {
    base: &'a MemoryStorage,
    flaw: Wrong,
}

#[derive(Clone, Copy, PartialEq)]
enum Wrong {
    PageTwice,
    OnePageOnly,
    Prefix,
    Duplicates,
    NamespacesOfTheDead,
    AllNamespaces,
}

impl Listing<'_> {
    /// Small pages, so that paging matters.
    const PAGE: usize = 2;

    async fn all(&self, namespace: &str) -> Result<Vec<TokenKey>> {
        let base = self.base.enumerate().unwrap();
        let mut namespaces = vec![namespace.to_owned()];
        if matches!(self.flaw, Wrong::Prefix | Wrong::AllNamespaces) {
            namespaces = base.list_namespaces(None).await?.items;
            namespaces.retain(|name| self.flaw == Wrong::AllNamespaces || name.starts_with(namespace));
        }
        let mut keys = Vec::new();
        for namespace in &namespaces {
            keys.extend(keys_of(&*base, namespace).await?);
        }
        Ok(keys)
    }
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let mut keys = self.all(namespace).await?;
        keys.sort_by(|a, b| a.resource_server().cmp(b.resource_server()));
        if self.flaw == Wrong::PageTwice {
            let (skip, again) = match after.map(Cursor::as_str) {
                None => (0, true),
                Some("again") => (0, false),
                Some(text) => (text.parse().unwrap(), false),
            };
            let items: Vec<_> = keys.iter().skip(skip).take(Self::PAGE).cloned().collect();
            let next = skip + items.len();
            let next = if again && !items.is_empty() {
                Some(Cursor::new("again"))
            } else {
                (next < keys.len()).then(|| Cursor::new(next.to_string()))
            };
            return Ok(Page::new(items, next));
        }
        let size = if self.flaw == Wrong::OnePageOnly {
            Self::PAGE
        } else {
            256
        };
        let mut page = Page::after(keys.into_iter(), after, size, TokenKey::resource_server);
        match self.flaw {
            Wrong::OnePageOnly => page.next = None,
            Wrong::Duplicates => page.items.extend(page.items.first().cloned()),
            _ => {}
        }
        Ok(page)
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let base = self.base.enumerate().unwrap();
        let mut page = base.list_namespaces(after).await?;
        if self.flaw == Wrong::NamespacesOfTheDead {
            page.items.clear();
        }
        Ok(page)
    }
}

macro_rules! listing {
    ($(#[$meta:meta])* $name:ident, $flaw:expr) => {
        flaw!(
            $(#[$meta])*
            $name {
                fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
                    Some(Box::new(Listing { base: &self.0, flaw: $flaw }))
                }
            }
        );
    };
}

listing!(
    /// Lists the first page twice.
    ListsAPageTwice,
    Wrong::PageTwice
);
listing!(
    /// Lists the first page and says that it was all.
    ListsOnePageOnly,
    Wrong::OnePageOnly
);
listing!(
    /// Lists the namespaces that begin with the one asked for.
    ListsByPrefix,
    Wrong::Prefix
);
listing!(
    /// Lists a key twice on one page.
    ListsAKeyTwice,
    Wrong::Duplicates
);
listing!(
    /// Lists every namespace's keys.
    ListsAllNamespaces,
    Wrong::AllNamespaces
);
listing!(
    /// Lists no namespaces although there are some.
    ListsNoNamespaces,
    Wrong::NamespacesOfTheDead
);
