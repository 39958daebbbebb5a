//! Damaged and odd files, and what doctor says of them.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{beside, copy_fixture, data, foreign, key, names, store, token};
use token_storage_core::{Enumerate, ErrorKind, Precondition, Severity, TokenStorage, TokenStorageExt as _};
use token_storage_sqlite::{SqliteStorage, examine};

/// A closed database with many records, so that it has many pages.
async fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    for i in 0..200 {
        store(&storage, &format!("rs-{i:03}"), &"x".repeat(700)).await;
    }
    path
}

fn worst(path: &Path) -> Severity {
    examine(path).iter().map(|finding| finding.severity).max().unwrap()
}

#[tokio::test]
async fn d3_a_damaged_database_is_corrupt_and_kept_aside_by_the_next_write() {
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let damages: [(&str, Damage); 7] = [
        ("text", |_| b"this has never been a database".repeat(100)),
        ("truncated to half", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("truncated within the header", |bytes| bytes[..60].to_vec()),
        ("nothing but NUL", |bytes| vec![0; bytes.len()]),
        ("mark in front", |bytes| [b"\xef\xbb\xbf", &bytes[..]].concat()),
        ("first page overwritten", |mut bytes| {
            bytes[100..4096].fill(0xff);
            bytes
        }),
        ("all pages but the first overwritten", |mut bytes| {
            bytes[4096..].fill(0xa5);
            bytes
        }),
    ];
    for (what, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let path = filled(folder.path()).await;
        let damaged = damage(fs::read(&path).unwrap());
        fs::write(&path, &damaged).unwrap();
        assert_eq!(worst(&path), Severity::Error, "{what}");
        let storage = SqliteStorage::open(&path).unwrap();
        let error = storage.get(&key("rs-007")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        assert!(error.to_string().contains("tokens.db"), "{error}");
        let listing = (&storage).list_keys("DEFAULT", None).await;
        assert_eq!(listing.unwrap_err().kind(), ErrorKind::Corrupt, "{what}");
        assert_eq!(
            fs::read(&path).unwrap(),
            damaged,
            "{what}: reading moves and changes nothing"
        );

        store(&storage, "rs-007", "new").await;
        assert_eq!(token(&storage, "rs-007").await.unwrap(), "new", "{what}");
        let neighbour = token(&storage, "rs-008").await;
        assert!(neighbour.is_none_or(|kept| kept.starts_with('x')), "{what}");
        let is_database =
            |name: &String| name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm");
        let aside: Vec<String> = names(folder.path()).into_iter().filter(is_database).collect();
        let [aside] = aside.as_slice() else {
            panic!("{what}: {aside:?}")
        };
        assert_eq!(
            fs::read(folder.path().join(aside)).unwrap(),
            damaged,
            "{what}: kept unchanged"
        );
        let told = examine(&path);
        assert!(told.iter().any(|finding| finding.place.contains(aside)), "{told:?}");
        assert_eq!(common::integrity(&path), "ok");
    }
}

#[tokio::test]
async fn d3_the_log_is_kept_aside_with_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "in the log").await;
    // Copies, as a crash would leave them; then a new process finds them.
    let log = fs::read(beside(&path, "-wal")).unwrap();
    assert!(!log.is_empty());
    let other = folder.path().join("other.db");
    fs::write(&other, b"damaged ".repeat(1000)).unwrap();
    fs::write(beside(&other, "-wal"), &log).unwrap();
    fs::write(beside(&other, "-shm"), vec![0; 32768]).unwrap();
    let storage = SqliteStorage::open(&other).unwrap();
    store(&storage, "rs", "new").await;
    drop(storage);
    let kept: Vec<String> = names(folder.path())
        .into_iter()
        .filter(|name| name.contains(".damaged-"))
        .collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    let kept_log = kept.iter().find(|name| name.ends_with("-wal")).unwrap();
    assert_eq!(fs::read(folder.path().join(kept_log)).unwrap(), log);
    assert_eq!(common::integrity(&other), "ok");
}

/// SQLite would take a log that lies beside a new database for that database's own.
#[tokio::test]
async fn a_log_without_database_does_not_get_into_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let other = folder.path().join("other.db");
    let keeper = SqliteStorage::open(&other).unwrap();
    store(&keeper, "stale", "stale").await;
    fs::copy(beside(&other, "-wal"), beside(&path, "-wal")).unwrap();
    assert_eq!(worst(&path), Severity::Warning);
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(token(&storage, "stale").await, None);
    store(&storage, "rs", "at").await;
    assert_eq!(token(&storage, "stale").await, None);
    assert_eq!(token(&storage, "rs").await.unwrap(), "at");
    assert!(
        names(folder.path())
            .iter()
            .any(|name| name.contains(".damaged-") && name.ends_with("-wal"))
    );
}

/// One page of many is damaged: what does not need it still works, and nothing is hidden as "no tokens".
#[tokio::test]
async fn d3_a_damaged_page_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.windows(6).position(|window| window == b"rs-150").unwrap() / 4096;
    bytes[page * 4096..(page + 1) * 4096].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    let (mut read, mut corrupt) = (0, 0);
    for i in 0..200 {
        match storage.get(&key(&format!("rs-{i:03}"))).await {
            Ok(Some(_)) => read += 1,
            Ok(None) => panic!("rs-{i:03} is not gone but damaged"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                corrupt += 1;
            }
        }
        if corrupt > 3 {
            break;
        }
    }
    assert!(read > 0 && corrupt > 0, "{read} {corrupt}");
    assert_eq!(worst(&path), Severity::Error);
}

/// The page of this kind that has this text. Kinds as in SQLite's "Database File Format".
fn page_of(bytes: &[u8], kind: u8, text: &str) -> usize {
    let has = |page: &[u8]| page[0] == kind && page.windows(text.len()).any(|window| window == text.as_bytes());
    bytes.chunks(4096).position(has).unwrap()
}

const LEAF_OF_INDEX: u8 = 10;
const LEAF_OF_TABLE: u8 = 13;

fn spoil(bytes: &mut [u8], page: usize) {
    bytes[page * 4096..(page + 1) * 4096].fill(0xff);
}

/// One damaged page does not log everybody out with the next write.
#[tokio::test]
async fn d3_what_can_be_read_of_a_damaged_database_goes_on_in_the_new_one() {
    type Damage = fn(&mut [u8]);
    let damages: [(&str, Damage, usize); 4] = [
        (
            "a page in use is on the list of free ones",
            |bytes| {
                let page = page_of(bytes, LEAF_OF_TABLE, "rs-150") as u32 + 1;
                bytes[32..36].copy_from_slice(&page.to_be_bytes());
                bytes[36..40].copy_from_slice(&1u32.to_be_bytes());
            },
            0,
        ),
        (
            "a page of the index",
            |bytes| spoil(bytes, page_of(bytes, LEAF_OF_INDEX, "rs-150")),
            0,
        ),
        (
            "a page of the table",
            |bytes| spoil(bytes, page_of(bytes, LEAF_OF_TABLE, "rs-150")),
            5,
        ),
        (
            "one of each",
            |bytes| {
                spoil(bytes, page_of(bytes, LEAF_OF_TABLE, "rs-020"));
                spoil(bytes, page_of(bytes, LEAF_OF_INDEX, "rs-150"));
            },
            // A key that is in neither lies behind the damage from both ends of the table.
            5,
        ),
    ];
    for (what, damage, most) in damages {
        let folder = tempfile::tempdir().unwrap();
        let path = filled(folder.path()).await;
        let storage = SqliteStorage::open(&path).unwrap();
        storage.store_config("DEFAULT", "answer", r#"{"is":42}"#).await.unwrap();
        let mut sound = Vec::new();
        for i in 0..200 {
            let key = key(&format!("rs-{i:03}"));
            sound.push((storage.get(&key).await.unwrap().unwrap(), key));
        }
        drop(storage);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();

        let storage = SqliteStorage::open(&path).unwrap();
        // What a refresh does: only if nobody else has changed it.
        let (before, renewed) = sound.remove(150);
        let written = match storage.get(&renewed).await {
            Ok(_) => Precondition::Unchanged(before.revision),
            Err(_) => Precondition::Any,
        };
        storage
            .store(&renewed, &data("new"), written)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let replaced = names(folder.path()).iter().any(|name| name.contains(".damaged-"));
        assert!(replaced, "{what}: nothing was replaced");
        assert_eq!(token(&storage, "rs-150").await.unwrap(), "new", "{what}");
        let mut lost = 0;
        for (record, key) in &sound {
            match storage.get(key).await.unwrap() {
                Some(found) => assert_eq!(found, *record, "{what}: {key}"),
                None => lost += 1,
            }
        }
        println!("{what}: {lost} lost");
        assert!(lost <= most, "{what}: {lost} lost");
        let config = storage.read_config("DEFAULT", "answer").await.unwrap();
        assert_eq!(config.unwrap().expose(), r#"{"is":42}"#, "{what}");
        let told = storage.warnings();
        let kept = format!("with {} records that could be read", 200 - lost);
        assert!(
            lost > 0 || told.iter().any(|finding| finding.message.contains(&kept)),
            "{what}: {told:?}"
        );
        drop(storage);
        assert_eq!(common::integrity(&path), "ok", "{what}");
    }
}

/// Into an index that is out of order a store would put its key where others are then no longer found.
#[tokio::test]
async fn d3_a_store_does_not_go_into_a_damaged_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    let names: Vec<String> = (0..12).map(|i| format!("rs{i:02}")).collect();
    for name in &names {
        store(&storage, name, "at").await;
    }
    drop(storage);
    let mut bytes = fs::read(&path).unwrap();
    let page = page_of(&bytes, LEAF_OF_INDEX, "DEFAULTrs05") * 4096;
    let entry = bytes[page..]
        .windows(11)
        .position(|window| window == b"DEFAULTrs05")
        .unwrap();
    bytes[page + entry + 5] = b'H';
    fs::write(&path, &bytes).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "zz", "at").await;
    for name in &names {
        assert!(token(&storage, name).await.is_some(), "{name}");
    }
    assert_eq!(common::integrity(&path), "ok");
}

/// Bytes of the header and of pages, changed as a fuzzer found them: the list of free pages has pages that are in use.
#[tokio::test]
async fn d3_free_pages_that_are_in_use_cost_no_record() {
    const OLD: &str = "globus-sdk-tokenstorage-0.4.1_SQLiteAdapter.db";
    const NEWER: &str = "globus-sdk-3.65.0_schema1_written_by_SQLiteTokenStorage.db";
    let found: [(&str, &[(usize, u8)]); 4] = [
        (OLD, &[(0x23, 4), (0x25, 25)]),
        (OLD, &[(0x23, 1), (0x24, 16)]),
        (NEWER, &[(0x23, 3), (0x24, 232)]),
        (NEWER, &[(0x27, 115), (0x5fe3, 110), (0x5fe5, 105)]),
    ];
    for (name, changes) in found {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.db");
        copy_fixture(name, &path);
        let mut bytes = fs::read(&path).unwrap();
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        fs::write(&path, &bytes).unwrap();
        let storage = SqliteStorage::open(&path).unwrap();
        let mut before = Vec::new();
        for namespace in (&storage).list_namespaces(None).await.unwrap().items {
            for key in (&storage).list_keys(&namespace, None).await.unwrap().items {
                before.push((storage.get(&key).await.unwrap(), key));
            }
        }
        assert!(!before.is_empty());
        store(&storage, "rs", &"x".repeat(5000)).await;
        for (record, key) in before {
            assert_eq!(storage.get(&key).await.unwrap(), record, "{name} {changes:x?}: {key}");
        }
    }
}

/// One byte of the header, by which a later SQLite may say that this one must not write.
#[tokio::test]
async fn a_database_for_a_newer_sqlite_is_read_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[18] = 17;
    fs::write(&path, &bytes).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    assert!(token(&storage, "rs-000").await.is_some());
    let written = storage.store(&key("rs-000"), &data("new"), Precondition::Any).await;
    let error = written.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.message().contains("a newer SQLite"), "{error}");
    assert!(!error.message().contains("check owner"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn an_empty_file_is_an_empty_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    fs::write(&path, "").unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(token(&storage, "rs").await, None);
    assert!((&storage).list_namespaces(None).await.unwrap().items.is_empty());
    assert!(!storage.remove(&key("rs"), Precondition::Any).await.unwrap());
    store(&storage, "rs", "at").await;
    assert_eq!(token(&storage, "rs").await.unwrap(), "at");
    drop(storage);
    assert_eq!(names(folder.path()), ["tokens.db", "tokens.db.lock"]);
    let mode: String = foreign(&path)
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_table_of_another_shape_is_misconfigured_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    foreign(&path)
        .execute_batch("CREATE TABLE token_storage (id INTEGER, secret TEXT)")
        .unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(
        storage.get(&key("rs")).await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    let error = storage
        .store(&key("rs"), &data("x"), Precondition::Any)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    drop(storage);
    assert_eq!(
        names(folder.path()),
        ["tokens.db"],
        "nothing is put aside, and nothing made beside it"
    );
    assert_eq!(worst(&path), Severity::Error);
}

/// Overwrites a file in place without emptying it first: an empty file is an empty database.
fn overwrite(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

/// A program that copies a database into place, in place: what is read meanwhile is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_file_that_is_being_copied_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let sound = fs::read(&path).unwrap();
    for _ in 0..10 {
        overwrite(&path, &sound[..sound.len() / 2]);
        let storage = SqliteStorage::open(&path).unwrap();
        let reading = tokio::spawn(async move { token(&storage, "rs-199").await });
        tokio::task::yield_now().await;
        overwrite(&path, &sound);
        assert_eq!(reading.await.unwrap().unwrap().len(), 700);
    }
    let storage = SqliteStorage::open(&path).unwrap();
    overwrite(&path, &sound[..sound.len() / 2]);
    let writing = tokio::spawn(async move { storage.store(&key("new"), &data("at"), Precondition::Any).await });
    tokio::task::yield_now().await;
    overwrite(&path, &sound);
    writing.await.unwrap().unwrap();
    assert!(
        !names(folder.path()).iter().any(|name| name.contains("damaged")),
        "it was sound"
    );
}

#[tokio::test]
async fn odd_paths() {
    let folder = tempfile::tempdir().unwrap();
    let error = SqliteStorage::open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(SqliteStorage::open("").unwrap_err().kind(), ErrorKind::Misconfigured);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(SqliteStorage::open(file.join("tokens.db")).is_err());
    for name in ["odd ?#%20 name.db", "file:memory", "ü😀.db", "-leading"] {
        let path = folder.path().join(name);
        let storage = SqliteStorage::open(&path).unwrap();
        store(&storage, "rs", "at").await;
        assert!(path.is_file(), "{name}");
        assert_eq!(token(&storage, "rs").await.unwrap(), "at");
        drop(storage);
        assert_eq!(worst(&path), Severity::Info, "{name}: {:?}", examine(&path));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn d4_a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("real")).unwrap();
    let (link, target) = (folder.path().join("link.db"), folder.path().join("real/tokens.db"));
    std::os::unix::fs::symlink("real/tokens.db", &link).unwrap();
    let storage = SqliteStorage::open(&link).unwrap();
    store(&storage, "rs", "at").await;
    assert!(link.is_symlink() && target.is_file());
    assert_eq!(
        names(folder.path()),
        ["link.db", "real"],
        "what belongs to the database lies beside the target"
    );
    let direct = SqliteStorage::open(&target).unwrap();
    assert_eq!(token(&direct, "rs").await.unwrap(), "at");
    store(&direct, "rs", "again").await;
    assert_eq!(token(&storage, "rs").await.unwrap(), "again");
}

#[tokio::test]
async fn doctor_creates_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    assert_eq!(worst(&path), Severity::Info);
    assert_eq!(names(folder.path()), [""; 0]);
    copy_fixture("globus-sdk-4.9.1_SQLiteAdapter_schema1.db", &path);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let before = fs::read(&path).unwrap();
    let told = examine(&path);
    assert!(
        told.iter()
            .any(|finding| finding.message.contains("schema 1, 4 records")),
        "{told:?}"
    );
    assert_eq!(names(folder.path()), ["tokens.db"]);
    assert_eq!(fs::read(&path).unwrap(), before);
    // A closed database with a write-ahead log: SQLite would make its files even for a reader.
    store(&SqliteStorage::open(&path).unwrap(), "rs", "at").await;
    let before = (names(folder.path()), fs::read(&path).unwrap());
    let told = examine(&path);
    assert!(
        told.iter().any(|finding| finding.message.contains("5 records")),
        "{told:?}"
    );
    assert_eq!((names(folder.path()), fs::read(&path).unwrap()), before);
    // One that is in use is looked at through the log.
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "another", "at").await;
    let before = fs::read(beside(&path, "-wal")).unwrap();
    let told = examine(&path);
    assert!(
        told.iter().any(|finding| finding.message.contains("6 records")),
        "{told:?}"
    );
    assert_eq!(fs::read(beside(&path, "-wal")).unwrap(), before);
}

#[tokio::test]
async fn doctor_names_damaged_records_by_key_and_quotes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    store(&SqliteStorage::open(&path).unwrap(), "good", "canary").await;
    foreign(&path)
        .execute(
            "INSERT INTO token_storage VALUES ('ns', 'bad', '{\"access_token\": \"canary\"}')",
            [],
        )
        .unwrap();
    let told = examine(&path);
    let bad: Vec<_> = told
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert_eq!(bad.len(), 1, "{told:?}");
    assert!(bad[0].place.contains("\"bad\" in namespace \"ns\""), "{}", bad[0].place);
    assert!(!format!("{told:?}").contains("canary"));
}

/// After its last token is removed and the storage closed, no file holds the token any more.
#[tokio::test]
async fn s_a_removed_token_is_wiped_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let holds_it = || {
        let holds = |name: &String| {
            let bytes = fs::read(folder.path().join(name)).unwrap();
            bytes.windows(12).any(|window| window == b"canary-token")
        };
        names(folder.path()).iter().any(holds)
    };
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "canary-token").await;
    store(&storage, "other", "at").await;
    drop(storage);
    assert!(holds_it());
    let storage = SqliteStorage::open(&path).unwrap();
    assert!(storage.remove(&key("rs"), Precondition::Any).await.unwrap());
    drop(storage);
    assert!(!holds_it());
}

/// Somebody wrote `sqlite:` in front of a JSON file's path: no damage, and nothing to put aside.
#[tokio::test]
async fn d3_a_json_file_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let json = "\n{\"data\": {}, \"format_version\": \"2.0\"}".repeat(50);
    fs::write(&path, &json).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    let read = storage.get(&key("rs")).await.unwrap_err();
    let written = storage
        .store(&key("rs"), &data("at"), Precondition::Any)
        .await
        .unwrap_err();
    for error in [read, written] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("`json:`"), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), json);
    assert_eq!(names(folder.path()), ["tokens.json"]);
    assert!(
        examine(&path)
            .iter()
            .any(|finding| finding.advice == "name another path")
    );
}

#[tokio::test]
async fn doctor_tells_which_record_python_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    store(&SqliteStorage::open(&path).unwrap(), "rs", "at").await;
    let warned = |path: &Path| {
        examine(path)
            .iter()
            .any(|told| told.message.contains("for Python cannot read"))
    };
    assert!(!warned(&path));
    let set = "UPDATE token_storage SET token_data_json = replace(token_data_json, '}', ?1)";
    let deep = format!(", \"odd\": {}{}}}", "[".repeat(1100), "]".repeat(1100));
    foreign(&path).execute(set, [deep]).unwrap();
    assert!(warned(&path), "{:?}", examine(&path));
}
