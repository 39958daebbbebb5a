//! Whether the table of tokens is laid out as the Globus SDK does it.
//!
//! A table of another shape may do anything with a token: keep a copy of it, drop it, take one key for another. It is
//! refused before it is used.

use std::fmt;

use rusqlite::{Connection, Result, types::ValueRef};

use crate::error;

/// What a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The table of tokens.
    Tokens,
    /// No table at all.
    Blank,
    /// Tables of another program.
    Foreign,
}

/// What about the table of tokens is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It is a view, or a table that some program only pretends.
    NotATable,
    /// It has other columns, or they are of another type.
    Columns,
    /// Its definition has this word.
    Word(&'static str),
    /// The key is not its primary key, compared byte for byte.
    Key,
    /// It has an index of this name besides.
    Index(String),
    /// It has a trigger of this name.
    Trigger(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATable => f.write_str("it is not an ordinary table"),
            Self::Columns => {
                f.write_str("its columns are not namespace, resource_server and token_data_json, all text")
            }
            Self::Word(word) => write!(f, "its definition says {word}"),
            Self::Key => f.write_str("its primary key is not namespace and resource_server, compared byte for byte"),
            Self::Index(name) => write!(f, "it has an index of its own, {name}"),
            Self::Trigger(name) => write!(f, "it has a trigger, {name}"),
        }
    }
}

const TABLE: &str = "token_storage";
/// As SQLite keeps what [`schema::create`](crate::schema::create) and the SDK say.
const USUAL: &str = "CREATE TABLE token_storage ( namespace VARCHAR NOT NULL, resource_server VARCHAR NOT NULL, \
     token_data_json VARCHAR NOT NULL, PRIMARY KEY (namespace, resource_server) )";
const COLUMNS: [&str; 3] = ["namespace", "resource_server", "token_data_json"];
/// What the SDK's definition does not have and what changes the meaning of a statement.
const WORDS: [&str; 8] = [
    "COLLATE",
    "CHECK",
    "GENERATED",
    "AS",
    "CONFLICT",
    "WITHOUT",
    "REFERENCES",
    "VIRTUAL",
];

/// What the database has, or what is wrong with its table of tokens.
pub(crate) fn of(connection: &Connection) -> Result<std::result::Result<Layout, Misfit>> {
    let entries = entries(connection)?;
    let is_tokens = |name: &str| name.eq_ignore_ascii_case(TABLE);
    let Some(table) = entries.iter().find(|entry| is_tokens(&entry.name)) else {
        if entries.iter().any(|entry| !entry.name.starts_with("sqlite_")) {
            return Ok(Ok(Layout::Foreign));
        }
        return if uses_pages(connection)? {
            Err(error::contradicts_itself())
        } else {
            Ok(Ok(Layout::Blank))
        };
    };
    if table.kind != "table" {
        return Ok(Err(Misfit::NotATable));
    }
    let mut of_table = entries.iter().filter(|entry| is_tokens(&entry.table));
    if let Some(trigger) = of_table.clone().find(|entry| entry.kind == "trigger") {
        return Ok(Err(Misfit::Trigger(trigger.shown_name())));
    }
    if let Some(index) = of_table.find(|entry| entry.kind == "index" && !entry.sql.is_empty()) {
        return Ok(Err(Misfit::Index(index.shown_name())));
    }
    if is_usual(&table.sql) {
        return Ok(Ok(Layout::Tokens));
    }
    if let Some(word) = odd_word(&table.sql) {
        return Ok(Err(Misfit::Word(word)));
    }
    if columns(connection)? != COLUMNS {
        return Ok(Err(Misfit::Columns));
    }
    if !has_key(connection)? {
        return Ok(Err(Misfit::Key));
    }
    Ok(Ok(Layout::Tokens))
}

/// A database without tables has one page at the most, besides those that are free.
fn uses_pages(connection: &Connection) -> Result<bool> {
    let number = |pragma| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    Ok(number("PRAGMA page_count")? - number("PRAGMA freelist_count")? > 1)
}

struct Entry {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

impl Entry {
    /// It stands in a file that anybody may have made.
    fn shown_name(&self) -> String {
        let start: String = self.name.chars().take(64).collect();
        format!("{start:?}")
    }
}

fn entries(connection: &Connection) -> Result<Vec<Entry>> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |column| match row.get_ref(column)? {
            ValueRef::Text(bytes) => Ok::<_, rusqlite::Error>(String::from_utf8_lossy(bytes).into_owned()),
            _ => Ok(String::new()),
        };
        entries.push(Entry {
            kind: text(0)?,
            name: text(1)?,
            table: text(2)?,
            sql: text(3)?,
        });
    }
    Ok(entries)
}

/// Whether a table is defined word for word as the SDK and this library do it. What is in it need not be found out then,
/// which takes a fifth of all that opening takes.
fn is_usual(sql: &str) -> bool {
    // Other white space is a part of names for SQLite.
    sql.split_ascii_whitespace().eq(USUAL.split_ascii_whitespace())
}

fn odd_word(sql: &str) -> Option<&'static str> {
    sql.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .find_map(|found| WORDS.into_iter().find(|word| word.eq_ignore_ascii_case(found)))
}

/// The names of the columns that keep text, in their order.
fn columns(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA table_xinfo(token_storage)")?;
    let mut rows = statement.query([])?;
    let mut columns = Vec::new();
    while let Some(row) = rows.next()? {
        let declared = row.get::<_, String>(2)?.to_ascii_uppercase();
        // How SQLite itself finds out which columns keep text as text.
        let keeps_text =
            !declared.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|kind| declared.contains(kind));
        columns.push(if keeps_text { row.get(1)? } else { String::new() });
    }
    Ok(columns)
}

/// Whether the one index is that of the primary key.
fn has_key(connection: &Connection) -> Result<bool> {
    let mut statement = connection.prepare(
        "SELECT column.name, column.coll, column.desc FROM pragma_index_list('token_storage') AS list, \
         pragma_index_xinfo(list.name) AS column WHERE column.key = 1 AND list.\"unique\" = 1 AND list.partial = 0 \
         ORDER BY list.seq, column.seqno",
    )?;
    let columns = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<Vec<(Option<String>, String, i64)>>>()?;
    let is_key = |(found, wanted): (&(Option<String>, String, i64), &&str)| {
        found.0.as_deref() == Some(wanted) && found.1 == "BINARY" && found.2 == 0
    };
    Ok(columns.len() == 2 && columns.iter().zip(&COLUMNS[..2]).all(is_key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(connection: &Connection) -> String {
        let select = "SELECT sql FROM sqlite_schema WHERE name = 'token_storage'";
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_this_library_makes_is_the_usual_table_and_passes_every_look() {
        let connection = Connection::open_in_memory().unwrap();
        crate::schema::create(&connection).unwrap();
        let sql = sql(&connection);
        assert!(is_usual(&sql), "{sql}");
        assert_eq!(odd_word(&sql), None);
        assert_eq!(columns(&connection).unwrap(), COLUMNS);
        assert!(has_key(&connection).unwrap());
    }

    #[test]
    fn another_definition_is_taken_apart() {
        for definition in [
            "namespace TEXT NOT NULL, resource_server TEXT NOT NULL, token_data_json TEXT NOT NULL, \
             PRIMARY KEY (namespace, resource_server)",
            "namespace VARCHAR NOT NULL, resource_server VARCHAR NOT NULL, token_data_json VARCHAR NOT NULL, \
             PRIMARY KEY (namespace, resource_server)) WITHOUT ROWID --",
            "namespace VARCHAR NOT NULL, resource_server VARCHAR NOT NULL, token_data_json VARCHAR NOT NULL, \
             PRIMARY KEY (resource_server, namespace)",
            "namespace VARCHAR NOT NULL, resource_server VARCHAR NOT NULL, token_data_json\u{a0}VARCHAR NOT NULL, \
             PRIMARY KEY (namespace, resource_server)",
        ] {
            let connection = Connection::open_in_memory().unwrap();
            let create = format!("CREATE TABLE token_storage ( {definition} )");
            connection.execute_batch(&create).unwrap();
            assert!(!is_usual(&sql(&connection)), "{definition}");
        }
    }
}
