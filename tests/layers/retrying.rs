use std::time::Duration;

use token_storage::{Error, ErrorKind, Precondition, TokenStorage, Write, layers::Retrying};
use tokio::time::Instant;

use crate::{
    data,
    flaky::{Flaky, busy},
    key,
};

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_until_it_does() {
    let flaky = Flaky::default();
    let storage = Retrying::new(flaky.clone());
    let (key, data) = (key("ns"), data("at"));
    let writes = [Write::new(&key, &data, Precondition::Absent)];
    flaky.fail(busy(), 3);
    storage.store_all(&writes).await.unwrap();
    assert_eq!(flaky.calls(), 4);
    flaky.fail(Error::new(ErrorKind::Unavailable, "the test cut the line"), 2);
    assert!(storage.get(&key).await.unwrap().is_some());
    assert_eq!(flaky.calls(), 7);
    flaky.fail(busy(), 1);
    assert!(storage.remove(&key, Precondition::Any).await.unwrap());
    assert_eq!(flaky.calls(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_may_have_happened_is_not_repeated() {
    let flaky = Flaky::default();
    let storage = Retrying::new(flaky.clone());
    let (key, data) = (key("ns"), data("at"));
    flaky.fail(busy().with_unknown_outcome(), 1);
    let writes = [Write::new(&key, &data, Precondition::Any)];
    let error = storage.store_all(&writes).await.unwrap_err();
    assert!(error.may_have_applied());
    assert_eq!(flaky.calls(), 1);
    flaky.fail(busy().with_unknown_outcome(), 1);
    assert!(
        storage
            .remove(&key, Precondition::Any)
            .await
            .unwrap_err()
            .may_have_applied()
    );
    assert_eq!(flaky.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_needs_somebody_who_acts_is_not_repeated() {
    for kind in [
        ErrorKind::Conflict,
        ErrorKind::Corrupt,
        ErrorKind::PermissionDenied,
        ErrorKind::StorageFull,
        ErrorKind::TooLarge,
    ] {
        let flaky = Flaky::default();
        let storage = Retrying::new(flaky.clone());
        flaky.fail(Error::new(kind, "the test made it fail"), 1);
        assert_eq!(storage.get(&key("ns")).await.unwrap_err().kind(), kind);
        assert_eq!(flaky.calls(), 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_try_begins_when_the_budget_is_over() {
    let flaky = Flaky::default();
    let storage = Retrying::new(flaky.clone()).budget(Duration::from_secs(20));
    flaky.fail(busy(), 1000);
    let began = Instant::now();
    assert_eq!(storage.get(&key("ns")).await.unwrap_err().kind(), ErrorKind::Busy);
    let (took, calls) = (began.elapsed(), flaky.calls());
    assert!(took <= Duration::from_secs(20), "{took:?}");
    // The longest pause is five seconds and its jitter: nobody gives up much before.
    assert!(
        took >= Duration::from_secs(10) && calls > 5,
        "{calls} calls in {took:?}"
    );

    let flaky = Flaky::default();
    flaky.fail(busy(), 1000);
    let storage = Retrying::new(flaky.clone()).budget(Duration::ZERO);
    storage.get(&key("ns")).await.unwrap_err();
    assert_eq!(flaky.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_service_is_not_asked_before_it_wants_to_be() {
    let flaky = Flaky::default();
    let storage = Retrying::new(flaky.clone());
    let pause = Duration::from_secs(12);
    flaky.fail(busy().with_retry_after(pause), 1);
    let began = Instant::now();
    storage.get(&key("ns")).await.unwrap();
    assert!(began.elapsed() >= pause);
    // One that is longer than the budget is not waited for at all.
    flaky.fail(busy().with_retry_after(Duration::from_secs(60)), 1);
    let began = Instant::now();
    storage.get(&key("ns")).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO);
}
