//! Another key, while everybody goes on reading and writing.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use token_storage_core::{Precondition, TokenKey, TokenStorage, Write};
use token_storage_encryption::{Encrypted, FileKeys, Key, KeyFile, PassphraseFrom, Resealed};
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
        // No write that began with the old key is under way any more.
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
