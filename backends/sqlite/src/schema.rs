//! The tables, as the Globus SDK lays them out, and the statements on them.

use rusqlite::{Connection, OptionalExtension, Result};

/// Schema 2 of the Globus SDK, as its `SQLiteTokenStorage` creates it. `IF NOT EXISTS` because the file may be one that
/// another program has just begun.
const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS token_storage (
    namespace VARCHAR NOT NULL,
    resource_server VARCHAR NOT NULL,
    token_data_json VARCHAR NOT NULL,
    PRIMARY KEY (namespace, resource_server)
);
CREATE TABLE IF NOT EXISTS sdk_storage_adapter_internal (
    attribute VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY (attribute)
);";

/// Created by the first `store_config`, as the legacy `SQLiteAdapter` has it.
pub(crate) const CREATE_CONFIG: &str = "\
CREATE TABLE IF NOT EXISTS config_storage (
    namespace VARCHAR NOT NULL,
    config_name VARCHAR NOT NULL,
    config_data_json VARCHAR NOT NULL,
    PRIMARY KEY (namespace, config_name)
);";

/// Our own table, which the SDK ignores: one row that is changed to prove that the database can be written.
pub(crate) const CREATE_PROOF: &str = "\
CREATE TABLE IF NOT EXISTS token_storage_write_proof (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    proofs INTEGER NOT NULL
);";

pub(crate) const PROVE: &str = "INSERT INTO token_storage_write_proof (id, proofs) VALUES (1, 1) \
     ON CONFLICT (id) DO UPDATE SET proofs = proofs + 1";

const ATTRIBUTES: [(&str, &str); 2] = [
    (
        "globus-sdk.version",
        concat!("token-storage/", env!("CARGO_PKG_VERSION")),
    ),
    ("globus-sdk.database_schema_version", "2"),
];

/// What is stored under a key, and the key as the table's row has it.
///
/// The index gives the row's number alone. In a plain `SELECT`, SQLite takes every column that the index has from the
/// index, so that a damaged one would be compared with itself. (A join does the same as this, and takes twice the time.)
pub(crate) const SELECT: Select = Select {
    row: "SELECT token_data_json, namespace, resource_server FROM token_storage WHERE rowid = \
          (SELECT rowid FROM token_storage WHERE namespace = ?1 AND resource_server = ?2)",
    entry: "SELECT 1 FROM token_storage WHERE namespace = ?1 AND resource_server = ?2",
};

/// How to read by key.
pub(crate) struct Select {
    /// The value and the two halves of the key, from the table's row.
    pub(crate) row: &'static str,
    /// Whether the index has the key.
    pub(crate) entry: &'static str,
}

pub(crate) const UPSERT: &str = "INSERT INTO token_storage (namespace, resource_server, token_data_json) VALUES (?1, ?2, ?3) \
     ON CONFLICT (namespace, resource_server) DO UPDATE SET token_data_json = excluded.token_data_json";
pub(crate) const DELETE: &str = "DELETE FROM token_storage WHERE namespace = ?1 AND resource_server = ?2";
pub(crate) const SELECT_CONFIG: Select = Select {
    row: "SELECT config_data_json, namespace, config_name FROM config_storage WHERE rowid = \
          (SELECT rowid FROM config_storage WHERE namespace = ?1 AND config_name = ?2)",
    entry: "SELECT 1 FROM config_storage WHERE namespace = ?1 AND config_name = ?2",
};
pub(crate) const UPSERT_CONFIG: &str = "INSERT INTO config_storage (namespace, config_name, config_data_json) VALUES (?1, ?2, ?3) \
     ON CONFLICT (namespace, config_name) DO UPDATE SET config_data_json = excluded.config_data_json";
pub(crate) const DELETE_CONFIG: &str = "DELETE FROM config_storage WHERE namespace = ?1 AND config_name = ?2";

/// Whether there is a table (or view) of that name.
pub(crate) fn has_table(connection: &Connection, name: &str) -> Result<bool> {
    let found = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?1 AND type IN ('table', 'view')")?
        .query_row([name], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// The SDK's schema version, from a database of any generation of it.
pub(crate) fn version(connection: &Connection) -> Result<Option<String>> {
    if !has_table(connection, "sdk_storage_adapter_internal")? {
        return Ok(None);
    }
    let sql =
        "SELECT value FROM sdk_storage_adapter_internal WHERE attribute LIKE 'globus-sdk%.database_schema_version'";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

/// Creates the tables in a database that has none. A database of the SDK is left as it is: its version rows say who made
/// it, and the SDK never reads them.
pub(crate) fn create(connection: &Connection) -> Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let created = fill(connection).and_then(|()| connection.execute_batch("COMMIT"));
    if created.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    created
}

fn fill(connection: &Connection) -> Result<()> {
    connection.execute_batch(CREATE)?;
    let mut insert =
        connection.prepare("INSERT OR IGNORE INTO sdk_storage_adapter_internal (attribute, value) VALUES (?1, ?2)")?;
    for attribute in ATTRIBUTES {
        insert.execute(attribute)?;
    }
    Ok(())
}
