//! What can be wrong with the client.

use crate::{Mutant, registry::wire};

pub(crate) fn mutants() -> Vec<Mutant> {
    const ALL_LOST: &str = "network::a_write_whose_answers_are_all_lost_may_have_happened";
    const FIRST_LOST: &str = "network::a_write_whose_answers_are_lost_at_first_is_no_conflict";
    const REFUSAL_LOST: &str = "network::a_refusal_whose_answer_is_lost_is_no_success";
    const REQUESTS_LOST: &str = "network::a_write_whose_requests_are_lost_is_not_acknowledged";
    const LATE: &str = "network::a_late_request_undoes_no_newer_write";
    const DUPLICATE: &str = "network::a_duplicate_undoes_no_newer_write";
    const REFUSED: &str = "refusals::a_refused_write_changes_nothing";
    const PROOF: &str = "refusals::what_refuses_writes_is_not_proven_writable";
    const CORRUPT: &str = "damage::a_damaged_record_is_corrupt_and_not_absent";
    const OTHERS: &str = "damage::a_damaged_record_hides_no_other";
    const REPLACED: &str = "damage::a_damaged_record_can_be_replaced";
    const OUT_OF_REACH: &str = "faults::a_guard_out_of_reach_promises_nothing";
    const JUMPS: &str = "lease::a_clock_that_jumps_leaves_nothing_of_a_lease";
    vec![
        wire::<SendsStoresUnconditionally>("a late store undoes a newer one", LATE),
        wire::<SendsRemovesUnconditionally>("a duplicate of a remove removes a newer record", DUPLICATE),
        wire::<ForgetsItsMark>("forgets its mark when an answer is lost", FIRST_LOST),
        wire::<DeniesAllLost>("certainly not written, says who heard nothing", ALL_LOST),
        wire::<LostRefusalIsDone>("a refusal that is lost is a success", REFUSAL_LOST),
        wire::<LostIsDone>("a request that is lost is a success", REQUESTS_LOST),
        wire::<AnyRecordIsOurs>("any record is its own", REQUESTS_LOST),
        wire::<LostReadIsAbsent>(
            "a lost answer is no record",
            "network::a_read_whose_answer_is_lost_is_not_absent",
        ),
        wire::<RefusedIsDone>("acknowledges what is refused", REFUSED),
        wire::<RefusedIsConflict>("a refused write is a conflict", REFUSED),
        wire::<BatchWritesFirst>("a refused batch writes its first record", REFUSED),
        wire::<ProvesNothing>("the proof proves nothing", PROOF),
        wire::<ProvesReading>("the proof proves reading", PROOF),
        wire::<DamageIsAbsent>("a damaged record is absent", CORRUPT),
        wire::<DamageIsEmpty>("a record without a token is an empty one", CORRUPT),
        wire::<DamageIsUnavailable>("a damaged record is out of reach", CORRUPT),
        wire::<DamageIsQuoted>(
            "a damaged record is quoted",
            "damage::errors_of_damaged_records_show_no_token",
        ),
        wire::<DamageHidesOthers>("a damaged record hides others", OTHERS),
        wire::<DamageFailsListing>("a damaged record fails the listing", OTHERS),
        wire::<DamageIsNotListed>("a damaged record is not listed", OTHERS),
        wire::<DamageIsNotShown>("a damaged record is listed and not shown", OTHERS),
        wire::<DamageIsConflict>(
            "a damaged record is a conflict",
            "damage::a_damaged_record_has_no_revision_to_compare",
        ),
        wire::<DamageStays>("a damaged record stays for ever", REPLACED),
        wire::<DamageIsNotRemoved>("a damaged record was not there", REPLACED),
        wire::<WaysHaveCaches>(
            "each way has a cache",
            "handles::a_second_way_leads_to_the_same_records",
        ),
        wire::<WaysRace>("two ways race", "handles::writers_on_two_ways_lose_nothing"),
        wire::<WaysHaveLeases>("each way has leases", "lease::a_second_way_leads_to_the_same_leases"),
        wire::<LostLeaseIsHeld>(
            "a lease that cannot be asked for is held",
            "network::a_lease_whose_answer_is_lost_can_be_had_in_the_end",
        ),
        wire::<LostRenewalIsLost>(
            "a lost answer is a lost lease",
            "network::a_holder_whose_answers_are_lost_is_still_the_holder",
        ),
        wire::<LostIntentIsDone>(
            "an intent that got lost is recorded",
            "network::an_intent_that_was_acknowledged_is_there",
        ),
        wire::<LostReleaseStays>(
            "a release that got lost never ends",
            "network::a_release_whose_answer_is_lost_frees_it_in_the_end",
        ),
        wire::<RenewsOutOfReach>("renews out of reach", OUT_OF_REACH),
        wire::<ReleasesOutOfReach>("releases out of reach", OUT_OF_REACH),
        wire::<RemainsByWall>("what remains goes by the wall clock", JUMPS),
        wire::<RemainsByMonotonic>("what remains goes by the monotonic clock", JUMPS),
        wire::<FollowsBack>(
            "what remains grows when the wall clock is set back",
            "lease::a_wall_clock_that_is_set_back_gives_no_time",
        ),
        wire::<WaitsByWall>(
            "waits by the wall clock",
            "lease::a_waiters_wall_clock_takes_nothing_over",
        ),
    ]
}

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
    /// Whether what is shown of many records at once leaves damaged ones out.
    const DAMAGE_IS_NOT_SHOWN: bool = false;
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
    /// Its key is there, but not what is shown of it.
    DamageIsNotShown: DAMAGE_IS_NOT_SHOWN: bool = true;
    /// Whoever waits goes by its wall clock.
    WaitsByWall: CLOCK: ClockFlaw = ClockFlaw::WaiterByWall;
}

/// A batch that is refused by the server has written its first record.
#[derive(Debug)]
pub(crate) struct BatchWritesFirst;

impl Flaws for BatchWritesFirst {
    const BATCH_WRITES_FIRST: bool = true;
}
