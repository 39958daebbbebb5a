//! A correct storage over a server of texts and a network that loses, delays and duplicates requests, with timed leases
//! from the kit, and the ways to break it: clauses A5, D2, D3, K1, L2 to L7.

use std::{
    collections::BTreeMap,
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use token_storage_conformance::{
    ClockJumping, Clocks, FaultInjecting, FaultInjector, Harness, Mishap, Network, RecordDamaging, Requests, SecondWay,
    Suite, Unreliable, WriteRefusing,
};
use token_storage_core::{
    Cursor, Enumerate, Error, ErrorContext as _, ErrorKind, Limits, MemoryStorage, Operation, Page, Precondition,
    RefreshLease, Result, Revision, StorageInfo, StoredToken, TokenData, TokenKey, TokenStorage, Write, WriteMark,
    async_trait, record,
};
use token_storage_network::{Clock, LeaseStore, SystemClock, TimedLeases};

/// What is wrong with the client.
pub(crate) trait Flaws: std::fmt::Debug + Send + Sync + 'static {
    /// Whether a write without precondition is sent without a condition.
    const UNCONDITIONAL: bool = false;
    /// Whether a remove without precondition is sent without a condition.
    const UNCONDITIONAL_REMOVE: bool = false;
    /// Whether what is refused after a lost answer is told as a conflict, though it may be its own success.
    const FORGETS_ITS_MARK: bool = false;
    /// Whether "nothing happened" is said when all answers were lost.
    const DENIES_ALL_LOST: bool = false;
    /// Whether the first lost answer is taken for a success.
    const LOST_IS_DONE: bool = false;
    /// Whether a refusal whose answer is lost is a success.
    const LOST_REFUSAL_IS_DONE: bool = false;
    /// Whether a read whose answer is lost finds nothing.
    const LOST_READ_IS_ABSENT: bool = false;
    /// Whether any record that is there after a lost answer is taken for its own.
    const ANY_RECORD_IS_OURS: bool = false;
    /// Whether a refusal to write is taken for a success.
    const REFUSED_IS_DONE: bool = false;
    /// Whether a refusal to write is told as a conflict.
    const REFUSED_IS_CONFLICT: bool = false;
    /// Whether the first record of a batch is written before the batch is refused.
    const BATCH_WRITES_FIRST: bool = false;
    /// Whether the proof proves anything.
    const PROOF_ASKS: bool = true;
    /// Whether the proof only reads.
    const PROOF_READS: bool = false;
    /// Whether damage is absence.
    const DAMAGE_IS_ABSENT: bool = false;
    /// Whether a record that has no token in it is an empty one.
    const DAMAGE_IS_EMPTY: bool = false;
    /// Whether damage is a storage that is out of reach.
    const DAMAGE_IS_UNAVAILABLE: bool = false;
    /// Whether the error shows what is damaged.
    const DAMAGE_IS_QUOTED: bool = false;
    /// Whether a damaged record keeps others from being read.
    const DAMAGE_HIDES_OTHERS: bool = false;
    /// Whether a damaged record fails the listing.
    const DAMAGE_FAILS_LISTING: bool = false;
    /// Whether a damaged record is not listed.
    const DAMAGE_IS_NOT_LISTED: bool = false;
    /// Whether a conditional write over damage is a conflict.
    const DAMAGE_IS_CONFLICT: bool = false;
    /// Whether a damaged record cannot be replaced.
    const DAMAGE_STAYS: bool = false;
    /// Whether a damaged record cannot be removed.
    const DAMAGE_IS_NOT_REMOVED: bool = false;
    /// Whether another way leads to a cache of its own.
    const WAYS_HAVE_CACHES: bool = false;
    /// Whether checking and writing is one step only among handles of one way.
    const WAYS_RACE: bool = false;
    /// Whether another way leads to leases of its own.
    const WAYS_HAVE_LEASES: bool = false;
    const LEASE: LeaseFlaw = LeaseFlaw::None;
    /// Which clock the holder goes by.
    const CLOCK: ClockFlaw = ClockFlaw::Both;
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LeaseFlaw {
    None,
    /// A lease that could not be asked for is held.
    LostIsHeld,
    /// A lost answer to a change is a lost lease.
    LostIsLost,
    /// A lost answer to a change is a success.
    LostIsDone,
    /// A lost answer to a release, or the request, is remembered as a lease that is held, for ever.
    LostStaysForEver,
    /// A renewal out of reach is a success.
    RenewsOutOfReach,
    /// A release out of reach is a success.
    ReleasesOutOfReach,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ClockFlaw {
    Both,
    WallOnly,
    MonotonicOnly,
    /// Waiters watch by the wall clock.
    WaiterByWall,
    /// The monotonic clock goes back with the wall clock.
    FollowsBack,
}

#[derive(Debug)]
pub(crate) struct Correct;

impl Flaws for Correct {}

macro_rules! wire_flaws {
    ($($(#[$meta:meta])* $name:ident: $constant:ident: $type:ty = $value:expr;)*) => {
        $(
            $(#[$meta])*
            #[derive(Debug)]
            pub(crate) struct $name;

            impl Flaws for $name {
                const $constant: $type = $value;
            }
        )*
    };
}

wire_flaws! {
    /// A late store undoes what came after it.
    SendsStoresUnconditionally: UNCONDITIONAL: bool = true;
    /// A late remove takes away what was stored after it.
    SendsRemovesUnconditionally: UNCONDITIONAL_REMOVE: bool = true;
    /// Its own success is a conflict, once an answer was lost.
    ForgetsItsMark: FORGETS_ITS_MARK: bool = true;
    /// "Certainly not written", after all answers were lost.
    DeniesAllLost: DENIES_ALL_LOST: bool = true;
    /// A refusal whose answer was lost is a success.
    LostRefusalIsDone: LOST_REFUSAL_IS_DONE: bool = true;
    /// Sent is done.
    LostIsDone: LOST_IS_DONE: bool = true;
    /// Logged out by a lost answer.
    LostReadIsAbsent: LOST_READ_IS_ABSENT: bool = true;
    /// Whatever is there after a lost answer was written by itself.
    AnyRecordIsOurs: ANY_RECORD_IS_OURS: bool = true;
    /// What the server refused is acknowledged.
    RefusedIsDone: REFUSED_IS_DONE: bool = true;
    /// A storage that may not be written looks like another writer.
    RefusedIsConflict: REFUSED_IS_CONFLICT: bool = true;
    /// A proof that does nothing.
    ProvesNothing: PROOF_ASKS: bool = false;
    /// A proof that can be read proves that it can be written.
    ProvesReading: PROOF_READS: bool = true;
    /// Damage is absence.
    DamageIsAbsent: DAMAGE_IS_ABSENT: bool = true;
    /// A record without a token is an empty record.
    DamageIsEmpty: DAMAGE_IS_EMPTY: bool = true;
    /// Damage is a network that is down.
    DamageIsUnavailable: DAMAGE_IS_UNAVAILABLE: bool = true;
    /// The error of a damaged record quotes it.
    DamageIsQuoted: DAMAGE_IS_QUOTED: bool = true;
    /// One damaged record is the whole storage's.
    DamageHidesOthers: DAMAGE_HIDES_OTHERS: bool = true;
    /// One damaged record fails the listing.
    DamageFailsListing: DAMAGE_FAILS_LISTING: bool = true;
    /// A conditional write over damage is a conflict.
    DamageIsConflict: DAMAGE_IS_CONFLICT: bool = true;
    /// A damaged record can never be replaced.
    DamageStays: DAMAGE_STAYS: bool = true;
    /// A damaged record was not there, says a remove.
    DamageIsNotRemoved: DAMAGE_IS_NOT_REMOVED: bool = true;
    /// Each way to a place remembers what it has read.
    WaysHaveCaches: WAYS_HAVE_CACHES: bool = true;
    /// Writers on two ways do not wait for each other.
    WaysRace: WAYS_RACE: bool = true;
    /// Each way to a place has leases of its own.
    WaysHaveLeases: WAYS_HAVE_LEASES: bool = true;
    /// A lease that cannot be asked for is held by somebody.
    LostLeaseIsHeld: LEASE: LeaseFlaw = LeaseFlaw::LostIsHeld;
    /// A renewal whose answer is lost is a lost lease.
    LostRenewalIsLost: LEASE: LeaseFlaw = LeaseFlaw::LostIsLost;
    /// An intent whose request is lost is acknowledged.
    LostIntentIsDone: LEASE: LeaseFlaw = LeaseFlaw::LostIsDone;
    /// A release that does not get through leaves a lease that never ends.
    LostReleaseStays: LEASE: LeaseFlaw = LeaseFlaw::LostStaysForEver;
    /// A renewal out of reach is a success.
    RenewsOutOfReach: LEASE: LeaseFlaw = LeaseFlaw::RenewsOutOfReach;
    /// A release out of reach is a success.
    ReleasesOutOfReach: LEASE: LeaseFlaw = LeaseFlaw::ReleasesOutOfReach;
    /// What remains of a lease goes by the wall clock alone.
    RemainsByWall: CLOCK: ClockFlaw = ClockFlaw::WallOnly;
    /// What remains of a lease goes by the monotonic clock alone.
    RemainsByMonotonic: CLOCK: ClockFlaw = ClockFlaw::MonotonicOnly;
    /// A clock that is set back takes both with it.
    FollowsBack: CLOCK: ClockFlaw = ClockFlaw::FollowsBack;
    /// A listing leaves damaged records out.
    DamageIsNotListed: DAMAGE_IS_NOT_LISTED: bool = true;
    /// Whoever waits goes by its wall clock.
    WaitsByWall: CLOCK: ClockFlaw = ClockFlaw::WaiterByWall;
}

/// A batch that is refused by the server has written its first record.
#[derive(Debug)]
pub(crate) struct BatchWritesFirst;

impl Flaws for BatchWritesFirst {
    const BATCH_WRITES_FIRST: bool = true;
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is at the other end: texts for records, bytes for leases.
#[derive(Debug, Default)]
pub(crate) struct Server {
    records: Mutex<BTreeMap<TokenKey, Vec<u8>>>,
    /// By the way it is reached: one for all, unless that is the flaw.
    leases: Mutex<BTreeMap<(bool, TokenKey), Vec<u8>>>,
    read_only: AtomicBool,
}

/// A change of one record: its key, what must be there, what is put there.
type Change = (TokenKey, Expected, Option<Vec<u8>>);

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Anything,
    Exactly(Option<Vec<u8>>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Carried {
    Done,
    Contended,
    ReadOnly,
}

impl Server {
    fn write(&self, changes: &[Change], torn: bool) -> Carried {
        let mut records = locked(&self.records);
        if self.read_only.load(Ordering::SeqCst) {
            if let (true, Some((key, _, new))) = (torn && changes.len() > 1, changes.first()) {
                put(&mut records, key, new);
            }
            return Carried::ReadOnly;
        }
        let holds = |(key, expected, _): &Change| match expected {
            Expected::Anything => true,
            Expected::Exactly(expected) => records.get(key) == expected.as_ref(),
        };
        if !changes.iter().all(holds) {
            return Carried::Contended;
        }
        changes.iter().for_each(|(key, _, new)| put(&mut records, key, new));
        Carried::Done
    }

    fn swap_lease(&self, key: &(bool, TokenKey), expected: Option<&[u8]>, new: Option<&[u8]>) -> bool {
        let mut leases = locked(&self.leases);
        if leases.get(key).map(Vec::as_slice) != expected {
            return false;
        }
        match new {
            Some(new) => drop(leases.insert(key.clone(), new.to_vec())),
            None => drop(leases.remove(key)),
        }
        true
    }
}

fn put(records: &mut BTreeMap<TokenKey, Vec<u8>>, key: &TokenKey, new: &Option<Vec<u8>>) {
    match new {
        Some(new) => drop(records.insert(key.clone(), new.clone())),
        None => drop(records.remove(key)),
    }
}

type HeldBack = Box<dyn Fn(&Server) + Send>;

/// The way of one handle to the server.
#[derive(Default)]
pub(crate) struct Way {
    planned: Mutex<Vec<(Requests, Mishap, Option<usize>)>>,
    held_back: Mutex<Vec<HeldBack>>,
    down: AtomicBool,
    struck: AtomicUsize,
}

/// The connection broke.
#[derive(Debug)]
struct Broke;

impl Way {
    fn mishap(&self, requests: Requests) -> Option<Mishap> {
        let mut planned = locked(&self.planned);
        let (_, mishap, count) = planned
            .iter_mut()
            .find(|(kind, _, count)| *kind == requests && *count != Some(0))?;
        if let Some(count) = count {
            *count -= 1;
        }
        self.struck.fetch_add(1, Ordering::SeqCst);
        Some(*mishap)
    }

    fn send<T>(
        &self,
        server: &Server,
        requests: Requests,
        request: impl Fn(&Server) -> T + Send + 'static,
    ) -> Result<T, Broke> {
        if self.down.load(Ordering::SeqCst) {
            self.struck.fetch_add(1, Ordering::SeqCst);
            return Err(Broke);
        }
        match self.mishap(requests) {
            None => Ok(request(server)),
            Some(Mishap::RequestLost) => Err(Broke),
            Some(Mishap::AnswerLost) => {
                request(server);
                Err(Broke)
            }
            Some(Mishap::Delayed) => {
                locked(&self.held_back).push(Box::new(move |server| drop(request(server))));
                Err(Broke)
            }
            Some(Mishap::Duplicated) => {
                let answer = request(server);
                locked(&self.held_back).push(Box::new(move |server| drop(request(server))));
                Ok(answer)
            }
        }
    }
}

struct Control(Arc<Way>, Arc<Server>);

#[async_trait]
impl Network for Control {
    fn plan(&self, requests: Requests, mishap: Mishap, count: Option<usize>) {
        let mut planned = locked(&self.0.planned);
        planned.retain(|(kind, _, _)| *kind != requests);
        planned.push((requests, mishap, count));
    }

    fn heal(&self) {
        locked(&self.0.planned).clear();
    }

    async fn deliver(&self) {
        for request in std::mem::take(&mut *locked(&self.0.held_back)) {
            request(&self.1);
            self.0.struck.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn struck(&self) -> usize {
        self.0.struck.load(Ordering::SeqCst)
    }
}

impl FaultInjector for Control {
    fn lose_next_answer(&self) {
        self.plan(Requests::Writes, Mishap::AnswerLost, Some(1));
    }

    fn lose_next_request(&self) {
        self.plan(Requests::Writes, Mishap::RequestLost, Some(1));
    }

    fn disconnect(&self) {
        self.0.down.store(true, Ordering::SeqCst);
    }

    fn reconnect(&self) {
        self.0.down.store(false, Ordering::SeqCst);
    }

    fn struck(&self) -> usize {
        Network::struck(self)
    }
}

/// The clocks of one handle.
#[derive(Debug, Default)]
struct Jumping {
    real: SystemClock,
    wall: AtomicI64,
    monotonic: AtomicU64,
    flaw: Option<ClockFlaw>,
}

impl Jumping {
    fn real_wall(&self) -> Duration {
        let by = self.wall.load(Ordering::SeqCst);
        let leap = Duration::from_millis(by.unsigned_abs());
        if by < 0 {
            self.real.wall().saturating_sub(leap)
        } else {
            self.real.wall() + leap
        }
    }

    fn real_monotonic(&self) -> Duration {
        self.real.monotonic() + Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

impl Clock for Jumping {
    fn monotonic(&self) -> Duration {
        match self.flaw {
            Some(ClockFlaw::WallOnly | ClockFlaw::WaiterByWall) => self.real_wall(),
            Some(ClockFlaw::FollowsBack) => {
                let by = self.wall.load(Ordering::SeqCst).min(0);
                self.real_monotonic()
                    .saturating_sub(Duration::from_millis(by.unsigned_abs()))
            }
            _ => self.real_monotonic(),
        }
    }

    fn wall(&self) -> Duration {
        match self.flaw {
            Some(ClockFlaw::MonotonicOnly) => self.real_monotonic(),
            _ => self.real_wall(),
        }
    }
}

struct JumpingClocks(Arc<Jumping>);

impl Clocks for JumpingClocks {
    fn set_wall(&self, by_milliseconds: i64) {
        self.0.wall.fetch_add(by_milliseconds, Ordering::SeqCst);
    }

    fn leap_monotonic(&self, by_milliseconds: u64) {
        self.0.monotonic.fetch_add(by_milliseconds, Ordering::SeqCst);
    }
}

const TTL: Duration = Duration::from_millis(700);
const TRIES: usize = 3;

fn broke(operation: Operation) -> Error {
    Error::new(ErrorKind::Unavailable, "the connection broke").with_operation(operation)
}

/// The client.
struct Client<F> {
    server: Arc<Server>,
    way: Arc<Way>,
    otherwise: bool,
    leases: TimedLeases,
    cache: Mutex<BTreeMap<TokenKey, Vec<u8>>>,
    flaws: PhantomData<fn() -> F>,
}

impl<F> std::fmt::Debug for Client<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

const LIMITS: Limits = MemoryStorage::LIMITS;

impl<F: Flaws> Client<F> {
    fn open(server: &Arc<Server>, otherwise: bool, clock: Arc<Jumping>) -> (Arc<dyn TokenStorage>, Control) {
        let (server, way) = (Arc::clone(server), Arc::<Way>::default());
        let store = Store::<F> {
            server: Arc::clone(&server),
            way: Arc::clone(&way),
            other: otherwise && F::WAYS_HAVE_LEASES,
            flaws: PhantomData,
        };
        let client = Self {
            leases: TimedLeases::with_clock(Arc::new(store), TTL, clock),
            server: Arc::clone(&server),
            way: Arc::clone(&way),
            otherwise,
            cache: Mutex::default(),
            flaws: PhantomData,
        };
        (Arc::new(client), Control(way, server))
    }

    fn bytes(&self, key: &TokenKey, operation: Operation) -> Result<Option<Vec<u8>>> {
        if let (true, Some(known)) = (F::WAYS_HAVE_CACHES && self.otherwise, locked(&self.cache).get(key)) {
            return Ok(Some(known.clone()));
        }
        for _ in 0..TRIES {
            let wanted = key.clone();
            let read = self.way.send(&self.server, Requests::Reads, move |server| {
                let records = locked(&server.records);
                let damaged = F::DAMAGE_HIDES_OTHERS && records.values().any(|bytes| decode(bytes).is_err());
                (records.get(&wanted).cloned(), damaged)
            });
            match read {
                Ok((_, true)) => return Err(damage::<F>(key, operation, b"")),
                Ok((bytes, false)) => {
                    if let (true, Some(bytes)) = (F::WAYS_HAVE_CACHES, &bytes) {
                        locked(&self.cache).insert(key.clone(), bytes.clone());
                    }
                    return Ok(bytes);
                }
                Err(Broke) if F::LOST_READ_IS_ABSENT => return Ok(None),
                Err(Broke) => {}
            }
        }
        Err(broke(operation).with_key(key))
    }

    /// What is there is as the precondition says.
    fn check(&self, key: &TokenKey, there: &Option<Vec<u8>>, precondition: Precondition, op: Operation) -> Result<()> {
        let Some(bytes) = there else {
            return match precondition.holds(None) {
                true => Ok(()),
                false => Err(Error::precondition_failed(key.clone(), None).with_operation(op)),
            };
        };
        match read::<F>(key, bytes, op) {
            Err(error) if precondition == Precondition::None && !F::DAMAGE_STAYS => drop(error),
            Err(error) if F::DAMAGE_IS_CONFLICT && precondition != Precondition::None => {
                drop(error);
                return Err(Error::precondition_failed(key.clone(), None).with_operation(op));
            }
            Err(error) => return Err(error),
            Ok(stored) => {
                let revision = stored.map(|stored| stored.revision);
                if !precondition.holds(revision) {
                    return Err(Error::precondition_failed(key.clone(), revision).with_operation(op));
                }
            }
        }
        Ok(())
    }

    /// Every write is conditional on what was read, so that whatever comes late changes nothing.
    fn write(&self, wanted: &[(TokenKey, Precondition, Option<Vec<u8>>)], op: Operation) -> Result<Vec<bool>> {
        let mut sent = false;
        for _ in 0..TRIES * 2 {
            let mut there = Vec::new();
            for (key, _, _) in wanted {
                there.push(
                    self.bytes(key, op)
                        .map_err(|error| if sent { error.with_unknown_outcome() } else { error })?,
                );
            }
            if sent && !F::FORGETS_ITS_MARK {
                let ours = wanted.iter().zip(&there).all(|((_, _, new), there)| new == there);
                if ours
                    && wanted
                        .iter()
                        .any(|(_, precondition, new)| new.is_none() && *precondition != Precondition::None)
                {
                    return Err(broke(op).with_unknown_outcome());
                }
                if ours || F::ANY_RECORD_IS_OURS {
                    return Ok(vec![true; wanted.len()]);
                }
            }
            let mut changes = Vec::new();
            for ((key, precondition, new), there) in wanted.iter().zip(there) {
                if let Err(error) = self.check(key, &there, *precondition, op) {
                    // It travels, too.
                    if F::LOST_REFUSAL_IS_DONE
                        && self.way.send(&self.server, Requests::Writes, |_: &Server| ()).is_err()
                    {
                        return Ok(vec![true; wanted.len()]);
                    }
                    return Err(error);
                }
                changes.push((key.clone(), Expected::Exactly(there), new.clone()));
            }
            let was_there = changes
                .iter()
                .map(|(_, there, _)| *there != Expected::Exactly(None))
                .collect();
            for (change, (_, precondition, new)) in changes.iter_mut().zip(wanted) {
                let blind = if new.is_some() {
                    F::UNCONDITIONAL
                } else {
                    F::UNCONDITIONAL_REMOVE
                };
                if blind && *precondition == Precondition::None || F::WAYS_RACE && self.otherwise {
                    change.1 = Expected::Anything;
                }
            }
            if F::WAYS_RACE && !changes.is_empty() && self.otherwise {
                // A whole copy of what it has read is put back, as a file would be.
                let copy = locked(&self.server.records).clone();
                std::thread::sleep(Duration::from_millis(2));
                *locked(&self.server.records) = copy;
            }
            let send = || {
                let changes = changes.clone();
                let request = move |server: &Server| server.write(&changes, F::BATCH_WRITES_FIRST);
                self.way.send(&self.server, Requests::Writes, request)
            };
            let mut carried = send();
            // Again and again, and then it gives up without looking.
            if F::DENIES_ALL_LOST && carried.is_err() {
                carried = send().or_else(|Broke| send());
                if carried.is_err() {
                    return Err(broke(op));
                }
                sent = true;
            }
            match carried {
                Ok(Carried::Done) => return Ok(was_there),
                Ok(Carried::ReadOnly) if F::REFUSED_IS_DONE => return Ok(was_there),
                Ok(Carried::ReadOnly) if F::REFUSED_IS_CONFLICT => {
                    return Err(Error::precondition_failed(wanted[0].0.clone(), None).with_operation(op));
                }
                Ok(Carried::ReadOnly) => return Err(read_only(op)),
                Ok(Carried::Contended) => {}
                Err(Broke) if F::LOST_IS_DONE => return Ok(was_there),
                Err(Broke) => sent = true,
            }
        }
        let error = broke(op);
        Err(if sent { error.with_unknown_outcome() } else { error })
    }

    fn store_many(&self, writes: &[Write<'_>], operation: Operation) -> Result<Vec<Revision>> {
        let (mut wanted, mut revisions) = (Vec::new(), Vec::new());
        for write in writes {
            let mark = WriteMark::random()?;
            let text = record::encode(write.data, &mark);
            wanted.push((write.key.clone(), write.precondition, Some(text.as_bytes().to_vec())));
            revisions.push(record::revision_of(write.data, Some(&mark)));
        }
        let sizes: Vec<usize> = wanted
            .iter()
            .map(|(_, _, text)| text.as_ref().map_or(0, Vec::len))
            .collect();
        LIMITS
            .check_batch(writes, &sizes)
            .map_err(|error| error.with_operation(operation))?;
        if !wanted.is_empty() {
            self.write(&wanted, operation)?;
        }
        Ok(revisions)
    }
}

fn read_only(operation: Operation) -> Error {
    Error::new(ErrorKind::PermissionDenied, "the server refuses writes").with_operation(operation)
}

fn decode(bytes: &[u8]) -> Result<record::Record, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    record::decode(text).map_err(|error| error.to_string())
}

fn damage<F: Flaws>(key: &TokenKey, operation: Operation, bytes: &[u8]) -> Error {
    let kind = if F::DAMAGE_IS_UNAVAILABLE {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Corrupt
    };
    let quoted = if F::DAMAGE_IS_QUOTED {
        String::from_utf8_lossy(bytes)
    } else {
        "".into()
    };
    Error::new(kind, format!("the record is damaged{quoted}"))
        .with_operation(operation)
        .with_key(key)
}

fn read<F: Flaws>(key: &TokenKey, bytes: &[u8], operation: Operation) -> Result<Option<StoredToken>> {
    match decode(bytes) {
        Ok(record) => Ok(Some(StoredToken {
            data: record.data,
            revision: record.revision,
        })),
        Err(_) if F::DAMAGE_IS_ABSENT => Ok(None),
        Err(why) if F::DAMAGE_IS_EMPTY && why.contains("missing") => Ok(Some(StoredToken {
            data: TokenData::new("", "", ""),
            revision: Revision::from_bytes(b"empty")?,
        })),
        Err(_) => Err(damage::<F>(key, operation, bytes)),
    }
}

#[async_trait]
impl<F: Flaws> TokenStorage for Client<F> {
    async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
        match self.bytes(key, Operation::Get)? {
            Some(bytes) => read::<F>(key, &bytes, Operation::Get),
            None => Ok(None),
        }
    }

    async fn store(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
        Ok(self.store_many(&[Write::new(key, data, precondition)], Operation::Store)?[0])
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        self.store_many(writes, Operation::StoreAll)
    }

    async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
        LIMITS.check_key(key).during(Operation::Remove)?;
        if F::DAMAGE_IS_NOT_REMOVED {
            let there = self.bytes(key, Operation::Remove)?;
            if there.is_some_and(|bytes| decode(&bytes).is_err()) && precondition == Precondition::None {
                return Ok(false);
            }
        }
        Ok(self.write(&[(key.clone(), precondition, None)], Operation::Remove)?[0])
    }

    fn describe(&self) -> StorageInfo {
        StorageInfo::new("wire", "a server in this process", LIMITS)
            .with_enumeration()
            .with_lease(self.leases.kind())
    }

    fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
        Some(Box::new(self))
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        Some(Box::new(self.leases.clone()))
    }
}

const PAGE: usize = 64;

impl<F: Flaws> Client<F> {
    fn keys(&self) -> Result<Vec<TokenKey>> {
        let listed = self.way.send(&self.server, Requests::Reads, |server| {
            let records = locked(&server.records);
            let damaged = F::DAMAGE_FAILS_LISTING && records.values().any(|bytes| decode(bytes).is_err());
            let listed = |bytes: &[u8]| !F::DAMAGE_IS_NOT_LISTED || decode(bytes).is_ok();
            let keys = records
                .iter()
                .filter(|(_, bytes)| listed(bytes))
                .map(|(key, _)| key.clone());
            (keys.collect(), damaged)
        });
        match listed {
            Ok((_, true)) => Err(Error::new(ErrorKind::Corrupt, "a record is damaged").with_operation(Operation::List)),
            Ok((keys, false)) => Ok(keys),
            Err(Broke) => Err(broke(Operation::List)),
        }
    }
}

#[async_trait]
impl<F: Flaws> Enumerate for &Client<F> {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let keys = self.keys()?.into_iter().filter(|key| key.namespace() == namespace);
        Ok(Page::after(keys, after, PAGE, TokenKey::resource_server))
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        let mut namespaces: Vec<String> = self.keys()?.iter().map(|key| key.namespace().to_owned()).collect();
        namespaces.dedup();
        Ok(Page::after(namespaces.into_iter(), after, PAGE, String::as_str))
    }
}

/// The three requests that the kit asks for.
struct Store<F> {
    server: Arc<Server>,
    way: Arc<Way>,
    other: bool,
    flaws: PhantomData<fn() -> F>,
}

impl<F> std::fmt::Debug for Store<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl<F: Flaws> Store<F> {
    fn swap(&self, key: &TokenKey, expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let id = (self.other, key.clone());
        let (expected, new) = (expected.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec));
        let (changes, releases) = (expected.is_some(), new.is_none());
        let swapped = self.way.send(&self.server, Requests::Leases, move |server| {
            server.swap_lease(&id, expected.as_deref(), new.as_deref())
        });
        let down = self.way.down.load(Ordering::SeqCst);
        match (swapped, F::LEASE) {
            (Ok(done), _) => Ok(done),
            (Err(Broke), LeaseFlaw::LostIsHeld) => Ok(false),
            (Err(Broke), LeaseFlaw::LostIsDone) if changes => Ok(true),
            (Err(Broke), LeaseFlaw::RenewsOutOfReach) if down && changes && !releases => Ok(true),
            (Err(Broke), LeaseFlaw::ReleasesOutOfReach) if down && releases => Ok(true),
            (Err(Broke), LeaseFlaw::LostStaysForEver) if releases => {
                let forever = [&[1, 1][..], &u64::MAX.to_be_bytes(), &[7; 16]].concat();
                locked(&self.server.leases).insert((self.other, key.clone()), forever);
                Err(broke(Operation::Lease).with_unknown_outcome())
            }
            (Err(Broke), LeaseFlaw::LostIsLost) if changes && !releases => {
                Err(Error::new(ErrorKind::LeaseLost, "another holder must have it").with_operation(Operation::Lease))
            }
            (Err(Broke), _) => Err(broke(Operation::Lease).with_unknown_outcome()),
        }
    }
}

#[async_trait]
impl<F: Flaws> LeaseStore for Store<F> {
    async fn get(&self, key: &TokenKey) -> Result<Option<Vec<u8>>> {
        let id = (self.other, key.clone());
        let read = self.way.send(&self.server, Requests::Leases, move |server| {
            locked(&server.leases).get(&id).cloned()
        });
        match read {
            Ok(value) => Ok(value),
            // Held, for all that is known.
            Err(Broke) if F::LEASE == LeaseFlaw::LostIsHeld => {
                Ok(Some([&[1, 1][..], &60_000_u64.to_be_bytes(), &[7; 16]].concat()))
            }
            Err(Broke) => Err(broke(Operation::Lease)),
        }
    }

    async fn put_if(&self, key: &TokenKey, expected: Option<&[u8]>, value: &[u8]) -> Result<bool> {
        self.swap(key, expected, Some(value))
    }

    async fn delete_if(&self, key: &TokenKey, expected: &[u8]) -> Result<bool> {
        self.swap(key, Some(expected), None)
    }

    async fn prove_writable(&self, _: &TokenKey) -> Result<()> {
        if !F::PROOF_ASKS {
            return Ok(());
        }
        let requests = if F::PROOF_READS {
            Requests::Reads
        } else {
            Requests::Writes
        };
        let refused = self.way.send(&self.server, requests, |server| {
            !F::PROOF_READS && server.read_only.load(Ordering::SeqCst)
        });
        match refused {
            Ok(false) => Ok(()),
            Ok(true) => Err(read_only(Operation::Lease)),
            Err(Broke) => Err(broke(Operation::Lease)),
        }
    }
}

/// Opens them.
pub(crate) struct Wired<F>(PhantomData<fn() -> F>);

impl<F> Wired<F> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

fn clock<F: Flaws>() -> Arc<Jumping> {
    let flaw = (F::CLOCK != ClockFlaw::Both).then_some(F::CLOCK);
    Arc::new(Jumping {
        flaw,
        ..Jumping::default()
    })
}

#[async_trait]
impl<F: Flaws> Harness for Wired<F> {
    type Place = Arc<Server>;

    async fn fresh(&self) -> Result<Arc<Server>> {
        Ok(Arc::default())
    }

    async fn reopen(&self, place: &Arc<Server>) -> Result<Arc<dyn TokenStorage>> {
        Ok(Client::<F>::open(place, false, clock::<F>()).0)
    }
}

#[async_trait]
impl<F: Flaws> Unreliable for Wired<F> {
    async fn reopen_unreliable(&self, place: &Arc<Server>) -> Result<(Arc<dyn TokenStorage>, Box<dyn Network>)> {
        let (storage, control) = Client::<F>::open(place, false, clock::<F>());
        Ok((storage, Box::new(control)))
    }
}

#[async_trait]
impl<F: Flaws> FaultInjecting for Wired<F> {
    async fn reopen_faulty(&self, place: &Arc<Server>) -> Result<(Arc<dyn TokenStorage>, Box<dyn FaultInjector>)> {
        let (storage, control) = Client::<F>::open(place, false, clock::<F>());
        Ok((storage, Box::new(control)))
    }
}

#[async_trait]
impl<F: Flaws> RecordDamaging for Wired<F> {
    async fn overwrite(&self, place: &Arc<Server>, key: &TokenKey, bytes: &[u8]) -> Result<()> {
        locked(&place.records).insert(key.clone(), bytes.to_vec());
        Ok(())
    }
}

#[async_trait]
impl<F: Flaws> WriteRefusing for Wired<F> {
    async fn refuse_writes(&self, place: &Arc<Server>, refuse: bool) -> Result<(), String> {
        place.read_only.store(refuse, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl<F: Flaws> SecondWay for Wired<F> {
    async fn reopen_otherwise(&self, place: &Arc<Server>) -> Result<Arc<dyn TokenStorage>> {
        Ok(Client::<F>::open(place, true, clock::<F>()).0)
    }

    fn ways(&self, _: &Arc<Server>) -> [String; 2] {
        ["one", "other"].map(str::to_owned)
    }
}

#[async_trait]
impl<F: Flaws> ClockJumping for Wired<F> {
    async fn reopen_jumping(&self, place: &Arc<Server>) -> Result<(Arc<dyn TokenStorage>, Box<dyn Clocks>)> {
        let clock = clock::<F>();
        let storage = Client::<F>::open(place, false, Arc::clone(&clock)).0;
        Ok((storage, Box::new(JumpingClocks(clock))))
    }
}

/// The suite over a client, everything declared that the correct one has.
pub(crate) fn suite<F: Flaws>(name: &str) -> Suite<Wired<F>> {
    Suite::new(name, Wired::<F>::new())
        .enumerates()
        .timed_leases()
        .faults()
        .unreliable()
        .damaged_records()
        .refused_writes()
        .second_way()
        .jumping_clocks()
}
