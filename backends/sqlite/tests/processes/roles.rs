//! What the processes do.

use std::{io::Write as _, path::Path, time::Duration};

use token_storage_core::{ErrorKind, Precondition, TokenStorage, TokenStorageExt as _};
use token_storage_sqlite::SqliteStorage;

use crate::common::{self, data, key};

pub(crate) async fn play(role: &str, arguments: &[String]) {
    let path = Path::new(&arguments[0]);
    let rest = &arguments[1..];
    // However many wait for a slow disk, none gives up: that contention is waited out is what is looked at, not for how
    // long.
    let patience = Duration::from_secs(600);
    let storage = SqliteStorage::builder(path).busy_timeout(patience).open().unwrap();
    match role {
        "store forever" => store_forever(&storage, rest[0].parse().unwrap()).await,
        "store distinct" => store_distinct(&storage, &rest[0], rest[1].parse().unwrap()).await,
        "first" => {
            wait_for_go();
            let name = &rest[0];
            common::store(&storage, name, name).await;
            assert_eq!(common::token(&storage, name).await.unwrap(), *name);
        }
        "mixed" => mixed(&storage, &rest[0], rest[1].parse().unwrap()).await,
        "claim" => {
            let revision = storage.get(&key("prize")).await.unwrap().unwrap().revision;
            wait_for_go();
            match storage
                .store(&key("prize"), &data("same"), Precondition::Unchanged(revision))
                .await
            {
                Ok(_) => say("won"),
                Err(error) => say(&format!("{:?}", error.kind())),
            }
        }
        "fill" => fill(&storage).await,
        "try" => {
            let storage = SqliteStorage::builder(path)
                .busy_timeout(Duration::from_millis(50))
                .open()
                .unwrap();
            match storage.store(&key("try"), &data("x"), Precondition::Any).await {
                Ok(_) => say("stored"),
                Err(error) => say(&format!("{:?}", error.kind())),
            }
        }
        "read and store" => {
            match storage.get(&key("rs")).await {
                Ok(found) => say(&format!(
                    "{:?}",
                    found.map(|found| found.data.access_token.expose().to_owned())
                )),
                Err(error) => say(&format!("{:?}", error.kind())),
            }
            match storage.store(&key("rs"), &data("new"), Precondition::Any).await {
                Ok(_) => say("stored"),
                Err(error) => say(&format!("{:?}", error.kind())),
            }
        }
        "keep open" => {
            common::store(&storage, "rs", "at").await;
            common::token(&storage, "rs").await.unwrap();
            wait_for_go();
        }
        #[cfg(unix)]
        "few descriptors" => few_descriptors(path).await,
        other => panic!("no such role: {other}"),
    }
}

/// Stores a number that goes up, under few keys, and says each one that is acknowledged.
async fn store_forever(storage: &SqliteStorage, start: u64) {
    for number in start.. {
        common::store(storage, &format!("k{}", number % 4), &number.to_string()).await;
        say(&number.to_string());
    }
}

async fn store_distinct(storage: &SqliteStorage, id: &str, count: usize) {
    wait_for_go();
    for i in 0..count {
        let name = format!("{id}-{i}");
        storage
            .store(&key(&name), &data(&name), Precondition::Absent)
            .await
            .unwrap();
    }
}

async fn mixed(storage: &SqliteStorage, id: &str, count: usize) {
    wait_for_go();
    for i in 0..count {
        let own = format!("{id}-{}", i % 3);
        match i % 4 {
            0 | 1 => drop(storage.store(&key(&own), &data("at"), Precondition::Any).await.unwrap()),
            2 => drop(storage.get(&key(&format!("{}-0", i % 7))).await.unwrap()),
            _ => drop(storage.remove(&key(&own), Precondition::Any).await.unwrap()),
        }
    }
    // Nothing of the last two writes of each key is lost.
    common::store(storage, id, "done").await;
}

/// Writes until there is no more room, which must neither lose nor hide anything.
async fn fill(storage: &SqliteStorage) {
    for number in 0.. {
        let result = storage
            .store(
                &key(&format!("k{number}")),
                &data(&"x".repeat(10_000)),
                Precondition::Any,
            )
            .await;
        let Err(error) = result else {
            say(&number.to_string());
            continue;
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        for before in 0..number {
            let found = storage.get(&key(&format!("k{before}"))).await.unwrap().unwrap();
            assert_eq!(found.data.access_token.expose().len(), 10_000);
        }
        assert!(storage.get(&key(&format!("k{number}"))).await.unwrap().is_none());
        return;
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// So that all start at once.
fn wait_for_go() {
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Reads and writes with no descriptor left, one, two, and so on, until there are enough.
#[cfg(unix)]
async fn few_descriptors(path: &Path) {
    let mut held: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    let (mut refused, mut stored) = (0, 0);
    while held.pop().is_some() {
        // A new one each time: what an earlier one has open is not counted.
        let storage = SqliteStorage::open(path).unwrap();
        let done = match storage.get(&key("rs")).await {
            Ok(found) => {
                assert_eq!(found.unwrap().data.access_token.expose(), "at");
                storage
                    .store(&key("new"), &data("x"), Precondition::Any)
                    .await
                    .map(drop)
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => stored += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(error.to_string().contains("ulimit -n"), "{error}");
                assert!(error.is_retryable(), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && stored > 0, "{refused} refused, {stored} stored");
    say(&refused.to_string());
}
