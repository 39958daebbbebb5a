//! What a server answers when it is asked for its addresses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_storage::oauth::Provider;
use token_storage_fuzz::{answers, block_on};

fuzz_target!(|body: &[u8]| {
    let http = answers(vec![(200, body.to_vec())]);
    match block_on(Provider::discover(&http, "http://127.0.0.1:9")) {
        Ok(provider) => drop(format!("{provider:?}")),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
