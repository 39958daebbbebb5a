//! The timed lease (clauses L1 to L4), on clocks that the test sets.

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use support::{data, fresh_table, key};
use token_storage_core::{
    Acquisition, Begin, ErrorKind, Intent, LeaseGuard, LeaseKind, Precondition, Revision, StoredToken, TokenKey,
    TokenStorage, TokenStorageExt as _,
};
use token_storage_dynamodb::{Client, Clock, DynamoDbStorage};
use token_storage_dynamodb_testing::{ClientBuilder, Fault, Faults, Recorder, emulator};

const TTL: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct TestClock(Mutex<(Duration, Duration)>);

impl TestClock {
    /// Both clocks start at different, arbitrary times: those of hosts need not agree.
    fn starting_at(monotonic: u64, wall: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new((
            Duration::from_secs(monotonic),
            Duration::from_secs(wall),
        ))))
    }

    fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = (now.0 + by, now.1 + by);
    }

    fn set_wall(&self, to: u64) {
        self.0.lock().unwrap().1 = Duration::from_secs(to);
    }
}

impl Clock for TestClock {
    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().0
    }

    fn wall(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// Two hosts whose clocks disagree, over one table.
struct Hosts {
    client: Client,
    table: String,
    a: (DynamoDbStorage, Arc<TestClock>),
    b: (DynamoDbStorage, Arc<TestClock>),
}

impl Hosts {
    async fn new() -> Self {
        let (client, table) = fresh_table().await;
        let host = |clock: &Arc<TestClock>| {
            let builder = DynamoDbStorage::builder(&table).lease_ttl(TTL).clock(clock.clone());
            builder.with_client(client.clone())
        };
        let (a, b) = (TestClock::starting_at(5, 1_000_000), TestClock::starting_at(77_000, 3));
        Self {
            a: (host(&a), a),
            b: (host(&b), b),
            client,
            table,
        }
    }
}

async fn acquire(storage: &DynamoDbStorage) -> Acquisition {
    storage.lease().unwrap().try_acquire(&key("rs")).await.unwrap()
}

async fn acquired(storage: &DynamoDbStorage) -> Box<dyn LeaseGuard> {
    match acquire(storage).await {
        Acquisition::Acquired(guard) => guard,
        Acquisition::Held { retry_after } => panic!("held by another, retry after {retry_after:?}"),
    }
}

async fn held(storage: &DynamoDbStorage) -> Duration {
    match acquire(storage).await {
        Acquisition::Held { retry_after } => retry_after,
        Acquisition::Acquired(_) => panic!("acquired, though another holds it"),
    }
}

fn intent() -> Intent {
    let revision = Revision::from_bytes(&[9; 57]).unwrap();
    let data = data("1");
    Intent::new(&StoredToken { data, revision }, true, 1_795_649_003)
}

/// A guard that its process can no longer release.
fn die(guard: Box<dyn LeaseGuard>) {
    std::mem::forget(guard);
}

#[tokio::test]
async fn l1_one_holder_and_an_orderly_release() {
    let hosts = Hosts::new().await;
    let guard = acquired(&hosts.a.0).await;
    assert!(guard.intent().is_none());
    held(&hosts.b.0).await;
    held(&hosts.a.0).await;
    guard.release().await.unwrap();
    let next = acquired(&hosts.b.0).await;
    assert!(next.intent().is_none());
    next.release().await.unwrap();
    assert_eq!(
        support::item_count(&hosts.client, &hosts.table).await,
        0,
        "a released lease leaves nothing behind"
    );
}

#[tokio::test]
async fn l2_takeover_after_the_mark_stood_still_for_the_time_to_live() {
    let hosts = Hosts::new().await;
    die(acquired(&hosts.a.0).await);
    held(&hosts.b.0).await;
    hosts.b.1.advance(TTL - Duration::from_millis(1));
    let retry_after = held(&hosts.b.0).await;
    assert!(
        retry_after <= Duration::from_secs(1),
        "taken over at most 1 s later: {retry_after:?}"
    );
    hosts.b.1.advance(Duration::from_millis(1));
    acquired(&hosts.b.0).await;
}

#[tokio::test]
async fn l2_time_before_the_first_look_does_not_count() {
    let hosts = Hosts::new().await;
    die(acquired(&hosts.a.0).await);
    hosts.b.1.advance(TTL * 100);
    held(&hosts.b.0).await;
    hosts.b.1.set_wall(4_000_000_000);
    held(&hosts.b.0).await;
}

#[tokio::test]
async fn l2_a_renewed_lease_is_not_taken_over() {
    let hosts = Hosts::new().await;
    let mut guard = acquired(&hosts.a.0).await;
    for _ in 0..5 {
        held(&hosts.b.0).await;
        hosts.b.1.advance(TTL / 2);
        held(&hosts.b.0).await;
        guard.renew().await.unwrap();
        hosts.b.1.advance(TTL / 2);
        held(&hosts.b.0).await;
    }
}

/// The holder's time to live counts, whatever the waiter's own is.
#[tokio::test]
async fn l2_the_time_to_live_is_the_holders() {
    let hosts = Hosts::new().await;
    let patient = DynamoDbStorage::builder(&hosts.table)
        .lease_ttl(TTL * 4)
        .with_client(hosts.client.clone());
    die(acquired(&patient).await);
    held(&hosts.b.0).await;
    hosts.b.1.advance(TTL * 4 - Duration::from_millis(1));
    held(&hosts.b.0).await;
    hosts.b.1.advance(Duration::from_millis(1));
    acquired(&hosts.b.0).await;
    assert_eq!(hosts.b.0.describe().lease, Some(LeaseKind::Timed { ttl: TTL }));
}

#[tokio::test]
async fn l2_of_many_waiters_one_takes_over() {
    let hosts = Hosts::new().await;
    die(acquired(&hosts.a.0).await);
    let clock = TestClock::starting_at(0, 0);
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            DynamoDbStorage::builder(&hosts.table)
                .clock(clock.clone())
                .with_client(hosts.client.clone())
        })
        .collect();
    for waiter in &waiters {
        held(waiter).await;
    }
    clock.advance(TTL);
    let mut guards = Vec::new();
    for waiter in &waiters {
        if let Acquisition::Acquired(guard) = acquire(waiter).await {
            guards.push(guard);
        }
    }
    assert_eq!(guards.len(), 1);
}

#[tokio::test]
async fn l2_release_by_anyone_but_the_holder_does_nothing() {
    let hosts = Hosts::new().await;
    let paused = acquired(&hosts.a.0).await;
    held(&hosts.b.0).await;
    hosts.b.1.advance(TTL);
    let successor = acquired(&hosts.b.0).await;
    paused.release().await.unwrap();
    held(&hosts.a.0).await;
    successor.release().await.unwrap();
}

#[tokio::test]
async fn l3_a_holder_that_was_taken_over_is_told() {
    let hosts = Hosts::new().await;
    let stored = hosts
        .a
        .0
        .store(&key("rs"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    let mut paused = acquired(&hosts.a.0).await;
    held(&hosts.b.0).await;
    hosts.b.1.advance(TTL);
    let _successor = acquired(&hosts.b.0).await;
    for result in [
        paused.renew().await,
        paused.record_intent(&intent()).await,
        paused.clear_intent().await,
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::LeaseLost);
    }
    hosts
        .b
        .0
        .store(&key("rs"), &data("2"), Precondition::Unchanged(stored))
        .await
        .unwrap();
    let late = hosts
        .a
        .0
        .store(&key("rs"), &data("3"), Precondition::Unchanged(stored))
        .await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn l3_remaining_follows_the_more_cautious_clock() {
    let hosts = Hosts::new().await;
    let (storage, clock) = &hosts.a;
    let mut guard = acquired(storage).await;
    let full = guard.remaining().unwrap();
    assert!(full < TTL && full > TTL * 9 / 10, "{full:?}");

    clock.advance(Duration::from_secs(10));
    assert_eq!(guard.remaining().unwrap(), full - Duration::from_secs(10));
    // The machine slept: the monotonic clock stood still, the wall clock went on.
    clock.set_wall(1_000_025);
    assert_eq!(guard.remaining().unwrap(), full - Duration::from_secs(25));
    // The wall clock was set back: the monotonic one counts.
    clock.set_wall(0);
    assert_eq!(guard.remaining().unwrap(), full - Duration::from_secs(10));
    clock.advance(TTL);
    assert_eq!(guard.remaining().unwrap(), Duration::ZERO);
    guard.renew().await.unwrap();
    assert_eq!(guard.remaining().unwrap(), full);
}

#[tokio::test]
async fn an_intent_survives_its_holder_and_is_cleared_by_the_next() {
    let hosts = Hosts::new().await;
    let mut guard = acquired(&hosts.a.0).await;
    guard.record_intent(&intent()).await.unwrap();
    die(guard);
    held(&hosts.b.0).await;
    hosts.b.1.advance(TTL);
    let mut heir = acquired(&hosts.b.0).await;
    assert_eq!(heir.intent(), Some(&intent()));
    heir.clear_intent().await.unwrap();
    heir.release().await.unwrap();
    assert!(acquired(&hosts.a.0).await.intent().is_none());
}

#[tokio::test]
async fn an_intent_that_was_not_cleared_outlives_the_release() {
    let hosts = Hosts::new().await;
    let mut guard = acquired(&hosts.a.0).await;
    guard.record_intent(&intent()).await.unwrap();
    guard.release().await.unwrap();
    let guard = acquired(&hosts.b.0).await;
    assert_eq!(guard.intent(), Some(&intent()), "and it is free at once");
    // Nor does an heir lose it who does not know what to do with it.
    guard.release().await.unwrap();
    assert_eq!(acquired(&hosts.a.0).await.intent(), Some(&intent()));
}

#[tokio::test]
async fn a_dropped_guard_is_released_in_the_background() {
    let (client, table) = fresh_table().await;
    let storage = DynamoDbStorage::from_client(client, table);
    drop(acquired(&storage).await);
    let freed = async {
        loop {
            match acquire(&storage).await {
                Acquisition::Acquired(guard) => return guard,
                Acquisition::Held { .. } => tokio::task::yield_now().await,
            }
        }
    };
    // Far less than the time to live, and only a guard against hanging.
    let guard = tokio::time::timeout(Duration::from_secs(20), freed).await.unwrap();
    guard.release().await.unwrap();
}

#[tokio::test]
async fn lost_answers_of_lease_writes_are_resolved_by_the_mark() {
    let (_, table) = fresh_table().await;
    let faults = Faults::new();
    let client = ClientBuilder::new(&emulator().await).faults(&faults).build();
    let storage = DynamoDbStorage::from_client(client, table);
    faults.plan("PutItem", [Fault::DropAfter]);
    let mut guard = acquired(&storage).await;
    faults.plan("UpdateItem", [Fault::DropAfter, Fault::Pass, Fault::DropAfter]);
    guard.record_intent(&intent()).await.unwrap();
    guard.clear_intent().await.unwrap();
    faults.plan("DeleteItem", [Fault::DropAfter]);
    guard.release().await.unwrap();
    acquired(&storage).await.release().await.unwrap();
    assert_eq!(faults.left(), 0);
}

/// A renewal that failed may or may not have happened; the next write must work either way.
#[tokio::test]
async fn a_renewal_with_an_unknown_outcome_does_not_lose_the_lease() {
    for fault in [Fault::DropAfter, Fault::DropBefore] {
        let (_, table) = fresh_table().await;
        let faults = Faults::new();
        let client = ClientBuilder::new(&emulator().await)
            .faults(&faults)
            .attempts(1)
            .build();
        let storage = DynamoDbStorage::from_client(client, table);
        let mut guard = acquired(&storage).await;
        faults.plan("UpdateItem", [fault.clone(), fault]);
        for _ in 0..2 {
            let error = guard.renew().await.unwrap_err();
            assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Unavailable, true));
        }
        guard.renew().await.unwrap();
        guard.release().await.unwrap();
        acquired(&storage).await.release().await.unwrap();
    }
}

/// L6: with neither permission nor capacity to write the record, the proof fails, and it never writes anything.
#[tokio::test]
async fn l6_the_proof_fails_as_a_store_would_and_changes_nothing() {
    let (_, table) = fresh_table().await;
    let faults = Faults::new();
    let client = ClientBuilder::new(&emulator().await).faults(&faults).build();
    let storage = DynamoDbStorage::from_client(client, table);
    storage.prove_writable(&key("rs")).await.unwrap();
    assert!(storage.get(&key("rs")).await.unwrap().is_none());
    let revision = storage
        .store(&key("rs"), &data("1"), Precondition::Absent)
        .await
        .unwrap();
    storage.prove_writable(&key("rs")).await.unwrap();
    assert_eq!(storage.get(&key("rs")).await.unwrap().unwrap().revision, revision);
    faults.plan("PutItem", [Fault::Refuse(400, "AccessDeniedException")]);
    assert_eq!(
        storage.prove_writable(&key("rs")).await.unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
}

/// At most two requests a second for each waiter, and none that writes once it has seen the lease.
#[tokio::test]
async fn waiting_costs_few_requests() {
    let hosts = Hosts::new().await;
    let mut holder = acquired(&hosts.a.0).await;
    let recorder = Recorder::default();
    let client = ClientBuilder::new(&emulator().await).recorder(&recorder).build();
    let waiter = DynamoDbStorage::builder(&hosts.table)
        .clock(hosts.b.1.clone())
        .with_client(client);
    let mut waited = Duration::ZERO;
    while waited < Duration::from_secs(60) {
        let pause = held(&waiter).await;
        hosts.b.1.advance(pause);
        waited += pause;
        holder.renew().await.unwrap();
    }
    let actions = recorder.actions();
    assert!(recorder.requests() <= 2 * 60 + 10, "{actions:?}");
    assert_eq!(actions["PutItem"], 1, "{actions:?}");
    assert!(!actions.contains_key("UpdateItem"), "{actions:?}");
}

#[tokio::test]
async fn leases_of_different_keys_are_independent() {
    let hosts = Hosts::new().await;
    let lease = hosts.a.0.lease().unwrap();
    let mut guards = Vec::new();
    for key in [
        TokenKey::new("a", "b"),
        TokenKey::new("a:", "b"),
        TokenKey::new("a", ":b"),
        TokenKey::new("", "a:b"),
    ] {
        match lease.try_acquire(&key).await.unwrap() {
            Acquisition::Acquired(guard) => guards.push(guard),
            Acquisition::Held { .. } => panic!("{key}"),
        }
    }
}

async fn begin(storage: &DynamoDbStorage, revision: Revision) -> token_storage_core::Result<Begin> {
    let lease = storage.lease().unwrap();
    lease.try_begin(&key("rs"), revision, Some(&intent())).await
}

async fn begun(storage: &DynamoDbStorage, revision: Revision) -> Box<dyn LeaseGuard> {
    match begin(storage, revision).await.unwrap() {
        Begin::Begun(guard) => guard,
        Begin::Tried(other) => panic!("not begun: {other:?}"),
    }
}

/// A storage whose requests suffer the faults, with a record at this revision.
async fn suffering(faults: &Faults, recorder: &Recorder, attempts: u32) -> (DynamoDbStorage, Revision) {
    let (_, table) = fresh_table().await;
    let client = ClientBuilder::new(&emulator().await)
        .faults(faults)
        .recorder(recorder)
        .attempts(attempts)
        .build();
    let storage = DynamoDbStorage::from_client(client, table);
    let record = data("1");
    let stored = storage.store(&key("rs"), &record, Precondition::Absent).await;
    recorder.clear();
    (storage, stored.unwrap())
}

fn actions<const N: usize>(recorder: &Recorder, wanted: [(&str, usize); N]) {
    let wanted = wanted.map(|(action, times)| (action.to_owned(), times));
    assert_eq!(recorder.actions(), wanted.into());
}

#[tokio::test]
async fn a_refresh_begins_with_one_request_and_ends_with_one() {
    let recorder = Recorder::default();
    let (storage, revision) = suffering(&Faults::new(), &recorder, 1).await;
    let guard = begun(&storage, revision).await;
    assert_eq!(guard.intent(), None);
    actions(&recorder, [("TransactWriteItems", 1)]);
    let view = storage.lease().unwrap().look(&key("rs")).await.unwrap().unwrap();
    assert_eq!((view.held, view.intent), (true, Some(intent())));
    recorder.clear();
    guard.finish().await.unwrap();
    actions(&recorder, [("DeleteItem", 1)]);
    assert_eq!(acquired(&storage).await.intent(), None);
    assert_eq!(storage.get(&key("rs")).await.unwrap().unwrap().revision, revision);
}

#[tokio::test]
async fn a_beginning_whose_answer_was_lost_has_begun() {
    let faults = Faults::new();
    let (storage, revision) = suffering(&faults, &Recorder::default(), 5).await;
    faults.plan("TransactWriteItems", [Fault::DropAfter, Fault::ErrorAfter]);
    let guard = begun(&storage, revision).await;
    held(&storage).await;
    guard.release().await.unwrap();
    assert_eq!(acquired(&storage).await.intent(), Some(&intent()));
    assert_eq!(faults.left(), 0);
}

/// Somebody else's transaction is in the way; whoever waits for the lease waits for that, too.
#[tokio::test]
async fn a_beginning_that_meets_another_has_not_got_the_lease() {
    let (faults, recorder) = (Faults::new(), Recorder::default());
    let (storage, revision) = suffering(&faults, &recorder, 1).await;
    faults.plan(
        "TransactWriteItems",
        [Fault::Refuse(400, "TransactionInProgressException")],
    );
    let tried = begin(&storage, revision).await.unwrap();
    assert!(matches!(tried, Begin::Tried(Acquisition::Held { .. })), "{tried:?}");
    actions(&recorder, [("TransactWriteItems", 1)]);
}

/// It may be our own, whose answer was lost: then it is asked again, and has begun.
#[tokio::test]
async fn a_beginning_that_may_have_met_itself_is_asked_for_again() {
    let faults = Faults::new();
    let (storage, revision) = suffering(&faults, &Recorder::default(), 2).await;
    let conflict = Fault::Refuse(400, "TransactionInProgressException");
    faults.plan("TransactWriteItems", [Fault::DropAfter, conflict]);
    begun(&storage, revision).await.release().await.unwrap();
    assert_eq!(faults.left(), 0);
}

/// Nothing was sent by whoever got the error, so its intent need not stay either.
#[tokio::test]
async fn a_beginning_that_failed_is_taken_back() {
    for fault in [Fault::DropAfter, Fault::DropBefore] {
        let faults = Faults::new();
        let (storage, revision) = suffering(&faults, &Recorder::default(), 1).await;
        faults.plan("TransactWriteItems", [fault]);
        let error = begin(&storage, revision).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let freed = async {
            loop {
                match acquire(&storage).await {
                    Acquisition::Acquired(guard) => return guard,
                    Acquisition::Held { .. } => tokio::task::yield_now().await,
                }
            }
        };
        // Far less than the time to live, and only a guard against hanging.
        let guard = tokio::time::timeout(Duration::from_secs(20), freed).await.unwrap();
        assert_eq!(guard.intent(), None);
    }
}

#[tokio::test]
async fn a_late_beginning_does_nothing_once_the_record_has_moved_on() {
    let faults = Faults::new();
    let (storage, revision) = suffering(&faults, &Recorder::default(), 1).await;
    faults.plan("TransactWriteItems", [Fault::HeldBack]);
    begin(&storage, revision).await.unwrap_err();
    let record = data("2");
    let unchanged = Precondition::Unchanged(revision);
    let newer = storage.store(&key("rs"), &record, unchanged).await.unwrap();
    faults.deliver().await;
    assert_eq!(acquired(&storage).await.intent(), None);
    assert_eq!(storage.get(&key("rs")).await.unwrap().unwrap().revision, newer);
}

#[tokio::test]
async fn l6_nothing_is_begun_without_permission() {
    let faults = Faults::new();
    let (storage, revision) = suffering(&faults, &Recorder::default(), 1).await;
    faults.plan("TransactWriteItems", [Fault::Refuse(400, "AccessDeniedException")]);
    let error = begin(&storage, revision).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn where_there_are_no_transactions_the_steps_are_taken_one_by_one() {
    let (faults, recorder) = (Faults::new(), Recorder::default());
    let (storage, revision) = suffering(&faults, &recorder, 1).await;
    faults.plan("TransactWriteItems", [Fault::Refuse(400, "UnknownOperationException")]);
    for transactions in [1, 0] {
        recorder.clear();
        let Begin::Tried(Acquisition::Acquired(guard)) = begin(&storage, revision).await.unwrap() else {
            panic!("the lease alone is acquired");
        };
        guard.finish().await.unwrap();
        let sent = recorder.actions();
        assert_eq!(
            sent.get("TransactWriteItems").copied().unwrap_or_default(),
            transactions
        );
        assert_eq!(sent["PutItem"], 1);
    }
}
