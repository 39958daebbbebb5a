//! A server's answer: what is taken from it can be stored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_storage::{
    TokenResponse,
    backend::{WriteMark, record},
};

fuzz_target!(|body: &[u8]| {
    let Ok(response) = TokenResponse::parse(body, 1_700_000_000) else {
        return;
    };
    let Ok(response) = response.with_resource_server("rs") else {
        return;
    };
    assert!(!response.tokens().is_empty());
    for token in response.tokens() {
        assert!(!token.access_token.expose().is_empty());
        let Ok(data) = token.to_data() else { continue };
        let written = record::encode(&data, &WriteMark::from_bytes([7; 16])).to_string();
        assert_eq!(record::decode(&written).expect("it can be read").data, data);
    }
});
