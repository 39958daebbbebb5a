//! Databases that are not ours to use, or that somebody has prepared: refused, with everything as it was.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use token_storage_core::{Enumerate, ErrorKind, Precondition, Severity, TokenStorage, TokenStorageExt as _};
use token_storage_sqlite::{SqliteStorage, examine, give_back};

use crate::common::{copy_fixture, data, foreign, key, store, token};

const SOUND: &str = "CREATE TABLE token_storage (namespace VARCHAR NOT NULL, resource_server VARCHAR NOT NULL, \
     token_data_json VARCHAR NOT NULL, PRIMARY KEY (namespace, resource_server));";

/// Every file of a folder, with its mode and content.
fn snapshot(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode();
            (
                entry.file_name().into_string().unwrap(),
                (mode, fs::read(entry.path()).unwrap()),
            )
        })
        .collect()
}

fn prepare(folder: &Path, sql: &str, journal_mode: &str) -> std::path::PathBuf {
    let path = folder.join("tokens.db");
    foreign(&path)
        .execute_batch(&format!("PRAGMA journal_mode = {journal_mode}; {sql}"))
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

#[tokio::test]
async fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let sound = |rest: &str| format!("{SOUND} {rest}");
    let cases = [
        ("cookies of a browser", "CREATE TABLE cookies (host, value)".to_owned()),
        ("other columns", "CREATE TABLE token_storage (a, b)".to_owned()),
        (
            "no key",
            SOUND.replace(", PRIMARY KEY (namespace, resource_server)", ""),
        ),
        (
            "a shorter key",
            SOUND.replace("(namespace, resource_server))", "(resource_server))"),
        ),
        (
            "no text",
            SOUND.replace("token_data_json VARCHAR", "token_data_json INTEGER"),
        ),
        (
            "keys that differ in case only",
            SOUND.replace("resource_server VARCHAR", "resource_server VARCHAR COLLATE NOCASE"),
        ),
        (
            "a key compared without case",
            SOUND.replace("resource_server))", "resource_server COLLATE NOCASE))"),
        ),
        (
            "dropped conflicts",
            SOUND.replace("resource_server))", "resource_server) ON CONFLICT IGNORE)"),
        ),
        (
            "without row numbers",
            SOUND.replace("resource_server));", "resource_server)) WITHOUT ROWID;"),
        ),
        (
            "a generated column",
            SOUND.replace("PRIMARY", "copy TEXT AS (token_data_json) STORED, PRIMARY"),
        ),
        (
            "an index of its own",
            sound("CREATE INDEX copies ON token_storage (token_data_json);"),
        ),
        (
            "a view",
            "CREATE VIEW token_storage AS SELECT 'a' AS namespace, 'b' AS resource_server, '' AS token_data_json"
                .to_owned(),
        ),
        (
            "a view without end",
            "CREATE VIEW token_storage AS WITH RECURSIVE r(namespace, resource_server, token_data_json) AS \
             (VALUES ('DEFAULT', 'rs', '') UNION ALL SELECT * FROM r) SELECT * FROM r WHERE namespace = 'x'"
                .to_owned(),
        ),
        (
            "a trigger that drops",
            sound("CREATE TRIGGER t BEFORE INSERT ON token_storage BEGIN SELECT raise(IGNORE); END;"),
        ),
        (
            "a trigger that copies",
            sound(
                "CREATE TABLE copies (json); CREATE TRIGGER t AFTER INSERT ON token_storage BEGIN INSERT INTO copies VALUES (new.token_data_json); END;",
            ),
        ),
    ];
    for (what, sql) in &cases {
        for journal_mode in ["DELETE", "WAL"] {
            let folder = tempfile::tempdir().unwrap();
            let path = prepare(folder.path(), sql, journal_mode);
            let before = snapshot(folder.path());
            assert_eq!(before.len(), 1, "{what}");
            let storage = SqliteStorage::open(&path).unwrap();
            let read = storage.get(&key("rs")).await.map(drop).unwrap_err();
            let listed = (&storage).list_keys("DEFAULT", None).await.map(drop).unwrap_err();
            let written = storage
                .store(&key("rs"), &data("at"), Precondition::Any)
                .await
                .unwrap_err();
            let removed = storage.remove(&key("rs"), Precondition::Any).await.unwrap_err();
            let leased = storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap_err();
            let given = give_back(&path).unwrap_err();
            for error in [read, listed, written, removed, leased, given] {
                assert_eq!(error.kind(), ErrorKind::Misconfigured, "{what}: {error}");
                assert!(
                    !error.may_have_applied() && error.to_string().contains("name another path"),
                    "{error}"
                );
            }
            let worst = examine(&path).iter().map(|finding| finding.severity).max();
            assert_eq!(worst, Some(Severity::Error), "{what}");
            drop(storage);
            assert!(
                before == snapshot(folder.path()),
                "{what}, {journal_mode}: something was touched"
            );
        }
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_used_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(
        folder.path(),
        "CREATE TABLE cookies (host, value); INSERT INTO cookies VALUES (1, 2)",
        "DELETE",
    );
    let storage = SqliteStorage::builder(&path)
        .adopt_foreign_database(true)
        .open()
        .unwrap();
    assert_eq!(token(&storage, "rs").await, None);
    store(&storage, "rs", "at").await;
    // From now on it is ours, too.
    assert_eq!(token(&SqliteStorage::open(&path).unwrap(), "rs").await.unwrap(), "at");
    let cookies: i64 = foreign(&path)
        .query_row("SELECT count(*) FROM cookies", [], |row| row.get(0))
        .unwrap();
    assert_eq!(cookies, 1);
}

#[tokio::test]
async fn layouts_that_come_to_the_same_are_used() {
    for sql in [
        SOUND.replace("VARCHAR", "TEXT"),
        SOUND.replace("VARCHAR", "\"character varying\"(255)"),
        SOUND.replace(" NOT NULL", ""),
        SOUND.replace("CREATE TABLE token_storage", "CREATE TABLE \"Token_Storage\""),
        format!("{SOUND} CREATE TABLE others (a); CREATE INDEX by_a ON others (a);"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = prepare(folder.path(), &sql, "DELETE");
        let storage = SqliteStorage::open(&path).unwrap();
        assert_eq!(token(&storage, "rs").await, None, "{sql}");
        store(&storage, "rs", "at").await;
        assert_eq!(token(&storage, "rs").await.unwrap(), "at", "{sql}");
    }
}

/// Made after the look at the layout: what a database brings along does not run on our connections.
#[tokio::test]
async fn a_trigger_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await;
    foreign(&path)
        .execute_batch(
            "CREATE TABLE copies (json); \
             CREATE TRIGGER copy AFTER UPDATE ON token_storage BEGIN INSERT INTO copies VALUES (new.token_data_json); END; \
             CREATE TRIGGER swallow BEFORE INSERT ON token_storage BEGIN SELECT raise(IGNORE); END;",
        )
        .unwrap();
    store(&storage, "rs", "again").await;
    store(&storage, "new", "at").await;
    assert_eq!(token(&storage, "new").await.unwrap(), "at");
    let copies: i64 = foreign(&path)
        .query_row("SELECT count(*) FROM copies", [], |row| row.get(0))
        .unwrap();
    assert_eq!(copies, 0);
    let told = examine(&path);
    assert!(
        told.iter()
            .any(|finding| finding.message.contains("it has a trigger") && finding.message.contains("\"copy\"")),
        "{told:?}"
    );
}

/// Looked at whole by the first write, it would have been switched to a write-ahead log before it was found damaged.
#[tokio::test]
async fn d3_a_damaged_database_with_a_rollback_journal_is_kept_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * 4096..3 * 4096].fill(0);
    fs::write(&path, &bytes).unwrap();
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "new").await;
    assert_eq!(token(&storage, "rs").await.unwrap(), "new");
    let kept = snapshot(folder.path())
        .into_iter()
        .find(|(name, _)| name.contains(".damaged-"));
    let (name, (_, kept)) = kept.unwrap();
    assert!(kept == bytes, "{name} is not what was damaged");
}

/// What a killed or failed creation left, whatever its suffix.
#[tokio::test]
async fn d2_what_was_left_of_a_database_in_the_making_is_told_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let left = ["", "-wal", "-shm", "-journal"].map(|suffix| format!(".tokens.db.0123456789abcdef.tmp{suffix}"));
    let others = [".tokens.db.0123456789abcdef.tmp-notes", ".tokens.db.short.tmp-wal"];
    for name in left.iter().map(String::as_str).chain(others) {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let told = examine(&path);
    for name in &left {
        assert!(
            told.iter().any(|finding| finding.place.ends_with(name.as_str())),
            "{name}: {told:?}"
        );
    }
    let storage = SqliteStorage::open(&path).unwrap();
    store(&storage, "rs", "at").await;
    drop(storage);
    let mut want = others.to_vec();
    want.extend(["tokens.db", "tokens.db.lock"]);
    want.sort_unstable();
    assert_eq!(crate::common::names(folder.path()), want);
}

#[tokio::test]
async fn a_second_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    store(&SqliteStorage::open(&path).unwrap(), "rs", "at").await;
    let names = |severity| {
        let told = examine(&path);
        told.iter()
            .filter(|finding| finding.severity == severity && finding.message.contains("hard links"))
            .count()
    };
    assert_eq!(names(Severity::Error), 0);
    fs::hard_link(&path, folder.path().join("other.db")).unwrap();
    assert_eq!(names(Severity::Error), 1);
    // Backups are made with hard links, too: so it is used all the same.
    store(&SqliteStorage::open(&path).unwrap(), "rs", "again").await;
}

#[tokio::test]
async fn a_patience_beyond_what_sqlite_can_count_is_no_panic() {
    for patience in [std::time::Duration::MAX, std::time::Duration::from_secs(30 * 86_400)] {
        let folder = tempfile::tempdir().unwrap();
        let storage = SqliteStorage::builder(folder.path().join("tokens.db")).busy_timeout(patience);
        let storage = storage.open().unwrap();
        store(&storage, "rs", "at").await;
        assert_eq!(token(&storage, "rs").await.unwrap(), "at");
    }
}

/// SQLite would wait at a pipe for ever, and a link leads to a file of somebody else.
#[tokio::test]
async fn what_stands_in_the_place_of_a_file_of_the_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let others = folder.path().join("others");
    fs::write(&others, "others").unwrap();
    fs::set_permissions(&others, fs::Permissions::from_mode(0o644)).unwrap();
    store(&SqliteStorage::open(&path).unwrap(), "rs", "at").await;
    let pipe = |place: &Path| {
        let made = std::process::Command::new("mkfifo").arg(place).status();
        assert!(made.unwrap().success());
    };
    for suffix in ["-wal", "-shm", "-journal"] {
        let place = folder.path().join(format!("tokens.db{suffix}"));
        for kind in ["link", "folder", "pipe"] {
            match kind {
                "link" => std::os::unix::fs::symlink(&others, &place).unwrap(),
                "folder" => fs::create_dir(&place).unwrap(),
                _ => pipe(&place),
            }
            let what = format!("{kind} {suffix}");
            let storage = SqliteStorage::open(&path).unwrap();
            let written = storage.store(&key("rs"), &data("new"), Precondition::Any).await;
            for error in [written.unwrap_err(), storage.get(&key("rs")).await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
                let told = error.to_string();
                assert!(
                    told.contains(place.to_str().unwrap()) && told.contains("remove it"),
                    "{told}"
                );
            }
            let found = examine(&path);
            let told = |finding: &&token_storage_core::Finding| finding.place == place.display().to_string();
            let told = found.iter().find(told).unwrap();
            assert_eq!((told.severity, &*told.message), (Severity::Error, ODD), "{what}");
            drop(storage);
            match kind {
                "folder" => fs::remove_dir(&place).unwrap(),
                _ => fs::remove_file(&place).unwrap(),
            }
            let found = fs::metadata(&others).unwrap().permissions().mode() & 0o7777;
            assert_eq!((found, &*fs::read(&others).unwrap()), (0o644, &b"others"[..]), "{what}");
        }
    }
    assert_eq!(token(&SqliteStorage::open(&path).unwrap(), "rs").await.unwrap(), "at");
}

const ODD: &str = "is not a file, and stands where the database keeps one";
