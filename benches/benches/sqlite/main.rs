//! The SQLite storage beside the raw floors and peers, as ratios within one run: goals P1 to P5 and the SQLite part of P8
//! and P12 of `docs/performance.md`. `cargo bench -p token-storage-benches --bench sqlite [-- DIRECTORY] [PART]...`;
//! the directory should be on the disk that matters, `target` by default. Parts are `reads`, `stores`, `processes` (all
//! three unless named) and `million` (P4: a database of 1 M records).
//! With `TOKEN_STORAGE_BENCH_PYTHON` naming a Python that has globus-sdk, it is measured in the same run (P8).
//!
//! Each ratio is the median of the ratios of neighbouring measurements: a shared machine drifts too much for medians of
//! separate runs. The peer "thread" does what tokio-rusqlite does (a thread of its own for the connection, a channel to
//! it and one back), written here because that crate pins another version of SQLite, of which a program can have one.

mod floor;
mod processes;
mod reads;
mod writes;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use token_storage::{Precondition, TokenData, TokenKey, TokenStorage, Write, sqlite::SqliteStorage};
use tokio::runtime::Runtime;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, path, count] = arguments.as_slice()
        && processes::play(role, Path::new(path), count)
    {
        return;
    }
    // `cargo test` runs benches too, with `--test`; `cargo bench` passes `--bench`.
    let given = |option: &str| arguments.iter().any(|argument| argument == option);
    let quick = given("--quick") || !given("--bench");
    let (parts, folders): (Vec<&String>, Vec<&String>) = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .partition(|argument| PARTS.contains(&&***argument));
    let parent = folders.first();
    let parent = parent.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let folder = parent.join(format!("sqlite-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a directory to measure in");
    println!("directory {}; records of about 1 kB", folder.display());
    let bench = Bench { folder, quick };
    bench.run(|part| parts.is_empty() && part != "million" || parts.iter().any(|named| *named == part));
    fs::remove_dir_all(&bench.folder).expect("to remove the directory");
}

const PARTS: [&str; 4] = ["reads", "stores", "processes", "million"];

struct Bench {
    folder: PathBuf,
    quick: bool,
}

impl Bench {
    fn run(&self, wanted: impl Fn(&str) -> bool) {
        let sizes: &[usize] = if self.quick { &[1, 100] } else { &[1, 10_000] };
        for records in sizes.iter().filter(|_| wanted("reads")) {
            println!("\n== {records} records");
            let path = self.filled(*records);
            reads::run(self, &path, *records);
            reads::opening(self, &path);
            if let Some(python) = std::env::var_os("TOKEN_STORAGE_BENCH_PYTHON") {
                reads::beside_python(self, &path, *records, &python);
            }
        }
        if wanted("million") {
            println!("\n== 1,000,000 records");
            let path = self.filled(1_000_000);
            reads::run(self, &path, 1_000_000);
            reads::large_beside_small(self, &path, &self.filled(10_000));
        }
        if wanted("stores") {
            println!("\n== stores, into 10,000 records");
            writes::run(self);
        }
        if wanted("processes") {
            println!("\n== 16 processes");
            processes::run(self);
        }
    }

    /// A database with so many records, made once.
    fn filled(&self, records: usize) -> PathBuf {
        let path = self.folder.join(format!("{records}.db"));
        if path.exists() {
            return path;
        }
        fill(&path, records);
        path
    }

    fn rounds(&self, full: usize) -> usize {
        if self.quick { 3 } else { full }
    }
}

fn fill(path: &Path, records: usize) {
    let storage = SqliteStorage::open(path).expect("to open");
    let numbers: Vec<usize> = (0..records).collect();
    for chunk in numbers.chunks(1000) {
        let records: Vec<_> = chunk.iter().map(|n| (key(*n), data(*n, 0))).collect();
        let writes: Vec<Write<'_>> = records
            .iter()
            .map(|(k, d)| Write::new(k, d, Precondition::Any))
            .collect();
        one_thread().block_on(storage.store_all(&writes)).expect("to fill");
    }
}

fn key(n: usize) -> TokenKey {
    TokenKey::in_default(format!("resource-server-{n}.example.org"))
}

/// About 1 kB, different each time: SQLite skips the write if nothing changes.
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

fn one_thread() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
}

/// The same pseudo-random numbers in every run.
fn scattered(below: usize, count: usize) -> Vec<usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..count).map(|_| next()).collect()
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The median of the ratios of neighbours.
fn ratio(ours: &[Duration], theirs: &[Duration]) -> f64 {
    let mut ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| a.as_secs_f64() / b.as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}
