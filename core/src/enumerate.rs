use async_trait::async_trait;

use crate::{Result, TokenKey};

/// Where a listing goes on: opaque, valid for the same question asked of the same storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// For backends: a cursor with this text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// For backends: the text it was made of.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries of this page; may be empty although more follow.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<Cursor>,
    /// Entries of this page that exist but whose key is not valid Unicode (a lone surrogate written by another
    /// program), so that no [`TokenKey`] can name them. They are kept.
    pub unnameable: u64,
}

impl<T> Page<T> {
    /// For backends: a page of these entries, all of which can be named.
    pub fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self {
            items,
            next,
            unnameable: 0,
        }
    }

    /// For backends: a page of entries that come in byte order of `name`, each name once, starting behind `after`. None of
    /// them is [`unnameable`](Page::unnameable): count those on one page only.
    pub fn after(
        sorted: impl Iterator<Item = T>,
        after: Option<&Cursor>,
        size: usize,
        name: impl Fn(&T) -> &str,
    ) -> Self {
        let mut rest = sorted.skip_while(|item| after.is_some_and(|cursor| name(item) <= cursor.as_str()));
        let items: Vec<T> = rest.by_ref().take(size).collect();
        let next = if rest.next().is_some() {
            items.last().map(|item| Cursor::new(name(item)))
        } else {
            None
        };
        Self::new(items, next)
    }
}

/// Listing keys and namespaces: a capability that a key-value store does not have.
///
/// It is separate from [`TokenStorage`](crate::TokenStorage), so that code which needs it does not compile against a
/// storage that cannot (clause C1). Behind `dyn`, ask [`TokenStorage::enumerate`](crate::TokenStorage::enumerate).
///
/// While others write, everything that is there throughout the listing is listed exactly once (C5).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot list its keys",
    note = "a key-value store cannot; name the keys, or keep a list of them elsewhere",
    note = "behind `dyn TokenStorage`, ask `enumerate()`, which is `None` for such a storage"
)]
#[async_trait]
pub trait Enumerate: Send + Sync {
    /// The keys of one namespace, a page at a time; `after` is the [`Page::next`] of the page before.
    ///
    /// # Errors
    /// - [`Corrupt`](crate::ErrorKind::Corrupt): the storage as a whole cannot be read. A damaged record is listed.
    /// - [`Busy`](crate::ErrorKind::Busy), [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>>;

    /// The namespaces that hold at least one record, a page at a time.
    ///
    /// # Errors
    /// As [`Enumerate::list_keys`].
    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>>;
}
