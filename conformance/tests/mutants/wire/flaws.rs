//! What can be wrong with the client.

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
