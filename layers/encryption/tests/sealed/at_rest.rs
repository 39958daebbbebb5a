//! No byte of a token is on a disk or on the wire: data, log, leases and temporary files are looked through while they are
//! in use, requests as they are sent.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use token_storage_core::{Acquisition, Intent, RefreshFailure, RefreshFailureKind, TokenKey, TokenStorage};
use token_storage_dynamodb::{DynamoDbStorage, TableOptions};
use token_storage_dynamodb_testing::{ClientBuilder, Faults, client, emulator};
use token_storage_encryption::{Encrypted, Key};
use token_storage_json::JsonStorage;
use token_storage_sqlite::SqliteStorage;

use crate::{data, put, ring};

const ACCESS: &str = "eyJ~canary~access~0123456789abcdefghijklmnopqrstuvwxyz";
const REFRESH: &str = "Atzr~canary~refresh~ABCDEFGHIJKLMNOPQRSTUVWXYZ98765432";
const ID: &str = "ID~canary~token~q1w2e3r4t5y6u7i8o9p0asdfghjklzxcvbnmQ";

/// Which token bytes hold, in which spelling: as it is, in hexadecimal digits, percent-encoded, in base64.
fn found(bytes: &[u8]) -> Option<String> {
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for token in [ACCESS, REFRESH, ID] {
        // Pieces, as a page of a database or a request may end within a token.
        for piece in token.as_bytes().chunks_exact(12) {
            let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            let percent: String = piece.iter().map(|byte| format!("%{byte:02X}")).collect();
            let mut spellings = vec![piece.to_vec(), hex.to_uppercase().into(), hex.into(), percent.into()];
            // At each alignment, without what depends on neighbours.
            for shift in 0..3 {
                let mut shifted = [0; Key::LEN];
                shifted[shift..shift + 12].copy_from_slice(piece);
                let coded = Key::from_bytes(&shifted).to_base64();
                let coded = coded[4..16].to_owned();
                spellings.push(coded.replace('+', "-").replace('/', "_").into());
                spellings.push(coded.into());
            }
            if let Some(spelling) = spellings.iter().find(|spelling| holds(spelling)) {
                return Some(format!("{token} as {}", String::from_utf8_lossy(spelling)));
            }
        }
    }
    None
}

#[test]
fn a_token_is_found_however_it_is_spelled() {
    let key = |text: &str| {
        let mut bytes = [0; Key::LEN];
        bytes.copy_from_slice(&text.as_bytes()[..Key::LEN]);
        Key::from_bytes(&bytes).to_base64()
    };
    for text in [
        ACCESS.to_owned(),
        REFRESH[10..40].to_owned(),
        ID.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ID.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        key(ACCESS).to_string(),
        key(&ACCESS[1..]).to_string(),
        key(&ACCESS[2..]).to_string(),
    ] {
        assert!(found(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(b"nothing of it ~canary"), None);
}

/// What the files of a folder show, all of them, as they are now.
fn in_files(folder: &Path) -> Option<String> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A temporary file may have gone by now.
            let bytes = fs::read(&path).unwrap_or_default();
            if let Some(token) = found(&bytes) {
                return Some(format!("{}: {token}", path.display()));
            }
        }
    }
    None
}

/// Everything that leaves something behind: writes, replacements, removes, a lease with an intent that failed.
async fn use_all(storage: &dyn TokenStorage) {
    let record = data(ACCESS, REFRESH, ID);
    for number in 0..30 {
        let key = TokenKey::in_default(format!("rs{}", number % 5));
        put(storage, &key, &record).await.unwrap();
        let stored = storage.get(&key).await.unwrap().unwrap();
        assert_eq!(stored.data, record);
        if number % 7 == 0 {
            storage
                .remove(&key, token_storage_core::Precondition::Any)
                .await
                .unwrap();
        }
        if number == 29 {
            let lease = storage.lease().unwrap().try_acquire(&key).await.unwrap();
            let Acquisition::Acquired(mut guard) = lease else {
                panic!("nobody else holds it")
            };
            let failure = RefreshFailure::new(RefreshFailureKind::Transient);
            guard
                .record_intent(&Intent::new(&stored, false, 5).with_failure(failure))
                .await
                .unwrap();
            // Kept with its intent, as when a holder dies.
        }
    }
}

type Open = fn(&Path) -> Arc<dyn TokenStorage>;

const FILES: [(&str, Open); 2] = [
    ("tokens.json", |path| Arc::new(JsonStorage::open(path).unwrap())),
    ("tokens.db", |path| Arc::new(SqliteStorage::open(path).unwrap())),
];

/// Uses a storage while its folder is looked through, over and over, temporary files included.
async fn watched(folder: &Path, storage: Arc<dyn TokenStorage>) -> Option<String> {
    let done = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (folder, done) = (folder.to_owned(), done.clone());
        thread::spawn(move || {
            let mut seen = None;
            while seen.is_none() && !done.load(Ordering::SeqCst) {
                seen = in_files(&folder);
            }
            seen
        })
    };
    use_all(&*storage).await;
    done.store(true, Ordering::SeqCst);
    let seen = watcher.join().unwrap();
    // While it is open: a log that is there goes when the last handle does.
    seen.or_else(|| in_files(folder)).or_else(|| {
        drop(storage);
        in_files(folder)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_shows_a_token() {
    for (name, open) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let below = open(&folder.path().join(name));
        let seen = watched(folder.path(), Arc::new(Encrypted::new(below, ring(1)))).await;
        assert_eq!(seen, None, "{name}");
        assert!(folder.path().join(name).exists());
    }
}

/// A layer that seals nothing would be caught.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_layer_they_do() {
    for (name, open) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let seen = watched(folder.path(), open(&folder.path().join(name))).await;
        assert!(seen.is_some(), "{name}");
    }
}

/// What is sent to a table, each request as it goes out.
async fn sent(sealed: bool) -> (usize, Option<String>) {
    let endpoint = emulator().await;
    let table = format!("at-rest-{}", Key::generate().unwrap().id());
    let made = DynamoDbStorage::from_client(client(&endpoint), &table);
    made.create_table(&TableOptions::default(), |_| {}).await.unwrap();
    let seen = Arc::new(Mutex::new((0, None)));
    let listener = seen.clone();
    let listening = Faults::deciding(move |_, body| {
        let mut seen = listener.lock().unwrap();
        seen.0 += 1;
        if seen.1.is_none() {
            seen.1 = found(body.as_bytes());
        }
        None
    });
    let client = ClientBuilder::new(&endpoint).faults(&listening).build();
    let below = DynamoDbStorage::from_client(client, &table);
    if sealed {
        use_all(&Encrypted::new(below, ring(1))).await;
    } else {
        use_all(&below).await;
    }
    made.delete_table().await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test]
async fn no_request_shows_a_token() {
    let (requests, token) = sent(true).await;
    assert!(requests > 60, "{requests}");
    assert_eq!(token, None);
    assert!(sent(false).await.1.is_some(), "without the layer they do");
}
