//! Handing out a token that is good and trusted, and one that expires for many at once: goals P11 and P14 of
//! `docs/performance.md`.
//! `cargo bench -p token-storage-benches --bench manager`.
//!
//! Beside it stand what it replaces, the storage's get, and the same with a storage that is asked each time. No request may
//! be made and nothing be written: the endpoint ends the run if it is asked, and the record's revision is compared.

use std::{
    hint::black_box,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, json::JsonStorage,
    manager::TokenManager, sqlite::SqliteStorage,
};
use token_storage_benches::{Goal, Nobody, SlowServer, ask_all, expired, key, tell, two_workers};
use tokio::runtime::Runtime;

fn main() {
    let given = |option: &str| std::env::args().any(|argument| argument == option);
    let quick = given("--quick") || !given("--bench");
    let calls = if quick { 100 } else { 200_000 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = JsonStorage::open(directory.path().join("tokens.json")).expect("to open");
    measure(&runtime, "memory", Arc::new(MemoryStorage::new()), calls);
    measure(&runtime, "json", Arc::new(json), calls);
    stampede("JSON", quick, |turn| {
        let path = directory.path().join(format!("expired-{turn}.json"));
        Arc::new(JsonStorage::open(path).expect("to open"))
    });
    stampede("SQLite", quick, |turn| {
        let path = directory.path().join(format!("expired-{turn}.db"));
        Arc::new(SqliteStorage::open(path).expect("to open"))
    });
}

/// P14: handles that know of each other by the file alone, as processes do, of 16 tasks each; one token expires for all.
fn stampede(name: &str, quick: bool, open: impl Fn(usize) -> Arc<dyn TokenStorage>) {
    let (handles, tasks, rounds) = if quick { (2, 2, 1) } else { (32, 16, 9) };
    let mut turn = 0;
    let mut expiry = |handles, tasks| {
        turn += 1;
        one_expiry(|| open(turn), handles, tasks)
    };
    let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| (expiry(handles, tasks), expiry(1, 1))).collect();
    let alone = median(pairs.iter().map(|(_, alone)| *alone));
    let more = median(pairs.iter().map(|(last, alone)| (last - 1.5 * alone) * 1e3));
    tell(
        "P14",
        &format!("{name}, {handles} handles of {tasks} tasks, the last one less 1.5 times a refresh alone"),
        more,
        " ms",
        Goal::AtMost(50.0),
        &format!("a refresh alone: {:.0} ms", alone * 1e3),
    );
}

/// Seconds until the last one is served.
fn one_expiry(open: impl Fn() -> Arc<dyn TokenStorage>, handles: usize, tasks: usize) -> f64 {
    let runtime = two_workers();
    let server = Arc::new(SlowServer::default());
    let manager = |_| {
        let builder = TokenManager::builder(open(), server.clone());
        builder.build().expect("a manager")
    };
    let managers: Vec<TokenManager> = (0..handles).map(manager).collect();
    let (key, expired) = (key(), expired());
    let stored = managers[0].storage().store(&key, &expired, Precondition::Absent);
    runtime.block_on(stored).expect("to store");
    let started = Instant::now();
    let served = runtime.block_on(ask_all(&managers, tasks));
    let took = started.elapsed();
    assert_eq!(
        (served, server.refreshes()),
        (handles * tasks, 1),
        "all, by one refresh"
    );
    took.as_secs_f64()
}

fn measure(runtime: &Runtime, name: &str, storage: Arc<dyn TokenStorage>, calls: u32) {
    let key = TokenKey::in_default("groups.api.globus.org");
    let data = TokenData::new("groups.api.globus.org", "view_my_groups", "a".repeat(900))
        .with_refresh_token("refresh")
        .with_expires_at(i64::MAX);
    let stored = runtime.block_on(storage.store(&key, &data, Precondition::Any));
    let revision = stored.expect("to store");
    let manager = |trust| {
        let builder = TokenManager::builder(storage.clone(), Arc::new(Nobody)).trust(trust);
        builder.build().expect("a manager")
    };
    let (trusting, looking) = (manager(Duration::from_secs(3600)), manager(Duration::ZERO));
    let authorizer = trusting.authorizer(&key);
    let token = Mutex::new(Arc::new("a".repeat(900)));
    let mut rounds = Vec::new();
    for _ in 0..17 {
        rounds.push([
            per_call(runtime, calls, async || {
                drop(black_box(trusting.access_token(&key).await))
            }),
            per_call(runtime, calls, async || drop(black_box(authorizer.token().await))),
            per_call(runtime, calls, async || {
                drop(black_box(looking.access_token(&key).await))
            }),
            per_call(runtime, calls, async || drop(black_box(storage.get(&key).await))),
            per_call(runtime, calls, async || floor(&token)),
        ]);
    }
    // The first one warms up.
    rounds.remove(0);
    let after = runtime.block_on(storage.get(&key)).expect("to read").expect("a record");
    assert_eq!(after.revision, revision, "nothing is written");
    let names = [
        "access_token, trusted",
        "authorizer, trusted",
        "access_token, looking",
        "the storage's get",
        "the floor",
    ];
    let median_of = |at: usize| median(rounds.iter().map(|round| round[at].as_secs_f64()));
    for (at, what) in names.into_iter().enumerate() {
        println!("P11 {name}: {what:<22} {:>8}", nanos(median_of(at)));
    }
    // Of neighbours in time: a shared machine drifts.
    let times = |of: fn(&[Duration; 5]) -> Duration| {
        median(
            rounds
                .iter()
                .map(|round| of(round).as_secs_f64() / round[4].as_secs_f64()),
        )
    };
    let beside = format!("two clocks, a lock, a clone of an Arc: {}", nanos(median_of(4)));
    tell(
        "P11",
        &format!("{name}, a trusted token"),
        times(|round| round[0]),
        "x",
        Goal::AtMost(2.0),
        &beside,
    );
    let more = times(|round| round[2].saturating_sub(round[3]));
    tell(
        "P11",
        &format!("{name}, looked up, less the get"),
        more,
        "x",
        Goal::AtMost(3.0),
        &beside,
    );
}

/// What handing out a token cannot do without: both clocks are read, what is known of the key is locked, and the token is
/// shared with the caller.
fn floor(token: &Mutex<Arc<String>>) {
    black_box((Instant::now(), SystemTime::now()));
    let shared = token.lock().expect("nobody panics").clone();
    drop(black_box(shared));
}

fn per_call(runtime: &Runtime, calls: u32, call: impl AsyncFn()) -> Duration {
    let calls = (calls / 16).max(1);
    runtime.block_on(async {
        let started = Instant::now();
        for _ in 0..calls {
            call().await;
        }
        started.elapsed() / calls
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn nanos(seconds: f64) -> String {
    format!("{:.0} ns", seconds * 1e9)
}
