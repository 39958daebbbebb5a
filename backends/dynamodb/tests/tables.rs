//! Making, describing and deleting tables.

mod support;

use std::sync::Arc;

use support::{data, key, unique};
use token_storage_core::{ErrorKind, Precondition, TokenStorageExt as _};
use token_storage_dynamodb::{Billing, DynamoDbStorage, TableOptions};
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, client, emulator};

async fn storage() -> DynamoDbStorage {
    DynamoDbStorage::from_client(client(&emulator().await), unique("tokens"))
}

#[tokio::test]
async fn create_describe_delete() {
    let storage = storage().await;
    assert_eq!(
        storage.describe_table().await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    let mut seen = Vec::new();
    assert!(
        storage
            .create_table(&TableOptions::default(), |status| seen.push(status.to_owned()))
            .await
            .unwrap()
    );
    assert_eq!(seen.last().map(String::as_str), Some("ACTIVE"));
    assert!(
        !storage.create_table(&TableOptions::default(), |_| {}).await.unwrap(),
        "idempotent"
    );

    let table = storage.describe_table().await.unwrap();
    assert_eq!(
        (table.billing, table.time_to_live.as_deref()),
        (Billing::OnDemand, None)
    );
    assert!(table.arn.unwrap().ends_with(&table.name));
    assert!(storage.delete_table().await.unwrap());
    assert!(!storage.delete_table().await.unwrap());
    assert!(
        storage.create_table(&TableOptions::default(), |_| {}).await.unwrap(),
        "the name is free at once"
    );
}

#[tokio::test]
async fn every_option_is_set() {
    let storage = storage().await;
    let mut options = TableOptions::default();
    options.billing = Billing::Provisioned { read: 5, write: 5 };
    options.clean_up = true;
    options.deletion_protection = true;
    for _ in 0..2 {
        storage.create_table(&options, |_| {}).await.unwrap();
    }
    let table = storage.describe_table().await.unwrap();
    assert_eq!(table.billing, options.billing);
    assert_eq!(table.time_to_live.as_deref(), Some("token-storage.clean-up"));
    assert!(table.deletion_protection);
}

/// Recovery and the customer key are asked for; the emulator has neither, so the requests are what is looked at.
#[tokio::test]
async fn point_in_time_recovery_waits_until_backups_are_available() {
    let faults = Faults::new();
    let client = ClientBuilder::new(&emulator().await).faults(&faults).build();
    let storage = DynamoDbStorage::from_client(client, unique("tokens"));
    faults.plan(
        "UpdateContinuousBackups",
        [
            Fault::Refuse(400, "ContinuousBackupsUnavailableException"),
            Fault::Refuse(400, "AccessDeniedException"),
        ],
    );
    let mut options = TableOptions::default();
    options.point_in_time_recovery = true;
    let error = storage.create_table(&options, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(faults.left(), 0, "asked again after the first refusal");
}

#[tokio::test]
async fn without_waiting_nothing_that_needs_it_can_be_asked_for() {
    let storage = storage().await;
    let mut options = TableOptions::default();
    options.wait = false;
    assert!(storage.create_table(&options, |_| {}).await.unwrap());
    options.clean_up = true;
    let error = storage.create_table(&options, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn another_key_schema_is_an_error_and_stays_as_it_is() {
    let client = client(&emulator().await);
    let table = support::other_schema(&client).await;
    let storage = DynamoDbStorage::from_client(client, table);
    let created = storage.create_table(&TableOptions::default(), |_| {}).await;
    assert_eq!(created.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(
        storage.describe_table().await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert!(storage.delete_table().await.unwrap());
}

/// 20 that start for the first time at once: all succeed, one creates, and all can store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_starts_all_succeed() {
    first_starts(&TableOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_starts_with_clean_up_all_succeed() {
    let mut options = TableOptions::default();
    options.clean_up = true;
    first_starts(&options).await;
}

async fn first_starts(options: &TableOptions) {
    let endpoint = emulator().await;
    let table = Arc::new(unique("tokens"));
    let starts: Vec<_> = (0..20)
        .map(|i| {
            let faults = Faults::new();
            if i % 4 == 0 {
                faults.plan("CreateTable", [Fault::Refuse(400, "LimitExceededException")]);
            }
            let client = ClientBuilder::new(&endpoint).faults(&faults).build();
            let storage = DynamoDbStorage::from_client(client, table.as_str());
            let options = options.clone();
            tokio::spawn(async move {
                let created = storage.create_table(&options, |_| {}).await.unwrap();
                storage
                    .store(&key(&i.to_string()), &data("1"), Precondition::Absent)
                    .await
                    .unwrap();
                created
            })
        })
        .collect();
    let mut created = 0;
    for start in starts {
        created += usize::from(start.await.unwrap());
    }
    assert_eq!(created, 1);
}
