//! P1, P2, P4, P8 and P12: reading.

use std::{cell::RefCell, ffi::OsStr, fs, hint::black_box, path::Path, process::Command, sync::Arc, time::Duration};

use token_storage::{StoredToken, TokenKey, TokenStorage, TokenStorageExt as _, sqlite::SqliteStorage};
use token_storage_benches::{Goal, tell, tell_floor, two_workers};
use tokio::runtime::Runtime;

use crate::{
    Bench,
    floor::{OwnThread, Raw},
    key, median, micros, one_thread, ratio, scattered, time,
};

const BATCH: usize = 200;

pub(crate) fn run(bench: &Bench, path: &Path, records: usize) {
    let storage: Arc<dyn TokenStorage> = Arc::new(SqliteStorage::open(path).expect("to open"));
    let (raw, peer, runtime) = (Raw::open(path), OwnThread::open(path), one_thread());
    let keys: Vec<TokenKey> = scattered(records, 20_000).into_iter().map(key).collect();
    let same = vec![key(records / 2); BATCH];
    for (name, goal, same_key) in [
        ("P1 get, 1 task", Goal::AtMost(1.15), false),
        ("P2 the same record again", Goal::AtMost(0.5), true),
    ] {
        if same_key || records > 1 {
            let batch = |round: usize| if same_key { &same[..] } else { window(&keys, round) };
            let all = if same_key { &same[..] } else { &keys[..] };
            warm(all, &storage, &raw, &runtime);
            compare(bench, (name, records, goal), batch, &storage, &raw, &peer, &runtime);
        }
    }
    asking(bench, &same, &storage, &raw, &runtime);
    sixteen(bench, (path, records), &keys, &storage, &peer);
}

/// The floor of P2: nothing but the question whether anybody has changed the file, and a copy of the record.
fn asking(bench: &Bench, keys: &[TokenKey], storage: &Arc<dyn TokenStorage>, raw: &Raw, runtime: &Runtime) {
    let kept = (raw.version(), stored(storage, &keys[0], runtime));
    let (mut asked, mut selected) = (vec![], vec![]);
    for _ in 0..bench.rounds(300) {
        selected.push(time(|| keys.iter().for_each(|key| drop(black_box(raw.get(key))))) / BATCH as u32);
        asked.push(time(|| keys.iter().for_each(|_| drop(black_box(raw.copy_if_unchanged(&kept))))) / BATCH as u32);
    }
    let beside = format!("a raw cached SELECT, decoded: {}", micros(median(selected.clone())));
    let what = "`PRAGMA data_version` and a copy of the record";
    tell_floor("P2", what, ratio(&asked, &selected), "x", Goal::AtMost(0.5), &beside);
}

fn stored(storage: &Arc<dyn TokenStorage>, key: &TokenKey, runtime: &Runtime) -> StoredToken {
    runtime.block_on(storage.get(key)).expect("to read").expect("a record")
}

fn window(keys: &[TokenKey], round: usize) -> &[TokenKey] {
    let start = round * BATCH % (keys.len() - BATCH);
    &keys[start..start + BATCH]
}

/// Both sides get the same warm pages.
fn warm(keys: &[TokenKey], storage: &Arc<dyn TokenStorage>, raw: &Raw, runtime: &Runtime) {
    for key in keys {
        black_box(raw.get(key));
        black_box(runtime.block_on(storage.get(key)).expect("to read"));
    }
}

fn compare<'k>(
    bench: &Bench,
    (name, records, goal): (&str, usize, Goal),
    batch: impl Fn(usize) -> &'k [TokenKey],
    storage: &Arc<dyn TokenStorage>,
    raw: &Raw,
    peer: &OwnThread,
    runtime: &Runtime,
) {
    let (mut ours, mut floor, mut theirs) = (vec![], vec![], vec![]);
    for round in 0..bench.rounds(300) {
        let keys = batch(round);
        floor.push(time(|| keys.iter().for_each(|key| drop(black_box(raw.get(key))))) / BATCH as u32);
        ours.push(time(|| runtime.block_on(read_all(&**storage, keys))) / BATCH as u32);
        if round % 10 == 0 {
            let read = async {
                for key in keys {
                    black_box(peer.get(key).await);
                }
            };
            theirs.push(time(|| runtime.block_on(read)) / BATCH as u32);
        }
    }
    let every_tenth: Vec<Duration> = ours.iter().step_by(10).copied().collect();
    println!(
        "{name:<28} {:>9}, raw {:>9}: {:>5.2}x; own thread {}, {:.1}x ours",
        micros(median(ours.clone())),
        micros(median(floor.clone())),
        ratio(&ours, &floor),
        micros(median(theirs.clone())),
        ratio(&theirs, &every_tenth),
    );
    let (goal_name, what) = name.split_once(' ').expect("the goal's name first");
    let beside = format!("a raw cached SELECT, decoded: {}", micros(median(floor.clone())));
    tell(
        goal_name,
        &format!("SQLite {what}, {records} records"),
        ratio(&ours, &floor),
        "x",
        goal,
        &beside,
    );
}

async fn read_all(storage: &dyn TokenStorage, keys: &[TokenKey]) {
    for key in keys {
        black_box(storage.get(key).await.expect("to read").expect("a record"));
    }
}

thread_local! {
    static CONNECTION: RefCell<Option<Raw>> = const { RefCell::new(None) };
}

/// 16 tasks on two workers; the floors have a connection for each worker.
fn sixteen(
    bench: &Bench,
    (path, records): (&Path, usize),
    keys: &[TokenKey],
    storage: &Arc<dyn TokenStorage>,
    peer: &OwnThread,
) {
    let pool = two_workers();
    let keys: Arc<[TokenKey]> = keys.into();
    let record = stored(storage, &keys[0], &pool);
    let (mut ours, mut floor, mut asked, mut theirs) = (vec![], vec![], vec![], vec![]);
    for round in 0..bench.rounds(25) {
        for (who, times) in [
            ("raw", &mut floor),
            ("ours", &mut ours),
            ("asks", &mut asked),
            ("peer", &mut theirs),
        ] {
            let tasks = (0..16).map(|task| {
                let (keys, storage, peer, path) = (keys.clone(), storage.clone(), peer.clone(), path.to_owned());
                let record = record.clone();
                async move {
                    for key in window(&keys, round * 16 + task) {
                        match who {
                            "ours" => drop(black_box(storage.get(key).await.expect("to read"))),
                            "peer" => drop(black_box(peer.get(key).await)),
                            _ => CONNECTION.with_borrow_mut(|raw| {
                                let raw = raw.get_or_insert_with(|| Raw::open(&path));
                                match who {
                                    "asks" => {
                                        black_box((raw.version(), record.clone()));
                                    }
                                    _ => drop(black_box(raw.get(key))),
                                }
                            }),
                        }
                    }
                }
            });
            times.push(time(|| run_all(&pool, tasks)) / (16 * BATCH as u32));
        }
        if round == 0 {
            // The first time opens connections.
            for times in [&mut ours, &mut floor, &mut asked, &mut theirs] {
                times.clear();
            }
        }
    }
    println!(
        "P1 get, 16 tasks, 2 workers  {:>9}, raw {:>9}: {:>5.2}x; own thread {:.1}x ours",
        micros(median(ours.clone())),
        micros(median(floor.clone())),
        ratio(&ours, &floor),
        ratio(&theirs, &ours),
    );
    let beside = format!(
        "a raw cached SELECT on a connection for each worker: {}",
        micros(median(floor.clone()))
    );
    tell(
        "P1",
        &format!("SQLite get, 16 tasks, {records} records"),
        ratio(&ours, &floor),
        "x",
        Goal::AtMost(1.15),
        &beside,
    );
    if records == 1 {
        let what = "16 tasks, `PRAGMA data_version` and a copy of the record, 1 records";
        tell_floor("P1", what, ratio(&asked, &floor), "x", Goal::AtMost(1.15), &beside);
    }
}

fn run_all(pool: &Runtime, tasks: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let tasks: Vec<_> = tasks.map(|task| pool.spawn(task)).collect();
    for task in tasks {
        pool.block_on(task).expect("a task");
    }
}

/// P12: what a short-lived command pays.
pub(crate) fn opening(bench: &Bench, path: &Path) {
    let runtime = one_thread();
    let (mut ours, mut raw) = (vec![], vec![]);
    for _ in 0..bench.rounds(100) {
        ours.push(time(|| {
            let storage = SqliteStorage::open(path).expect("to open");
            black_box(runtime.block_on(storage.get(&key(0))).expect("to read"));
        }));
        raw.push(time(|| drop(black_box(Raw::open(path).get(&key(0))))));
    }
    println!(
        "P12 open, get, close         {:>9}, raw {}",
        micros(median(ours.clone())),
        micros(median(raw.clone()))
    );
    let beside = format!("rusqlite, opening and the same get: {}", micros(median(raw.clone())));
    tell(
        "P12",
        "SQLite, opening and a first get",
        ratio(&ours, &raw),
        "x",
        Goal::AtMost(3.0),
        &beside,
    );
}

/// P4: the growth of the tree and of what does not fit the cache.
pub(crate) fn large_beside_small(bench: &Bench, large: &Path, small: &Path) {
    let runtime = one_thread();
    let open = |path: &Path, records| {
        let storage: Arc<dyn TokenStorage> = Arc::new(SqliteStorage::open(path).expect("to open"));
        let keys: Vec<TokenKey> = scattered(records, 50_000).into_iter().map(key).collect();
        runtime.block_on(read_all(&*storage, &keys));
        (storage, keys)
    };
    let ((large, large_keys), (small, small_keys)) = (open(large, 1_000_000), open(small, 10_000));
    let (mut a, mut b) = (vec![], vec![]);
    for round in 0..bench.rounds(200) {
        a.push(time(|| runtime.block_on(read_all(&*large, window(&large_keys, round)))) / BATCH as u32);
        b.push(time(|| runtime.block_on(read_all(&*small, window(&small_keys, round)))) / BATCH as u32);
    }
    println!(
        "P4 get, 1 M / 10,000         {:>9} / {}: {:.2}x",
        micros(median(a.clone())),
        micros(median(b.clone())),
        ratio(&a, &b)
    );
    let beside = format!("10,000 records: {}", micros(median(b.clone())));
    tell(
        "P4",
        "SQLite get, 1,000,000 records",
        ratio(&a, &b),
        "x",
        Goal::AtMost(2.0),
        &beside,
    );
}

/// P8: the SDK's own class on a copy of the same database, in the same run. It prints seconds for one get and one store.
pub(crate) fn beside_python(bench: &Bench, path: &Path, records: usize, python: &OsStr) {
    let copy = bench.folder.join("python.db");
    fs::copy(path, &copy).expect("to copy");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/sqlite_globus.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&copy)
        .arg(records.to_string())
        .output()
        .expect("Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let mut seconds = text
        .split_whitespace()
        .map(|word| word.parse::<f64>().expect("seconds"));
    let (get, store) = (seconds.next().expect("get"), seconds.next().expect("store"));
    let storage = SqliteStorage::open(path).expect("to open");
    let keys = vec![key(records / 2); 1000];
    let runtime = one_thread();
    runtime.block_on(read_all(&storage, &keys));
    let ours = time(|| runtime.block_on(read_all(&storage, &keys))).as_secs_f64() / 1000.0;
    let stores: Vec<Duration> = (0..bench.rounds(200))
        .map(|turn| {
            let record = crate::data(0, turn + 1);
            time(|| {
                black_box(
                    runtime
                        .block_on(storage.store(&key(0), &record, crate::floor::NOTHING))
                        .expect("to store"),
                );
            })
        })
        .collect();
    let goal = Goal::AtLeast(if records == 1 { 100.0 } else { 500_000.0 });
    let beside = format!("globus-sdk: {:.0} us", get * 1e6);
    tell(
        "P8",
        &format!("SQLite get, {records} records"),
        get / ours,
        "x",
        goal,
        &beside,
    );
    let raw = Raw::open(path);
    let kept = (
        raw.version(),
        stored(&(Arc::new(storage.clone()) as _), &keys[0], &runtime),
    );
    let asked = time(|| keys.iter().for_each(|_| drop(black_box(raw.copy_if_unchanged(&kept)))));
    let asked = asked.as_secs_f64() / keys.len() as f64;
    let what = format!("`PRAGMA data_version` and a copy of the record, {records} records");
    tell_floor("P8", &what, get / asked, "x", goal, &beside);
    let durable = median(stores).as_secs_f64();
    let beside = format!("globus-sdk, as durable: {:.0} us", store * 1e6);
    tell(
        "P8",
        &format!("SQLite store, {records} records"),
        store / durable,
        "x",
        Goal::AtLeast(3.0),
        &beside,
    );
}
