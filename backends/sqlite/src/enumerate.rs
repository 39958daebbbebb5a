//! Listing, by key order, a page at a time, from the index of the primary key.

use rusqlite::{Connection, types::ValueRef};
use token_storage_core::{Cursor, Enumerate, ErrorContext as _, Operation, Page, Result, TokenKey, async_trait};

use crate::{SqliteStorage, codec::RawText, storage::Inner};

const PAGE: usize = 256;

const KEYS_FROM_START: &str = "SELECT resource_server FROM token_storage WHERE namespace = ?1 ORDER BY resource_server";
const KEYS_AFTER: &str = "SELECT resource_server FROM token_storage WHERE namespace = ?1 AND resource_server > ?2 \
     ORDER BY resource_server";
/// One step from a namespace to the next one: the index finds it at once, however many records a namespace has.
/// `SELECT DISTINCT` would walk over every record.
const FIRST_NAMESPACE: &str = "SELECT min(namespace) FROM token_storage WHERE namespace >= ''";
const NEXT_NAMESPACE: &str = "SELECT min(namespace) FROM token_storage WHERE namespace > ?1";

#[async_trait]
impl Enumerate for &SqliteStorage {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let (namespace, after) = (namespace.to_owned(), after.cloned());
        self.list(move |connection| keys(connection, &namespace, after.as_ref()))
            .await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let after = after.cloned();
        self.list(move |connection| namespaces(connection, after.as_ref()))
            .await
    }
}

impl SqliteStorage {
    async fn list<T: Send + 'static>(
        &self,
        list: impl Fn(&Connection) -> rusqlite::Result<Page<T>> + Send + 'static,
    ) -> Result<Page<T>> {
        let page = match &self.0 {
            Inner::File(handle) => {
                let read = handle.file.read("token_storage", move |reader| reader.audited(&list));
                read.await.during(Operation::List)?
            }
            Inner::Memory(memory) => Some(memory.read(list).during(Operation::List)?),
        };
        Ok(page.unwrap_or_else(|| Builder::new().finish()))
    }
}

fn keys(connection: &Connection, namespace: &str, after: Option<&Cursor>) -> rusqlite::Result<Page<TokenKey>> {
    let mut page = Builder::new();
    let mut statement;
    let mut rows = match after {
        None => {
            statement = connection.prepare_cached(KEYS_FROM_START)?;
            statement.query([namespace])?
        }
        Some(after) => {
            statement = connection.prepare_cached(KEYS_AFTER)?;
            statement.query([namespace, after.as_str()])?
        }
    };
    while let Some(row) = rows.next()? {
        let full = match text(row.get_ref(0)?) {
            Some(name) => page.add(name, || TokenKey::new(namespace, name)),
            None => page.add_unnameable(),
        };
        if full {
            break;
        }
    }
    Ok(page.finish())
}

fn namespaces(connection: &Connection, after: Option<&Cursor>) -> rusqlite::Result<Page<String>> {
    let mut page = Builder::new();
    let mut last = after.map(|after| after.as_str().as_bytes().to_vec());
    loop {
        let mut statement;
        let mut rows = match &last {
            None => {
                statement = connection.prepare_cached(FIRST_NAMESPACE)?;
                statement.query([])?
            }
            Some(last) => {
                statement = connection.prepare_cached(NEXT_NAMESPACE)?;
                statement.query([RawText(last)])?
            }
        };
        let Some(row) = rows.next()? else { break };
        let full = match row.get_ref(0)? {
            ValueRef::Text(bytes) => {
                last = Some(bytes.to_vec());
                match std::str::from_utf8(bytes) {
                    Ok(name) => page.add(name, || name.to_owned()),
                    Err(_) => page.add_unnameable(),
                }
            }
            // Blobs sort after all text. (Numbers there are none: the column's affinity makes them text.)
            ValueRef::Blob(_) => {
                page.add_unnameable();
                break;
            }
            _ => break,
        };
        if full {
            break;
        }
    }
    Ok(page.finish())
}

fn text(value: ValueRef<'_>) -> Option<&str> {
    match value {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// A page in the making. The next one starts behind the last entry that has a name, so what has none counts only once
/// such an entry follows it, or at the end.
struct Builder<T> {
    page: Page<T>,
    last: String,
    unnameable: u64,
}

impl<T> Builder<T> {
    fn new() -> Self {
        Self {
            page: Page {
                items: Vec::new(),
                next: None,
                unnameable: 0,
            },
            last: String::new(),
            unnameable: 0,
        }
    }

    /// Says whether the page was full already.
    fn add(&mut self, name: &str, item: impl FnOnce() -> T) -> bool {
        if self.page.items.len() == PAGE {
            self.page.next = Some(Cursor::new(self.last.as_str()));
            return true;
        }
        self.page.unnameable += std::mem::take(&mut self.unnameable);
        self.page.items.push(item());
        name.clone_into(&mut self.last);
        false
    }

    fn add_unnameable(&mut self) -> bool {
        self.unnameable += 1;
        false
    }

    fn finish(mut self) -> Page<T> {
        if self.page.next.is_none() {
            self.page.unnameable += self.unnameable;
        }
        self.page
    }
}
