//! Handing out a token that is good and trusted: goal P11 of `docs/performance.md`.
//! `cargo bench -p token-storage-benches --bench manager`.
//!
//! Beside it stand what it replaces, the storage's get, and the same with a storage that is asked each time. No request may
//! be made and nothing be written: the endpoint ends the run if it is asked, and the record's revision is compared.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenResponse, TokenStorage, TokenStorageExt as _, async_trait,
    json::JsonStorage,
    manager::{EndpointError, RefreshRequest, RevokeRequest, TokenEndpoint, TokenManager},
};
use tokio::runtime::Runtime;

/// A token that is good needs no server.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl TokenEndpoint for Nobody {
    async fn refresh(&self, _: RefreshRequest<'_>) -> Result<TokenResponse, EndpointError> {
        panic!("a good token was refreshed");
    }

    fn accepts(&self, _: &TokenData) -> Result<(), EndpointError> {
        Ok(())
    }

    async fn revoke(&self, _: RevokeRequest<'_>) -> Result<(), EndpointError> {
        panic!("a good token was revoked");
    }
}

fn main() {
    // `cargo test` runs benches too, with `--test`; `cargo bench` passes `--bench`.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let calls = if quick { 100 } else { 200_000 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = JsonStorage::open(directory.path().join("tokens.json")).expect("to open");
    measure(&runtime, "memory", Arc::new(MemoryStorage::new()), calls);
    measure(&runtime, "json", Arc::new(json), calls);
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
    let trusted = per_call(runtime, calls, async || {
        drop(black_box(trusting.access_token(&key).await))
    });
    let authorized = per_call(runtime, calls, async || drop(black_box(authorizer.token().await)));
    let looked = per_call(runtime, calls, async || {
        drop(black_box(looking.access_token(&key).await))
    });
    let got = per_call(runtime, calls, async || drop(black_box(storage.get(&key).await)));
    let after = runtime.block_on(storage.get(&key)).expect("to read").expect("a record");
    assert_eq!(after.revision, revision, "nothing is written");
    println!(
        "P11 {name}: access_token, trusted  {:>8}  (goal: 200 ns at most)",
        nanos(trusted)
    );
    println!("P11 {name}: authorizer, trusted    {:>8}", nanos(authorized));
    println!("P11 {name}: access_token, looking  {:>8}", nanos(looked));
    println!("P11 {name}: the storage's get      {:>8}", nanos(got));
}

/// The median of rounds, after one to warm up.
fn per_call(runtime: &Runtime, calls: u32, call: impl AsyncFn()) -> Duration {
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..calls / 8 {
                    call().await;
                }
                started.elapsed() / (calls / 8)
            })
        })
        .skip(1)
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn nanos(time: Duration) -> String {
    format!("{} ns", time.as_nanos())
}
