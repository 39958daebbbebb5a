//! What encryption costs a get and a store: each storage with and without it, in turn.
//! `cargo bench -p token-storage-benches --bench encryption`.

use std::{hint::black_box, sync::Arc, time::Instant};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, Write,
    encryption::{Encrypted, FileKeys, Key, KeyFile, KeyRing},
    json::JsonStorage,
    sqlite::SqliteStorage,
};
use token_storage_benches::is_quick;
use tokio::runtime::Runtime;

/// A storage's name, and two of them.
type Pair = (&'static str, Arc<dyn TokenStorage>, Arc<dyn TokenStorage>);
/// What is measured.
type Call<'a> = &'a dyn Fn(&dyn TokenStorage);

fn main() {
    let quick = is_quick();
    let rounds = if quick { 3 } else { 31 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let keys = KeyFile::new(folder.path().join("key"));
    keys.create(&KeyRing::new(Key::generate().expect("a key")), None)
        .expect("a key file");
    let json = |name| JsonStorage::open(folder.path().join(name)).expect("to open");
    let sqlite = |name| SqliteStorage::open(folder.path().join(name)).expect("to open");
    let pairs: [Pair; 3] = [
        ("memory", Arc::new(MemoryStorage::new()), Arc::new(MemoryStorage::new())),
        ("json", Arc::new(json("plain.json")), Arc::new(json("sealed.json"))),
        ("sqlite", Arc::new(sqlite("plain.db")), Arc::new(sqlite("sealed.db"))),
    ];
    println!(
        "{:8} {:6} {:>12} {:>12} {:>6}",
        "storage", "call", "plain", "encrypted", "ratio"
    );
    for (name, plain, below) in pairs {
        let sealed = Encrypted::new(below, FileKeys::new(keys.path()));
        measure(&runtime, name, &*plain, &sealed, rounds);
    }
}

/// In turn, so that whatever else the machine does meets both.
fn measure(runtime: &Runtime, name: &str, plain: &dyn TokenStorage, sealed: &dyn TokenStorage, rounds: usize) {
    let key = TokenKey::in_default("groups.api.globus.org");
    // As large as a JWT and its refresh token are.
    let data = TokenData::new("groups.api.globus.org", "view_my_groups", "a".repeat(1200))
        .with_refresh_token("r".repeat(100))
        .with_expires_at(1_800_000_000);
    let store = |storage: &dyn TokenStorage| {
        let write = Write::new(&key, &data, Precondition::Any);
        runtime.block_on(storage.store_all(&[write])).expect("to store");
    };
    let get = |storage: &dyn TokenStorage| {
        let stored = runtime
            .block_on(storage.get(&key))
            .expect("to read")
            .expect("it is there");
        assert_eq!(black_box(stored).data.expires_at, data.expires_at);
    };
    let timed = |call: Call<'_>, storage: &dyn TokenStorage, calls: u32| {
        let started = Instant::now();
        (0..calls).for_each(|_| call(storage));
        started.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    let calls: [(&str, Call<'_>, u32); 2] = [("store", &store, 20), ("get", &get, 500)];
    for (what, call, calls) in calls {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            without.push(timed(call, plain, calls));
            with.push(timed(call, sealed, calls));
        }
        let (without, with) = (median(without), median(with));
        println!(
            "{name:8} {what:6} {without:9.1} us {with:9.1} us {:6.2}",
            with / without
        );
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
