//! A layer of one's own: it counts what is asked of the storage below, and forwards everything else. So a program sees how often
//! it really reads.
//!
//! `cargo run --example custom_layer --features cache` prints:
//!
//! ```text
//! without a cache: 1 write, 3 reads
//! with one: 1 write, 1 read
//! it lists, too: 1 token
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage::{
    EnumerateExt as _, MemoryStorage, Precondition, Result, Revision, StoredToken, TokenData, TokenKey, TokenStorage,
    TokenStorageExt as _, Write, async_trait,
    backend::{counted, forward},
    layers::Cached,
};

/// How many calls there were. The layer has a clone of it, and so may whoever shows the figures.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<[AtomicUsize; 2]>);

impl Calls {
    fn shown(&self) -> String {
        let [writes, reads] = &*self.0;
        let count = |calls: &AtomicUsize, what| counted(calls.load(Ordering::Relaxed), what);
        format!("{}, {}", count(writes, "write"), count(reads, "read"))
    }
}

/// Over any storage. Methods that stay as they are, the capabilities among them, are named in `forward!`: one that is neither
/// named nor written would not compile.
#[derive(Debug)]
struct Counted<S>(S, Calls);

#[async_trait]
impl<S: TokenStorage> TokenStorage for Counted<S> {
    forward!(self.0 => remove, prove_writable, describe, enumerate, lease);

    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.1.0[1].fetch_add(1, Ordering::Relaxed);
        self.0.get(key).await
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.1.0[0].fetch_add(1, Ordering::Relaxed);
        self.0.store_all(writes).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let calls = Calls::default();
    let storage = Counted(MemoryStorage::new(), calls.clone());
    write_and_read(&storage).await?;
    println!("without a cache: {}", calls.shown());

    let calls = Calls::default();
    let storage = Cached::new(Counted(MemoryStorage::new(), calls.clone()), Duration::from_secs(60));
    write_and_read(&storage).await?;
    println!("with one: {}", calls.shown());

    let listing = storage.enumerate().expect("the layers forward it");
    let tokens = listing.all_keys("DEFAULT").await?.items;
    println!("it lists, too: {}", counted(tokens.len(), "token"));
    Ok(())
}

async fn write_and_read(storage: &dyn TokenStorage) -> Result<()> {
    let key = TokenKey::in_default("api.example.org");
    let data = TokenData::new("api.example.org", "read", "an-access-token");
    storage.store(&key, &data, Precondition::Any).await?;
    for _ in 0..3 {
        assert!(storage.get(&key).await?.is_some());
    }
    Ok(())
}
