//! A SQLite database of ours with a row of any content, text or blob, in the column of the record.
#![no_main]

use std::{fs, sync::Arc};

use libfuzzer_sys::fuzz_target;
use rusqlite::{Connection, types::Value};
use token_storage::{
    Precondition, TokenData, TokenKey, TokenStorage as _,
    sqlite::SqliteStorage,
};

thread_local! {
    static DATABASE: (tempfile::TempDir, std::path::PathBuf) = database();
}

fn database() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = token_storage_fuzz::folder();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::builder(&path).without_fsync().open().unwrap();
    let data = TokenData::new("rs", "s", "a");
    let key = TokenKey::in_default("rs");
    token_storage_fuzz::block_on(storage.store(&key, &data, Precondition::None)).unwrap();
    (folder, path)
}

fuzz_target!(|content: &[u8]| {
    DATABASE.with(|(_folder, path)| {
        let connection = Connection::open(path).unwrap();
        let value = match std::str::from_utf8(content) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(content.to_vec()),
        };
        connection.execute("UPDATE token_storage SET token_data_json = ? WHERE resource_server = 'rs'", [value]).unwrap();
        drop(connection);
        let storage = SqliteStorage::builder(path).without_fsync().open().unwrap();
        token_storage_fuzz::file_keeps_what_it_has(Arc::new(storage));
        assert!(fs::metadata(path).unwrap().len() < 1 << 24);
    });
});
