//! The IAM policy in docs/dynamodb.md against every request of every operation.

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{data, fresh_table};
use token_storage_core::{
    Acquisition, Begin, Intent, Precondition, TokenKey, TokenStorage, TokenStorageExt as _, Write,
};
use token_storage_dynamodb::DynamoDbStorage;
use token_storage_dynamodb_testing::{ClientBuilder, Recorder, emulator};

const DOCS: &str = include_str!("../../../docs/dynamodb.md");

fn policy() -> Value {
    let (_, after) = DOCS
        .split_once("<!-- policy -->\n```json\n")
        .expect("the policy is marked");
    let (policy, _) = after.split_once("```").expect("the policy ends");
    serde_json::from_str(policy).expect("the policy is JSON")
}

fn strings(value: &Value) -> BTreeSet<String> {
    let texts = value.as_array().expect("an array").iter();
    texts.map(|text| text.as_str().expect("a string").to_owned()).collect()
}

/// Patterns here end with the only wildcard.
fn covered(key: &str, patterns: &BTreeSet<String>) -> bool {
    patterns
        .iter()
        .any(|pattern| key.starts_with(pattern.strip_suffix('*').expect("a prefix")))
}

/// Everything that a program does with the tokens of one namespace.
async fn use_all(storage: &DynamoDbStorage, namespace: &str) {
    let (one, two) = (TokenKey::new(namespace, "one"), TokenKey::new(namespace, "two:x"));
    storage.get(&one).await.unwrap();
    let revision = storage.store(&one, &data("1"), Precondition::Absent).await.unwrap();
    storage
        .store(&one, &data("2"), Precondition::Unchanged(revision))
        .await
        .unwrap();
    storage.store(&one, &data("3"), Precondition::Any).await.unwrap();
    let record = data("4");
    let batch = [
        Write::new(&one, &record, Precondition::Any),
        Write::new(&two, &record, Precondition::Absent),
    ];
    storage.store_all(&batch).await.unwrap();
    let Acquisition::Acquired(mut guard) = storage.lease().unwrap().try_acquire(&one).await.unwrap() else {
        panic!("nobody else holds it");
    };
    guard.renew().await.unwrap();
    storage.prove_writable(&one).await.unwrap();
    let stored = storage.get(&one).await.unwrap().unwrap();
    guard.record_intent(&Intent::new(&stored, false, 0)).await.unwrap();
    guard.clear_intent().await.unwrap();
    guard.release().await.unwrap();
    let lease = storage.lease().unwrap();
    let Begin::Begun(guard) = lease.try_begin(&one, stored.revision, None).await.unwrap() else {
        panic!("nothing is in the way");
    };
    guard.finish().await.unwrap();
    storage.remove(&one, Precondition::Any).await.unwrap();
    storage.remove(&two, Precondition::Any).await.unwrap();
}

#[tokio::test]
async fn the_policy_in_the_docs_is_what_is_needed() {
    let policy = policy();
    let statement = &policy["Statement"][0];
    let patterns = strings(&statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]);
    let (_, table) = fresh_table().await;
    let recorder = Recorder::default();
    let client = ClientBuilder::new(&emulator().await).recorder(&recorder).build();
    let storage = DynamoDbStorage::from_client(client, table);

    use_all(&storage, "tenant-7").await;
    let needed: BTreeSet<String> = recorder
        .actions()
        .into_keys()
        // A transaction asks for the permissions of its parts; ours are puts and updates.
        .filter(|action| action != "TransactWriteItems")
        .map(|action| format!("dynamodb:{action}"))
        .collect();
    assert_eq!(needed, strings(&statement["Action"]));
    let keys = recorder.keys();
    assert_eq!(keys.len(), 3, "two tokens and a lease: {keys:?}");
    assert!(keys.iter().all(|key| covered(key, &patterns)), "{keys:?}");

    for other in [
        "tenant-70",
        "tenant",
        "tenant-7:",
        "tenant-7%",
        "tenant-7%/",
        "%lease/tenant-7",
        "",
    ] {
        recorder.clear();
        use_all(&storage, other).await;
        let keys = recorder.keys();
        assert!(!keys.iter().any(|key| covered(key, &patterns)), "{other}: {keys:?}");
    }
}
