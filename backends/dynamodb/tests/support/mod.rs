#![allow(dead_code, unreachable_pub, reason = "a module that each test binary uses a part of")]

pub mod hosts;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use token_storage_core::{TokenData, TokenKey};
use token_storage_dynamodb::{Client, DynamoDbStorage, TableOptions};
use token_storage_dynamodb_testing::{client, emulator};

/// A name that no other test uses, on an endpoint of any age.
pub fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{nanos:x}-{}-{count}", std::process::id())
}

/// A client and the name of a new, empty table.
pub async fn fresh_table() -> (Client, String) {
    let client = client(&emulator().await);
    let table = unique("tokens");
    let storage = DynamoDbStorage::from_client(client.clone(), &table);
    storage.create_table(&TableOptions::default(), |_| {}).await.unwrap();
    (client, table)
}

/// A storage over a new, empty table.
pub async fn fresh() -> DynamoDbStorage {
    let (client, table) = fresh_table().await;
    DynamoDbStorage::from_client(client, table)
}

pub fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

pub fn data(access_token: &str) -> TokenData {
    TokenData::new("rs", "a b", access_token)
        .with_refresh_token("rt")
        .with_expires_at(1_795_649_003)
}

/// The name of a new table that is not made for tokens.
pub async fn other_schema(client: &Client) -> String {
    use aws_sdk_dynamodb::{
        client::Waiters,
        types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
    };

    let table = unique("other");
    let key = KeySchemaElement::builder()
        .attribute_name("id")
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name("id")
        .attribute_type(ScalarAttributeType::S);
    let request = client
        .create_table()
        .table_name(&table)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key);
    request
        .attribute_definitions(attribute.build().unwrap())
        .send()
        .await
        .unwrap();
    let active = client.wait_until_table_exists().table_name(&table);
    active.wait(Duration::from_secs(60)).await.unwrap();
    table
}

/// How many items the table has. A Scan, which the storage itself never sends.
pub async fn item_count(client: &Client, table: &str) -> usize {
    client.scan().table_name(table).send().await.unwrap().items().len()
}
