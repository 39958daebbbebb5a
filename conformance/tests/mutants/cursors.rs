//! Listings that lose or repeat what is at the border of a page: clause C5.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use token_storage_core::{Cursor, Enumerate, MemoryStorage, Page, Result, TokenKey, async_trait};

use crate::{
    Mutant,
    flaw::{flaw, keys_of, namespaces_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<Offsets>("cursors are offsets", "paging::what_was_listed_may_go"),
        memory::<OffsetsRepeat>(
            "cursors are offsets, and more comes",
            "paging::more_may_come_between_pages",
        ),
        memory::<OffsetsOfAll>(
            "cursors are offsets, and all changes",
            "paging::what_stays_is_listed_once",
        ),
        memory::<EndsWithoutItsKey>(
            "a listing ends when its cursor's key is gone",
            "paging::the_cursors_key_may_go",
        ),
        memory::<StartsAgain>(
            "a listing starts again when its cursor's key is gone",
            "paging::the_cursors_key_may_go",
        ),
        memory::<OneAtATime>("one listing at a time", "paging::two_listings_in_turn"),
        memory::<CursorIsUsedUp>("a cursor is used up", "paging::a_cursor_can_be_used_again"),
        memory::<LosesTheLastOfTwo>("loses a page of one", "paging::about_a_page_and_two"),
        memory::<LosesAFullPage>("takes a full page for the last", "paging::about_a_page_and_two"),
        memory::<SortsWithoutCase>("sorts without case", "paging::keys_of_any_order_add_up"),
        memory::<SortsNumbers>("sorts by length", "paging::keys_of_any_order_add_up"),
        memory::<SkipsEmpty>("does not list the empty key", "paging::keys_of_any_order_add_up"),
        memory::<OnePageOfNamespaces>("one page of namespaces", "paging::namespaces_add_up"),
        memory::<NamespaceOfEachPage>("a namespace of each page", "paging::namespaces_add_up"),
        memory::<ReachesIntoTheNext>(
            "a page reaches into the next namespace",
            "paging::pages_end_with_their_namespace",
        ),
        memory::<EmptyMeansAll>(
            "the empty namespace is all of them",
            "enumeration::an_empty_namespace_is_listed",
        ),
        memory::<EmptyIsHidden>(
            "the empty namespace is not listed",
            "enumeration::an_empty_namespace_is_listed",
        ),
    ]
}

const PAGE: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Offsets,
    OffsetsRepeat,
    OffsetsOfAll,
    EndsWithoutItsKey,
    StartsAgain,
    OneAtATime,
    CursorIsUsedUp,
    LosesTheLastOfTwo,
    LosesAFullPage,
    SortsWithoutCase,
    SortsNumbers,
    SkipsEmpty,
    OnePageOfNamespaces,
    NamespaceOfEachPage,
    ReachesIntoTheNext,
    EmptyMeansAll,
    EmptyIsHidden,
}

type State = Arc<Mutex<BTreeMap<String, usize>>>;

struct Listing<'a> {
    base: &'a MemoryStorage,
    state: State,
    wrong: Wrong,
}

fn page<T>(items: Vec<T>, next: Option<String>) -> Page<T> {
    Page::new(items, next.map(Cursor::new))
}

/// The page of a cursor that is a number.
fn from_offset<T>(all: Vec<T>, start: usize) -> Page<T> {
    let more = all.len() > start + PAGE;
    let items = all.into_iter().skip(start).take(PAGE).collect();
    page(items, more.then(|| (start + PAGE).to_string()))
}

/// The page behind a name, of entries in any order that the cursor compares in bytes.
fn behind(all: Vec<TokenKey>, after: Option<&Cursor>) -> Page<TokenKey> {
    let rest: Vec<TokenKey> = all
        .into_iter()
        .filter(|key| after.is_none_or(|cursor| key.resource_server() > cursor.as_str()))
        .collect();
    let more = rest.len() > PAGE;
    let items: Vec<TokenKey> = rest.into_iter().take(PAGE).collect();
    let next = items
        .last()
        .filter(|_| more)
        .map(|key| key.resource_server().to_owned());
    page(items, next)
}

#[async_trait]
impl Enumerate for Listing<'_> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let mut keys = keys_of(&self.base, namespace).await?;
        let place = after.map(Cursor::as_str);
        let number = place.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(match self.wrong {
            Wrong::Offsets | Wrong::OffsetsOfAll => from_offset(keys, number),
            Wrong::OffsetsRepeat => {
                // From the back: what is removed does no harm, what comes does.
                keys.reverse();
                from_offset(keys, number)
            }
            Wrong::EndsWithoutItsKey | Wrong::StartsAgain => {
                let known = place.is_none_or(|name| keys.iter().any(|key| key.resource_server() == name));
                match (known, self.wrong) {
                    (true, _) => behind(keys, after),
                    (false, Wrong::StartsAgain) => behind(keys, None),
                    (false, _) => page(Vec::new(), None),
                }
            }
            Wrong::OneAtATime => {
                let mut state = self.state.lock().unwrap();
                let start = if place.is_some() {
                    state.get("").copied().unwrap_or(0)
                } else {
                    0
                };
                state.insert(String::new(), start + PAGE);
                let mut page = from_offset(keys, start);
                page.next = page.next.map(|_| Cursor::new("more"));
                page
            }
            Wrong::CursorIsUsedUp => {
                let mut state = self.state.lock().unwrap();
                match place {
                    Some(name) if state.remove(name).is_none() => page(Vec::new(), None),
                    _ => {
                        let page = behind(keys, after);
                        state.extend(page.next.iter().map(|next| (next.as_str().to_owned(), 0)));
                        page
                    }
                }
            }
            Wrong::LosesTheLastOfTwo => {
                let left = keys.len();
                let mut page = from_offset(keys, number);
                if left == number + PAGE + 1 {
                    page.next = None;
                }
                page
            }
            Wrong::LosesAFullPage => {
                let left = keys.len();
                let mut page = from_offset(keys, number);
                if left == number + 2 * PAGE {
                    page.next = None;
                }
                page
            }
            Wrong::SortsWithoutCase => {
                keys.sort_by_key(|key| key.resource_server().to_lowercase());
                behind(keys, after)
            }
            Wrong::SortsNumbers => {
                keys.sort_by_key(|key| (key.resource_server().len(), key.resource_server().to_owned()));
                behind(keys, after)
            }
            Wrong::SkipsEmpty => {
                keys.retain(|key| !key.resource_server().is_empty());
                behind(keys, after)
            }
            Wrong::ReachesIntoTheNext => {
                if keys.len() % PAGE == 30 && keys.len() < 200 && place.is_some() {
                    let next = namespaces_of(&self.base)
                        .await?
                        .into_iter()
                        .find(|name| name.as_str() > namespace);
                    if let Some(next) = next {
                        keys.extend(keys_of(&self.base, &next).await?.into_iter().take(1));
                        keys.sort_by_key(|key| key.namespace().len());
                    }
                }
                from_offset(keys, number)
            }
            Wrong::EmptyMeansAll if namespace.is_empty() => {
                for name in namespaces_of(&self.base).await? {
                    keys.extend(keys_of(&self.base, &name).await?);
                }
                keys.sort();
                keys.dedup();
                from_offset(keys, number)
            }
            _ => from_offset(keys, number),
        })
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let mut names = namespaces_of(&self.base).await?;
        let number = after.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        match self.wrong {
            Wrong::EmptyIsHidden => names.retain(|name| !name.is_empty()),
            Wrong::NamespaceOfEachPage => {
                let border: Vec<String> = names.iter().skip(PAGE - 1).step_by(PAGE).cloned().collect();
                names.extend(border);
                names.sort();
            }
            _ => {}
        }
        let mut page = from_offset(names, number);
        if let (Some(cursor), Wrong::OnePageOfNamespaces) = (&page.next, self.wrong) {
            page.next = (cursor.as_str() != PAGE.to_string()).then(|| cursor.clone());
        }
        // What comes in between is what the others are about.
        Ok(page)
    }
}

macro_rules! listing {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name with BTreeMap<String, usize> {
                fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
                    Some(Box::new(Listing { base: &self.0, state: Arc::clone(&self.1), wrong: Wrong::$name }))
                }
            }
        );)*
    };
}

listing! {
    /// `OFFSET`: what was listed goes, and as many are skipped.
    Offsets;
    /// `OFFSET`: what comes moves the rest, and some are repeated.
    OffsetsRepeat;
    /// `OFFSET`, with as many coming as going.
    OffsetsOfAll;
    /// The cursor names a key, which is looked up.
    EndsWithoutItsKey;
    /// The cursor names a key, which is looked up.
    StartsAgain;
    /// Where it is, the storage remembers.
    OneAtATime;
    /// As a result set that was read.
    CursorIsUsedUp;
    /// One record more than a page.
    LosesTheLastOfTwo;
    /// Two pages, both full.
    LosesAFullPage;
    /// And compares the cursor by bytes.
    SortsWithoutCase;
    /// And compares the cursor by bytes.
    SortsNumbers;
    /// An empty name is taken for none.
    SkipsEmpty;
    /// There are never many of them.
    OnePageOfNamespaces;
    /// Where a page of keys begins, so does its namespace.
    NamespaceOfEachPage;
    /// One key too many is read to see whether there are more.
    ReachesIntoTheNext;
    /// As if none were named.
    EmptyMeansAll;
    /// As if it were none.
    EmptyIsHidden;
}
