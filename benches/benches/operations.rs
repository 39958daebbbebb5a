//! Every operation on every storage, over records and tasks, beside raw code that does the minimum, with criterion:
//! `cargo bench -p token-storage-benches --bench operations [-- FILTER]`, some five minutes; with `-- --quick` two. With the feature
//! `dynamodb` on an emulator, too; with `TOKEN_STORAGE_BENCH_MILLION` set also with a million records in memory and SQLite.
//!
//! What is done is what `token-storage bench` does. A storage of your own is measured by the same groups: a
//! [`Target`], and a row in `storages`.

#[path = "sqlite/floor.rs"]
#[allow(dead_code, reason = "a part of it is for the bench sqlite")]
mod floor;

use std::{
    fs::{self, File},
    hint::black_box,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use floor::Raw;
use token_storage::{
    MemoryStorage, Precondition, Result, TokenData, TokenKey, TokenStorage, Write, async_trait, json::JsonStorage,
    sqlite::SqliteStorage,
};
use token_storage_bench::{BASE_RECORDS, Ground, Operation, Stop, Target, Worker};
use token_storage_benches::is_quick;
use tokio::runtime::Runtime;

/// A storage in a folder.
#[derive(Clone, Debug)]
enum Local {
    Memory(MemoryStorage),
    Json(PathBuf),
    Sqlite(PathBuf),
}

#[async_trait]
impl Target for Local {
    fn name(&self) -> String {
        let name = match self {
            Self::Memory(_) => "memory",
            Self::Json(_) => "json",
            Self::Sqlite(_) => "sqlite",
        };
        name.to_owned()
    }

    async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
        Ok(match self {
            Self::Memory(storage) => Arc::new(storage.clone()),
            Self::Json(path) => Arc::new(JsonStorage::open(path)?),
            Self::Sqlite(path) => Arc::new(SqliteStorage::open(path)?),
        })
    }
}

#[cfg(feature = "dynamodb")]
mod table {
    use token_storage::dynamodb::{DynamoDbStorage, TableOptions};
    use token_storage_dynamodb_testing::{client, emulator};

    use super::{Arc, Result, Target, TokenStorage, async_trait};

    /// A table of the emulator.
    #[derive(Debug)]
    pub(super) struct Table(DynamoDbStorage);

    impl Table {
        pub(super) async fn create() -> Self {
            let table = format!("operations-{}", std::process::id());
            let storage = DynamoDbStorage::from_client(client(&emulator().await), table);
            let options = TableOptions::default();
            storage.create_table(&options, |_| {}).await.expect("a table");
            Self(storage)
        }
    }

    #[async_trait]
    impl Target for Table {
        fn name(&self) -> String {
            "dynamodb (emulator)".to_owned()
        }

        async fn open(&self) -> Result<Arc<dyn TokenStorage>> {
            Ok(Arc::new(self.0.clone()))
        }
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).expect("a folder");
    // `cargo test` runs each bench once: that it works is what is shown then.
    let quick = is_quick();
    let mut sizes = if quick {
        vec![1, BASE_RECORDS]
    } else {
        vec![1, BASE_RECORDS, 10_000]
    };
    if std::env::var_os("TOKEN_STORAGE_BENCH_MILLION").is_some() {
        sizes.push(1_000_000);
    }
    for target in storages(&runtime, folder.path()) {
        let mut ground = runtime.block_on(Ground::open(target)).expect("to open");
        let most = most(&ground);
        for records in sizes.iter().copied().filter(|records| *records <= most) {
            runtime
                .block_on(ground.fill(records, &Stop::default()))
                .expect("to fill");
            for operation in Operation::ALL {
                measure(&mut criterion, &runtime, &ground, operation);
            }
        }
        assert_eq!(runtime.block_on(ground.clear()), 0, "everything is removed again");
    }
    for records in sizes.into_iter().filter(|records| *records <= 10_000) {
        floors(&mut criterion, folder.path(), records);
    }
    criterion.final_summary();
}

#[cfg_attr(not(feature = "dynamodb"), expect(unused_variables, reason = "for the emulator"))]
fn storages(runtime: &Runtime, folder: &Path) -> Vec<Arc<dyn Target>> {
    vec![
        Arc::new(Local::Memory(MemoryStorage::new())),
        Arc::new(Local::Json(folder.join("tokens.json"))),
        Arc::new(Local::Sqlite(folder.join("tokens.db"))),
        #[cfg(feature = "dynamodb")]
        Arc::new(runtime.block_on(table::Table::create())),
    ]
}

/// A file that is rewritten as a whole and a table whose requests take milliseconds have no use for a million.
fn most(ground: &Ground) -> usize {
    match &*ground.info().backend {
        "memory" | "sqlite" => 1_000_000,
        "json" => 10_000,
        _ => BASE_RECORDS,
    }
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, ground: &Ground, operation: Operation) {
    let grows = matches!(operation, Operation::Get | Operation::Store | Operation::List);
    let together = matches!(operation, Operation::Get | Operation::Store);
    let (records, info) = (ground.records(), ground.info());
    let cannot = operation == Operation::List && !info.enumerates
        || matches!(operation, Operation::Lease | Operation::Refresh) && info.lease.is_none();
    if cannot || !(grows || records == BASE_RECORDS) {
        return;
    }
    let mut group = criterion.benchmark_group(operation.name());
    add(&mut group, runtime, ground, operation, 1);
    if together && records == BASE_RECORDS {
        add(&mut group, runtime, ground, operation, 16);
    }
    group.finish();
}

/// `tasks` workers, each with its part of the calls.
fn add(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    ground: &Ground,
    operation: Operation,
    tasks: usize,
) {
    let id = BenchmarkId::new(format!("{}, {tasks} tasks", ground.name()), ground.records());
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|calls| {
            let each = usize::try_from(calls).expect("fewer calls").div_ceil(tasks);
            let workers: Vec<Worker> = (0..tasks)
                .map(|number| runtime.block_on(ground.worker(operation, number)).expect("a worker"))
                .collect();
            let started = Instant::now();
            let running: Vec<_> = workers
                .into_iter()
                .map(|worker| runtime.spawn(repeat(worker, each)))
                .collect();
            for task in running {
                runtime.block_on(task).expect("a task");
            }
            // What was done beyond the calls that were asked for is not charged.
            started.elapsed().mul_f64(calls as f64 / (each * tasks) as f64)
        });
    });
}

async fn repeat(mut worker: Worker, calls: usize) {
    for _ in 0..calls {
        worker.call().await.expect("it works");
    }
}

/// Raw code that does the minimum: for SQLite a cached statement, for JSON reading and parsing, and an atomic write.
fn floors(criterion: &mut Criterion, folder: &Path, records: usize) {
    let (path, database) = (folder.join("floor.json"), folder.join("floor.db"));
    fill(&JsonStorage::open(&path).expect("to open"), records);
    fill(&SqliteStorage::open(&database).expect("to open"), records);
    let raw = Raw::open(&database);
    let bytes = fs::read(&path).expect("the file");
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        turn * 7_919 % records
    };
    let mut group = criterion.benchmark_group("get");
    group.bench_function(BenchmarkId::new("floor: cached SELECT, decoded", records), |bencher| {
        bencher.iter(|| black_box(raw.get(&key(next()))));
    });
    group.bench_function(
        BenchmarkId::new("floor: JSON file read and parsed", records),
        |bencher| {
            bencher.iter(|| {
                let text = fs::read(&path).expect("the file");
                black_box(serde_json::from_slice::<serde_json::Value>(&text).expect("JSON"))
            });
        },
    );
    group.finish();
    let mut group = criterion.benchmark_group("store");
    let mut changed = 0;
    group.bench_function(BenchmarkId::new("floor: upsert, WAL and FULL", records), |bencher| {
        bencher.iter(|| {
            changed += 1;
            raw.store(&key(next()), &data(changed));
        });
    });
    group.bench_function(
        BenchmarkId::new("floor: atomic write of the file", records),
        |bencher| {
            bencher.iter(|| atomic_write(&folder.join("bare"), &bytes));
        },
    );
    group.finish();
}

fn fill(storage: &dyn TokenStorage, records: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let all: Vec<(TokenKey, TokenData)> = (0..records).map(|n| (key(n), data(0))).collect();
    for batch in all.chunks(1000) {
        let writes: Vec<Write<'_>> = batch
            .iter()
            .map(|(key, data)| Write::new(key, data, Precondition::Any))
            .collect();
        runtime.block_on(storage.store_all(&writes)).expect("to fill");
    }
}

fn key(n: usize) -> TokenKey {
    TokenKey::in_default(format!("resource-server-{n}.example.org"))
}

/// About 1 kB, different each time.
fn data(turn: usize) -> TokenData {
    TokenData::new(
        "resource-server.example.org",
        "openid profile email",
        format!("{turn:0>500}"),
    )
    .with_refresh_token(format!("{turn:0>200}"))
    .with_expires_at(1_795_649_003)
    .with_token_type("Bearer")
}

fn atomic_write(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("tmp");
    let mut file = File::create_new(&temporary).expect("to create");
    file.write_all(bytes).expect("to write");
    file.sync_all().expect("to sync");
    fs::rename(&temporary, path).expect("to rename");
    File::open(path.parent().expect("a folder"))
        .and_then(|folder| folder.sync_all())
        .expect("to sync");
}
