//! The configuration entries of the Globus SDK's legacy adapter.

use token_storage_core::ErrorKind;
use token_storage_sqlite::SqliteStorage;

use crate::common::{copy_fixture, foreign, store};

#[tokio::test]
async fn configuration_entries_are_those_of_the_legacy_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteAdapter_schema1.db", &path);
    let storage = SqliteStorage::open(&path).unwrap();
    let found = storage.read_config("DEFAULT", "auth_info").await.unwrap().unwrap();
    assert_eq!(found.expose(), r#"{"val1": true, "n": null, "u": "\u00e9\u6f22"}"#);
    store(&storage, "rs", "at").await;
    assert!(
        storage.read_config("config-only", "c").await.unwrap().is_some(),
        "writing tokens leaves them alone"
    );
    storage.store_config("n", "c", r#"{"a": 1}"#).await.unwrap();
    assert!(storage.remove_config("DEFAULT", "auth_info").await.unwrap());
    assert!(!storage.remove_config("DEFAULT", "auth_info").await.unwrap());
    assert_eq!(
        storage.read_config("n", "c").await.unwrap().unwrap().expose(),
        r#"{"a": 1}"#
    );
    for bad in ["[]", "1", "{", "", "{} x"] {
        let error = storage.store_config("n", "bad", bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
    }
    foreign(&path)
        .execute("INSERT INTO config_storage VALUES ('n', 'list', '[\"canary\"]')", [])
        .unwrap();
    let error = storage.read_config("n", "list").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn configuration_entries_in_a_schema_2_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &path);
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(storage.read_config("n", "c").await.unwrap(), None);
    assert!(!storage.remove_config("n", "c").await.unwrap());
    storage.store_config("n", "c", "{}").await.unwrap();
    assert_eq!(storage.read_config("n", "c").await.unwrap().unwrap().expose(), "{}");
}
