//! Databases and records of the Globus SDK and of other programs.

use token_storage_core::{Enumerate, ErrorKind, Precondition, TokenStorage, TokenStorageExt as _};
use token_storage_files::SidecarLock;
use token_storage_sqlite::{SqliteStorage, give_back};

use crate::common::{copy_fixture, data, foreign, integrity, key, names, store, token};

#[tokio::test]
async fn every_fixture_of_the_sdk_is_read_and_left_readable() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tokens) in [
        ("globus-sdk-3.65.0_SQLiteAdapter_schema1.db", 4),
        ("globus-sdk-3.65.0_SQLiteTokenStorage_schema2.db", 3),
        ("globus-sdk-3.65.0_schema1_written_by_SQLiteTokenStorage.db", 4),
        ("globus-sdk-4.9.1_SQLiteAdapter_schema1.db", 4),
        ("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", 3),
        ("globus-sdk-4.9.1_schema1_written_by_SQLiteTokenStorage.db", 4),
        ("globus-sdk-tokenstorage-0.4.1_SQLiteAdapter.db", 1),
    ] {
        let path = folder.path().join(name);
        copy_fixture(name, &path);
        let rest = "SELECT group_concat(attribute || value) FROM sdk_storage_adapter_internal";
        let before: String = foreign(&path).query_row(rest, [], |row| row.get(0)).unwrap();
        let storage = SqliteStorage::open(&path).unwrap();
        let mut read = 0;
        for namespace in (&storage).list_namespaces(None).await.unwrap().items {
            for key in (&storage).list_keys(&namespace, None).await.unwrap().items {
                let found = storage.get(&key).await.unwrap().unwrap();
                assert!(!found.data.access_token.expose().is_empty(), "{name}");
                read += 1;
            }
        }
        assert_eq!(read, tokens, "{name}");
        store(&storage, "new", "at").await;
        assert_eq!(token(&storage, "new").await.unwrap(), "at");
        drop(storage);
        let after: String = foreign(&path).query_row(rest, [], |row| row.get(0)).unwrap();
        assert_eq!(before, after, "{name}: whose database it is stays");
        assert_eq!(integrity(&path), "ok", "{name}");
    }
}

/// A database that another program keeps in rollback mode and writes to in its own way.
#[tokio::test]
async fn a_foreign_writer_with_a_rollback_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &path);
    let storage = SqliteStorage::open(&path).unwrap();
    let other = foreign(&path);
    let sql = "REPLACE INTO token_storage VALUES ('DEFAULT', 'theirs', ?1)";
    for round in 0..20 {
        let json = format!(r#"{{"resource_server": "r", "scope": "", "access_token": "{round}"}}"#);
        other.execute(sql, [&json]).unwrap();
        assert_eq!(
            token(&storage, "theirs").await.unwrap(),
            round.to_string(),
            "before the first write of ours"
        );
    }
    let mode: String = other.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "reading changes nothing");
    for round in 0..20 {
        store(&storage, "ours", &format!("{round}")).await;
        let json = format!(r#"{{"resource_server": "r", "scope": "", "access_token": "again {round}"}}"#);
        other.execute(sql, [&json]).unwrap();
        assert_eq!(token(&storage, "theirs").await.unwrap(), format!("again {round}"));
        assert_eq!(token(&storage, "ours").await.unwrap(), round.to_string());
    }
}

#[tokio::test]
async fn a_record_may_be_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "text", "at").await;
    foreign(&path)
        .execute(
            "INSERT INTO token_storage SELECT namespace, 'blob', CAST(token_data_json AS BLOB) FROM token_storage",
            [],
        )
        .unwrap();
    let (text, blob) = (
        storage.get(&key("text")).await.unwrap(),
        storage.get(&key("blob")).await.unwrap(),
    );
    assert_eq!(text, blob);
    storage
        .store(
            &key("blob"),
            &data("new"),
            Precondition::Unchanged(blob.unwrap().revision),
        )
        .await
        .unwrap();
    assert_eq!(token(&storage, "blob").await.unwrap(), "new");
}

#[tokio::test]
async fn d3_one_bad_record_is_corrupt_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "good", "at").await;
    let connection = foreign(&path);
    for (name, value) in [
        ("truncated", "'{\"access_token\": \"canary'"),
        ("empty", "''"),
        ("list", "'[]'"),
        (
            "huge",
            "'{\"resource_server\":\"r\",\"scope\":\"s\",\"access_token\":\"canary\",\"expires_at_seconds\":9223372036854775808}'",
        ),
        ("number", "17"),
        ("latin", "X'ff'"),
        ("cast", "CAST(X'7bff' AS TEXT)"),
    ] {
        connection
            .execute(
                &format!("INSERT INTO token_storage VALUES ('DEFAULT', '{name}', {value})"),
                [],
            )
            .unwrap();
        let error = storage.get(&key(name)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
        assert!(error.to_string().contains(name), "names the key: {error}");
        assert!(!format!("{error:?}").contains("canary"));
        let revision = storage.get(&key("good")).await.unwrap().unwrap().revision;
        for precondition in [Precondition::Absent, Precondition::Unchanged(revision)] {
            let error = storage.store(&key(name), &data("new"), precondition).await.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Corrupt,
                "{name}: neither absent nor unchanged can be told"
            );
        }
        let listed = (&storage).list_keys("DEFAULT", None).await.unwrap();
        assert!(listed.items.contains(&key(name)), "a damaged record is listed");
        assert!(storage.remove(&key(name), Precondition::Any).await.unwrap(), "{name}");
        assert!(storage.get(&key(name)).await.unwrap().is_none());
    }
    assert_eq!(token(&storage, "good").await.unwrap(), "at");
}

/// A database of the SDK can be read on a read-only mount: it is one file, in a journal mode that needs no other.
#[tokio::test]
async fn a_database_can_be_given_back_in_the_journal_mode_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &path);
    let mode = || -> String {
        let mode = foreign(&path).query_row("PRAGMA journal_mode", [], |row| row.get(0));
        mode.unwrap()
    };
    let storage = SqliteStorage::builder(&path).without_write_ahead_log().open().unwrap();
    store(&storage, "first", "at").await;
    drop(storage);
    assert_eq!(mode(), "delete");
    store(&SqliteStorage::open(&path).unwrap(), "rs", "at").await;
    assert_eq!(mode(), "wal");
    give_back(&path).unwrap();
    assert_eq!(mode(), "delete");
    assert_eq!(names(folder.path()), ["tokens.db", "tokens.db.lock"]);
    assert_eq!(token(&SqliteStorage::open(&path).unwrap(), "rs").await.unwrap(), "at");
    assert_eq!(mode(), "delete", "reading changes nothing");
    assert_eq!(integrity(&path), "ok");
}

/// Whoever waits for the lock has the database open, so that both would wait for each other.
#[tokio::test]
async fn who_gives_a_database_back_lets_writers_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "first", "at").await;
    let giving = std::thread::spawn({
        let path = path.clone();
        move || give_back(&path)
    });
    let lock = SidecarLock::new(&path);
    while lock.try_acquire().unwrap().is_some() {
        assert!(!giving.is_finished(), "the storage has the database open");
        std::thread::yield_now();
    }
    store(&storage, "second", "at").await;
    drop(storage);
    giving.join().unwrap().unwrap();
    assert_eq!(names(folder.path()), ["tokens.db", "tokens.db.lock"]);
    assert_eq!(
        token(&SqliteStorage::open(&path).unwrap(), "second").await.unwrap(),
        "at"
    );
}

#[test]
fn what_is_not_ours_is_not_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    assert_eq!(give_back(&path).unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(names(folder.path()), [""; 0]);
    let sql = "PRAGMA journal_mode = WAL; CREATE TABLE cookies (host)";
    foreign(&path).execute_batch(sql).unwrap();
    assert_eq!(give_back(&path).unwrap_err().kind(), ErrorKind::Misconfigured);
    assert_eq!(names(folder.path()), ["other.db"]);
}
