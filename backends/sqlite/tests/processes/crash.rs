//! Kills, limits and damage.

use std::{fs, process::Command};

use token_storage_sqlite::SqliteStorage;

use crate::{
    block_on,
    common::{self, foreign, integrity, names, soak},
    start, started,
};

pub(crate) fn d1_kill_loop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let kills = if soak() { 2000 } else { 200 };
    let mut acknowledged: [Option<u64>; 4] = [None; 4];
    let mut next = 0;
    for kill in 0..kills {
        let mut process = start("store forever", &path, &[&next.to_string()]);
        let first: Vec<String> = (0..kill % 7).map(|_| process.line().unwrap()).collect();
        // It is somewhere in one of the next writes: where, differs from kill to kill.
        for _ in 0..kill * 37 % 300 {
            let _ = fs::metadata(&path);
        }
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        for line in first.into_iter().chain(process.lines.map_while(Result::ok)) {
            // Of a last line that was cut off nothing is known.
            let Ok(number) = line.parse::<u64>() else { break };
            acknowledged[(number % 4) as usize] = Some(number);
        }
        block_on(async {
            let storage = SqliteStorage::open(&path).unwrap();
            for (slot, last) in acknowledged.iter().enumerate() {
                let stored = common::token(&storage, &format!("k{slot}")).await;
                let stored = stored.map(|token| token.parse::<u64>().unwrap());
                assert!(
                    stored >= *last,
                    "kill {kill}: {stored:?}, but {last:?} was acknowledged"
                );
                next = next.max(stored.map_or(0, |number| number + 1));
            }
        });
        if kill % 20 == 0 {
            assert_eq!(integrity(&path), "ok", "kill {kill}");
        }
    }
    assert_eq!(integrity(&path), "ok");
    println!("{kills} kills, {next} writes");
}

pub(crate) fn d1_killed_while_creating() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..40 {
        let path = folder.path().join(format!("tokens-{round}.db"));
        let mut process = start("first", &path, &["a"]);
        process.is_ready();
        process.go();
        // Not after a time, but after as many system calls' worth of looking as the round says.
        for _ in 0..round * 20 {
            let _ = fs::metadata(&path);
        }
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        block_on(async {
            let storage = SqliteStorage::open(&path).unwrap();
            let before = common::token(&storage, "a").await;
            assert!(before.is_none() || before.as_deref() == Some("a"));
            common::store(&storage, "b", "b").await;
            assert_eq!(common::token(&storage, "a").await, before);
        });
        assert_eq!(integrity(&path), "ok");
        let strays: Vec<String> = names(folder.path())
            .into_iter()
            .filter(|name| name.starts_with('.'))
            .collect();
        assert_eq!(strays, [""; 0], "what the kill left is removed by the next writer");
    }
}

/// A file size limit stands in for a full disk. The shell ignores the signal that comes with it and passes that on.
pub(crate) fn d2_file_size_limit() {
    let folder = tempfile::tempdir().unwrap();
    for blocks in [200, 300, 500, 1001] {
        let path = folder.path().join(format!("tokens-{blocks}.db"));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"])
            .arg(std::env::current_exe().unwrap())
            .arg(&path)
            .env("TOKEN_STORAGE_TEST_ROLE", "fill");
        let mut process = started(command);
        let mut stored = 0i32;
        while let Some(line) = process.line() {
            assert_eq!(line, stored.to_string());
            stored += 1;
        }
        assert!(process.child.wait().unwrap().success(), "{blocks}");
        assert!(stored > 0, "{blocks}");
        assert_eq!(integrity(&path), "ok", "{blocks}");
        let rows: i64 = foreign(&path)
            .query_row("SELECT count(*) FROM token_storage", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, i64::from(stored), "{blocks}");
    }
}

/// A library program cannot look beforehand whether it may open what it needs, as the command does. Whatever number of
/// descriptors is left, the record is read or the reason is told, and it is one that passes.
pub(crate) fn d2_few_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    block_on(async { common::store(&SqliteStorage::open(&path).unwrap(), "rs", "at").await });
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .arg(&path)
        .env("TOKEN_STORAGE_TEST_ROLE", "few descriptors");
    let mut process = started(command);
    let refused = process.line().expect("the process has failed");
    println!("refused with 1 to {refused} descriptors");
    process.succeeds();
    assert_eq!(integrity(&path), "ok");
}

/// A reader that has the damaged database open, its records cached, sees what another process stores in the new one.
pub(crate) fn d3_put_aside_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    block_on(async {
        let reader = SqliteStorage::open(&path).unwrap();
        common::store(&reader, "a", "old").await;
        drop(reader);
        let reader = SqliteStorage::open(&path).unwrap();
        for _ in 0..3 {
            assert_eq!(common::token(&reader, "a").await.unwrap(), "old");
        }
        // Another file is put in its place, as restoring a damaged backup would do it.
        let damaged = folder.path().join("damaged");
        fs::write(
            &damaged,
            "this is not a database, though long enough to be one ".repeat(50),
        )
        .unwrap();
        for companion in ["-wal", "-shm"] {
            let _ = fs::remove_file(common::beside(&path, companion));
        }
        fs::rename(&damaged, &path).unwrap();
        let mut process = start("first", &path, &["a"]);
        process.is_ready();
        process.go();
        process.succeeds();
        assert_eq!(common::token(&reader, "a").await.unwrap(), "a");
        let aside = names(folder.path())
            .into_iter()
            .filter(|name| name.contains(".damaged-"))
            .count();
        assert_eq!(aside, 1);
    });
}
