use std::time::Duration;

use token_storage::{Acquisition, ErrorKind, Precondition, TokenStorage, TokenStorageExt as _, Write, layers::Cached};

use crate::{SECRET, data, flaky::Flaky, key};

const LONG: Duration = Duration::from_secs(1_000_000);

async fn token<S: TokenStorage>(storage: &S) -> Option<String> {
    let stored = storage.get(&key("ns")).await.unwrap();
    stored.map(|stored| stored.data.access_token.expose().to_owned())
}

/// What another process does.
async fn elsewhere(flaky: &Flaky, token: &str) {
    flaky
        .storage()
        .store(&key("ns"), &data(token), Precondition::Any)
        .await
        .unwrap();
}

async fn put<S: TokenStorage>(storage: &S, token: &str) {
    let (key, data) = (key("ns"), data(token));
    let writes = [Write::new(&key, &data, Precondition::Any)];
    storage.store_all(&writes).await.unwrap();
}

#[tokio::test]
async fn a_record_is_read_once() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    put(&storage, "1").await;
    let calls = flaky.calls();
    for _ in 0..10 {
        assert_eq!(token(&storage.clone()).await.as_deref(), Some("1"));
    }
    assert_eq!(flaky.calls(), calls + 1);
    elsewhere(&flaky, "2").await;
    assert_eq!(token(&storage).await.as_deref(), Some("1"), "late, as it is declared");
    assert_eq!(storage.describe().staleness, Some(LONG));
    assert!(!format!("{storage:?}").contains(SECRET));
}

#[tokio::test]
async fn an_answer_that_is_too_old_is_not_given() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), Duration::ZERO);
    put(&storage, "1").await;
    assert_eq!(token(&storage).await.as_deref(), Some("1"));
    elsewhere(&flaky, "2").await;
    assert_eq!(token(&storage).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn absent_is_remembered_only_if_that_is_asked_for() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    assert_eq!(token(&storage).await, None);
    elsewhere(&flaky, "1").await;
    assert_eq!(token(&storage).await.as_deref(), Some("1"));

    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG).absent_too();
    assert_eq!(token(&storage).await, None);
    elsewhere(&flaky, "1").await;
    assert_eq!(token(&storage).await, None);
    put(&storage, "2").await;
    assert_eq!(token(&storage).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn own_writes_are_seen_at_once_however_they_end() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    put(&storage, "1").await;
    assert_eq!(token(&storage).await.as_deref(), Some("1"));
    put(&storage, "2").await;
    assert_eq!(token(&storage).await.as_deref(), Some("2"));
    assert!(storage.remove(&key("ns"), Precondition::Any).await.unwrap());
    assert_eq!(token(&storage).await, None);

    // Another was faster: the refusal makes the next read a fresh one.
    put(&storage, "3").await;
    let stale = storage.get(&key("ns")).await.unwrap().unwrap().revision;
    elsewhere(&flaky, "theirs").await;
    let (key, data) = (key("ns"), data("4"));
    let writes = [Write::new(&key, &data, Precondition::Unchanged(stale))];
    assert_eq!(
        storage.store_all(&writes).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    assert_eq!(token(&storage).await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_not_hidden() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    put(&storage, "1").await;
    assert_eq!(token(&storage).await.as_deref(), Some("1"));
    let gate = flaky.gate();
    tokio::select! {
        () = put(&storage, "2") => panic!("it is at the gate"),
        () = gate.came.notified() => {}
    }
    assert_eq!(token(&storage).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn what_was_being_read_during_a_write_is_not_remembered() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    put(&storage, "1").await;
    let gate = flaky.gate();
    let slow = tokio::spawn({
        let storage = storage.clone();
        async move { token(&storage).await }
    });
    gate.came.notified().await;
    put(&storage, "2").await;
    gate.open.notify_one();
    assert_eq!(slow.await.unwrap().as_deref(), Some("1"), "it had read before");
    assert_eq!(token(&storage).await.as_deref(), Some("2"));
}

/// As above, for a write that begins first and ends last.
#[tokio::test]
async fn what_is_read_while_a_write_is_under_way_is_not_remembered() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    put(&storage, "1").await;
    let gate = flaky.gate();
    let write = tokio::spawn({
        let storage = storage.clone();
        async move { put(&storage, "2").await }
    });
    gate.came.notified().await;
    let calls = flaky.calls();
    token(&storage).await;
    token(&storage).await;
    assert_eq!(flaky.calls(), calls + 2);
    gate.open.notify_one();
    write.await.unwrap();
}

#[tokio::test]
async fn whoever_holds_the_lease_reads_the_storage() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG);
    put(&storage, "1").await;
    assert_eq!(token(&storage).await.as_deref(), Some("1"));
    elsewhere(&flaky, "2").await;
    let Acquisition::Acquired(guard) = storage.lease().unwrap().try_acquire(&key("ns")).await.unwrap() else {
        panic!("nobody holds it");
    };
    assert_eq!(token(&storage).await.as_deref(), Some("2"));
    elsewhere(&flaky, "3").await;
    assert_eq!(token(&storage).await.as_deref(), Some("3"), "as long as it is held");
    // Whoever waits for it, too.
    let other = Cached::new(flaky.clone(), LONG);
    assert_eq!(token(&other).await.as_deref(), Some("3"));
    elsewhere(&flaky, "4").await;
    let held = other.lease().unwrap().try_acquire(&key("ns")).await.unwrap();
    assert!(matches!(held, Acquisition::Held { .. }));
    assert_eq!(token(&other).await.as_deref(), Some("4"));
    guard.release().await.unwrap();
    let calls = flaky.calls();
    token(&storage).await;
    token(&storage).await;
    assert_eq!(flaky.calls(), calls + 1, "remembered again");
}

#[tokio::test]
async fn no_more_is_remembered_than_was_said() {
    let flaky = Flaky::default();
    let storage = Cached::new(flaky.clone(), LONG).records(10);
    let keys: Vec<_> = (0..100).map(|number| key(&format!("ns{number}"))).collect();
    for key in &keys {
        flaky.storage().store(key, &data("1"), Precondition::Any).await.unwrap();
        storage.get(key).await.unwrap();
    }
    let calls = flaky.calls();
    for key in &keys {
        storage.get(key).await.unwrap();
    }
    assert!(
        flaky.calls() - calls >= 80,
        "{} of 100 were read anew",
        flaky.calls() - calls
    );
}
