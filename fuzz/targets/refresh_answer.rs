//! What a token endpoint answers to a refresh: the first byte picks the status, the rest is the body. Whatever it repeats,
//! no message has the token that was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_storage::{
    TokenData, TokenKey,
    manager::{RefreshRequest, TokenEndpoint as _},
    oauth::{OAuthClient, Provider},
};
use token_storage_fuzz::{answers, block_on};

const SENT: &str = "sEnT-rEfReSh-ToKeN";

fuzz_target!(|input: &[u8]| {
    let Some((status, body)) = input.split_first() else {
        return;
    };
    let status = [200, 201, 400, 401, 403, 404, 429, 500][usize::from(*status) % 8];
    let provider = Provider::new("http://127.0.0.1:9/token").unwrap();
    let client = OAuthClient::new(answers(vec![(status, body.to_vec())]), provider, "a-client");
    let data = TokenData::new("rs", "read", "an-access-token").with_refresh_token(SENT);
    let key = TokenKey::in_default("rs");
    match block_on(client.refresh(RefreshRequest::new(&key, &data, 1_700_000_000))) {
        Ok(response) => assert!(!response.tokens().is_empty()),
        Err(error) => {
            let told = format!("{error} {error:?}");
            assert!(!told.contains(SENT), "{told}");
        }
    }
});
