//! Databases that are new: in a file and in memory.

use std::fs;

use token_storage_core::{Enumerate, Precondition, TokenData, TokenStorage, TokenStorageExt as _};
use token_storage_sqlite::SqliteStorage;

use crate::common::{copy_fixture, foreign, key, names, store, token};

#[tokio::test]
async fn opening_what_is_not_there_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(token(&storage, "rs").await, None);
    assert!((&storage).list_keys("DEFAULT", None).await.unwrap().items.is_empty());
    assert_eq!(storage.read_config("DEFAULT", "c").await.unwrap(), None);
    assert_eq!(names(folder.path()), [""; 0]);
    store(&storage, "rs", "at").await;
    assert_eq!(token(&storage, "rs").await.unwrap(), "at");
}

#[tokio::test]
async fn what_is_created_is_schema_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await;
    let ours = foreign(&path);
    let fixture = folder.path().join("fixture.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &fixture);
    let theirs = foreign(&fixture);
    let tables = |connection: &rusqlite::Connection| -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .unwrap();
        let plain = |sql: String| sql.split_whitespace().collect::<String>();
        rows.map(|row| row.unwrap())
            .map(|(name, sql)| (name, plain(sql)))
            .collect()
    };
    assert_eq!(tables(&ours), tables(&theirs));
    let version: String = ours
        .query_row(
            "SELECT value FROM sdk_storage_adapter_internal WHERE attribute = 'globus-sdk.database_schema_version'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(version, "2");
    let mode: String = ours.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn in_memory_keeps_the_same_promises() {
    let storage = SqliteStorage::open(":memory:").unwrap();
    let clone = storage.clone();
    let other = SqliteStorage::open_in_memory().unwrap();
    store(&storage, "rs", "at").await;
    assert_eq!(token(&clone, "rs").await.unwrap(), "at");
    assert_eq!(token(&other, "rs").await, None);
    storage.store_config("n", "c", "{}").await.unwrap();
    assert!(clone.read_config("n", "c").await.unwrap().is_some());
    assert!(
        storage
            .store(&key("rs"), &TokenData::new("", "", ""), Precondition::Absent)
            .await
            .is_err()
    );
    assert!(storage.remove(&key("rs"), Precondition::Any).await.unwrap());
    assert!(!fs::exists(":memory:").unwrap());
}
