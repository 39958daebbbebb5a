//! What a table answers to GetItem: any body.
#![no_main]

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::test_util::infallible_client_fn;
use aws_smithy_types::body::SdkBody;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, Mutex};
use token_storage::{
    TokenKey, TokenStorage as _,
    dynamodb::{Client, DynamoDbStorage},
};

fuzz_target!(|body: &[u8]| {
    thread_local! {
        static TABLE: (DynamoDbStorage, Arc<Mutex<Vec<u8>>>) = table();
    }
    TABLE.with(|(storage, answer)| {
        *answer.lock().unwrap() = body.to_vec();
        let got = token_storage_fuzz::block_on(storage.get(&TokenKey::in_default("rs")));
        if let Err(error) = got {
            assert!(!error.to_string().is_empty());
        }
    });
});

fn table() -> (DynamoDbStorage, Arc<Mutex<Vec<u8>>>) {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let body = Arc::clone(&answer);
    let http = infallible_client_fn(move |_| {
        http::Response::builder()
            .status(200)
            .body(SdkBody::from(body.lock().unwrap().clone()))
            .unwrap()
    });
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "fuzz"))
        .http_client(http)
        .build();
    (
        DynamoDbStorage::from_client(Client::from_conf(config), "tokens"),
        answer,
    )
}
