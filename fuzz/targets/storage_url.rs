//! The URL of a storage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_storage::StorageUrl;

fuzz_target!(|text: &str| {
    match StorageUrl::parse(text) {
        Ok(url) => {
            // Its text names the same place again.
            assert_eq!(StorageUrl::parse(&url.to_string()).unwrap(), url);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
