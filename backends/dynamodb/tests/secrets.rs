//! S1: no token in any output, with the SDK logging everything it can.

mod support;

use std::sync::{Arc, Mutex};

use support::{fresh_table, key};
use token_storage_core::{Acquisition, Extra, Precondition, TokenData, TokenStorage, TokenStorageExt as _, Write};
use token_storage_dynamodb::DynamoDbStorage;
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, emulator};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const CANARY: &str = "canary-7f3a";

/// Writes down everything at every level, from every crate.
#[derive(Clone, Default)]
struct Everything(Arc<Mutex<String>>);

impl Visit for Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = self.0.lock().unwrap();
        text.push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn planted(n: u32) -> TokenData {
    let mut extra = Extra::new();
    extra.insert("id_token", &format!("\"{CANARY}-extra-{n}\"")).unwrap();
    TokenData::new("rs", "s", format!("{CANARY}-access-{n}"))
        .with_refresh_token(format!("{CANARY}-refresh-{n}"))
        .with_extra(extra)
}

/// Everything that can be said about a run through successes, refusals, lost answers and damage.
async fn run(storage: &DynamoDbStorage, faults: &Faults) -> String {
    let mut said = format!("{storage:?} {:?}", storage.describe());
    let first = storage
        .store(&key("rs"), &planted(1), Precondition::Absent)
        .await
        .unwrap();
    faults.plan("PutItem", [Fault::DropAfter]);
    let second = storage
        .store(&key("rs"), &planted(2), Precondition::Unchanged(first))
        .await
        .unwrap();
    said += &format!("{:?}", storage.get(&key("rs")).await.unwrap());
    let errors = [
        storage
            .store(&key("rs"), &planted(3), Precondition::Unchanged(first))
            .await
            .unwrap_err(),
        storage
            .store(&key("rs"), &planted(3), Precondition::Absent)
            .await
            .unwrap_err(),
        storage
            .remove(&key("rs"), Precondition::Unchanged(first))
            .await
            .unwrap_err(),
        storage
            .store_all(&[
                Write::new(&key("rs2"), &planted(4), Precondition::Absent),
                Write::new(&key("rs"), &planted(5), Precondition::Absent),
            ])
            .await
            .unwrap_err(),
    ];
    faults.plan("PutItem", vec![Fault::Refuse(400, "ValidationException")]);
    let refused = storage
        .store(&key("rs"), &planted(6), Precondition::Unchanged(second))
        .await
        .unwrap_err();
    for error in errors.iter().chain([&refused]) {
        said += &format!("{error} {error:?}");
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            said += &format!("{error} {error:?}");
            cause = error.source();
        }
    }
    let Acquisition::Acquired(guard) = storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap() else {
        panic!("nobody else holds it");
    };
    said += &format!("{guard:?}");
    guard.release().await.unwrap();
    storage.remove(&key("rs"), Precondition::Any).await.unwrap();
    said
}

#[test]
fn s1_no_token_in_errors_debug_output_or_logs() {
    let log = Everything::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (plain, table) = fresh_table().await;
        let faults = Faults::new();
        let client = ClientBuilder::new(&emulator().await).faults(&faults).build();
        let said = run(&DynamoDbStorage::from_client(client, &table), &faults).await;
        assert!(!said.contains(CANARY), "{said}");
        assert!(!log.0.lock().unwrap().contains(CANARY), "a token was logged");

        // The trap works: the bare SDK does log what it reads.
        DynamoDbStorage::from_client(plain.clone(), &table)
            .store(&key("rs"), &planted(7), Precondition::Any)
            .await
            .unwrap();
        let id = aws_sdk_dynamodb::types::AttributeValue::S("DEFAULT:rs".to_owned());
        plain
            .get_item()
            .table_name(table)
            .key("token_data_id", id)
            .send()
            .await
            .unwrap();
        assert!(
            log.0.lock().unwrap().contains(CANARY),
            "the SDK logs nothing any more; then why hide it?"
        );
    });
}
