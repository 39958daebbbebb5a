//! `DynamoDbStorage` keeps the contract, and sends nothing but what docs/dynamodb.md says.
//!
//! `TOKEN_STORAGE_DYNAMODB_ENDPOINT` points it at any other endpoint. With `TOKEN_STORAGE_DYNAMODB_TABLE`, all cases use
//! that one table, in namespaces of their own, and remove what they wrote; without, each case makes a table.

mod support;

use std::{env, process::ExitCode, sync::Arc, time::Duration};

use token_storage_conformance::{Harness, MultiProcess, Suite};
use token_storage_core::{Result, TokenStorage, async_trait};
use token_storage_dynamodb::{DynamoDbStorage, TableOptions};
use token_storage_dynamodb_testing::{ClientBuilder, Recorder, client, emulator};

/// All that is ever sent at run time. A transaction of puts needs no more permission than a put.
const ACTIONS: &[&str] = &["DeleteItem", "GetItem", "PutItem", "TransactWriteItems", "UpdateItem"];
/// Names the one table to use.
const TABLE: &str = "TOKEN_STORAGE_DYNAMODB_TABLE";
const LEASE_TTL: Duration = Duration::from_secs(1);

struct DynamoDb {
    recorder: Recorder,
}

struct Table {
    endpoint: String,
    name: String,
    runtime: Option<tokio::runtime::Handle>,
}

impl DynamoDb {
    fn open(&self, endpoint: &str, table: &str) -> Arc<dyn TokenStorage> {
        let client = ClientBuilder::new(endpoint).recorder(&self.recorder).build();
        Arc::new(DynamoDbStorage::builder(table).lease_ttl(LEASE_TTL).with_client(client))
    }
}

#[async_trait]
impl Harness for DynamoDb {
    type Place = Table;

    async fn fresh(&self) -> Result<Table> {
        let endpoint = emulator().await;
        let shared = env::var(TABLE).ok();
        let table = Table {
            name: shared.clone().unwrap_or_else(|| support::unique("conformance")),
            // Whoever named a table keeps it.
            runtime: shared.is_none().then(tokio::runtime::Handle::current),
            endpoint,
        };
        let storage = DynamoDbStorage::from_client(client(&table.endpoint), &table.name);
        storage.create_table(&TableOptions::default(), |_| {}).await?;
        Ok(table)
    }

    async fn reopen(&self, table: &Table) -> Result<Arc<dyn TokenStorage>> {
        Ok(self.open(&table.endpoint, &table.name))
    }

    fn exclusive(&self) -> bool {
        env::var_os(TABLE).is_none()
    }
}

#[async_trait]
impl MultiProcess for DynamoDb {
    fn spec(&self, table: &Table) -> String {
        format!("{} {}", table.endpoint, table.name)
    }

    async fn open_spec(&self, spec: &str) -> Result<Arc<dyn TokenStorage>> {
        let (endpoint, table) = spec.split_once(' ').expect("made by `spec`");
        Ok(self.open(endpoint, table))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some(runtime) = &self.runtime {
            let storage = DynamoDbStorage::from_client(client(&self.endpoint), &self.name);
            runtime.spawn(async move { storage.delete_table().await });
        }
    }
}

fn main() -> ExitCode {
    let recorder = Recorder::allowing(ACTIONS);
    let harness = DynamoDb {
        recorder: recorder.clone(),
    };
    let suite = Suite::new("dynamodb", harness).timed_leases().durable().processes();
    let conclusion = suite.main();
    // Workers and partial runs do not send everything.
    let whole = env::args().len() == 1;
    let sent = recorder.actions();
    if whole {
        println!("actions sent: {sent:?}");
    }
    let only_allowed = sent.keys().all(|action| ACTIONS.contains(&action.as_str()));
    if !only_allowed || (whole && sent.len() != ACTIONS.len()) {
        eprintln!("error: want exactly the actions {ACTIONS:?}, got {sent:?}");
        return ExitCode::FAILURE;
    }
    conclusion
}
