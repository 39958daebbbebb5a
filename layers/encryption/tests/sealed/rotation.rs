//! Another key, while everybody goes on reading and writing.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use token_storage_core::{
    MemoryStorage, Precondition, Result, Revision, TokenKey, TokenStorage, Write, async_trait, backend::forward,
};
use token_storage_encryption::{Encrypted, FileKeys, Key, KeyFile, KeyRing, KeySource, PassphraseFrom, Resealed};
use token_storage_json::JsonStorage;
use token_storage_sqlite::SqliteStorage;
use tokio::task::JoinSet;

use crate::{data, put, ring};

fn counting(number: usize) -> token_storage_core::TokenData {
    data(&format!("access-{number}"), "refresh", "id")
}

fn number(data: &token_storage_core::TokenData) -> usize {
    let (_, number) = data.access_token.expose().rsplit_once('-').unwrap();
    number.parse().unwrap()
}

const RECORDS: usize = 8;
const ROTATIONS: usize = 6;

/// Two writers count each record up, on condition of what they read; four readers see none go back. Each has its own handle
/// and its own view of the key file.
async fn under_load(open: impl Fn() -> Arc<dyn TokenStorage>, folder: &Path) {
    let keys = KeyFile::new(folder.join("keys/key"));
    keys.create(&ring(1), None).unwrap();
    let handle = || Encrypted::new(open(), FileKeys::new(keys.path()));
    let records: Vec<TokenKey> = (0..RECORDS).map(|n| TokenKey::in_default(format!("rs{n}"))).collect();
    for key in &records {
        put(&handle(), key, &counting(0)).await.unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let written: [Arc<AtomicUsize>; 2] = Default::default();
    let read = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for written in written.clone() {
        let (storage, records, done) = (handle(), records.clone(), done.clone());
        tasks.spawn(async move {
            let mut won = [0; RECORDS];
            while !done.load(Ordering::SeqCst) {
                for (key, won) in records.iter().zip(&mut won) {
                    let stored = storage.get(key).await.unwrap().unwrap();
                    let next = counting(number(&stored.data) + 1);
                    let write = Write::new(key, &next, Precondition::Unchanged(stored.revision));
                    match storage.store_all(&[write]).await {
                        Ok(_) => *won += 1,
                        Err(error) => assert!(error.conflict().is_some(), "{error}"),
                    }
                    written.fetch_add(1, Ordering::SeqCst);
                }
            }
            won
        });
    }
    for _ in 0..4 {
        let (storage, records, done, read) = (handle(), records.clone(), done.clone(), read.clone());
        tasks.spawn(async move {
            let mut seen = [0; RECORDS];
            while !done.load(Ordering::SeqCst) {
                for (key, seen) in records.iter().zip(&mut seen) {
                    let now = number(&storage.get(key).await.unwrap().unwrap().data);
                    assert!(now >= *seen, "{now} after {seen}");
                    *seen = now;
                    read.fetch_add(1, Ordering::SeqCst);
                }
                tokio::task::yield_now().await;
            }
            [0; RECORDS]
        });
    }
    let (storage, mut resealed) = (handle(), 0);
    for _ in 0..ROTATIONS {
        let new = Key::generate().unwrap();
        let writes = new.clone();
        let before = keys
            .update(&PassphraseFrom::Nowhere, |ring| Ok(ring.write_with(writes)))
            .unwrap();
        // No write that began with the old key is under way any more: it would be sealed anew, but not before somebody has read it.
        let counts: Vec<usize> = written.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        while written
            .iter()
            .zip(&counts)
            .any(|(now, then)| now.load(Ordering::SeqCst) < then + 2)
        {
            tokio::task::yield_now().await;
        }
        for key in &records {
            if storage.reseal(key).await.unwrap() == Resealed::Written {
                resealed += 1;
            }
            assert_eq!(storage.reseal(key).await.unwrap(), Resealed::Unchanged);
        }
        let old = before.iter().map(Key::id).find(|id| *id != new.id()).unwrap();
        let left = keys.update(&PassphraseFrom::Nowhere, |ring| ring.without(old)).unwrap();
        assert_eq!(left.iter().count(), 1);
    }
    done.store(true, Ordering::SeqCst);
    let mut won = [0; RECORDS];
    while let Some(counted) = tasks.join_next().await {
        for (all, own) in won
            .iter_mut()
            .zip(counted.expect("no reader and no writer saw an error"))
        {
            *all += own;
        }
    }
    for (key, won) in records.iter().zip(won) {
        assert_eq!(
            number(&storage.get(key).await.unwrap().unwrap().data),
            won,
            "no write was lost"
        );
    }
    println!(
        "{ROTATIONS} rotations: {} reads, {} writes tried, {resealed} sealed anew by the rotation itself",
        read.load(Ordering::SeqCst),
        written.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn rotation_under_load_loses_nothing_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let open = || Arc::new(JsonStorage::open(&path).unwrap()) as Arc<dyn TokenStorage>;
    under_load(open, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn rotation_under_load_loses_nothing_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let open = || Arc::new(SqliteStorage::open(&path).unwrap()) as Arc<dyn TokenStorage>;
    under_load(open, folder.path()).await;
}

#[tokio::test]
async fn sealed_anew_is_the_same_token_and_back_to_plain() {
    let below = token_storage_core::MemoryStorage::new();
    let rs = TokenKey::new("ns", "rs");
    let token = data("access", "refresh", "id");
    put(&Encrypted::new(below.clone(), ring(1)), &rs, &token).await.unwrap();
    let both = ring(1).write_with(crate::key(2));
    let storage = Encrypted::new(below.clone(), both.clone());
    let before = storage.get(&rs).await.unwrap().unwrap();
    assert_eq!(storage.reseal(&rs).await.unwrap(), Resealed::Written);
    let after = storage.get(&rs).await.unwrap().unwrap();
    assert_eq!(after.data, before.data);
    assert_ne!(after.revision, before.revision);
    let only_new = Encrypted::new(below.clone(), ring(2));
    assert_eq!(only_new.get(&rs).await.unwrap().unwrap(), after);
    assert_eq!(only_new.unseal(&rs).await.unwrap(), Resealed::Written);
    assert_eq!(only_new.unseal(&rs).await.unwrap(), Resealed::Unchanged);
    assert_eq!(below.get(&rs).await.unwrap().unwrap().data, token);
    assert!(only_new.reseal(&rs).await.is_err(), "plaintext is refused");
    let allowing = Encrypted::new(below.clone(), ring(2)).allow_plaintext();
    assert_eq!(allowing.reseal(&rs).await.unwrap(), Resealed::Written);
    assert_eq!(only_new.get(&rs).await.unwrap().unwrap().data, token);
}

/// A storage in which a write takes so long that the key it began with is removed before it ends.
#[derive(Debug)]
struct Slow {
    below: MemoryStorage,
    keys: Arc<Changing>,
    /// What the keys are by the end of each of the next writes, the first one last.
    then: Mutex<Vec<KeyRing>>,
}

#[derive(Debug)]
struct Changing(Mutex<KeyRing>);

#[async_trait]
impl KeySource for Changing {
    async fn keys(&self) -> Result<Arc<KeyRing>> {
        Ok(Arc::new(self.0.lock().unwrap().clone()))
    }

    fn place(&self) -> String {
        "a ring that changes".to_owned()
    }
}

#[async_trait]
impl TokenStorage for Slow {
    forward!(self.below => get, remove, describe, enumerate, lease, prove_writable);

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        if let Some(ring) = self.then.lock().unwrap().pop() {
            *self.keys.0.lock().unwrap() = ring;
        }
        self.below.store_all(writes).await
    }
}

fn slow(then: Vec<KeyRing>) -> (MemoryStorage, Encrypted<Slow>) {
    let (below, keys) = (MemoryStorage::new(), Arc::new(Changing(Mutex::new(ring(1)))));
    let slow = Slow {
        below: below.clone(),
        keys: keys.clone(),
        then: Mutex::new(then),
    };
    (below, Encrypted::new(slow, keys))
}

#[tokio::test]
async fn a_write_that_ends_after_its_key_was_removed_is_readable() {
    let (one, other) = (TokenKey::new("ns", "rs"), TokenKey::new("ns", "other"));
    let token = data("access", "refresh", "id");
    // The key that it is sealed with next goes, too.
    let (below, storage) = slow(vec![ring(3), ring(2)]);
    let write = |key| Write::new(key, &token, Precondition::Absent);
    let revisions = storage.store_all(&[write(&one), write(&other)]).await.unwrap();
    let now = Encrypted::new(below, ring(3));
    for (key, revision) in [&one, &other].into_iter().zip(revisions) {
        let stored = now.get(key).await.unwrap().unwrap();
        assert_eq!((stored.data, stored.revision), (token.clone(), revision));
    }
}

#[tokio::test]
async fn what_is_sealed_anew_while_that_key_goes_is_readable() {
    let rs = TokenKey::new("ns", "rs");
    let token = data("access", "refresh", "id");
    let (below, storage) = slow(vec![ring(3)]);
    put(&Encrypted::new(below.clone(), ring(2)), &rs, &token).await.unwrap();
    *storage.storage().keys.0.lock().unwrap() = ring(2).write_with(crate::key(1));
    assert_eq!(storage.reseal(&rs).await.unwrap(), Resealed::Written);
    assert_eq!(
        Encrypted::new(below, ring(3)).get(&rs).await.unwrap().unwrap().data,
        token
    );
}
