//! Listing, by key order, a page at a time, from the index of the primary key.

use rusqlite::{Connection, Statement, types::ValueRef};
use token_storage_core::{
    Cursor, Enumerate, ErrorContext as _, Operation, Page, Result, ShowOutline, ShownOutline, TokenKey,
    TokenStorage as _, async_trait, record::Outline,
};

use crate::{
    SqliteStorage,
    codec::{self, RawText},
    error,
    storage::Inner,
};

const PAGE: usize = 256;
/// What is shown of records is short, and each page costs the way to another thread and back.
const PAGE_OF_RECORDS: usize = 4096;
/// A page of records ends behind the one with which it has read more than this.
const PAGE_BYTES: usize = 4 << 20;

const KEYS_FROM_START: &str =
    "SELECT resource_server, rowid FROM token_storage WHERE namespace = ?1 ORDER BY resource_server";
const KEYS_AFTER: &str = "SELECT resource_server, rowid FROM token_storage WHERE namespace = ?1 AND resource_server > ?2 \
     ORDER BY resource_server";
/// From the table's row, so that an index that leads elsewhere is noticed, as in [`schema::SELECT`](crate::schema::SELECT).
const ROW: &str = "SELECT token_data_json, namespace, resource_server FROM token_storage WHERE rowid = ?1";
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

    /// A page is one state of the database, read in one transaction, and ends behind some 4 MiB of records: a small fraction of
    /// what a `get` for each key takes.
    async fn list_outlines(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: &ShowOutline,
    ) -> Result<Option<Page<ShownOutline>>> {
        let (owned, after, shows) = (namespace.to_owned(), after.cloned(), show.clone());
        let mut page = self
            .list(move |connection| outlines(connection, &owned, after.as_ref(), &shows))
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for read in std::mem::take(&mut page.items) {
            items.push(match read {
                Read::Known(item) => item,
                Read::Unreadable(key) => match self.get(&key).await {
                    Ok(Some(record)) => show.record(key.resource_server(), Ok(Outline::of(&record.data))),
                    Err(error) => show.record(key.resource_server(), Err(error)),
                    // Removed meanwhile.
                    Ok(None) => continue,
                },
            });
        }
        Ok(Some(page.with_items(items)))
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
        Ok(page.unwrap_or_else(|| Page::new(Vec::new(), None)))
    }
}

fn keys(connection: &Connection, namespace: &str, after: Option<&Cursor>) -> rusqlite::Result<Page<TokenKey>> {
    walk(connection, namespace, after, PAGE, |name, _| {
        Ok((TokenKey::new(namespace, name), 0))
    })
}

/// What a row of a page turned out to be.
enum Read {
    Known(ShownOutline),
    /// Something is wrong with the database there. Whoever reads that key alone finds out what.
    Unreadable(TokenKey),
}

fn outlines(
    connection: &Connection,
    namespace: &str,
    after: Option<&Cursor>,
    show: &ShowOutline,
) -> rusqlite::Result<Page<Read>> {
    let mut row = connection.prepare_cached(ROW)?;
    walk(
        connection,
        namespace,
        after,
        PAGE_OF_RECORDS,
        |name, rowid| match outline(&mut row, (namespace, name), rowid, show) {
            Ok(Some((item, bytes))) => Ok((Read::Known(item), bytes)),
            Err(error) if !error::is_damage(&error) => Err(error),
            Ok(None) | Err(_) => Ok((Read::Unreadable(TokenKey::new(namespace, name)), 0)),
        },
    )
}

/// What is shown of a row, and how large it is; `None` if it is not the key's.
fn outline(
    row: &mut Statement<'_>,
    (namespace, name): (&str, &str),
    rowid: i64,
    show: &ShowOutline,
) -> rusqlite::Result<Option<(ShownOutline, usize)>> {
    let mut rows = row.query([rowid])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let is_text =
        |column, text: &str| Ok::<_, rusqlite::Error>(row.get_ref(column)? == ValueRef::Text(text.as_bytes()));
    if !is_text(1, namespace)? || !is_text(2, name)? {
        return Ok(None);
    }
    let value = row.get_ref(0)?;
    let item = codec::outline(value, |outline| match outline {
        Ok(outline) => show.record(name, Ok(outline)),
        Err(damage) => {
            let error = damage.into_error(&TokenKey::new(namespace, name));
            show.record(name, Err(error).during(Operation::List))
        }
    });
    let bytes = value.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
    Ok(Some((item, bytes)))
}

/// One page of at most so many keys of a namespace; `read` makes an entry of a key and its row's number, and says how large
/// it is.
fn walk<T>(
    connection: &Connection,
    namespace: &str,
    after: Option<&Cursor>,
    most: usize,
    mut read: impl FnMut(&str, i64) -> rusqlite::Result<(T, usize)>,
) -> rusqlite::Result<Page<T>> {
    let mut page = Builder::new(most);
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
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let Some(name) = text(row.get_ref(0)?) else {
            page.add_unnameable();
            continue;
        };
        if page.is_full() || bytes > PAGE_BYTES {
            page.go_on_later();
            break;
        }
        let (item, size) = read(name, row.get(1)?)?;
        bytes += size;
        page.add(name, item);
    }
    Ok(page.finish())
}

fn namespaces(connection: &Connection, after: Option<&Cursor>) -> rusqlite::Result<Page<String>> {
    let mut page = Builder::new(PAGE);
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
        match row.get_ref(0)? {
            ValueRef::Text(bytes) => {
                last = Some(bytes.to_vec());
                match std::str::from_utf8(bytes) {
                    Ok(_) if page.is_full() => {
                        page.go_on_later();
                        break;
                    }
                    Ok(name) => page.add(name, name.to_owned()),
                    Err(_) => page.add_unnameable(),
                }
            }
            // Blobs sort after all text. (Numbers there are none: the column's affinity makes them text.)
            ValueRef::Blob(_) => {
                page.add_unnameable();
                break;
            }
            _ => break,
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
    most: usize,
    last: String,
    unnameable: u64,
}

impl<T> Builder<T> {
    fn new(most: usize) -> Self {
        Self {
            page: Page::new(Vec::new(), None),
            most,
            last: String::new(),
            unnameable: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.page.items.len() == self.most
    }

    /// There is more behind the last entry.
    fn go_on_later(&mut self) {
        self.page.next = Some(Cursor::new(self.last.as_str()));
    }

    fn add(&mut self, name: &str, item: T) {
        self.page.unnameable += std::mem::take(&mut self.unnameable);
        self.page.items.push(item);
        name.clone_into(&mut self.last);
    }

    fn add_unnameable(&mut self) {
        self.unnameable += 1;
    }

    fn finish(mut self) -> Page<T> {
        if self.page.next.is_none() {
            self.page.unnameable += self.unnameable;
        }
        self.page
    }
}
