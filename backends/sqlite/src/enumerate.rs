//! Listing, by key order, a page at a time, from the index of the primary key.

use rusqlite::{Connection, Statement, types::ValueRef};
use token_storage_core::{
    Cursor, Enumerate, ErrorContext as _, Operation, Page, Result, StoredToken, TokenKey, TokenStorage as _,
    async_trait,
};

use crate::{
    SqliteStorage,
    cache::size,
    codec::{self, Damage, RawText},
    error,
    storage::Inner,
};

const PAGE: usize = 256;
/// A page of records ends behind the one with which it takes more memory than this.
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
}

impl SqliteStorage {
    /// The records of one namespace with their keys, a page at a time, as [`Enumerate::list_keys`] lists the keys; `after` is
    /// the [`Page::next`] of the page before. A page is one state of the database, is read in one transaction, which costs a
    /// fraction of a `get` for each key, and holds about 4 MiB at most, or a single larger record.
    ///
    /// A record that is damaged is an error in its place, as `get` says it.
    ///
    /// # Errors
    /// As [`Enumerate::list_keys`].
    pub async fn list_records(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
    ) -> Result<Page<(TokenKey, Result<StoredToken>)>> {
        let (owned, after) = (namespace.to_owned(), after.cloned());
        let page = self
            .list(move |connection| records(connection, &owned, after.as_ref()))
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (key, read) in page.items {
            let record = match read {
                Read::Record(record) => Ok(record),
                Read::Damaged(damage) => Err(damage.into_error(&key)).during(Operation::List),
                Read::Unreadable => match self.get(&key).await.transpose() {
                    Some(record) => record,
                    // Removed meanwhile.
                    None => continue,
                },
            };
            items.push((key, record));
        }
        let mut records = Page::new(items, page.next);
        records.unnameable = page.unnameable;
        Ok(records)
    }

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
    walk(connection, namespace, after, |name, _| {
        Ok((TokenKey::new(namespace, name), 0))
    })
}

/// What a row of a page turned out to be.
enum Read {
    Record(StoredToken),
    Damaged(Damage),
    /// Something is wrong with the database there. Whoever reads that key alone finds out what.
    Unreadable,
}

fn records(
    connection: &Connection,
    namespace: &str,
    after: Option<&Cursor>,
) -> rusqlite::Result<Page<(TokenKey, Read)>> {
    let mut row = connection.prepare_cached(ROW)?;
    walk(connection, namespace, after, |name, rowid| {
        let key = TokenKey::new(namespace, name);
        let read = match record(&mut row, &key, rowid) {
            Err(error) if error::is_damage(&error) => Read::Unreadable,
            read => read?,
        };
        let bytes = match &read {
            Read::Record(record) => size(&key, record),
            Read::Damaged(_) | Read::Unreadable => 0,
        };
        Ok(((key, read), bytes))
    })
}

fn record(row: &mut Statement<'_>, key: &TokenKey, rowid: i64) -> rusqlite::Result<Read> {
    let mut rows = row.query([rowid])?;
    let Some(row) = rows.next()? else {
        return Ok(Read::Unreadable);
    };
    let is_text =
        |column, text: &str| Ok::<_, rusqlite::Error>(row.get_ref(column)? == ValueRef::Text(text.as_bytes()));
    if !is_text(1, key.namespace())? || !is_text(2, key.resource_server())? {
        return Ok(Read::Unreadable);
    }
    Ok(match codec::decode(row.get_ref(0)?) {
        Ok(record) => Read::Record(record),
        Err(damage) => Read::Damaged(damage),
    })
}

/// One page of the keys of a namespace; `read` makes an entry of a key and its row's number, and says how large it is.
fn walk<T>(
    connection: &Connection,
    namespace: &str,
    after: Option<&Cursor>,
    mut read: impl FnMut(&str, i64) -> rusqlite::Result<(T, usize)>,
) -> rusqlite::Result<Page<T>> {
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
    last: String,
    unnameable: u64,
}

impl<T> Builder<T> {
    fn new() -> Self {
        Self {
            page: Page::new(Vec::new(), None),
            last: String::new(),
            unnameable: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.page.items.len() == PAGE
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
