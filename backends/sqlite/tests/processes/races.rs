//! Many at once.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use token_storage_core::{Enumerate, ErrorKind, Precondition, TokenStorageExt as _};
use token_storage_sqlite::SqliteStorage;

use crate::{
    Process, all_succeed, block_on,
    common::{self, copy_fixture, data, foreign, integrity, key, names, soak},
    start,
};

pub(crate) fn a6_distinct_keys_are_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    all_succeed("store distinct", &path, 16, &["200"]);
    block_on(async {
        let storage = SqliteStorage::open(&path).unwrap();
        for id in 0..16 {
            for i in 0..200 {
                let name = format!("{id}-{i}");
                assert_eq!(common::token(&storage, &name).await.unwrap(), name);
            }
        }
    });
    assert_eq!(integrity(&path), "ok");
}

pub(crate) fn d5_64_processes_create_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/tokens.db");
    all_succeed("first", &path, 64, &[]);
    let listed = block_on(async {
        (&SqliteStorage::open(&path).unwrap())
            .list_keys("DEFAULT", None)
            .await
            .unwrap()
    });
    assert_eq!(listed.items.len(), 64);
    let beside = names(path.parent().unwrap());
    assert_eq!(
        beside,
        ["tokens.db", "tokens.db.lock"],
        "nothing was put aside and nothing is left over"
    );
}

pub(crate) fn d5_32_processes_switch_one_file_to_wal() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..if soak() { 20 } else { 3 } {
        let path = folder.path().join(format!("tokens-{round}.db"));
        copy_fixture("globus-sdk-4.9.1_SQLiteTokenStorage_schema2.db", &path);
        all_succeed("first", &path, 32, &[]);
        let mode: String = foreign(&path)
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }
}

pub(crate) fn d6_nobody_is_ever_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let (processes, operations) = if soak() { (128, "100") } else { (48, "20") };
    all_succeed("mixed", &path, processes, &[operations]);
    block_on(async {
        let storage = SqliteStorage::open(&path).unwrap();
        for id in 0..processes {
            assert_eq!(common::token(&storage, &id.to_string()).await.unwrap(), "done");
        }
    });
}

/// Another process stores numbers as fast as it can; whoever reads after one was acknowledged sees that one or a later
/// one, though the record is in the cache of the connection that reads.
pub(crate) fn a3_what_is_acknowledged_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let mut writer = start("store forever", &path, &["0"]);
    let acknowledged = Arc::new(AtomicU64::new(0));
    writer.line().unwrap();
    let listener = std::thread::spawn({
        let acknowledged = acknowledged.clone();
        let lines = writer.lines;
        move || {
            for line in lines.map_while(Result::ok) {
                acknowledged.store(line.parse().unwrap(), Ordering::SeqCst);
            }
        }
    });
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (storage, acknowledged) = (SqliteStorage::open(&path).unwrap(), acknowledged.clone());
            std::thread::spawn(move || {
                block_on(async {
                    let mut reads = 0;
                    loop {
                        let before = acknowledged.load(Ordering::SeqCst);
                        let seen = common::token(&storage, &format!("k{}", before % 4))
                            .await
                            .unwrap()
                            .parse::<u64>()
                            .unwrap();
                        assert!(seen >= before, "read {seen} after {before} was acknowledged");
                        reads += 1;
                        if before > 1500 {
                            break reads;
                        }
                    }
                })
            })
        })
        .collect();
    let reads: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    writer.child.kill().unwrap();
    writer.child.wait().unwrap();
    listener.join().unwrap();
    println!("{reads} reads, none stale");
}

pub(crate) fn a4_exactly_one_process_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    block_on(async { common::store(&SqliteStorage::open(&path).unwrap(), "prize", "first").await });
    let mut processes: Vec<Process> = (0..16).map(|_| start("claim", &path, &[])).collect();
    processes.iter_mut().for_each(Process::is_ready);
    processes.iter_mut().for_each(Process::go);
    let said: Vec<String> = processes.iter_mut().map(|process| process.line().unwrap()).collect();
    assert_eq!(said.iter().filter(|line| *line == "won").count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|line| *line == "Conflict").count(), 15, "{said:?}");
    processes.into_iter().for_each(Process::succeeds);
}

/// POSIX locks belong to the process: one descriptor too many, opened on the file and closed, drops them all, and then
/// another process gets in between.
pub(crate) fn locks_are_kept_whatever_is_opened_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    block_on(async {
        let storage = SqliteStorage::open(&path).unwrap();
        common::store(&storage, "rs", "at").await;
        let holder = foreign(&path);
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let other = SqliteStorage::builder(&path)
            .busy_timeout(std::time::Duration::from_millis(20))
            .open()
            .unwrap();
        assert_eq!(common::token(&other, "rs").await.unwrap(), "at");
        assert_eq!(
            other
                .store(&key("rs"), &data("x"), Precondition::Any)
                .await
                .unwrap_err()
                .kind(),
            ErrorKind::Busy
        );
        let findings = token_storage_sqlite::examine(&path);
        assert!(!findings.is_empty());
        drop(other);
        let mut process = start("try", &path, &[]);
        assert_eq!(process.line().unwrap(), "Busy", "the lock of this process is gone");
        process.succeeds();
        holder.execute_batch("COMMIT").unwrap();
        let mut process = start("try", &path, &[]);
        assert_eq!(process.line().unwrap(), "stored");
        process.succeeds();
    });
}
