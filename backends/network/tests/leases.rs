//! The leases over the smallest store, on clocks that a test moves. What they promise to a storage is the suite's to check.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, Operation, RefreshLease as _, Result, Revision, StoredToken,
    TokenData, TokenKey, async_trait,
    backend::{Clock, SystemClock},
};
use token_storage_network::{LeaseStore, TimedLeases};

const TTL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Map(Mutex<HashMap<TokenKey, Vec<u8>>>, Mutex<Fate>);

/// What becomes of the next write.
#[derive(Clone, Copy, Debug, Default)]
enum Fate {
    #[default]
    Done,
    AnswerLost,
    RequestLost,
    /// The network repeats it, and the second answer arrives.
    Twice,
}

fn out_of_reach() -> Error {
    Error::new(ErrorKind::Unavailable, "out of reach")
}

impl Map {
    fn value(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().values().next().cloned()
    }

    fn set(&self, key: &TokenKey, value: &[u8]) {
        self.0.lock().unwrap().insert(key.clone(), value.to_vec());
    }
}

#[async_trait]
impl LeaseStore for Map {
    async fn get(&self, key: &TokenKey) -> Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn put_if(&self, key: &TokenKey, expected: Option<&[u8]>, value: &[u8]) -> Result<bool> {
        let fate = std::mem::take(&mut *self.1.lock().unwrap());
        if let Fate::RequestLost = fate {
            return Err(out_of_reach());
        }
        let mut map = self.0.lock().unwrap();
        let holds = map.get(key).map(Vec::as_slice) == expected;
        if holds {
            map.insert(key.clone(), value.to_vec());
        }
        match fate {
            Fate::AnswerLost => Err(out_of_reach()),
            Fate::Twice => Ok(false),
            _ => Ok(holds),
        }
    }

    async fn delete_if(&self, key: &TokenKey, expected: &[u8]) -> Result<bool> {
        let mut map = self.0.lock().unwrap();
        let holds = map.get(key).map(Vec::as_slice) == Some(expected);
        if holds {
            map.remove(key);
        }
        Ok(holds)
    }
}

#[derive(Debug, Default)]
struct Hands(Mutex<Duration>);

impl Hands {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Hands {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Duration {
        Duration::from_secs(1_800_000_000) + self.monotonic()
    }
}

struct World {
    map: Arc<Map>,
    clock: Arc<Hands>,
    key: TokenKey,
}

impl World {
    fn new() -> Self {
        Self {
            map: Arc::default(),
            clock: Arc::default(),
            key: TokenKey::in_default("rs"),
        }
    }

    /// As another process would make them: what was seen is its own.
    fn leases(&self) -> TimedLeases {
        TimedLeases::with_clock(self.map.clone(), TTL, self.clock.clone())
    }

    async fn acquire(&self, leases: &TimedLeases) -> Option<Box<dyn LeaseGuard>> {
        match leases.try_acquire(&self.key).await.unwrap() {
            Acquisition::Acquired(guard) => Some(guard),
            Acquisition::Held { .. } => None,
        }
    }
}

fn intent() -> Intent {
    let stored = StoredToken {
        data: TokenData::new("rs", "read", "access"),
        revision: Revision::from_bytes(&[9; 32]).unwrap(),
    };
    Intent::new(&stored, true, 5)
}

#[tokio::test]
async fn l2_a_held_one_is_taken_over_after_its_time_and_not_before() {
    let world = World::new();
    let (mine, other) = (world.leases(), world.leases());
    let mut guard = world.acquire(&mine).await.unwrap();
    assert!(world.acquire(&other).await.is_none());
    world.clock.pass(TTL - Duration::from_millis(1));
    assert!(world.acquire(&other).await.is_none());
    world.clock.pass(Duration::from_millis(1));
    assert!(world.acquire(&other).await.is_some());
    assert_eq!(guard.renew().await.unwrap_err().kind(), ErrorKind::LeaseLost);
}

#[tokio::test]
async fn l2_writing_starts_the_time_anew() {
    let world = World::new();
    let (mine, other) = (world.leases(), world.leases());
    let mut guard = world.acquire(&mine).await.unwrap();
    assert!(world.acquire(&other).await.is_none());
    world.clock.pass(TTL - Duration::from_secs(1));
    guard.renew().await.unwrap();
    world.clock.pass(Duration::from_secs(2));
    assert!(world.acquire(&other).await.is_none());
}

#[tokio::test]
async fn l3_what_remains_is_less_than_the_time_to_live_and_shrinks() {
    let world = World::new();
    let mut guard = world.acquire(&world.leases()).await.unwrap();
    let first = guard.remaining().unwrap();
    assert!(first < TTL && first > TTL / 2, "{first:?}");
    world.clock.pass(Duration::from_secs(10));
    assert_eq!(guard.remaining().unwrap(), first - Duration::from_secs(10));
    guard.renew().await.unwrap();
    assert_eq!(guard.remaining().unwrap(), first);
    world.clock.pass(TTL);
    assert_eq!(guard.remaining().unwrap(), Duration::ZERO);
}

#[tokio::test]
async fn l5_an_intent_stays_behind_on_release_and_goes_when_cleared() {
    let world = World::new();
    let leases = world.leases();
    let mut guard = world.acquire(&leases).await.unwrap();
    assert_eq!(guard.intent(), None);
    guard.record_intent(&intent()).await.unwrap();
    guard.release().await.unwrap();
    let mut guard = world.acquire(&leases).await.unwrap();
    assert_eq!(guard.intent(), Some(&intent()));
    guard.clear_intent().await.unwrap();
    guard.release().await.unwrap();
    assert_eq!(world.map.value(), None, "nothing is left of a lease without an intent");
    assert_eq!(world.acquire(&leases).await.unwrap().intent(), None);
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_is_not_taken_for_none() {
    let world = World::new();
    let guard = world.acquire(&world.leases()).await.unwrap();
    let mut value = world.map.value().unwrap();
    drop(guard);
    value[1] = 0;
    value.extend(b"from a later version");
    world.map.set(&world.key, &value);
    let guard = world.acquire(&world.leases()).await.unwrap();
    assert_eq!(guard.intent(), Some(&Intent::unreadable()));
}

#[tokio::test]
async fn d3_what_is_no_lease_is_an_error_and_stays() {
    let world = World::new();
    for damaged in [&b"?"[..], &[1; 25], &[2; 26], &[1, 2, 0, 0, 0, 0]] {
        world.map.set(&world.key, damaged);
        let error = world.leases().try_acquire(&world.key).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(
            (error.operation(), error.key()),
            (Some(Operation::Lease), Some(&world.key))
        );
        assert_eq!(world.map.value().as_deref(), Some(damaged));
    }
}

#[tokio::test]
async fn a5_what_was_done_although_the_answer_is_lost_is_found_out() {
    for fate in [Fate::AnswerLost, Fate::Twice] {
        let world = World::new();
        let leases = world.leases();
        *world.map.1.lock().unwrap() = fate;
        let mut guard = world.acquire(&leases).await.unwrap();
        guard.renew().await.unwrap();
        assert!(world.acquire(&world.leases()).await.is_none());
    }
    let world = World::new();
    *world.map.1.lock().unwrap() = Fate::RequestLost;
    let error = world.leases().try_acquire(&world.key).await.map(drop).unwrap_err();
    assert_eq!((error.kind(), world.map.value()), (ErrorKind::Unavailable, None));
}

#[tokio::test]
async fn a5_a_holder_whose_answers_are_lost_goes_on() {
    for fate in [Fate::AnswerLost, Fate::RequestLost, Fate::Twice] {
        let world = World::new();
        let mut guard = world.acquire(&world.leases()).await.unwrap();
        *world.map.1.lock().unwrap() = fate;
        let renewed = guard.renew().await;
        assert_eq!(renewed.is_ok(), matches!(fate, Fate::Twice), "{fate:?}");
        guard.record_intent(&intent()).await.unwrap();
        guard.release().await.unwrap();
        let guard = world.acquire(&world.leases()).await.unwrap();
        assert_eq!(guard.intent(), Some(&intent()), "{fate:?}");
    }
}

#[tokio::test]
async fn a_lost_one_is_given_back_without_a_word_and_stays_with_its_new_holder() {
    let world = World::new();
    let guard = world.acquire(&world.leases()).await.unwrap();
    let other = world.leases();
    assert!(world.acquire(&other).await.is_none());
    world.clock.pass(TTL);
    let mut theirs = world.acquire(&other).await.unwrap();
    guard.release().await.unwrap();
    theirs.renew().await.unwrap();

    // With an intent that was to stay behind.
    theirs.record_intent(&intent()).await.unwrap();
    assert!(world.acquire(&world.leases()).await.is_none());
    let third = world.leases();
    assert!(world.acquire(&third).await.is_none());
    world.clock.pass(TTL);
    let mut last = world.acquire(&third).await.unwrap();
    theirs.release().await.unwrap();
    last.renew().await.unwrap();
    *world.map.1.lock().unwrap() = Fate::RequestLost;
    assert_eq!(last.release().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn the_clocks_of_the_machine_go() {
    let clock = SystemClock::default();
    while clock.monotonic().is_zero() {}
    assert!(clock.wall() > Duration::from_secs(1_700_000_000));
}

#[tokio::test]
async fn a_waiter_is_told_to_come_back_before_the_time_is_over() {
    let world = World::new();
    let (mine, other) = (world.leases(), world.leases());
    let _guard = world.acquire(&mine).await.unwrap();
    let told = async || match other.try_acquire(&world.key).await.unwrap() {
        Acquisition::Held { retry_after } => retry_after,
        Acquisition::Acquired(_) => panic!("it is held"),
    };
    told().await;
    world.clock.pass(TTL - Duration::from_millis(20));
    assert_eq!(told().await, Duration::from_millis(20));
}
