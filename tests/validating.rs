//! The validating wrapper: what it rejects, how that is told, and that a rejection leaves no trace.

use std::{sync::Arc, time::Duration};

use token_storage::{
    Error, ErrorKind, MemoryStorage, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _, Write,
    backend::Clock,
    validating::{HasRefreshToken, NotExpired, RequiredScopes, Validating, ValidationError, Validator},
};

fn key(resource_server: &str) -> TokenKey {
    TokenKey::in_default(resource_server)
}

fn data(identity: &str) -> TokenData {
    TokenData::new("rs", "read write", "canary").with_identity_id(identity)
}

fn broken(error: &Error) -> ValidationError {
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(!error.may_have_applied() && !error.is_retryable());
    assert!(!format!("{error:?}{error}").contains("canary"));
    ValidationError::of(error).expect("a typed error").clone()
}

fn changed(stored: &str, new: &str) -> ValidationError {
    ValidationError::IdentityChanged {
        stored: stored.into(),
        new: new.into(),
    }
}

async fn put<S: TokenStorage>(storage: &S, name: &str, data: &TokenData) -> Result<(), ValidationError> {
    match storage.store(&key(name), data, Precondition::Any).await {
        Ok(_) => Ok(()),
        Err(error) => Err(broken(&error)),
    }
}

#[tokio::test]
async fn missing_scopes_are_named_before_storing_and_after_reading() {
    let below = MemoryStorage::new();
    let scopes = RequiredScopes::new()
        .require("rs", "read")
        .require("rs", "delete  admin");
    let storage = Validating::new(below.clone()).with(scopes);
    put(&storage, "other", &data("a")).await.unwrap();
    let missing = ValidationError::MissingScopes {
        missing: vec!["delete".into(), "admin".into()],
    };
    assert_eq!(put(&storage, "rs", &data("a")).await.unwrap_err(), missing);
    assert_eq!(below.get(&key("rs")).await.unwrap(), None);
    put(&below, "rs", &data("a")).await.unwrap();
    assert_eq!(broken(&storage.get(&key("rs")).await.unwrap_err()), missing);
    let mut granted = data("a");
    granted.scope = "admin read delete".into();
    put(&storage, "rs", &granted).await.unwrap();
    storage.get(&key("rs")).await.unwrap().expect("all are granted");
    granted.scope = "administrator read delete".into();
    put(&storage, "rs", &granted).await.unwrap_err();
}

#[tokio::test]
async fn a_missing_refresh_token_is_rejected() {
    let below = MemoryStorage::new();
    let storage = Validating::new(below.clone()).with(HasRefreshToken);
    let error = put(&storage, "rs", &data("a")).await.unwrap_err();
    assert_eq!(error, ValidationError::MissingRefreshToken);
    put(&below, "rs", &data("a")).await.unwrap();
    assert_eq!(
        broken(&storage.get(&key("rs")).await.unwrap_err()),
        ValidationError::MissingRefreshToken
    );
    // What breaks a rule can be removed.
    assert!(storage.remove(&key("rs"), Precondition::Any).await.unwrap());
    put(&storage, "rs", &data("a").with_refresh_token("canary"))
        .await
        .unwrap();
    assert!(storage.get(&key("rs")).await.unwrap().is_some());
}

/// A clock that stands, at so many seconds.
#[derive(Debug)]
struct At(u64);

impl Clock for At {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> Duration {
        Duration::from_secs(self.0)
    }
}

#[tokio::test]
async fn expiry_is_compared_without_overflow() {
    let below = MemoryStorage::new();
    for (now, skew, expires_at, good) in [
        (100, 0, Some(100), true),
        (101, 0, Some(100), false),
        (40, 60, Some(100), true),
        (41, 60, Some(100), false),
        (0, 0, None, true),
        (u64::MAX, u64::MAX, Some(i64::MIN), false),
        (0, u64::MAX, Some(i64::MAX), false),
        (0, 0, Some(i64::MAX), true),
    ] {
        let mut data = data("a");
        data.expires_at = expires_at;
        let rule = NotExpired::new()
            .skew(Duration::from_secs(skew))
            .clock(Arc::new(At(now)));
        let storage = Validating::new(below.clone()).with(rule);
        put(&storage, "rs", &data).await.unwrap();
        let got = storage.get(&key("rs")).await;
        assert_eq!(got.is_ok(), good, "{now} {skew} {expires_at:?}");
        if let (Err(error), Some(expires_at)) = (got, expires_at) {
            assert_eq!(broken(&error), ValidationError::Expired { expires_at });
        }
    }
    let storage = Validating::new(below).with(NotExpired::new());
    put(&storage, "rs", &data("a").with_expires_at(1)).await.unwrap();
    storage.get(&key("rs")).await.expect_err("by the system's clock");
}

#[tokio::test]
async fn an_absent_record_breaks_no_rule() {
    let storage = Validating::new(MemoryStorage::new())
        .with(HasRefreshToken)
        .with_unchanging_identity();
    assert_eq!(storage.get(&key("rs")).await.unwrap(), None);
    assert!(!storage.remove(&key("rs"), Precondition::Any).await.unwrap());
}

#[tokio::test]
async fn somebody_else_cannot_log_in_before_a_logout() {
    let storage = Validating::new(MemoryStorage::new()).with_unchanging_identity();
    put(&storage, "one", &data("alice")).await.unwrap();
    assert_eq!(
        put(&storage, "one", &data("bob")).await.unwrap_err(),
        changed("alice", "bob")
    );
    assert_eq!(
        put(&storage, "two", &data("bob")).await.unwrap_err(),
        changed("alice", "bob")
    );
    let nobody = TokenData::new("rs", "", "canary");
    assert_eq!(
        put(&storage, "one", &nobody).await.unwrap_err(),
        ValidationError::MissingIdentity
    );
    put(&storage, "two", &data("alice")).await.unwrap();
    // Other namespaces are other people's.
    let elsewhere = TokenKey::new("elsewhere", "one");
    storage
        .store(&elsewhere, &data("bob"), Precondition::Any)
        .await
        .unwrap();
    storage.remove(&key("one"), Precondition::Any).await.unwrap();
    assert_eq!(
        put(&storage, "one", &data("bob")).await.unwrap_err(),
        changed("alice", "bob")
    );
    storage.remove(&key("two"), Precondition::Any).await.unwrap();
    put(&storage, "one", &data("bob"))
        .await
        .expect("all of alice's are gone");
}

#[tokio::test]
async fn a_rejected_store_pins_nothing() {
    let storage = Validating::new(MemoryStorage::new())
        .with(HasRefreshToken)
        .with_unchanging_identity();
    put(&storage, "rs", &data("mallory")).await.unwrap_err();
    put(&storage, "rs", &data("alice").with_refresh_token("canary"))
        .await
        .unwrap();
}

/// What this handle remembers is only where to look: another process may have logged out.
#[tokio::test]
async fn a_logout_elsewhere_counts() {
    let below = MemoryStorage::new();
    let storage = Validating::new(below.clone()).with_unchanging_identity();
    put(&storage, "one", &data("alice")).await.unwrap();
    below.remove(&key("one"), Precondition::Any).await.unwrap();
    put(&storage, "two", &data("bob")).await.unwrap();
}

#[tokio::test]
async fn the_record_that_is_replaced_counts_although_this_handle_never_saw_it() {
    let below = MemoryStorage::new();
    put(&below, "rs", &data("alice")).await.unwrap();
    let storage = Validating::new(below.clone()).with_unchanging_identity();
    assert_eq!(
        put(&storage, "rs", &data("bob")).await.unwrap_err(),
        changed("alice", "bob")
    );
    put(&storage, "rs", &data("alice")).await.unwrap();
    // A caller's own precondition that does not hold is a conflict as ever.
    let error = storage
        .store(&key("rs"), &data("bob"), Precondition::Absent)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// Reading before replacing must not make a store fail that has no precondition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_stores_of_one_person_all_succeed() {
    let storage = std::sync::Arc::new(Validating::new(MemoryStorage::new()).with_unchanging_identity());
    let racers = (0..16).map(|n| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for round in 0..50 {
                let written = data("alice").with_expires_at(n * 100 + round);
                match round % 5 {
                    4 => drop(storage.remove(&key("rs"), Precondition::Any).await.unwrap()),
                    _ => put(&*storage, "rs", &written).await.unwrap(),
                }
            }
        })
    });
    for racer in futures_util::future::join_all(racers).await {
        racer.unwrap();
    }
}

#[tokio::test]
async fn a_batch_is_of_one_person_and_rejected_as_a_whole() {
    let below = MemoryStorage::new();
    let storage = Validating::new(below.clone()).with_unchanging_identity();
    let (one, two, alice, bob) = (key("one"), key("two"), data("alice"), data("bob"));
    let batch = [
        Write::new(&one, &alice, Precondition::Any),
        Write::new(&two, &bob, Precondition::Any),
    ];
    let error = storage.store_all(&batch).await.unwrap_err();
    assert_eq!(broken(&error), changed("alice", "bob"));
    assert_eq!(error.key(), Some(&two));
    assert_eq!(below.get(&one).await.unwrap(), None);
    storage.store_all(&batch[..1]).await.unwrap();
    storage.store_all(&[]).await.unwrap();
}

#[derive(Debug)]
struct NoFridays;

impl Validator for NoFridays {
    fn before_store(&self, _: &TokenKey, _: &TokenData) -> Result<(), ValidationError> {
        Err(ValidationError::Other("not on a Friday".into()))
    }

    fn after_get(&self, _: &TokenKey, _: &TokenData) -> Result<(), ValidationError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_program_adds_rules_of_its_own() {
    let storage = Validating::new(MemoryStorage::new()).with(NoFridays);
    let error = put(&storage, "rs", &data("a")).await.unwrap_err();
    assert_eq!(error.to_string(), "not on a Friday");
}

#[test]
fn names_are_escaped_where_they_are_shown() {
    let shown = changed("a\u{1b}[2J", "b\n").to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}
