//! Listings out of an index that is not kept as the records are: clauses C5, K6.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use token_storage_core::{
    Cursor, Enumerate, MemoryStorage, Page, Precondition, Result, Revision, StoredToken, TokenData, TokenKey,
    TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const ANY_WAY: &str = "enumeration::what_is_written_in_any_way_is_listed";
    const ONLY_THE_ASKED: &str = "enumeration::lists_only_the_asked_namespace";
    const SHAPE: &str = "paging::names_of_any_shape_add_up";
    vec![
        memory::<Batch>("what a batch stores is not listed", ANY_WAY),
        memory::<Insert>("what an insert stores is not listed", ANY_WAY),
        memory::<NamespaceGoes>(
            "a namespace goes with one of its keys",
            "enumeration::emptied_namespaces_are_not_listed",
        ),
        memory::<RemovesEverywhere>(
            "a remove takes a name from all namespaces",
            "enumeration::removed_keys_are_not_listed",
        ),
        memory::<ReadsListed>(
            "what is looked for is listed",
            "enumeration::what_was_refused_is_not_listed",
        ),
        memory::<RemovesListed>(
            "what was not there to be removed is listed",
            "enumeration::what_was_refused_is_not_listed",
        ),
        memory::<LikeNamespaces>("namespaces are patterns", ONLY_THE_ASKED),
        memory::<CaselessNamespaces>("namespaces have no case", ONLY_THE_ASKED),
        memory::<NamespaceOfALine>("a namespace of two lines has no keys", ONLY_THE_ASKED),
        memory::<NamespacesOfALine>(
            "a namespace of two lines is not listed",
            "enumeration::lists_each_namespace_once",
        ),
        memory::<AThousand>("lists a thousand keys", "enumeration::pages_add_up"),
        memory::<ShortCursor>("a cursor has 255 bytes", SHAPE),
        memory::<CursorOfALine>("a cursor is a line", SHAPE),
        memory::<CursorWithoutNul>("a cursor ends at NUL", SHAPE),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Batch,
    Insert,
    NamespaceGoes,
    RemovesEverywhere,
    ReadsListed,
    RemovesListed,
    LikeNamespaces,
    CaselessNamespaces,
    NamespaceOfALine,
    NamespacesOfALine,
    AThousand,
    ShortCursor,
    CursorOfALine,
    CursorWithoutNul,
}

/// The keys, and the namespaces that are taken for empty.
#[derive(Debug, Default)]
pub(crate) struct Names {
    keys: BTreeSet<TokenKey>,
    gone: BTreeSet<String>,
}

impl Names {
    fn add(&mut self, key: &TokenKey) {
        self.gone.remove(key.namespace());
        self.keys.insert(key.clone());
    }

    fn remove(&mut self, key: &TokenKey, wrong: Wrong) {
        match wrong {
            Wrong::RemovesEverywhere => self
                .keys
                .retain(|other| other.resource_server() != key.resource_server()),
            _ => drop(self.keys.remove(key)),
        }
        if wrong == Wrong::NamespaceGoes {
            self.gone.insert(key.namespace().to_owned());
        }
    }
}

type Index = Arc<Mutex<Names>>;

async fn store(
    (base, index, wrong): (&MemoryStorage, &Index, Wrong),
    (key, data): (&TokenKey, &TokenData),
    precondition: Precondition,
) -> Result<Revision> {
    let revision = base.store(key, data, precondition).await?;
    if wrong != Wrong::Insert || precondition != Precondition::Absent {
        index.lock().unwrap().add(key);
    }
    Ok(revision)
}

async fn store_all(
    (base, index, wrong): (&MemoryStorage, &Index, Wrong),
    writes: &[Write<'_>],
) -> Result<Vec<Revision>> {
    let revisions = base.store_all(writes).await?;
    if wrong != Wrong::Batch {
        writes.iter().for_each(|write| index.lock().unwrap().add(write.key));
    }
    Ok(revisions)
}

async fn remove(
    (base, index, wrong): (&MemoryStorage, &Index, Wrong),
    key: &TokenKey,
    precondition: Precondition,
) -> Result<bool> {
    let removed = base.remove(key, precondition).await?;
    let mut index = index.lock().unwrap();
    match removed {
        true => index.remove(key, wrong),
        false if wrong == Wrong::RemovesListed => index.add(key),
        false => (),
    }
    Ok(removed)
}

/// `LIKE`: `%` is anything, `_` one character.
fn like(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '%' => text.char_indices().any(|(at, _)| like(rest, &text[at..])) || like(rest, ""),
        _ => {
            let mut chars = text.chars();
            let same = chars.next().is_some_and(|c| first == '_' || first == c);
            same && like(rest, chars.as_str())
        }
    }
}

struct Listing<'a>(&'a Index, Wrong);

impl Listing<'_> {
    fn is_of(&self, namespace: &str, key: &TokenKey) -> bool {
        match self.1 {
            Wrong::LikeNamespaces => like(namespace, key.namespace()),
            Wrong::CaselessNamespaces => namespace.eq_ignore_ascii_case(key.namespace()),
            Wrong::NamespaceOfALine if namespace.contains('\n') => false,
            _ => namespace == key.namespace(),
        }
    }

    fn cursor(&self, name: &str) -> Cursor {
        let end = match self.1 {
            Wrong::ShortCursor => (0..=name.len().min(255)).rev().find(|end| name.is_char_boundary(*end)),
            Wrong::CursorOfALine => name.find('\n'),
            Wrong::CursorWithoutNul => name.find('\0'),
            _ => None,
        };
        Cursor::new(&name[..end.unwrap_or(name.len())])
    }
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        const PAGE: usize = 100;
        let most = if self.1 == Wrong::AThousand { 1000 } else { usize::MAX };
        let index = self.0.lock().unwrap();
        let keys = index.keys.iter().filter(|key| self.is_of(namespace, key)).take(most);
        let behind = |key: &&TokenKey| after.is_none_or(|after| key.resource_server() > after.as_str());
        let mut items: Vec<TokenKey> = keys.filter(behind).take(PAGE + 1).cloned().collect();
        let more = items.len() > PAGE;
        items.truncate(PAGE);
        let next = items
            .last()
            .filter(|_| more)
            .map(|key| self.cursor(key.resource_server()));
        Ok(Page::new(items, next))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let index = self.0.lock().unwrap();
        let mut names: Vec<String> = index.keys.iter().map(|key| key.namespace().to_owned()).collect();
        names.dedup();
        let by_line = self.1 == Wrong::NamespacesOfALine;
        names.retain(|name| !index.gone.contains(name));
        names.retain(|name| !by_line || !name.contains('\n'));
        Ok(Page::after(names.into_iter(), after, 100, String::as_str))
    }
}

macro_rules! index {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name with Names {
                async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
                    let found = self.0.get(key).await?;
                    if Wrong::$name == Wrong::ReadsListed && found.is_none() {
                        self.1.lock().unwrap().add(key);
                    }
                    Ok(found)
                }

                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    store((&self.0, &self.1, Wrong::$name), (key, data), precondition).await
                }

                async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    store_all((&self.0, &self.1, Wrong::$name), writes).await
                }

                async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
                    remove((&self.0, &self.1, Wrong::$name), key, precondition).await
                }

                fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
                    Some(Box::new(Listing(&self.1, Wrong::$name)))
                }
            }
        );)*
    };
}

index! {
    /// It forgets the index in a batch.
    Batch;
    /// It forgets the index where it creates.
    Insert;
    /// The namespace has no key any more, it thinks.
    NamespaceGoes;
    /// The index is by name.
    RemovesEverywhere;
    /// Looking makes a row.
    ReadsListed;
    /// A tombstone for what never was.
    RemovesListed;
    /// `WHERE namespace LIKE ?`.
    LikeNamespaces;
    /// A collation without case.
    CaselessNamespaces;
    /// The index is a text, a line a key.
    NamespaceOfALine;
    /// So is that of the namespaces.
    NamespacesOfALine;
    /// `LIMIT 1000`, whatever the page.
    AThousand;
    /// The column of cursors is short.
    ShortCursor;
    /// It is read by the line.
    CursorOfALine;
    /// A text of C.
    CursorWithoutNul;
}
