//! `DynamoDbStorage` keeps the contract, and sends nothing but what docs/dynamodb.md says.
//!
//! `TOKEN_STORAGE_DYNAMODB_ENDPOINT` points it at any other endpoint. With `TOKEN_STORAGE_DYNAMODB_TABLE`, all cases use
//! that one table, in namespaces of their own, and remove what they wrote; without, each case makes a table.

#[path = "conformance/powers.rs"]
mod powers;
mod support;

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use token_storage_conformance::{ClockShifting, FaultInjecting, FaultInjector, Harness, MultiProcess, Suite};
use token_storage_core::{Result, TokenStorage, async_trait};
use token_storage_dynamodb::{Client, Clock, DynamoDbStorage, TableOptions};
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, Recorder, client, emulator};

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
    /// Whether whoever opened the table here may only read it.
    read_only: Arc<AtomicBool>,
    /// How often wrong wall clocks were looked at.
    looks: Arc<AtomicUsize>,
}

impl DynamoDb {
    fn over(&self, table: &str, client: Client) -> Arc<dyn TokenStorage> {
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
            read_only: Arc::default(),
            looks: Arc::default(),
        };
        let storage = DynamoDbStorage::from_client(client(&table.endpoint), &table.name);
        storage.create_table(&TableOptions::default(), |_| {}).await?;
        Ok(table)
    }

    async fn reopen(&self, table: &Table) -> Result<Arc<dyn TokenStorage>> {
        let read_only = Arc::clone(&table.read_only);
        let denied = Faults::deciding(move |action, body| {
            let refused = read_only.load(Ordering::SeqCst) && powers::kind(action, body) == powers::WRITES;
            refused.then_some(Fault::Refuse(400, "AccessDeniedException"))
        });
        let client = ClientBuilder::new(&table.endpoint)
            .recorder(&self.recorder)
            .faults(&denied)
            .build();
        Ok(self.over(&table.name, client))
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
        let client = ClientBuilder::new(endpoint).recorder(&self.recorder).build();
        Ok(self.over(table, client))
    }
}

#[async_trait]
impl FaultInjecting for DynamoDb {
    async fn reopen_faulty(&self, table: &Table) -> Result<(Arc<dyn TokenStorage>, Box<dyn FaultInjector>)> {
        let faults = Faults::new();
        let client = ClientBuilder::new(&table.endpoint)
            .recorder(&self.recorder)
            .faults(&faults)
            .build();
        let storage = DynamoDbStorage::builder(&table.name)
            .lease_ttl(LEASE_TTL)
            .with_client(client);
        Ok((Arc::new(storage), Box::new(Network(faults))))
    }
}

/// The way to the table, for one client.
struct Network(Faults);

impl Network {
    /// The next request that writes, whichever it is.
    fn plan(&self, fault: &Fault) {
        for action in ["PutItem", "DeleteItem", "TransactWriteItems"] {
            self.0.plan(action, [fault.clone()]);
        }
    }
}

impl FaultInjector for Network {
    fn lose_next_answer(&self) {
        self.plan(&Fault::DropAfter);
    }

    fn lose_next_request(&self) {
        self.plan(&Fault::DropBefore);
    }

    fn disconnect(&self) {
        self.0.cut(true);
    }

    fn reconnect(&self) {
        self.0.cut(false);
    }

    fn struck(&self) -> usize {
        self.0.struck()
    }
}

#[async_trait]
impl ClockShifting for DynamoDb {
    async fn reopen_shifted(&self, table: &Table, seconds: i64) -> Result<Arc<dyn TokenStorage>> {
        let client = ClientBuilder::new(&table.endpoint).recorder(&self.recorder).build();
        let clock = Shifted {
            started: Instant::now(),
            seconds,
            looks: Arc::clone(&table.looks),
        };
        let storage = DynamoDbStorage::builder(&table.name)
            .lease_ttl(LEASE_TTL)
            .clock(Arc::new(clock))
            .with_client(client);
        Ok(Arc::new(storage))
    }

    fn looked(&self, table: &Table) -> usize {
        table.looks.load(Ordering::SeqCst)
    }
}

/// A machine whose wall clock is wrong.
#[derive(Debug)]
struct Shifted {
    started: Instant,
    seconds: i64,
    looks: Arc<AtomicUsize>,
}

impl Clock for Shifted {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> Duration {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shift = Duration::from_secs(self.seconds.unsigned_abs());
        if self.seconds < 0 {
            now.saturating_sub(shift)
        } else {
            now + shift
        }
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
    let suite = Suite::new("dynamodb", harness)
        .timed_leases()
        .durable()
        .processes()
        .faults()
        .shifted_clocks()
        .damaged_records()
        .refused_writes()
        .second_way()
        .unreliable()
        .jumping_clocks();
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
