//! The URL of a storage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_storage::StorageUrl;

fuzz_target!(|text: &str| {
    match StorageUrl::parse(text) {
        Ok(url) => {
            let _ = url.to_string();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
