//! Items of the Globus documentation's example, and of programs that know it: read, swapped and removed like ours.
//!
//! `.ci/checks/dynamodb-boto3.sh` does the same with the example itself, in Python.

mod support;

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use support::{data, fresh_table, key};
use token_storage_core::{ErrorKind, Precondition, TokenData, TokenStorage, TokenStorageExt as _, Write};
use token_storage_dynamodb::{Client, DynamoDbStorage};
use token_storage_dynamodb_testing::{ClientBuilder, Recorder, emulator};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// What the example's `put_item` sends.
fn example_item(access_token: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("token_data_id".to_owned(), s("DEFAULT:rs")),
        ("resource_server".to_owned(), s("rs")),
        ("access_token".to_owned(), s(access_token)),
        ("refresh_token".to_owned(), s("rt")),
        (
            "expires_at_seconds".to_owned(),
            AttributeValue::N("1795649003".to_owned()),
        ),
        ("scope".to_owned(), s("a b")),
    ])
}

struct Table {
    client: Client,
    name: String,
    storage: DynamoDbStorage,
}

impl Table {
    async fn new() -> Self {
        let (client, name) = fresh_table().await;
        Self {
            storage: DynamoDbStorage::from_client(client.clone(), &name),
            client,
            name,
        }
    }

    async fn put(&self, item: HashMap<String, AttributeValue>) {
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    }

    async fn raw(&self) -> HashMap<String, AttributeValue> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("token_data_id", s("DEFAULT:rs"));
        get.send().await.unwrap().item.unwrap()
    }
}

#[tokio::test]
async fn our_items_have_the_layout_of_the_example() {
    let table = Table::new().await;
    let mut record = data("1");
    table
        .storage
        .store(&key("rs"), &record, Precondition::Any)
        .await
        .unwrap();
    let raw = table.raw().await;
    for (name, value) in example_item("1") {
        assert_eq!(raw[&name], value, "{name}");
    }
    assert!(
        raw.keys()
            .all(|name| example_item("").contains_key(name) || name.starts_with("token-storage."))
    );

    record.refresh_token = None;
    record.expires_at = None;
    table
        .storage
        .store(&key("rs"), &record, Precondition::Any)
        .await
        .unwrap();
    let raw = table.raw().await;
    assert!(!raw.contains_key("refresh_token"));
    assert_eq!(
        raw["expires_at_seconds"],
        AttributeValue::N("0".to_owned()),
        "the example reads an integer"
    );
}

#[tokio::test]
async fn an_item_of_the_example_is_read_swapped_and_removed() {
    let table = Table::new().await;
    table.put(example_item("python-1")).await;
    let stored = table.storage.get(&key("rs")).await.unwrap().unwrap();
    assert_eq!(stored.data, data("python-1"));

    let ours = table
        .storage
        .store(&key("rs"), &data("2"), Precondition::Unchanged(stored.revision))
        .await
        .unwrap();
    let late = table
        .storage
        .store(&key("rs"), &data("3"), Precondition::Unchanged(stored.revision))
        .await;
    assert_eq!(late.unwrap_err().conflict().unwrap().current, Some(ours));

    table.put(example_item("python-2")).await;
    let current = table.storage.get(&key("rs")).await.unwrap().unwrap().revision;
    let late = table
        .storage
        .store(&key("rs"), &data("3"), Precondition::Unchanged(ours))
        .await;
    assert_eq!(
        late.unwrap_err().conflict().unwrap().current,
        Some(current),
        "a foreign write is a change"
    );
    let absent = table.storage.store(&key("rs"), &data("3"), Precondition::Absent).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::Conflict);

    let late = table.storage.remove(&key("rs"), Precondition::Unchanged(ours)).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(
        table
            .storage
            .remove(&key("rs"), Precondition::Unchanged(current))
            .await
            .unwrap()
    );

    table.put(example_item("python-3")).await;
    table
        .storage
        .store(&key("rs"), &data("4"), Precondition::Any)
        .await
        .unwrap();
    table.put(example_item("python-4")).await;
    assert!(table.storage.remove(&key("rs"), Precondition::Any).await.unwrap());
}

/// Of racing swaps of one foreign item exactly one wins, although it has no mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_racing_swaps_of_a_foreign_item() {
    let table = Table::new().await;
    for round in 0..20 {
        table.put(example_item(&format!("python-{round}"))).await;
        let revision = table.storage.get(&key("rs")).await.unwrap().unwrap().revision;
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let storage = table.storage.clone();
                tokio::spawn(async move {
                    storage
                        .store(&key("rs"), &data("same"), Precondition::Unchanged(revision))
                        .await
                })
            })
            .collect();
        let mut won = 0;
        for writer in writers {
            match writer.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_swap_costs_one_read_more_for_foreign_items_only() {
    let table = Table::new().await;
    table.put(example_item("python")).await;
    let recorder = Recorder::default();
    let client = ClientBuilder::new(&emulator().await).recorder(&recorder).build();
    let storage = DynamoDbStorage::from_client(client, &table.name);
    let revision = storage.get(&key("rs")).await.unwrap().unwrap().revision;
    recorder.clear();
    let ours = storage
        .store(&key("rs"), &data("1"), Precondition::Unchanged(revision))
        .await
        .unwrap();
    assert_eq!(recorder.requests(), 2);
    storage
        .store(&key("rs"), &data("2"), Precondition::Unchanged(ours))
        .await
        .unwrap();
    assert_eq!(recorder.requests(), 3);
}

/// A batch with foreign items in it, and the first refusal named whichever kind it is of.
#[tokio::test]
async fn a2_a_batch_over_foreign_items() {
    let table = Table::new().await;
    table.put(example_item("python")).await;
    let ours = table
        .storage
        .store(&key("ours"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    let foreign = table.storage.get(&key("rs")).await.unwrap().unwrap().revision;
    let record = data("2");
    let (foreign_key, our_key) = (key("rs"), key("ours"));
    let stale = [
        Write::new(&our_key, &record, Precondition::Unchanged(foreign)),
        Write::new(&foreign_key, &record, Precondition::Unchanged(ours)),
    ];
    assert_eq!(
        table
            .storage
            .store_all(&stale)
            .await
            .unwrap_err()
            .conflict()
            .unwrap()
            .key,
        our_key
    );
    let stale = [
        Write::new(&our_key, &record, Precondition::Absent),
        Write::new(&foreign_key, &record, Precondition::Unchanged(foreign)),
    ];
    assert_eq!(
        table
            .storage
            .store_all(&stale)
            .await
            .unwrap_err()
            .conflict()
            .unwrap()
            .key,
        our_key
    );
    let good = [
        Write::new(&our_key, &record, Precondition::Unchanged(ours)),
        Write::new(&foreign_key, &record, Precondition::Unchanged(foreign)),
    ];
    table.storage.store_all(&good).await.unwrap();
}

/// A program that changes the token in place and leaves our mark is still noticed: by its digest when it is read, and
/// by its expiry when it is swapped.
#[tokio::test]
async fn a_change_in_place_that_keeps_the_mark_is_a_change() {
    let table = Table::new().await;
    let ours = table
        .storage
        .store(&key("rs"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    let mut item = table.raw().await;
    item.insert("access_token".to_owned(), s("2"));
    item.insert(
        "expires_at_seconds".to_owned(),
        AttributeValue::N("1795652603".to_owned()),
    );
    table.put(item).await;
    let current = table.storage.get(&key("rs")).await.unwrap().unwrap();
    assert_ne!(current.revision, ours);
    let late = table
        .storage
        .store(&key("rs"), &data("3"), Precondition::Unchanged(ours))
        .await;
    assert_eq!(late.unwrap_err().conflict().unwrap().current, Some(current.revision));
}

#[tokio::test]
async fn foreign_attributes_are_kept_as_extra_members() {
    let table = Table::new().await;
    let mut item = example_item("python");
    item.insert("tenant".to_owned(), s("t"));
    item.insert("token_type".to_owned(), AttributeValue::Null(true));
    item.insert("binary".to_owned(), AttributeValue::B(Blob::new([0, 255])));
    item.insert(
        "set".to_owned(),
        AttributeValue::Ns(vec!["1".to_owned(), "2".to_owned()]),
    );
    table.put(item).await;
    let stored = table.storage.get(&key("rs")).await.unwrap().unwrap();
    assert_eq!(stored.data.extra.iter().collect::<Vec<_>>(), [("tenant", "\"t\"")]);
    assert_eq!(stored.data.token_type, None);
    table
        .storage
        .store(&key("rs"), &stored.data, Precondition::Unchanged(stored.revision))
        .await
        .unwrap();
    assert_eq!(table.storage.get(&key("rs")).await.unwrap().unwrap().data, stored.data);
}

/// D3: damage is named, removable and replaceable, and never absence.
#[tokio::test]
async fn d3_a_damaged_item_is_corrupt_until_it_is_replaced() {
    let table = Table::new().await;
    let mut item = example_item("python");
    item.remove("scope");
    table.put(item.clone()).await;
    assert_eq!(
        table.storage.get(&key("rs")).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    let absent = table.storage.store(&key("rs"), &data("1"), Precondition::Absent).await;
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::Corrupt);
    table
        .storage
        .store(&key("rs"), &data("1"), Precondition::Any)
        .await
        .unwrap();
    table.put(item).await;
    assert!(table.storage.remove(&key("rs"), Precondition::Any).await.unwrap());
}

#[tokio::test]
async fn clean_up_is_marked_on_the_item_and_is_no_expiry() {
    let table = Table::new().await;
    let builder = DynamoDbStorage::builder(&table.name).clean_up_after(std::time::Duration::from_secs(0));
    let storage = builder.with_client(table.client.clone());
    storage
        .store(&key("rs"), &TokenData::new("rs", "", "at"), Precondition::Any)
        .await
        .unwrap();
    assert!(table.raw().await["token-storage.clean-up"].as_n().is_ok());
    assert!(
        storage.get(&key("rs")).await.unwrap().is_some(),
        "past its time, and still there"
    );
}
