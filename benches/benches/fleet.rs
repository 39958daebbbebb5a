//! A fleet on one DynamoDB table when a token that all of them use expires: how long until the last is served, and what the
//! table is asked, over the number of hosts. The figures of `docs/scale.md`; and the goals P13 and P14 of
//! `docs/performance.md`.
//!
//! `cargo bench -p token-storage-benches --features dynamodb --bench fleet`. The service is an emulator in a process of its own that takes one
//! request after the other, so beyond some 100 hosts it is what is waited for; the requests are what carries over. Each
//! host is a storage and a manager of its own and knows of the others by the table alone; ten of its tasks ask at once.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use token_storage::{
    Precondition, TokenStorage, TokenStorageExt as _,
    dynamodb::{DynamoDbStorage, TableOptions},
    manager::TokenManager,
};
use token_storage_benches::{Goal, SlowServer, ask_all, expired, is_quick, key, tell, two_workers};
use token_storage_dynamodb_testing::{ClientBuilder, Recorder, client, emulator};
use tokio::runtime::Runtime;

const TASKS: usize = 10;
fn main() {
    let quick = is_quick();
    let runtime = two_workers();
    let endpoint = runtime.block_on(emulator());
    println!(
        "one expired token; {TASKS} tasks a host ask at once; the server takes {:?} for a refresh",
        SlowServer::TAKES
    );
    println!(
        "{:>6} {:>8} {:>10} {:>10} {:>10}  requests a host",
        "hosts", "clients", "refreshes", "last", "requests"
    );
    let sizes: &[usize] = if quick { &[1, 2] } else { &[1, 10, 100, 300, 1000] };
    for hosts in sizes {
        one_expiry(&runtime, &endpoint, *hosts, TASKS);
    }
    let alone = one_expiry(&runtime, &endpoint, 1, 1);
    let (hosts, tasks) = if quick { (2, 2) } else { (32, 16) };
    let stampede = one_expiry(&runtime, &endpoint, hosts, tasks);
    let beside = format!("a refresh alone: {:.0} ms", alone.took.as_secs_f64() * 1e3);
    let more = (stampede.took.as_secs_f64() - 1.5 * alone.took.as_secs_f64()) * 1e3;
    tell(
        "P14",
        &format!("DynamoDB emulator, {hosts} hosts of {tasks} tasks, the last one less 1.5 times that"),
        more,
        " ms",
        Goal::AtMost(50.0),
        &beside,
    );
    let requests = "requests, counted";
    tell(
        "P13",
        "DynamoDB, a valid token",
        alone.again as f64,
        "",
        Goal::AtMost(1.0),
        requests,
    );
    tell(
        "P13",
        "DynamoDB, a refresh alone",
        alone.requests as f64,
        "",
        Goal::AtMost(4.0),
        requests,
    );
}

/// What an expiry came to.
struct Expiry {
    took: Duration,
    requests: usize,
    /// Requests of one host more, which asks for what is good by then.
    again: usize,
}

fn one_expiry(runtime: &Runtime, endpoint: &str, hosts: usize, tasks: usize) -> Expiry {
    let table = format!("fleet-{}-{hosts}-{tasks}", std::process::id());
    let recorder = Recorder::default();
    let server = Arc::new(SlowServer::default());
    let managers: Vec<TokenManager> = runtime.block_on(async {
        prepare(endpoint, &table).await;
        let client = ClientBuilder::new(endpoint).recorder(&recorder).build();
        let host = |_| {
            let storage: Arc<dyn TokenStorage> = Arc::new(DynamoDbStorage::from_client(client.clone(), &table));
            TokenManager::builder(storage, server.clone())
                .build()
                .expect("a manager")
        };
        (0..hosts).map(host).collect()
    });
    let started = Instant::now();
    let served = runtime.block_on(ask_all(&managers, tasks));
    let took = started.elapsed();
    assert_eq!(served, hosts * tasks, "all are served");
    let refreshes = server.refreshes();
    assert_eq!(refreshes, 1, "one refresh");
    let requests = recorder.requests();
    println!(
        "{hosts:>6} {:>8} {refreshes:>10} {:>8} ms {requests:>10}  {:.1}: {}",
        hosts * tasks,
        took.as_millis(),
        requests as f64 / hosts as f64,
        by_action(&recorder.actions()),
    );
    let client = ClientBuilder::new(endpoint).recorder(&recorder).build();
    let storage: Arc<dyn TokenStorage> = Arc::new(DynamoDbStorage::from_client(client, &table));
    let another = TokenManager::builder(storage, server).build();
    let good = runtime.block_on(ask_all(&[another.expect("a manager")], 1));
    assert_eq!(good, 1, "it is handed out");
    Expiry {
        took,
        requests,
        again: recorder.requests() - requests,
    }
}

async fn prepare(endpoint: &str, table: &str) {
    let storage = DynamoDbStorage::from_client(client(endpoint), table);
    storage
        .create_table(&TableOptions::default(), |_| {})
        .await
        .expect("a table");
    storage
        .store(&key(), &expired(), Precondition::Absent)
        .await
        .expect("a record");
}

fn by_action(actions: &BTreeMap<String, usize>) -> String {
    let parts: Vec<String> = actions
        .iter()
        .map(|(action, count)| format!("{count} {action}"))
        .collect();
    parts.join(", ")
}
