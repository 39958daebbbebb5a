//! How the cost of a call grows: over namespaces, 1 to 10,000 with a record each, and over tasks that call at the same time, 1 to
//! 256. `cargo bench -p token-storage-benches --bench growth`, a minute or two; over records, the bench `operations` and
//! `token-storage bench` have it. The tables of `docs/scale.md`.

use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write, json::JsonStorage,
    sqlite::SqliteStorage,
};
use token_storage_benches::{is_quick, two_workers};
use tokio::{runtime::Runtime, task::JoinSet};

fn main() {
    let quick = is_quick();
    let runtime = two_workers();
    let (namespaces, tasks): (&[usize], &[usize]) = match quick {
        true => (&[1, 10], &[1, 4]),
        false => (&[1, 100, 1_000, 10_000], &[1, 4, 16, 64, 256]),
    };
    // On the disk that matters.
    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).expect("a folder");
    println!("| namespaces | storage | get | store | list one |\n|--:|---|--:|--:|--:|");
    for count in namespaces {
        for (name, storage) in storages(folder.path(), *count) {
            over_namespaces(&runtime, name, &storage, *count, quick);
        }
    }
    println!("\n| tasks | storage | gets a second | stores a second |\n|--:|---|--:|--:|");
    for (name, storage) in storages(folder.path(), 100) {
        for count in tasks {
            over_tasks(&runtime, name, &storage, *count, quick);
        }
    }
}

fn storages(folder: &Path, namespaces: usize) -> [(&'static str, Arc<dyn TokenStorage>); 3] {
    let path = |end: &str| folder.join(format!("{namespaces}.{end}"));
    [
        ("memory", Arc::new(MemoryStorage::new())),
        ("JSON", Arc::new(JsonStorage::open(path("json")).expect("to open"))),
        ("SQLite", Arc::new(SqliteStorage::open(path("db")).expect("to open"))),
    ]
}

fn key(namespace: usize) -> TokenKey {
    TokenKey::new(format!("tenant-{namespace}"), "groups.api.globus.org")
}

/// About 1 kB, different each time.
fn data(turn: usize) -> TokenData {
    TokenData::new("groups.api.globus.org", "view_my_groups", format!("{turn:0>600}"))
        .with_refresh_token(format!("{turn:0>200}"))
        .with_expires_at(i64::MAX)
}

fn over_namespaces(runtime: &Runtime, name: &str, storage: &Arc<dyn TokenStorage>, count: usize, quick: bool) {
    let (gets, stores, lists) = if quick { (3, 3, 3) } else { (20_000, 100, 200) };
    runtime.block_on(fill(storage, count));
    let get = time(gets, |turn| {
        let key = key(turn * 37 % count);
        black_box(runtime.block_on(storage.get(&key)).expect("to read").expect("a record"));
    });
    let store = time(stores, |turn| {
        runtime.block_on(write(storage, turn * 37 % count, turn + 1))
    });
    let listing = storage.enumerate().expect("it lists");
    let list = time(lists, |turn| {
        let namespace = format!("tenant-{}", turn * 37 % count);
        let page = runtime.block_on(listing.list_keys(&namespace, None)).expect("to list");
        assert_eq!(page.items.len(), 1, "its own alone");
    });
    println!(
        "| {count} | {name} | {} | {} | {} |",
        micros(get),
        micros(store),
        micros(list)
    );
}

async fn fill(storage: &Arc<dyn TokenStorage>, count: usize) {
    let records: Vec<_> = (0..count).map(|n| (key(n), data(0))).collect();
    for chunk in records.chunks(1000) {
        let writes: Vec<Write<'_>> = chunk
            .iter()
            .map(|(key, data)| Write::new(key, data, Precondition::Any))
            .collect();
        storage.store_all(&writes).await.expect("to fill");
    }
}

async fn write(storage: &Arc<dyn TokenStorage>, namespace: usize, turn: usize) {
    let (key, data) = (key(namespace), data(turn));
    storage.store(&key, &data, Precondition::Any).await.expect("to store");
}

fn over_tasks(runtime: &Runtime, name: &str, storage: &Arc<dyn TokenStorage>, tasks: usize, quick: bool) {
    let (gets, stores) = if quick { (8, 8) } else { (65_536, 1_024) };
    runtime.block_on(fill(storage, 100));
    let read = |storage: Arc<dyn TokenStorage>, turn: usize| async move {
        let key = key(turn * 37 % 100);
        black_box(storage.get(&key).await.expect("to read").expect("a record"));
    };
    let store = move |storage: Arc<dyn TokenStorage>, turn: usize| async move {
        write(&storage, turn * 37 % 100, turn + tasks * 1_000_000).await;
    };
    let gets = together(runtime, storage, tasks, gets / tasks, read);
    let stores = together(runtime, storage, tasks, stores / tasks, store);
    println!("| {tasks} | {name} | {gets:.0} | {stores:.0} |");
}

/// Calls a second, of so many tasks that make so many each.
fn together<F: Future<Output = ()> + Send + 'static>(
    runtime: &Runtime,
    storage: &Arc<dyn TokenStorage>,
    tasks: usize,
    each: usize,
    call: impl Fn(Arc<dyn TokenStorage>, usize) -> F + Copy + Send + 'static,
) -> f64 {
    let each = each.max(1);
    let started = Instant::now();
    runtime.block_on(async {
        let mut calling = JoinSet::new();
        for task in 0..tasks {
            let storage = storage.clone();
            calling.spawn(async move {
                for turn in 0..each {
                    call(storage.clone(), task * each + turn).await;
                }
            });
        }
        calling.join_all().await;
    });
    (tasks * each) as f64 / started.elapsed().as_secs_f64()
}

fn time(calls: usize, mut call: impl FnMut(usize)) -> Duration {
    let started = Instant::now();
    (0..calls).for_each(&mut call);
    started.elapsed() / calls as u32
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}
