//! What one process sees of a storage in a file.

mod common;

use std::{fs, sync::Arc, time::Duration};

use common::{copy_fixture, data, foreign, integrity, key, names, store, token};
use token_storage_core::{Enumerate, ErrorKind, Precondition, TokenData, TokenKey, TokenStorage, Write};
use token_storage_sqlite::SqliteStorage;

#[tokio::test]
async fn opening_what_is_not_there_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(token(&storage, "rs").await, None);
    assert!((&storage).list_keys("DEFAULT", None).await.unwrap().items.is_empty());
    assert_eq!(storage.read_config("DEFAULT", "c").await.unwrap(), None);
    assert_eq!(names(folder.path()), [""; 0]);
    store(&storage, "rs", "at").await;
    assert_eq!(token(&storage, "rs").await.unwrap(), "at");
}

#[tokio::test]
async fn what_is_created_is_schema_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await;
    let ours = foreign(&path);
    let fixture = folder.path().join("fixture.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &fixture);
    let theirs = foreign(&fixture);
    let tables = |connection: &rusqlite::Connection| -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .unwrap();
        let plain = |sql: String| sql.split_whitespace().collect::<String>();
        rows.map(|row| row.unwrap())
            .map(|(name, sql)| (name, plain(sql)))
            .collect()
    };
    assert_eq!(tables(&ours), tables(&theirs));
    let version: String = ours
        .query_row(
            "SELECT value FROM sdk_storage_adapter_internal WHERE attribute = 'globus-sdk.database_schema_version'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(version, "2");
    let mode: String = ours.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

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

#[tokio::test]
async fn configuration_entries_are_those_of_the_legacy_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteAdapter_schema1.db", &path);
    let storage = SqliteStorage::open(&path).unwrap();
    let found = storage.read_config("DEFAULT", "auth_info").await.unwrap().unwrap();
    assert_eq!(found.expose(), r#"{"val1": true, "n": null, "u": "\u00e9\u6f22"}"#);
    store(&storage, "rs", "at").await;
    assert!(
        storage.read_config("config-only", "c").await.unwrap().is_some(),
        "writing tokens leaves them alone"
    );
    storage.store_config("n", "c", r#"{"a": 1}"#).await.unwrap();
    assert!(storage.remove_config("DEFAULT", "auth_info").await.unwrap());
    assert!(!storage.remove_config("DEFAULT", "auth_info").await.unwrap());
    assert_eq!(
        storage.read_config("n", "c").await.unwrap().unwrap().expose(),
        r#"{"a": 1}"#
    );
    for bad in ["[]", "1", "{", "", "{} x"] {
        let error = storage.store_config("n", "bad", bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
    }
    foreign(&path)
        .execute("INSERT INTO config_storage VALUES ('n', 'list', '[\"canary\"]')", [])
        .unwrap();
    let error = storage.read_config("n", "list").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!format!("{error:?}").contains("canary"));
}

#[tokio::test]
async fn configuration_entries_in_a_schema_2_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &path);
    let storage = SqliteStorage::open(&path).unwrap();
    assert_eq!(storage.read_config("n", "c").await.unwrap(), None);
    assert!(!storage.remove_config("n", "c").await.unwrap());
    storage.store_config("n", "c", "{}").await.unwrap();
    assert_eq!(storage.read_config("n", "c").await.unwrap().unwrap().expose(), "{}");
}

#[tokio::test]
async fn k4_keys_are_exact_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path().join("tokens.db")).unwrap();
    let odd = [
        "",
        " ",
        "a",
        "A",
        "a\0",
        "a\0b",
        "a:b",
        "ü",
        "u\u{308}",
        "line\nbreak",
        "%",
        "😀",
        &"k".repeat(10_000),
    ];
    for namespace in odd {
        for name in odd {
            let token = format!("{namespace:?}+{name:?}");
            storage
                .store(&TokenKey::new(namespace, name), &data(&token), Precondition::Absent)
                .await
                .unwrap();
        }
    }
    for namespace in odd {
        for name in odd {
            let found = storage.get(&TokenKey::new(namespace, name)).await.unwrap().unwrap();
            assert_eq!(found.data.access_token.expose(), format!("{namespace:?}+{name:?}"));
        }
        let listed = (&storage).list_keys(namespace, None).await.unwrap();
        assert_eq!(listed.items.len(), odd.len(), "{namespace:?}");
    }
    assert_eq!((&storage).list_namespaces(None).await.unwrap().items.len(), odd.len());
}

#[tokio::test]
async fn listing_goes_page_by_page_and_past_what_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    let keys: Vec<TokenKey> = (0..600)
        .map(|i| TokenKey::new(format!("n{i:03}"), "rs"))
        .chain((0..600).map(|i| key(&format!("{i:03}"))))
        .collect();
    let record = data("at");
    for chunk in keys.chunks(1000) {
        let writes: Vec<Write<'_>> = chunk
            .iter()
            .map(|key| Write::new(key, &record, Precondition::None))
            .collect();
        storage.store_all(&writes).await.unwrap();
    }
    // A text that is no UTF-8, in the middle of a page, at its border, and at the end.
    for text in ["X'30323080'", "X'32353580'", "X'FF'"] {
        foreign(&path).execute(&format!("INSERT INTO token_storage VALUES ('DEFAULT', CAST({text} AS TEXT), '{{}}'), (CAST({text} AS TEXT), 'rs', '{{}}')"), []).unwrap();
    }
    let (mut listed, mut unnameable, mut after) = (Vec::new(), 0, None);
    loop {
        let page = (&storage).list_keys("DEFAULT", after.as_ref()).await.unwrap();
        listed.extend(page.items.iter().map(|key| key.resource_server().to_owned()));
        unnameable += page.unnameable;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, (0..600).map(|i| format!("{i:03}")).collect::<Vec<_>>());
    assert_eq!(unnameable, 3);
    let (mut count, mut unnameable, mut after) = (0, 0, None);
    loop {
        let page = (&storage).list_namespaces(after.as_ref()).await.unwrap();
        count += page.items.len();
        unnameable += page.unnameable;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((count, unnameable), (601, 3));
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
        assert!(storage.remove(&key(name), Precondition::None).await.unwrap(), "{name}");
        assert!(storage.get(&key(name)).await.unwrap().is_none());
    }
    assert_eq!(token(&storage, "good").await.unwrap(), "at");
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
async fn a2_a_refused_batch_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open(folder.path().join("tokens.db")).unwrap();
    store(&storage, "there", "old").await;
    let record = data("new");
    let (a, there) = (key("a"), key("there"));
    let writes = [
        Write::new(&a, &record, Precondition::None),
        Write::new(&there, &record, Precondition::Absent),
    ];
    let error = storage.store_all(&writes).await.unwrap_err();
    assert_eq!(error.conflict().unwrap().key, there);
    assert!(error.conflict().unwrap().current.is_some());
    assert_eq!(token(&storage, "a").await, None);
    let twice = [Write::new(&a, &record, Precondition::None); 2];
    assert_eq!(
        storage.store_all(&twice).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(storage.store_all(&[]).await.unwrap(), []);
}

/// A trigger stands in for what fails in the middle of a batch: what came before it in the batch is undone, what else is
/// in the same transaction is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a_batch_that_fails_half_way_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await;
    foreign(&path)
        .execute_batch("CREATE TRIGGER refuse BEFORE INSERT ON token_storage WHEN NEW.resource_server = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    // All at once, so that they share transactions.
    let tasks: Vec<_> = (0..64)
        .map(|i| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let (record, first, second) = (
                    data("at"),
                    key(&format!("first-{i}")),
                    key(if i % 2 == 0 { "bad" } else { "good" }),
                );
                let writes = [
                    Write::new(&first, &record, Precondition::None),
                    Write::new(&second, &record, Precondition::None),
                ];
                storage.store_all(&writes).await.is_ok()
            })
        })
        .collect();
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), i % 2 == 1, "{i}");
        assert_eq!(
            token(&storage, &format!("first-{i}")).await.is_some(),
            i % 2 == 1,
            "{i}"
        );
    }
}

#[tokio::test]
async fn a4_exactly_one_of_racing_writers_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let handles: Vec<_> = (0..4).map(|_| Arc::new(SqliteStorage::open(&path).unwrap())).collect();
    store(&handles[0], "rs", "first").await;
    let revision = handles[0].get(&key("rs")).await.unwrap().unwrap().revision;
    let tasks: Vec<_> = (0..32)
        .map(|i| {
            let storage = handles[i % 4].clone();
            tokio::spawn(async move {
                storage
                    .store(&key("rs"), &data("same"), Precondition::Unchanged(revision))
                    .await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    assert_eq!(won, 1);
}

/// Clause A7: a write whose caller has gone may happen, but not after a later call was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a7_an_abandoned_write_never_comes_late() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "first").await;
    for round in 0..50 {
        // Somebody else holds the database, so the write cannot happen yet.
        let other = foreign(&path);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let abandoned = format!("abandoned-{round}");
        {
            let (key, record) = (key("rs"), data("abandoned"));
            let write = storage.store(&key, &record, Precondition::None);
            tokio::pin!(write);
            assert!(futures_poll_once(write.as_mut()).await.is_none(), "{abandoned}");
        }
        let reader = tokio::spawn({
            let storage = storage.clone();
            async move { token(&storage, "rs").await.unwrap() }
        });
        tokio::task::yield_now().await;
        other.execute_batch("COMMIT").unwrap();
        let seen = reader.await.unwrap();
        assert_eq!(
            token(&storage, "rs").await.unwrap(),
            seen,
            "nothing may happen after an answered call"
        );
        store(&storage, "rs", "later").await;
        assert_eq!(token(&storage, "rs").await.unwrap(), "later");
    }
}

async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn d6_waiting_for_others_is_bounded_and_then_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::builder(&path)
        .busy_timeout(Duration::from_millis(150))
        .open()
        .unwrap();
    store(&storage, "rs", "at").await;
    let other = foreign(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = storage
        .store(&key("rs"), &data("new"), Precondition::None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.is_retryable() && !error.may_have_applied());
    assert_eq!(
        token(&storage, "rs").await.unwrap(),
        "at",
        "readers do not wait for writers"
    );
    other.execute_batch("COMMIT").unwrap();
    store(&storage, "rs", "new").await;
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

/// The reader's cache: every commit of anyone is seen at once, by a connection that has the record cached.
#[tokio::test]
async fn a3_a_cached_record_is_never_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let (here, there) = (SqliteStorage::open(&path).unwrap(), SqliteStorage::open(&path).unwrap());
    for round in 0..200 {
        let writer = if round % 2 == 0 { &here } else { &there };
        store(writer, "rs", &round.to_string()).await;
        for reader in [&here, &there] {
            for _ in 0..4 {
                assert_eq!(token(reader, "rs").await.unwrap(), round.to_string());
            }
        }
    }
    there.remove(&key("rs"), Precondition::None).await.unwrap();
    assert_eq!(token(&here, "rs").await, None);
}

#[tokio::test]
async fn in_memory_keeps_the_same_promises() {
    let storage = SqliteStorage::open(":memory:").unwrap();
    let clone = storage.clone();
    let other = SqliteStorage::open_in_memory().unwrap();
    store(&storage, "rs", "at").await;
    assert_eq!(token(&clone, "rs").await.unwrap(), "at");
    assert_eq!(token(&other, "rs").await, None);
    storage.store_config("n", "c", "{}").await.unwrap();
    assert!(clone.read_config("n", "c").await.unwrap().is_some());
    assert!(
        storage
            .store(&key("rs"), &TokenData::new("", "", ""), Precondition::Absent)
            .await
            .is_err()
    );
    assert!(storage.remove(&key("rs"), Precondition::None).await.unwrap());
    assert!(!fs::exists(":memory:").unwrap());
}
