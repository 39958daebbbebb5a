//! The DynamoDB storage beside the bare SDK call and boto3: goal P10 of `docs/performance.md`. What counts is the CPU time
//! of the client, as ratios within one run; the service is an emulator in a process of its own.
//!
//! `benches/dynamodb.sh` runs it with boto3; `cargo bench -p token-storage-benches --features dynamodb --bench dynamodb` without.

use std::{fs, process::Command, sync::Arc};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use token_storage::{
    Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    dynamodb::{DynamoDbStorage, TableOptions},
};
use token_storage_benches::{Goal, is_quick, tell};
use token_storage_dynamodb_testing::{ClientBuilder, REGION, Recorder, client, emulator};
use tokio::{runtime::Runtime, task::JoinSet};

/// Names the Python to measure boto3 with; it needs boto3 and globus-sdk.
const PYTHON: &str = "TOKEN_STORAGE_BENCH_PYTHON";
const RESOURCE_SERVER: &str = "groups.api.globus.org";

fn main() {
    let quick = is_quick();
    // One thread: CPU time is what is measured, not how well it is spread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let endpoint = runtime.block_on(emulator());
    let table = format!("bench-{}", std::process::id());
    let bench = runtime.block_on(Bench::new(&endpoint, &table));
    println!("record of about 1 kB; CPU time of the client for each get, in microseconds");
    println!(
        "{:>10} {:>8} {:>8} {:>8} {:>10} {:>8}",
        "concurrent", "storage", "SDK", "ratio", "boto3", "ratio"
    );
    for concurrent in [1, 64] {
        bench.measure(&runtime, concurrent, quick, &endpoint);
    }
    runtime.block_on(bench.one_request_each(&endpoint));
    println!("requests for each get: 1");
}

struct Bench {
    client: Client,
    storage: Arc<dyn TokenStorage>,
    table: String,
}

/// One round's CPU time for each get, in nanoseconds.
struct Round {
    storage: f64,
    sdk: f64,
}

impl Bench {
    async fn new(endpoint: &str, table: &str) -> Self {
        let client = client(endpoint);
        let storage = DynamoDbStorage::from_client(client.clone(), table);
        storage
            .create_table(&TableOptions::default(), |_| {})
            .await
            .expect("a table");
        let data = TokenData::new(RESOURCE_SERVER, "openid profile email", "a".repeat(500))
            .with_refresh_token("r".repeat(200))
            .with_expires_at(1_795_649_003);
        storage
            .store(&key(), &data, Precondition::Absent)
            .await
            .expect("a record");
        Self {
            client,
            storage: Arc::new(storage),
            table: table.to_owned(),
        }
    }

    fn measure(&self, runtime: &Runtime, concurrent: usize, quick: bool, endpoint: &str) {
        let (rounds, each) = if quick { (1, 64) } else { (15, 1_280) };
        let measure = |_| Round {
            storage: cpu_time(|| runtime.block_on(self.gets(concurrent, each))) / each as f64,
            sdk: cpu_time(|| runtime.block_on(self.bare(concurrent, each))) / each as f64,
        };
        // Connections and caches first.
        measure(0);
        let rounds: Vec<Round> = (0..rounds).map(measure).collect();
        let storage = median(rounds.iter().map(|round| round.storage)) / 1_000.0;
        let sdk = median(rounds.iter().map(|round| round.sdk)) / 1_000.0;
        let ratio = median(rounds.iter().map(|round| round.storage / round.sdk));
        let boto3 = self.boto3(endpoint, concurrent, if quick { 64 } else { 1_280 });
        let boto3_text = boto3.map_or_else(|| "left out".to_owned(), |time| format!("{time:.0}"));
        let boto3_ratio = boto3.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", time / storage));
        println!("{concurrent:>10} {storage:>8.0} {sdk:>8.0} {ratio:>8.2} {boto3_text:>10} {boto3_ratio:>8}");
        let what = format!("DynamoDB get, {concurrent} concurrent, CPU");
        let beside = format!("the bare SDK call: {sdk:.0} us");
        tell("P10", &what, ratio, "x", Goal::AtMost(1.1), &beside);
        if let Some(boto3) = boto3 {
            let beside = format!("boto3: {boto3:.0} us");
            tell(
                "P10",
                &format!("{what}, boto3's"),
                boto3 / storage,
                "x",
                Goal::AtLeast(8.0),
                &beside,
            );
        }
    }

    async fn gets(&self, concurrent: usize, count: usize) {
        let mut tasks = JoinSet::new();
        for _ in 0..concurrent {
            let storage = self.storage.clone();
            tasks.spawn(async move {
                let key = key();
                for _ in 0..count / concurrent {
                    storage.get(&key).await.expect("an answer").expect("a record");
                }
            });
        }
        tasks.join_all().await;
    }

    async fn bare(&self, concurrent: usize, count: usize) {
        let mut tasks = JoinSet::new();
        for _ in 0..concurrent {
            let (client, table) = (self.client.clone(), self.table.clone());
            tasks.spawn(async move {
                for _ in 0..count / concurrent {
                    let key = AttributeValue::S(format!("DEFAULT:{RESOURCE_SERVER}"));
                    let get = client
                        .get_item()
                        .table_name(&table)
                        .key("token_data_id", key)
                        .consistent_read(true);
                    get.send().await.expect("an answer").item.expect("a record");
                }
            });
        }
        tasks.join_all().await;
    }

    /// The documentation's example adapter. `None` if there is no Python for it.
    fn boto3(&self, endpoint: &str, concurrent: usize, count: usize) -> Option<f64> {
        let python = std::env::var_os(PYTHON)?;
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let output = Command::new(python)
            .arg(format!("{root}/benches/python/dynamodb_boto3.py"))
            .args([
                endpoint,
                &self.table,
                REGION,
                &concurrent.to_string(),
                &count.to_string(),
            ])
            .env("PYTHONPATH", format!("{root}/backends/dynamodb/tests/python"))
            .output()
            .expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    }

    async fn one_request_each(&self, endpoint: &str) {
        let recorder = Recorder::default();
        let client = ClientBuilder::new(endpoint).recorder(&recorder).build();
        let storage = DynamoDbStorage::from_client(client, &self.table);
        for _ in 0..10 {
            storage.get(&key()).await.expect("an answer").expect("a record");
        }
        assert_eq!(recorder.requests(), 10, "{:?}", recorder.actions());
    }
}

fn key() -> TokenKey {
    TokenKey::in_default(RESOURCE_SERVER)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The CPU time, in nanoseconds, that all threads of this process spend meanwhile.
fn cpu_time(work: impl FnOnce()) -> f64 {
    let before = spent();
    work();
    (spent() - before) as f64
}

/// Of the threads that are alive; those of the runtime live on.
fn spent() -> u64 {
    let of_thread = |entry: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(entry.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    fs::read_dir("/proc/self/task")
        .expect("Linux")
        .filter_map(of_thread)
        .sum()
}
