use std::{any::Any, fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Error, ErrorKind, Operation, Result, TokenKey, record::Outline};

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

    /// For backends: the same page with other entries for the same records.
    pub fn with_items<U>(&self, items: Vec<U>) -> Page<U> {
        Page {
            items,
            next: self.next.clone(),
            unnameable: self.unnameable,
        }
    }

    pub(crate) fn try_map<U>(mut self, map: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let items = std::mem::take(&mut self.items).into_iter().map(map);
        Ok(self.with_items(items.collect::<Result<_>>()?))
    }
}

/// What a listing with outlines makes of each record; whoever lists says what that is. Clones are the same.
#[derive(Clone)]
pub struct ShowOutline(Arc<Make>);

type Make = dyn Fn(&str, Result<Outline<'_>>) -> ShownOutline + Send + Sync;

impl ShowOutline {
    /// That what `show` returns, of the resource server and the record's outline, or of the error that `get` has for it.
    pub(crate) fn new<T: Send + 'static>(
        show: impl Fn(&str, Result<Outline<'_>>) -> T + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |resource_server, outline| {
            ShownOutline(Box::new(show(resource_server, outline)))
        }))
    }

    /// For backends: shows the record of a resource server, of which `outline` is what [`Outline::of`] says of what
    /// [`get`](crate::TokenStorage::get) answers, or the error that it fails with.
    pub fn record(&self, resource_server: &str, outline: Result<Outline<'_>>) -> ShownOutline {
        self.0(resource_server, outline)
    }

    /// For layers: shows by this what `change` makes of an error.
    #[must_use]
    pub fn with_errors(&self, change: impl Fn(Error) -> Error + Send + Sync + 'static) -> Self {
        let show = self.clone();
        Self(Arc::new(move |resource_server, outline| {
            show.record(resource_server, outline.map_err(&change))
        }))
    }
}

impl fmt::Debug for ShowOutline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShowOutline")
    }
}

/// What a [`ShowOutline`] made of one record.
pub struct ShownOutline(Box<dyn Any + Send>);

impl ShownOutline {
    pub(crate) fn take<T: 'static>(self) -> Result<T> {
        match self.0.downcast() {
            Ok(item) => Ok(*item),
            Err(_) => {
                let message = "the storage lists a record that another listing was to show: a fault of its backend";
                Err(Error::new(ErrorKind::Misconfigured, message).with_operation(Operation::List))
            }
        }
    }
}

/// Nothing of the record.
impl fmt::Debug for ShownOutline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownOutline")
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

    /// The records of one namespace in outline, a page at a time, each shown by `show`, in the order of
    /// [`list_keys`](Enumerate::list_keys): for storages that read many at once in less than a `get` for each. `None`, as it is by
    /// default: there is no such way, and [`TokenStorageExt::list_outlines`](crate::TokenStorageExt::list_outlines) reads each
    /// key's record; either way the outline is that of what [`get`](crate::TokenStorage::get) answers.
    ///
    /// A layer that changes what is read, or what may be read, must not hand on the outlines below it.
    ///
    /// # Errors
    /// As [`Enumerate::list_keys`]. What is wrong with one record is shown in its place.
    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        let _ = (namespace, after, show);
        Ok(None)
    }
}
