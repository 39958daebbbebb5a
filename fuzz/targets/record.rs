//! A stored record's text: what is read can be written and is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_storage::backend::{WriteMark, record};

fuzz_target!(|text: &str| {
    let Ok(read) = record::decode(text) else { return };
    let mark = WriteMark::from_bytes([7; 16]);
    let written = record::encode(&read.data, &mark).to_string();
    let again = record::decode(&written).expect("what was written can be read");
    assert_eq!(again.data, read.data);
    assert_eq!(again.revision, record::revision_of(&read.data, Some(&mark)));
});
