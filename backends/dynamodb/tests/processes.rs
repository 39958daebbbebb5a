//! Leases between real processes, with real signals.

mod support;

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use support::{data, fresh_table, key};
use token_storage_core::{Acquisition, ErrorKind, LeaseGuard, Precondition, TokenStorage, TokenStorageExt as _};
use token_storage_dynamodb::DynamoDbStorage;
use token_storage_dynamodb_testing::{ENDPOINT_VARIABLE, client, emulator};

const TTL: Duration = Duration::from_secs(1);
/// Tells the worker its table, and tells it that it is one.
const TABLE: &str = "TOKEN_STORAGE_TEST_TABLE";

fn storage(client: token_storage_dynamodb::Client, table: &str) -> DynamoDbStorage {
    DynamoDbStorage::builder(table).lease_ttl(TTL).with_client(client)
}

/// Not a test of its own: the worker process. It takes the lease and says so; then, when told to, renews it and stores
/// under the revision it read at the start.
#[tokio::test]
async fn worker() {
    let Ok(table) = env::var(TABLE) else {
        return;
    };
    let storage = storage(client(&emulator().await), &table);
    let read = storage.get(&key("rs")).await.unwrap().unwrap();
    let Acquisition::Acquired(mut guard) = storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap() else {
        panic!("nobody else holds it");
    };
    say("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let before = guard.remaining().unwrap();
    let renewed = guard.renew().await.map_err(|error| error.kind());
    let unchanged = Precondition::Unchanged(read.revision);
    let stored = storage
        .store(&key("rs"), &data("stale"), unchanged)
        .await
        .map(drop)
        .map_err(|error| error.kind());
    say(&format!("{before:?} {renewed:?} {stored:?}"));
}

fn say(line: &str) {
    println!("worker: {line}");
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn start(endpoint: &str, table: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "worker", "--nocapture"])
            .env(TABLE, table)
            .env(ENDPOINT_VARIABLE, endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut worker = Self { child, stdin, stdout };
        assert_eq!(worker.says(), "held");
        worker
    }

    fn says(&mut self) -> String {
        let lines = self.stdout.by_ref().map(Result::unwrap);
        let said = lines
            .filter_map(|line| line.split_once("worker: ").map(|(_, said)| said.to_owned()))
            .next();
        said.expect("the worker ended without a word")
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn take_over(storage: &DynamoDbStorage) -> Box<dyn LeaseGuard> {
    let lease = storage.lease().unwrap();
    let waiting = async {
        loop {
            match lease.try_acquire(&key("rs")).await.unwrap() {
                Acquisition::Acquired(guard) => return guard,
                Acquisition::Held { retry_after } => tokio::time::sleep(retry_after).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("it is taken over")
}

#[tokio::test]
async fn l2_the_lease_of_a_killed_process_is_taken_over() {
    let (client, table) = fresh_table().await;
    let storage = storage(client, &table);
    storage
        .store(&key("rs"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    let worker = Worker::start(&emulator().await, &table);
    let started = Instant::now();
    worker.signal("-KILL");
    let guard = take_over(&storage).await;
    assert!(
        started.elapsed() >= TTL,
        "a dead holder cannot be told from a silent one any sooner"
    );
    guard.release().await.unwrap();
}

#[tokio::test]
async fn l3_a_stopped_process_is_fenced_out() {
    let (client, table) = fresh_table().await;
    let storage = storage(client, &table);
    let first = storage
        .store(&key("rs"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    let mut worker = Worker::start(&emulator().await, &table);
    worker.signal("-STOP");
    let guard = take_over(&storage).await;
    storage
        .store(&key("rs"), &data("2"), Precondition::Unchanged(first))
        .await
        .unwrap();
    worker.signal("-CONT");
    worker.stdin.write_all(b"go on\n").unwrap();
    let want = format!(
        "{:?} Err({:?}) Err({:?})",
        Duration::ZERO,
        ErrorKind::LeaseLost,
        ErrorKind::Conflict
    );
    assert_eq!(worker.says(), want);
    assert_eq!(storage.get(&key("rs")).await.unwrap().unwrap().data, data("2"));
    guard.release().await.unwrap();
}
