//! From a row to a record.

use rusqlite::{
    Connection,
    types::{ToSqlOutput, ValueRef},
};
use token_storage_core::{
    Error, ErrorKind, StoredToken, TokenKey, record,
    record::{Outline, RecordError},
};

use crate::{error, schema};

/// What is stored under a key: nothing, a record, or something that is none.
pub(crate) type Row = Option<Result<StoredToken, Damage>>;

/// Why a row is not a record. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    NotText,
    NotUnicode,
    Record(RecordError),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotText => f.write_str("it is neither text nor a blob"),
            Self::NotUnicode => f.write_str("it is not UTF-8"),
            Self::Record(error) => error.fmt(f),
        }
    }
}

impl Damage {
    pub(crate) fn into_error(self, key: &TokenKey) -> Error {
        let message = format!("the stored record is damaged: {self}; remove it or store a new one");
        Error::new(ErrorKind::Corrupt, message).with_key(key)
    }
}

/// Reads the row of a key.
pub(crate) fn select(connection: &Connection, key: &TokenKey) -> rusqlite::Result<Row> {
    select_with(
        connection,
        schema::SELECT,
        (key.namespace(), key.resource_server()),
        decode,
    )
}

/// Whether the row of a key has this text.
pub(crate) fn holds(connection: &Connection, key: &TokenKey, json: &str) -> rusqlite::Result<bool> {
    let is_it = |value: ValueRef<'_>| value == ValueRef::Text(json.as_bytes());
    let found = select_with(
        connection,
        schema::SELECT,
        (key.namespace(), key.resource_server()),
        is_it,
    )?;
    Ok(found == Some(true))
}

/// Reads a value with [`schema::SELECT`] or one like it. An index that leads to a row that is not the key's, or to none,
/// is damage: neither that row nor "nothing" is the answer.
pub(crate) fn select_with<T>(
    connection: &Connection,
    select: schema::Select,
    key: (&str, &str),
    read: impl FnOnce(ValueRef<'_>) -> T,
) -> rusqlite::Result<Option<T>> {
    let mut statement = connection.prepare_cached(select.row)?;
    let mut rows = statement.query(key)?;
    let Some(row) = rows.next()? else {
        // Should another program store it in between, it is read again, as all that looks like damage is.
        let is_lost = connection.prepare_cached(select.entry)?.exists(key)?;
        return if is_lost {
            Err(error::index_disagrees())
        } else {
            Ok(None)
        };
    };
    let is_text =
        |column, text: &str| Ok::<_, rusqlite::Error>(row.get_ref(column)? == ValueRef::Text(text.as_bytes()));
    if !is_text(1, key.0)? || !is_text(2, key.1)? {
        return Err(error::index_disagrees());
    }
    Ok(Some(read(row.get_ref(0)?)))
}

/// Decodes a record.
pub(crate) fn decode(value: ValueRef<'_>) -> Result<StoredToken, Damage> {
    record::decode(text(value)?).map_err(Damage::Record)
}

/// Hands over what a listing shows of a record.
pub(crate) fn outline<T>(value: ValueRef<'_>, show: impl FnOnce(Result<Outline<'_>, Damage>) -> T) -> T {
    match text(value) {
        Ok(text) => record::outline(text, |outline| show(outline.map_err(Damage::Record))),
        Err(damage) => show(Err(damage)),
    }
}

/// Python's programs accept a blob as well as text, so do we.
fn text(value: ValueRef<'_>) -> Result<&str, Damage> {
    let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = value else {
        return Err(Damage::NotText);
    };
    std::str::from_utf8(bytes).map_err(|_| Damage::NotUnicode)
}

/// Text that may not be UTF-8, to bind what was read from a column.
pub(crate) struct RawText<'a>(pub(crate) &'a [u8]);

impl rusqlite::ToSql for RawText<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}
