//! How often the hot paths allocate, counted on the thread that calls: a figure that no other load of the machine changes.
//! P11 of `docs/performance.md` is that a token which is good and trusted is handed out without any.

use std::{hint::black_box, sync::Arc, time::Duration};

use token_storage::{
    MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, json::JsonStorage,
    manager::TokenManager, sqlite::SqliteStorage,
};
use token_storage_benches::Nobody;
use tokio::runtime::Runtime;

const CALLS: u64 = 100;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn key() -> TokenKey {
    TokenKey::in_default("groups.api.globus.org")
}

fn record() -> TokenData {
    TokenData::new("groups.api.globus.org", "view_my_groups", "a".repeat(900))
        .with_refresh_token("refresh")
        .with_expires_at(i64::MAX)
        .with_token_type("Bearer")
}

/// Allocations of one call, once everything is warm: what more calls bring more, so that entering the runtime is none.
fn per_call(runtime: &Runtime, call: impl AsyncFn()) -> u64 {
    let counted = |calls: u64| {
        let counted = allocation_counter::measure(|| {
            runtime.block_on(async {
                for _ in 0..calls {
                    call().await;
                }
            });
        });
        counted.count_total
    };
    counted(CALLS);
    let few = counted(CALLS);
    counted(2 * CALLS).saturating_sub(few).div_ceil(CALLS)
}

fn manager(storage: Arc<dyn TokenStorage>, trust: Duration) -> TokenManager {
    let builder = TokenManager::builder(storage, Arc::new(Nobody)).trust(trust);
    builder.build().unwrap()
}

#[test]
fn a_token_that_is_good_and_trusted_is_handed_out_without_an_allocation() {
    let (runtime, storage) = (runtime(), MemoryStorage::new());
    runtime
        .block_on(storage.store(&key(), &record(), Precondition::Any))
        .unwrap();
    let manager = manager(Arc::new(storage), Duration::from_secs(3600));
    let authorizer = manager.authorizer(&key());
    let key = key();
    let by_key = per_call(&runtime, async || {
        drop(black_box(manager.access_token(&key).await.unwrap()))
    });
    let by_authorizer = per_call(&runtime, async || drop(black_box(authorizer.token().await.unwrap())));
    assert_eq!((by_key, by_authorizer), (0, 0), "allocations of a call");
}

/// The copy of the record, which its caller owns, is most of it. More than these is a step back; fewer is an entry here.
#[test]
fn reading_allocates_no_more_than_it_did() {
    let (runtime, folder, key) = (runtime(), tempfile::tempdir().unwrap(), key());
    let data = record();
    let copy = allocation_counter::measure(|| drop(black_box(data.clone()))).count_total;
    let storages: [(&str, Arc<dyn TokenStorage>, u64); 3] = [
        ("memory", Arc::new(MemoryStorage::new()), copy + 1),
        (
            "json",
            Arc::new(JsonStorage::open(folder.path().join("tokens.json")).unwrap()),
            copy + 1,
        ),
        (
            "sqlite",
            Arc::new(SqliteStorage::open(folder.path().join("tokens.db")).unwrap()),
            copy + 2,
        ),
    ];
    for (name, storage, most) in storages {
        runtime.block_on(storage.store(&key, &data, Precondition::Any)).unwrap();
        let get = per_call(&runtime, async || {
            drop(black_box(storage.get(&key).await.unwrap().unwrap()))
        });
        assert!(
            get <= most,
            "{name}: {get} allocations for a get, {most} before, {copy} of them the copy"
        );
        let looking = manager(storage, Duration::ZERO);
        let handed_out = per_call(&runtime, async || {
            drop(black_box(looking.access_token(&key).await.unwrap()))
        });
        assert!(
            handed_out <= get + 2,
            "{name}: {handed_out} allocations for a token that is looked up, {get} of them the get"
        );
    }
}
