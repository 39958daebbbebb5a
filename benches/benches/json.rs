//! The JSON storage beside the raw floors, as ratios within one run: goals P6, P7 and the JSON part of P12 of
//! `docs/performance.md`. `cargo bench -p token-storage-benches --bench json [-- DIRECTORY]`; the directory should be on
//! the disk that matters, `target` by default.
//!
//! Each ratio is the median of the ratios of neighbouring measurements: a shared machine drifts too much for medians of
//! separate runs. With `TOKEN_STORAGE_BENCH_PYTHON` naming a Python that has `globus-sdk`, its JSON storage does the same
//! work on a copy of the same file (P8).

use std::{
    fs::{self, File},
    hint::black_box,
    io::Write as _,
    iter,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use token_storage::{Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write, json::JsonStorage};
use token_storage_benches::{Goal, tell, tell_floor};
use tokio::{runtime::Runtime, sync::oneshot};

fn main() {
    // `cargo test` runs benches too, with `--test`; `cargo bench` passes `--bench`.
    if let Some(path) = std::env::var_os(MEMORY_OF) {
        return memory_of(Path::new(&path));
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |option: &str| arguments.iter().any(|argument| argument == option);
    let quick = given("--quick") || !given("--bench");
    let directory = arguments.iter().find(|argument| !argument.starts_with("--"));
    let parent = directory.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let directory = parent.join(format!("json-bench-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory to measure in");
    println!("directory {}; records of about 1 kB", directory.display());
    let only = std::env::var("RECORDS")
        .ok()
        .map(|records| records.parse().expect("a number"));
    for records in if quick { &[1, 100][..] } else { &[1, 100, 10_000] } {
        if only.is_none_or(|only: usize| only == *records) {
            Bench::new(&directory, *records, quick).run();
        }
    }
    fs::remove_dir_all(&directory).expect("to remove the directory");
}

/// Set for a process that only shows how much memory a file of this path takes.
const MEMORY_OF: &str = "TOKEN_STORAGE_BENCH_MEMORY_OF";

struct Bench {
    directory: PathBuf,
    path: PathBuf,
    records: usize,
    quick: bool,
    single: Runtime,
    pool: Runtime,
    storage: JsonStorage,
}

fn key(n: usize) -> TokenKey {
    TokenKey::in_default(format!("resource-server-{n}.example.org"))
}

/// About 1 kB, different each time.
fn data(n: usize, turn: usize) -> TokenData {
    TokenData::new(
        format!("resource-server-{n}.example.org"),
        "openid profile email",
        format!("{turn:0>500}"),
    )
    .with_refresh_token(format!("{turn:0>200}"))
    .with_expires_at(1_795_649_003)
    .with_token_type("Bearer")
}

impl Bench {
    fn new(directory: &Path, records: usize, quick: bool) -> Self {
        let path = directory.join(format!("{records}.json"));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let single = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let pool = builder.worker_threads(2).build().expect("a runtime");
        let storage = JsonStorage::open(&path).expect("to open");
        let keys: Vec<TokenKey> = (0..records).map(key).collect();
        let values: Vec<TokenData> = (0..records).map(|n| data(n, 0)).collect();
        let writes: Vec<Write<'_>> = keys
            .iter()
            .zip(&values)
            .map(|(k, v)| Write::new(k, v, Precondition::Any))
            .collect();
        for batch in writes.chunks(1000) {
            single.block_on(storage.store_all(batch)).expect("to fill");
        }
        Self {
            directory: directory.to_owned(),
            path,
            records,
            quick,
            single,
            pool,
            storage,
        }
    }

    fn rounds(&self, small: usize, large: usize) -> usize {
        match (self.quick, self.records) {
            (true, _) => 3,
            (_, 10_000) => large,
            _ => small,
        }
    }

    fn run(&self) {
        let size = fs::metadata(&self.path).expect("the file").len();
        println!("\n== {} records, {size} bytes", self.records);
        // `PARTS=stores`: what the disk has to do with.
        let stores_only = std::env::var("PARTS").is_ok_and(|parts| parts == "stores");
        if !stores_only {
            self.opening();
            self.get();
        }
        self.store();
        self.concurrent();
        if !stores_only {
            self.memory(size);
            self.python();
        }
    }

    fn opening(&self) {
        let times = (0..self.rounds(200, 10)).map(|_| {
            let start = Instant::now();
            let storage = JsonStorage::open(&self.path).expect("to open");
            black_box(self.single.block_on(storage.get(&key(0))).expect("to read"));
            start.elapsed()
        });
        let ours = median(times.collect());
        let floor = (0..self.rounds(200, 10)).map(|_| {
            time(|| {
                let text = fs::read(&self.path).expect("the file");
                drop(black_box(
                    serde_json::from_slice::<serde_json::Value>(&text).expect("JSON"),
                ));
            })
        });
        let floor = median(floor.collect());
        println!(
            "open and first get         {:>10}, read and parsed {}",
            micros(ours),
            micros(floor)
        );
        if self.records == 100 {
            let beside = format!("reading and parsing the file: {}", micros(floor));
            self.tell(
                "P12",
                "JSON, opening and a first get",
                ratio(ours, floor),
                Goal::AtMost(3.0),
                &beside,
            );
        }
    }

    fn get(&self) {
        let storage: Arc<dyn TokenStorage> = Arc::new(self.storage.clone());
        let keys: Vec<TokenKey> = (0..self.records.min(1000))
            .map(|n| key(n * self.records / self.records.min(1000)))
            .collect();
        let turns = if self.quick { 1 } else { 200_000 / keys.len() };
        let stored = self
            .single
            .block_on(storage.get(&keys[0]))
            .expect("to read")
            .expect("a record");
        let (mut gets, mut copies) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds(15, 15) {
            copies.push(per_call(turns * keys.len(), || {
                for _ in 0..turns * keys.len() {
                    black_box(black_box(&stored).clone());
                }
            }));
            gets.push(per_call(turns * keys.len(), || {
                self.single.block_on(async {
                    for _ in 0..turns {
                        for key in &keys {
                            black_box(storage.get(key).await.expect("to read"));
                        }
                    }
                });
            }));
        }
        let (get, copy) = (median(gets), median(copies));
        println!(
            "P6 get                     {:>10}, the record's copy {}",
            nanos(get),
            nanos(copy)
        );
        let file = File::open(&self.path).expect("the file");
        let stat = per_call(100_000, || {
            for _ in 0..100_000 {
                black_box(file.metadata().expect("the file"));
            }
        });
        let less = get.saturating_sub(copy);
        println!("P6 get less the copy       {:>10}, fstat {}", nanos(less), nanos(stat));
        let beside = format!("fstat of an open file: {}", nanos(stat));
        self.tell(
            "P6",
            "JSON get less the copy",
            ratio(less, stat),
            Goal::AtMost(3.0),
            &beside,
        );
    }

    /// P7, one task: beside a bare atomic write and a bare write in place of the same bytes.
    fn store(&self) {
        let bytes = fs::read(&self.path).expect("the file");
        let bare = self.directory.join("bare");
        let (mut ours, mut to_atomic, mut to_in_place, mut atomic_times) = (vec![], vec![], vec![], vec![]);
        for turn in 1..=self.rounds(200, 30) {
            let record = data(turn % self.records, turn);
            self.settle();
            let store = time(|| {
                let key = key(turn % self.records);
                self.single
                    .block_on(self.storage.store(&key, &record, Precondition::Any))
                    .expect("to store");
            });
            // What a store leaves to be done after its answer, freeing the old file, must not burden the others.
            self.settle();
            let atomic = time(|| atomic_write(&bare, &bytes));
            self.settle();
            let in_place = time(|| in_place_write(&bare, &bytes));
            ours.push(store);
            to_atomic.push(ratio(store, atomic));
            to_in_place.push(ratio(store, in_place));
            atomic_times.push(atomic);
        }
        let (atomic, to_atomic, to_in_place) = (micros(median(atomic_times)), middle(to_atomic), middle(to_in_place));
        println!(
            "P7 durable store           {:>10}, bare atomic write {atomic}",
            micros(median(ours))
        );
        println!("P7 / bare atomic write     {to_atomic:>10.2}");
        println!("P7 / write and fsync       {to_in_place:>10.2}");
        match self.records {
            1 => self.tell(
                "P7",
                "JSON durable store",
                to_atomic,
                Goal::AtMost(1.1),
                &format!("a bare atomic write: {atomic}"),
            ),
            10_000 => self.tell(
                "P7",
                "JSON durable store",
                to_in_place,
                Goal::AtMost(1.4),
                "a write and fsync in place",
            ),
            _ => {}
        }
    }

    fn tell(&self, name: &str, what: &str, ratio: f64, goal: Goal, beside: &str) {
        tell(
            name,
            &format!("{what}, {} records", self.records),
            ratio,
            "x",
            goal,
            beside,
        );
    }

    fn settle(&self) {
        if !self.quick {
            std::thread::sleep(Duration::from_millis(if self.records == 10_000 { 20 } else { 2 }));
        }
    }

    /// P12, in a process of its own.
    fn memory(&self, size: u64) {
        let this = std::env::current_exe().expect("this program");
        let output = Command::new(this).env(MEMORY_OF, &self.path).output().expect("to run");
        let grown: u64 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a number");
        let times = grown as f64 / size as f64;
        println!("P12 memory / file          {times:>10.2}");
        if self.records == 10_000 {
            self.tell("P12", "JSON memory", times, Goal::AtMost(2.5), "the file");
        }
    }

    /// P8: neither get nor store of the peer waits for the disk.
    fn python(&self) {
        let Some(python) = std::env::var_os("TOKEN_STORAGE_BENCH_PYTHON") else {
            return;
        };
        let copy = self.directory.join("python.json");
        let rounds = self.rounds(51, 3).to_string();
        let output = Command::new(python)
            .args(["-c", PYTHON])
            .args([self.path.as_os_str(), copy.as_os_str(), rounds.as_ref()])
            .output()
            .expect("to run Python");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut numbers = said
            .split_whitespace()
            .map(|number| number.parse::<f64>().expect("a number"));
        let (get, store) = (numbers.next().expect("a get"), numbers.next().expect("a store"));
        let keys = [key(0)];
        let ours = per_call(100_000, || {
            self.single.block_on(async {
                for _ in 0..100_000 {
                    black_box(self.storage.get(&keys[0]).await.expect("to read"));
                }
            });
        });
        let stores = (0..self.rounds(51, 9)).map(|turn| {
            time(|| {
                let record = data(0, turn);
                self.single
                    .block_on(self.storage.store(&keys[0], &record, Precondition::Any))
                    .expect("to store");
            })
        });
        let durable = median(stores.collect()).as_secs_f64();
        let (get_goal, store_goal) = match self.records {
            1 => (100.0, 0.0),
            100 => (100.0, 1.0),
            _ => (500_000.0, 10.0),
        };
        let beside = format!("globus-sdk: {:.2} ms", get * 1e3);
        self.tell(
            "P8",
            "JSON get",
            get / ours.as_secs_f64(),
            Goal::AtLeast(get_goal),
            &beside,
        );
        let beside = format!("globus-sdk, not durable: {:.2} ms", store * 1e3);
        self.tell(
            "P8",
            "JSON durable store",
            store / durable,
            Goal::AtLeast(store_goal),
            &beside,
        );
        let (bare, bytes) = (self.directory.join("bare"), fs::read(&self.path).expect("the file"));
        let writes = (0..self.rounds(51, 9)).map(|_| time(|| atomic_write(&bare, &bytes)));
        let bare = median(writes.collect()).as_secs_f64();
        let what = format!("a bare atomic write of the same bytes, {} records", self.records);
        tell_floor("P8", &what, store / bare, "x", Goal::AtLeast(store_goal), &beside);
    }

    /// P7, 16 tasks: throughput beside as many bare rewrites one after another.
    fn concurrent(&self) {
        const TASKS: usize = 16;
        let bytes = fs::read(&self.path).expect("the file");
        let bare = self.directory.join("bare");
        let each = if self.quick {
            2
        } else if self.records == 10_000 {
            8
        } else {
            40
        };
        let (mut ratios, mut shared) = (Vec::new(), Vec::new());
        let group = Group::open(&bare, &bytes);
        for turn in 0..self.rounds(9, 5) {
            let one_by_one = time(|| (0..each).for_each(|_| atomic_write(&bare, &bytes))) / each as u32;
            let floor = time(|| self.pool.block_on(group.stores(TASKS, each)));
            shared.push(ratio(one_by_one, floor / (TASKS * each) as u32));
            let ours = time(|| {
                self.pool.block_on(async {
                    let tasks: Vec<_> = (0..TASKS)
                        .map(|task| {
                            let (storage, records) = (self.storage.clone(), self.records);
                            tokio::spawn(async move {
                                for n in 0..each {
                                    let slot = (task * each + n) % records;
                                    let record = data(slot, turn * 1000 + n);
                                    storage
                                        .store(&key(slot), &record, Precondition::Any)
                                        .await
                                        .expect("to store");
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.expect("a task");
                    }
                });
            });
            ratios.push(ratio(one_by_one, ours / (TASKS * each) as u32));
        }
        let times = middle(ratios);
        println!("P7 16 tasks                {times:>9.1}x one rewrite each");
        self.tell(
            "P7",
            "JSON store, 16 tasks",
            times,
            Goal::AtLeast(10.0),
            "one bare atomic write each",
        );
        let what = format!(
            "16 tasks, a thread that writes the same bytes once for all who wait, {} records",
            self.records
        );
        let beside = "one bare atomic write each";
        tell_floor("P7", &what, middle(shared), "x", Goal::AtLeast(10.0), beside);
    }
}

/// The floor of sharing a rewrite: a thread that writes the same bytes for all who wait, and tells them.
#[derive(Clone)]
struct Group(mpsc::Sender<oneshot::Sender<()>>);

impl Group {
    fn open(path: &Path, bytes: &[u8]) -> Self {
        let (sender, waiting) = mpsc::channel::<oneshot::Sender<()>>();
        let (path, bytes) = (path.with_extension("group"), bytes.to_owned());
        thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> = iter::once(first).chain(waiting.try_iter()).collect();
                atomic_write(&path, &bytes);
                // Who has gone needs no answer.
                for waits in group {
                    let _ = waits.send(());
                }
            }
        });
        Self(sender)
    }

    async fn stores(&self, tasks: usize, each: usize) {
        let store = |group: Self| async move {
            for _ in 0..each {
                let (answer, answered) = oneshot::channel();
                group.0.send(answer).expect("the thread lives");
                answered.await.expect("an answer");
            }
        };
        let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(store(self.clone()))).collect();
        for task in tasks {
            task.await.expect("a task");
        }
    }
}

/// What this process has had in memory at most, in bytes. Linux only.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// Reads every record, stores one, and prints by how much the peak has grown.
fn memory_of(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let storage = JsonStorage::open(path).expect("to open");
    let before = peak_memory();
    runtime.block_on(async {
        for n in 0.. {
            if storage.get(&key(n)).await.expect("to read").is_none() {
                break;
            }
        }
        storage
            .store(&key(0), &data(0, 1), Precondition::Any)
            .await
            .expect("to store");
    });
    println!(
        "{}",
        peak_memory().zip(before).map_or(0, |(after, before)| after - before)
    );
}

/// The same work by the Globus SDK: seconds for a get and for a store of one record.
const PYTHON: &str = r#"
import shutil, sys, time
try:
    from globus_sdk.token_storage import JSONTokenStorage
except ImportError:
    from globus_sdk.tokenstorage import JSONTokenStorage
source, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
shutil.copy(source, path)
storage = JSONTokenStorage(path)
name = "resource-server-0.example.org"
def median(work):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[rounds // 2]
data = storage.get_token_data(name)
print(median(lambda: storage.get_token_data(name)), median(lambda: storage.store_token_data_by_resource_server({name: data})))
"#;

fn atomic_write(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("tmp");
    let mut file = File::create_new(&temporary).expect("to create");
    file.write_all(bytes).expect("to write");
    file.sync_all().expect("to sync");
    fs::rename(&temporary, path).expect("to rename");
    File::open(path.parent().expect("a directory"))
        .and_then(|directory| directory.sync_all())
        .expect("to sync");
}

fn in_place_write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("to create");
    file.write_all(bytes).expect("to write");
    file.sync_all().expect("to sync");
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn per_call(calls: usize, work: impl FnOnce()) -> Duration {
    time(work) / calls as u32
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn middle(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn micros(time: Duration) -> String {
    format!("{:.0} us", time.as_secs_f64() * 1e6)
}

fn nanos(time: Duration) -> String {
    format!("{} ns", time.as_nanos())
}
