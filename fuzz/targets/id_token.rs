//! The id_token of a login, and the keys that it is checked with: header, payload, signature and key set, one a line.
#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use token_storage::oauth::{LoginOptions, OAuthClient, Provider};
use token_storage_fuzz::{answers, block_on};

const METADATA: &str = r#"{"issuer":"http://127.0.0.1:9","authorization_endpoint":"http://127.0.0.1:9/authorize",
    "token_endpoint":"http://127.0.0.1:9/token","jwks_uri":"http://127.0.0.1:9/keys"}"#;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default().to_vec();
    let parts: Vec<String> = (0..3).map(|_| URL_SAFE_NO_PAD.encode(next())).collect();
    let token = serde_json::json!({"access_token": "an-access-token", "id_token": parts.join(".")});
    let http = answers(vec![
        (200, METADATA.into()),
        (200, token.to_string().into_bytes()),
        (200, next()),
    ]);
    let provider = block_on(Provider::discover(&http, "http://127.0.0.1:9")).unwrap();
    let client = OAuthClient::new(http, provider, "a-client");
    let login = client
        .begin_login(&LoginOptions::new("openid"), "http://127.0.0.1:8/")
        .unwrap();
    // Nobody can sign for a server whose keys come from the same input and whose nonce is random.
    assert!(block_on(login.finish_with_pasted("a-code")).is_err());
});
