//! A SQLite database of ours with a row of any content, text or blob, in the column of the record.
#![no_main]

use std::{fs, path::PathBuf, sync::Arc};

use libfuzzer_sys::fuzz_target;
use rusqlite::{Connection, types::Value};
use token_storage::{Precondition, TokenData, TokenKey, TokenStorageExt as _, sqlite::SqliteStorage};

/// Both are kept open: what is tried here is the row, and opening takes many times as long.
struct Database {
    _folder: tempfile::TempDir,
    path: PathBuf,
    storage: Arc<SqliteStorage>,
    another: Connection,
}

thread_local! {
    static DATABASE: Database = Database::new();
}

impl Database {
    fn new() -> Self {
        let folder = token_storage_fuzz::folder();
        let path = folder.path().join("tokens.db");
        let storage = SqliteStorage::builder(&path).without_fsync().open().unwrap();
        let data = TokenData::new("rs", "s", "a");
        let key = TokenKey::in_default("rs");
        token_storage_fuzz::block_on(storage.store(&key, &data, Precondition::Any)).unwrap();
        let another = Connection::open(&path).unwrap();
        another.execute_batch("PRAGMA synchronous = OFF").unwrap();
        Self {
            _folder: folder,
            path,
            storage: Arc::new(storage),
            another,
        }
    }
}

fuzz_target!(|content: &[u8]| {
    DATABASE.with(|database| {
        let value = match std::str::from_utf8(content) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(content.to_vec()),
        };
        let update = "UPDATE token_storage SET token_data_json = ? WHERE resource_server = 'rs'";
        let changed = database
            .another
            .prepare_cached(update)
            .unwrap()
            .execute([value])
            .unwrap();
        assert_eq!(changed, 1);
        token_storage_fuzz::file_keeps_what_it_has(database.storage.clone());
        assert!(fs::metadata(&database.path).unwrap().len() < 1 << 24);
    });
});
