//! L7: whatever fails for now leaves the stored bytes as they are, on every storage. `-- l7_passing --nocapture` prints
//! the table.

use std::time::Duration;

use token_storage::{
    TokenStorage,
    manager::{ManagerErrorKind, ReauthReason},
};
use token_storage_auth_testing::auth_server::{Config, Endpoint, Fault};

use crate::{
    failures::{refuse, status},
    storages::{self, Place},
    support::{World, assert_current, key},
};

/// What passes, and whether the token may have been spent meanwhile.
fn transient_failures() -> Vec<(&'static str, Fault, bool)> {
    vec![
        (
            "connection closed before anything was done",
            Fault::DropConnection,
            false,
        ),
        ("answer lost", Fault::DropAnswer, true),
        ("answer cut off in the middle", Fault::TruncateAnswer, true),
        ("no answer, nothing done", Fault::Hang, false),
        ("no answer, but done", Fault::HangAfter, true),
        ("408", status(408), false),
        ("429", status(429), false),
        ("500", status(500), false),
        ("502", status(502), false),
        ("503", status(503), false),
        ("504", status(504), false),
        ("redirected to a page", status(302), false),
        ("200 with a page", Fault::Garbage, true),
        ("200 without a token", Fault::Omit(&["access_token"]), true),
        ("400 with a page", status(400), false),
        ("temporarily_unavailable", refuse(400, "temporarily_unavailable"), false),
    ]
}

#[tokio::test]
async fn l7_passing_failures_leave_every_storage_as_it_is() {
    let mut table = String::new();
    for (failure, fault, spent) in transient_failures() {
        table += &format!("{failure:<44}");
        for place in storages::all().await {
            unchanged(&place, failure, fault.clone(), spent).await;
            table += &format!("{:<20}", format!("{} unchanged", place.name));
        }
        table += if spent { "loss named\n" } else { "refreshed later\n" };
    }
    eprintln!("{table}");
}

/// Everything there is of a record, its write mark included: the bytes of the file where it is all in one, and what
/// `get` says with its revision, which is a digest of every stored member.
async fn stored(place: &Place, storage: &dyn TokenStorage) -> (Option<Vec<u8>>, token_storage::StoredToken) {
    let record = storage.get(&key()).await.unwrap().expect("the record is there");
    (place.bytes(), record)
}

async fn unchanged(place: &Place, failure: &str, fault: Fault, spent: bool) {
    let when = format!("{failure} on {}", place.name);
    let world = World::with(place.open(), Config::default()).await;
    let manager = world.builder().request_timeout(Duration::from_millis(300));
    let manager = manager.build().unwrap();
    world.expire();
    let before = stored(place, &world.storage).await;
    world.server.script(Endpoint::Token, fault);
    let error = manager.access_token(&key()).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Transient, "{when}");
    assert!(error.is_retryable() && !error.needs_login(), "{when}");
    assert!(
        stored(place, &world.storage).await == before,
        "{when}: the bytes changed"
    );
    // At once again: no request, and it says when.
    let error = manager.access_token(&key()).await.unwrap_err();
    assert!(error.retry_after().is_some(), "{when}");
    assert_eq!(world.server.refresh_requests(), 1, "{when}");
    world.clock.advance(60);
    // With the usual patience: a busy machine is no failure.
    let second = world.manager().access_token(&key()).await;
    if spent {
        let lost = ManagerErrorKind::ReauthRequired(ReauthReason::UnknownOutcome);
        assert_eq!(second.unwrap_err().kind(), lost, "{when}");
        assert!(
            stored(place, &world.storage).await == before,
            "{when}: the bytes changed"
        );
    } else {
        assert_current(&world, &second.unwrap()).await;
        assert_eq!(world.server.reuse_detections(), 0, "{when}");
    }
}
