//! A JSON token file of any content.
#![no_main]

use std::{cell::RefCell, fs, sync::Arc};

use libfuzzer_sys::fuzz_target;
use token_storage::json::JsonStorage;

thread_local! {
    static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(token_storage_fuzz::folder());
}

fuzz_target!(|content: &[u8]| {
    FOLDER.with_borrow(|folder| {
        // Damaged files are kept aside: not more of them than one.
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            }
        }
        let path = folder.path().join("tokens.json");
        fs::write(&path, content).unwrap();
        let storage = JsonStorage::builder(&path).without_fsync().open().unwrap();
        token_storage_fuzz::file_keeps_what_it_has(Arc::new(storage));
    });
});
