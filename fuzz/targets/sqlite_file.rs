//! A SQLite file of any content; the seeds are databases of ours and of the Python SDK.
#![no_main]

use std::{cell::RefCell, fs, sync::Arc};

use libfuzzer_sys::fuzz_target;
use token_storage::sqlite::SqliteStorage;

thread_local! {
    static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(token_storage_fuzz::folder());
}

fuzz_target!(|content: &[u8]| {
    FOLDER.with_borrow(|folder| {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            }
        }
        let path = folder.path().join("tokens.db");
        fs::write(&path, content).unwrap();
        let storage = SqliteStorage::builder(&path).without_fsync().readers(1).open().unwrap();
        token_storage_fuzz::file_keeps_what_it_has(Arc::new(storage));
    });
});
