//! Moving records between real storages, and what is in the way of it.

#[path = "storages/mod.rs"]
mod storages;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use token_storage::{
    Acquisition, Enumerate, ErrorKind, Extra, MemoryStorage, Precondition, Result, Revision, StorageInfo, TokenData,
    TokenKey, TokenStorage, TokenStorageExt as _, Write, async_trait,
    backend::{Intent, forward},
    json::JsonStorage,
    migrate::{Migration, Outcome, Reason, Selection, Tally},
    sqlite::SqliteStorage,
};

/// One of every kind of record, in several namespaces.
fn records() -> Vec<(TokenKey, TokenData)> {
    let mut extra = Extra::new();
    extra.insert("id_token", "\"e30.e30.\\ud800\"").unwrap();
    extra.insert("odd \"name\"", "[1e400, {\"b\": null}]").unwrap();
    let full = TokenData::new("rs", "a b", "at")
        .with_refresh_token("rt")
        .with_expires_at(i64::MIN)
        .with_token_type("Bearer")
        .with_identity_id("me")
        .with_extra(extra);
    let plain = |name: &str| TokenData::new(name, "", format!("at of {name}"));
    let mut records = vec![
        (TokenKey::in_default("rs"), full.clone()),
        (TokenKey::new("", "rs"), full.with_expires_at(7)),
        (TokenKey::new("tenant", ""), plain("")),
    ];
    // More than a page of keys.
    records.extend((0..300).map(|n| {
        let name = format!("rs{n}");
        (TokenKey::new("many", name.as_str()), plain(&name))
    }));
    records
}

async fn fill(storage: &dyn TokenStorage) {
    for (key, data) in records() {
        storage.store(&key, &data, Precondition::Any).await.unwrap();
    }
}

async fn assert_holds_all(storage: &dyn TokenStorage) {
    for (key, data) in records() {
        let found = storage.get(&key).await.unwrap();
        assert_eq!(found.map(|stored| stored.data), Some(data), "{key}");
    }
}

async fn assert_is_empty(storage: &dyn TokenStorage) {
    let namespaces = storage.enumerate().unwrap().list_namespaces(None).await.unwrap();
    assert_eq!(namespaces.items, [""; 0]);
}

async fn put(storage: &dyn TokenStorage, token: &str) -> TokenKey {
    let key = TokenKey::in_default("rs");
    let data = TokenData::new("rs", "", token).with_refresh_token("rt");
    storage.store(&key, &data, Precondition::Any).await.unwrap();
    key
}

async fn token(storage: &dyn TokenStorage, key: &TokenKey) -> Option<String> {
    let found = storage.get(key).await.unwrap();
    found.map(|stored| stored.data.access_token.expose().to_owned())
}

async fn run(migration: Migration<'_>) -> Tally {
    migration.run(&Selection::All, |_, _| {}).await.unwrap()
}

fn json(folder: &Path) -> JsonStorage {
    JsonStorage::open(folder.join("tokens.json")).unwrap()
}

fn sqlite(folder: &Path) -> SqliteStorage {
    SqliteStorage::open(folder.join("tokens.db")).unwrap()
}

#[tokio::test]
async fn every_record_comes_through_every_storage_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (json, sqlite, memory) = (json(folder.path()), sqlite(folder.path()), MemoryStorage::new());
    fill(&json).await;
    let way: [(&dyn TokenStorage, &dyn TokenStorage); 4] =
        [(&json, &sqlite), (&sqlite, &memory), (&memory, &json), (&json, &sqlite)];
    for (from, to) in way {
        let tally = run(Migration::new(from, to).remove_source()).await;
        assert_eq!((tally.copied, tally.left), (records().len() as u64, 0));
        assert_is_empty(from).await;
        assert_holds_all(to).await;
    }
}

/// A storage that cannot list is filled by a listing of where the records were, and emptied by the same names.
#[tokio::test]
async fn every_record_comes_back_from_where_nothing_can_be_listed() {
    let keys: Vec<TokenKey> = records().into_iter().map(|(key, _)| key).collect();
    let mut tried = 0;
    for kind in storages::shared() {
        let folder = tempfile::tempdir().unwrap();
        let between = storages::open(&kind.place(folder.path()).await, Duration::from_secs(10));
        if between.enumerate().is_some() {
            continue;
        }
        let (sqlite, json) = (sqlite(folder.path()), json(folder.path()));
        fill(&sqlite).await;
        let tally = run(Migration::new(&sqlite, &between).remove_source()).await;
        assert_eq!((tally.copied, tally.left), (keys.len() as u64, 0));
        assert_is_empty(&sqlite).await;
        assert_holds_all(&between).await;
        let back = Migration::new(&between, &json).remove_source();
        let tally = back.run(&Selection::Keys(keys.clone()), |_, _| {}).await.unwrap();
        assert_eq!((tally.copied, tally.left, tally.absent), (keys.len() as u64, 0, 0));
        assert_holds_all(&json).await;
        for key in &keys {
            assert_eq!(between.get(key).await.unwrap(), None, "{key}");
        }
        tried += 1;
    }
    assert_eq!(
        tried,
        usize::from(cfg!(feature = "dynamodb")),
        "storages that cannot list"
    );
}

#[tokio::test]
async fn what_is_there_is_neither_overwritten_nor_moved_twice() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    fill(&from).await;
    let key = put(&to, "another").await;
    let tally = run(Migration::new(&from, &to)).await;
    assert_eq!((tally.copied, tally.left), (records().len() as u64 - 1, 1));
    assert_eq!(token(&to, &key).await.as_deref(), Some("another"));

    let again = run(Migration::new(&from, &to)).await;
    assert_eq!((again.copied, again.already_there, again.left), (0, tally.copied, 1));

    let tally = run(Migration::new(&from, &to).overwrite().remove_source()).await;
    assert_eq!(
        (tally.copied, tally.replaced, tally.already_there),
        (1, 1, again.already_there)
    );
    assert_holds_all(&to).await;
    assert_is_empty(&from).await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    fill(&from).await;
    let key = put(&to, "another").await;
    let migration = || Migration::new(&from, &to).overwrite().remove_source();
    let dry = run(migration().dry_run()).await;
    assert_eq!(token(&to, &key).await.as_deref(), Some("another"));
    assert_holds_all(&from).await;
    assert_eq!(dry, run(migration()).await);
}

#[cfg(unix)]
#[tokio::test]
async fn one_place_with_two_names_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let pairs: [(Box<dyn TokenStorage>, Box<dyn TokenStorage>); 2] = [
        (Box::new(json(folder.path())), Box::new(json(&link))),
        (Box::new(sqlite(folder.path())), Box::new(sqlite(&link))),
    ];
    for (one, other) in &pairs {
        fill(one).await;
        for overwrite in [false, true] {
            let mut migration = Migration::new(one, other).remove_source();
            if overwrite {
                migration = migration.overwrite();
            }
            let mut reasons = Vec::new();
            let tally = migration
                .run(&Selection::All, |_, outcome| reasons.push(outcome.clone()))
                .await
                .unwrap();
            assert_eq!((tally.copied, tally.left), (0, records().len() as u64));
            assert!(
                reasons
                    .iter()
                    .all(|outcome| matches!(outcome, Outcome::Left(Reason::SamePlace)))
            );
            assert_holds_all(one).await;
        }
        let tally = run(Migration::new(one, other)).await;
        assert_eq!(tally.already_there, records().len() as u64);
    }
}

#[tokio::test]
async fn a_namespace_goes_into_another_and_all_do_not_go_into_one() {
    let storage = MemoryStorage::new();
    fill(&storage).await;
    let migration = Migration::new(&storage, &storage).to_namespace("new").remove_source();
    let error = migration.run(&Selection::All, |_, _| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let many = Selection::Namespace("many".to_owned());
    let tally = migration.run(&many, |_, _| {}).await.unwrap();
    assert_eq!((tally.copied, tally.left), (300, 0));
    assert_eq!(
        token(&storage, &TokenKey::new("new", "rs7")).await.as_deref(),
        Some("at of rs7")
    );
    assert_eq!(token(&storage, &TokenKey::new("many", "rs7")).await, None);

    let same = Migration::new(&storage, &storage).to_namespace("new").remove_source();
    let tally = same
        .run(&Selection::Namespace("new".to_owned()), |_, _| {})
        .await
        .unwrap();
    assert_eq!((tally.copied, tally.left), (0, 300));
    assert_eq!(
        token(&storage, &TokenKey::new("new", "rs7")).await.as_deref(),
        Some("at of rs7")
    );
}

/// A memory storage with something odd about it.
#[derive(Debug, Default)]
struct Odd {
    inner: MemoryStorage,
    oddity: Oddity,
    meanwhile: Mutex<Option<(Arc<MemoryStorage>, TokenKey)>>,
}

#[derive(Debug, Default, PartialEq)]
enum Oddity {
    #[default]
    None,
    CannotList,
    TakesLittle,
    Forgets,
}

#[async_trait]
impl TokenStorage for Odd {
    forward!(self.inner => get, remove, prove_writable, lease);

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some((storage, key)) = meanwhile {
            let login = TokenData::new("rs", "", "newer");
            storage.store(&key, &login, Precondition::Any).await.unwrap();
        }
        let stored = self.inner.store_all(writes).await;
        if self.oddity == Oddity::Forgets {
            for write in writes {
                self.inner.remove(write.key, Precondition::Any).await.unwrap();
            }
        }
        stored
    }

    fn describe(&self) -> StorageInfo {
        let mut info = self.inner.describe();
        if self.oddity == Oddity::TakesLittle {
            info.limits = info.limits.with_records(400);
        }
        info
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        match self.oddity {
            Oddity::CannotList => None,
            _ => self.inner.enumerate(),
        }
    }
}

fn odd(oddity: Oddity) -> Odd {
    Odd {
        oddity,
        ..Odd::default()
    }
}

#[tokio::test]
async fn a_source_that_cannot_list_takes_keys() {
    let (from, to) = (odd(Oddity::CannotList), MemoryStorage::new());
    fill(&from).await;
    let error = Migration::new(&from, &to)
        .run(&Selection::All, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let mut keys: Vec<TokenKey> = records().into_iter().map(|(key, _)| key).collect();
    keys.push(TokenKey::in_default("nobody"));
    let tally = Migration::new(&from, &to)
        .run(&Selection::Keys(keys), |_, _| {})
        .await
        .unwrap();
    assert_eq!((tally.copied, tally.absent), (records().len() as u64, 1));
    assert_holds_all(&to).await;
}

#[tokio::test]
async fn what_the_target_does_not_take_stays_and_is_told() {
    let (from, to) = (MemoryStorage::new(), odd(Oddity::TakesLittle));
    let long = put(&from, &"x".repeat(500)).await;
    let short = TokenKey::in_default("short");
    from.store(&short, &TokenData::new("rs", "", "at"), Precondition::Any)
        .await
        .unwrap();
    for dry in [true, false] {
        let mut told = Vec::new();
        let migration = Migration::new(&from, &to).remove_source();
        let migration = if dry { migration.dry_run() } else { migration };
        let tally = migration
            .run(&Selection::All, |key, outcome| {
                if let Outcome::Left(Reason::Refused(error)) = outcome {
                    told.push((key.clone(), error.kind()));
                }
            })
            .await
            .unwrap();
        assert_eq!((tally.copied, tally.left), (1, 1));
        assert_eq!(told, [(long.clone(), ErrorKind::TooLarge)]);
    }
    assert!(token(&from, &long).await.is_some() && token(&to, &short).await.is_some());
}

#[tokio::test]
async fn nothing_is_removed_that_does_not_read_back() {
    let (from, to) = (MemoryStorage::new(), odd(Oddity::Forgets));
    let key = put(&from, "at").await;
    let migration = Migration::new(&from, &to).remove_source();
    let error = migration.carry(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Unavailable, Some(&key)));
    assert_eq!(token(&from, &key).await.as_deref(), Some("at"));
}

#[tokio::test]
async fn a_login_during_the_move_is_told_and_stays() {
    for remove in [true, false] {
        let (from, to) = (Arc::new(MemoryStorage::new()), Odd::default());
        let key = put(&from, "at").await;
        *to.meanwhile.lock().unwrap() = Some((from.clone(), key.clone()));
        let mut migration = Migration::new(&from, &to);
        if remove {
            migration = migration.remove_source();
        }
        let outcome = migration.carry(&key).await.unwrap();
        assert!(matches!(outcome, Outcome::Left(Reason::Changed)), "{outcome:?}");
        assert_eq!(token(&from, &key).await.as_deref(), Some("newer"));
        let outcome = migration.overwrite().carry(&key).await.unwrap();
        assert!(matches!(outcome, Outcome::Copied { replaced: true }), "{outcome:?}");
        assert_eq!(token(&to, &key).await.as_deref(), Some("newer"));
    }
}

#[tokio::test]
async fn a_refresh_under_way_is_waited_for_and_one_that_broke_off_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (json(folder.path()), MemoryStorage::new());
    let key = put(&from, "at").await;
    let acquire = async || match from.lease().unwrap().try_acquire(&key).await.unwrap() {
        Acquisition::Acquired(guard) => guard,
        Acquisition::Held { .. } => panic!("nobody else holds it"),
    };
    let migration = || Migration::new(&from, &to).remove_source().lease_wait(Duration::ZERO);

    let mut guard = acquire().await;
    let error = migration().carry(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Busy, Some(&key)));

    let stored = from.get(&key).await.unwrap().unwrap();
    guard.record_intent(&Intent::new(&stored, false, 0)).await.unwrap();
    drop(guard);
    for migration in [migration(), Migration::new(&from, &to)] {
        let outcome = migration.carry(&key).await.unwrap();
        assert!(matches!(outcome, Outcome::Left(Reason::Unsettled)), "{outcome:?}");
    }
    assert!(acquire().await.intent().is_some(), "it is kept for whoever settles it");

    // A login settles it.
    put(&from, "newer").await;
    let data = TokenData::new("rs", "", "newest").with_refresh_token("another");
    from.store(&key, &data, Precondition::Any).await.unwrap();
    let outcome = migration().carry(&key).await.unwrap();
    assert!(matches!(outcome, Outcome::Copied { replaced: false }), "{outcome:?}");
    assert_eq!(token(&to, &key).await.as_deref(), Some("newest"));
}

#[tokio::test]
async fn nobody_refreshes_at_the_target_before_it_is_read_back() {
    let (from, to) = (MemoryStorage::new(), MemoryStorage::new());
    let key = put(&from, "at").await;
    let Acquisition::Acquired(guard) = to.lease().unwrap().try_acquire(&key).await.unwrap() else {
        panic!("nobody else holds it");
    };
    let migration = Migration::new(&from, &to).remove_source().lease_wait(Duration::ZERO);
    let error = migration.carry(&key).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Busy, Some(&key)));
    assert_eq!(
        (token(&from, &key).await.as_deref(), token(&to, &key).await),
        (Some("at"), None)
    );
    guard.release().await.unwrap();
    let outcome = migration.carry(&key).await.unwrap();
    assert!(matches!(outcome, Outcome::Copied { replaced: false }), "{outcome:?}");
    let again = to.lease().unwrap().try_acquire(&key).await.unwrap();
    assert!(matches!(again, Acquisition::Acquired(_)), "it was given back");
}

#[tokio::test]
async fn a_damaged_record_stays_and_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (json(folder.path()), MemoryStorage::new());
    fill(&from).await;
    let path = folder.path().join("tokens.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"at of rs7\"", "[]")).unwrap();
    let tally = run(Migration::new(&from, &to).remove_source()).await;
    assert_eq!((tally.copied, tally.left), (records().len() as u64 - 1, 1));
    let damaged = TokenKey::new("many", "rs7");
    assert_eq!(from.get(&damaged).await.unwrap_err().kind(), ErrorKind::Corrupt);
}
