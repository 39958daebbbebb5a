//! The hot paths, so many times each: what `.ci/checks/58-instructions.sh` runs under valgrind, which counts instructions.
//! `hot_paths PATH CALLS`; without arguments it runs each a few times and prints their names.

use std::{env, hint::black_box, path::Path, sync::Arc, time::Duration};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenResponse, TokenStorage, TokenStorageExt as _,
    backend::{WriteMark, record},
    json::JsonStorage,
    manager::TokenManager,
    sqlite::SqliteStorage,
};
use token_storage_benches::Nobody;
use tokio::runtime::Runtime;

const PATHS: [&str; 11] = [
    "encode",
    "decode",
    "parse-response",
    "memory-get",
    "memory-store",
    "json-get",
    "sqlite-get",
    "sqlite-get-again",
    "sqlite-open",
    "trusted-token",
    "looked-up-token",
];
const RECORDS: usize = 100;

fn main() {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    match arguments.as_slice() {
        [path, calls] => run(path, calls.parse().expect("a number of calls"), folder.path()),
        _ => {
            for path in PATHS {
                run(path, 3, folder.path());
                println!("{path}");
            }
        }
    }
}

fn run(path: &str, calls: usize, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match path {
        "encode" => {
            let (data, mark) = (data(0), WriteMark::random().expect("random bits"));
            (0..calls).for_each(|_| drop(black_box(record::encode(black_box(&data), &mark))));
        }
        "decode" => {
            let text = record::encode(&data(0), &WriteMark::random().expect("random bits"));
            (0..calls).for_each(|_| drop(black_box(record::decode(black_box(text.as_str())).expect("a record"))));
        }
        "parse-response" => {
            let answer = br#"{"access_token":"a","expires_in":172800,"token_type":"Bearer","scope":"view_my_groups",
                "resource_server":"groups.api.globus.org","refresh_token":"r","other_tokens":[]}"#;
            (0..calls).for_each(|_| {
                drop(black_box(
                    TokenResponse::parse(black_box(answer), 0).expect("a response"),
                ))
            });
        }
        "memory-get" => gets(&runtime, &filled(&runtime, Arc::new(MemoryStorage::new())), calls, 1),
        "memory-store" => stores(&runtime, &MemoryStorage::new(), calls),
        "json-get" => gets(&runtime, &filled(&runtime, json(folder)), calls, 1),
        "sqlite-get" => gets(&runtime, &filled(&runtime, sqlite(folder)), calls, 1),
        "sqlite-get-again" => gets(&runtime, &filled(&runtime, sqlite(folder)), calls, 0),
        "sqlite-open" => opens(&runtime, &folder.join("tokens.db"), calls),
        "trusted-token" => tokens(&runtime, calls, Duration::from_secs(3600)),
        "looked-up-token" => tokens(&runtime, calls, Duration::ZERO),
        _ => panic!("no such path; there are {PATHS:?}"),
    }
}

fn json(folder: &Path) -> Arc<dyn TokenStorage> {
    Arc::new(JsonStorage::open(folder.join("tokens.json")).expect("to open"))
}

fn sqlite(folder: &Path) -> Arc<dyn TokenStorage> {
    Arc::new(SqliteStorage::open(folder.join("tokens.db")).expect("to open"))
}

fn key(n: usize) -> TokenKey {
    TokenKey::in_default(format!("resource-server-{n}.example.org"))
}

/// About 1 kB.
fn data(n: usize) -> TokenData {
    TokenData::new(
        format!("resource-server-{n}.example.org"),
        "openid profile email",
        "a".repeat(500),
    )
    .with_refresh_token("r".repeat(200))
    .with_expires_at(i64::MAX)
    .with_token_type("Bearer")
}

fn filled(runtime: &Runtime, storage: Arc<dyn TokenStorage>) -> Arc<dyn TokenStorage> {
    for n in 0..RECORDS {
        let (key, data) = (key(n), data(n));
        let stored = storage.store(&key, &data, Precondition::Any);
        runtime.block_on(stored).expect("to store");
    }
    storage
}

/// `step` 0: the same record again and again.
fn gets(runtime: &Runtime, storage: &Arc<dyn TokenStorage>, calls: usize, step: usize) {
    let keys: Vec<TokenKey> = (0..RECORDS).map(key).collect();
    runtime.block_on(async {
        for call in 0..calls {
            let got = storage.get(&keys[call * step * 37 % RECORDS]).await;
            black_box(got.expect("to read").expect("a record"));
        }
    });
}

/// Opening, a first get, and closing: all that a short-lived command does.
fn opens(runtime: &Runtime, path: &Path, calls: usize) {
    drop(filled(runtime, Arc::new(SqliteStorage::open(path).expect("to open"))));
    for _ in 0..calls {
        let storage = SqliteStorage::open(path).expect("to open");
        let got = runtime.block_on(storage.get(&key(0))).expect("to read");
        black_box(got.expect("a record"));
    }
}

fn stores(runtime: &Runtime, storage: &dyn TokenStorage, calls: usize) {
    let (key, data) = (key(0), data(0));
    runtime.block_on(async {
        for _ in 0..calls {
            black_box(storage.store(&key, &data, Precondition::Any).await.expect("to store"));
        }
    });
}

fn tokens(runtime: &Runtime, calls: usize, trust: Duration) {
    let storage = filled(runtime, Arc::new(MemoryStorage::new()));
    let builder = TokenManager::builder(storage, Arc::new(Nobody)).trust(trust);
    let (manager, key) = (builder.build().expect("a manager"), key(0));
    runtime.block_on(async {
        for _ in 0..calls {
            black_box(manager.access_token(&key).await.expect("a token"));
        }
    });
}
