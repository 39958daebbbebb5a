//! What can be wrong with a lease.

use std::time::Duration;

use crate::{Mutant, registry::timed};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        timed::<NeverExpires>(
            "the lease never expires",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<ExpiresEarly>(
            "the lease expires early",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<NotExclusive>("the lease is everybody's", "lease::one_holder_at_a_time"),
        timed::<StrangerReleases>(
            "a stranger's release frees the lease",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<ReleaseDoesNothing>("a release does nothing", "lease::a_released_lease_is_free"),
        timed::<StrangerRenews>("a stranger renews", "lease::a_timed_one_is_taken_over_after_its_time"),
        timed::<RenewDoesNothing>("renewing does nothing", "lease::renewing_keeps_a_timed_one"),
        timed::<ForgetsIntent>("forgets the intent", "lease::an_intent_is_found_by_the_next_holder"),
        timed::<KeepsClearedIntent>("keeps a cleared intent", "lease::a_cleared_intent_is_gone"),
        timed::<ReleaseDropsIntent>(
            "a release drops the intent",
            "lease::an_intent_is_found_by_the_next_holder",
        ),
        timed::<StrangerRecordsIntent>(
            "a stranger records its intent",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<RemainingStandsStill>(
            "the lease is always young",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<MixesKeys>("mixes the intents of keys", "lease::an_intent_belongs_to_its_key"),
        timed::<LeasesPerHandle>("leases of each handle", "lease::one_holder_at_a_time"),
        timed::<IgnoresRenewals>("ignores renewals", "lease::renewing_keeps_a_timed_one"),
        timed::<StrangerClears>(
            "a stranger clears the intent",
            "lease::a_lost_holder_leaves_its_successor_alone",
        ),
        timed::<DropFreesSuccessor>(
            "dropping a lost guard frees the lease",
            "lease::a_lost_holder_leaves_its_successor_alone",
        ),
        timed::<RenewsWhenFree>("a lost lease comes back", "lease::a_lost_one_stays_lost"),
        timed::<TakeOverIsUnseen>("two waiters take over", "lease::of_two_waiters_one_takes_over"),
        timed::<HandlesHold>("handles hold leases", "lease::acquired_again_it_is_another_one"),
        timed::<RenewingCountsForNothing>("renewing counts for nothing", "lease::what_remains_counts_down"),
        timed::<SeemsLonger>("a lease seems longer than it is", "lease::what_remains_counts_down"),
        timed::<TakenOverLate>("a lease is taken over late", "lease::a_timed_one_is_taken_over_in_time"),
        timed::<ForgetsMarks>(
            "each value of the leases forgets the marks",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<EndedEarly>("a server ends leases early", "lease::what_remains_counts_down"),
        timed::<MarkedByHolder>(
            "the mark is the holder's name",
            "lease::one_that_was_given_back_is_watched_anew",
        ),
        timed::<RemembersOne>("a waiter remembers one mark", "lease::several_are_watched_at_once"),
        timed::<IntentCounts>(
            "an intent is a renewal for its holder alone",
            "lease::nothing_remains_of_what_another_has",
        ),
        timed::<RenewalsAddUp>("renewals add up", "lease::what_remains_counts_down"),
        timed::<TakeOverForgetsIntent>(
            "a take-over forgets the intent",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<CountsFromTheAnswer>(
            "counts from the answer, without a margin",
            "lease::nothing_remains_of_what_another_has",
        ),
        timed::<TrustsWallClocks>("trusts wall clocks", "lease::wall_clocks_that_disagree_change_nothing"),
    ]
}

/// What is wrong with a lease.
pub(crate) trait Rules: Clone + std::fmt::Debug + Default + Send + Sync + 'static {
    const TTL: Duration = Duration::from_millis(300);
    /// After how long of standing still a waiter takes a lease over.
    const TAKEN_OVER_AFTER: Option<Duration> = Some(Self::TTL);
    const EXCLUSIVE: bool = true;
    /// Whether only the holder can release.
    const RELEASE_CHECKS_HOLDER: bool = true;
    const RELEASE_FREES: bool = true;
    const RENEW_CHECKS_HOLDER: bool = true;
    const RENEW_RENEWS: bool = true;
    const INTENT_IS_KEPT: bool = true;
    const INTENT_IS_CLEARED: bool = true;
    const RELEASE_KEEPS_INTENT: bool = true;
    const INTENT_CHECKS_HOLDER: bool = true;
    const REMAINING_COUNTS: bool = true;
    const PER_KEY: bool = true;
    /// Whether what a handle has leased is leased for the others.
    const SHARED: bool = true;
    /// Whether observing starts anew when the mark moves.
    const WATCHES_MARK: bool = true;
    /// Whether clearing an intent is the holder's only.
    const CLEAR_CHECKS_HOLDER: bool = true;
    /// Whether dropping a guard frees the lease, whoever has it.
    const DROP_FREES: bool = false;
    /// Whether a lost lease can be renewed while nobody has it.
    const RENEWS_WHEN_FREE: bool = false;
    /// Whether a take-over moves the mark.
    const TAKE_OVER_MOVES_MARK: bool = true;
    /// Whether a holder is a handle, and not an acquisition.
    const HANDLES_HOLD: bool = false;
    /// Whether renewing starts what remains anew.
    const RENEWING_COUNTS: bool = true;
    /// By how much more than its time to live a lease seems to remain.
    const SEEMS_LONGER_BY: Duration = Duration::ZERO;
    /// Whether the handle remembers what it has seen of marks, and not only the value that it gives out.
    const REMEMBERS: bool = true;
    /// The part of the time to live, in percent, after which a server that ends leases does so.
    const ENDS_AFTER: u32 = 100;
    /// Whether a server ends leases by its own clock, whoever watches.
    const SERVER_ENDS: bool = false;
    /// The part of the time to live that a holder does without.
    const MARGIN: Duration = Duration::ZERO;
    /// Whether a holder's mark is its name, and not new each time.
    const MARKED_BY_HOLDER: bool = false;
    /// Whether a waiter remembers the mark of the last lease alone.
    const REMEMBERS_ONE: bool = false;
    /// Whether recording an intent gives its holder more time, and no other knows.
    const INTENT_COUNTS: bool = false;
    /// Whether a renewal gives a time to live more than there was.
    const RENEWALS_ADD_UP: bool = false;
    /// Whether what a holder has recorded is there for who takes over.
    const TAKE_OVER_KEEPS_INTENT: bool = true;
    /// How long the answer to the acquisition of a free lease is on its way, which its holder does not count.
    const ANSWERS_AFTER: Duration = Duration::ZERO;
    /// Whether a lease that is over by the holder's wall clock is taken over by the waiter's.
    const TRUSTS_WALL_CLOCKS: bool = false;
}

/// Every rule is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Correct;

impl Rules for Correct {}

/// As `SET key token NX PX ttl` has it: the server ends the lease, by its clock, from when it carried the request out. The
/// holder counts from before it was sent, with a margin.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndedByServer;

impl Rules for EndedByServer {
    const TTL: Duration = Duration::from_millis(500);
    const TAKEN_OVER_AFTER: Option<Duration> = None;
    const SERVER_ENDS: bool = true;
    const MARGIN: Duration = Duration::from_millis(50);
}

/// A server that ends a lease when half of its time to live has passed.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndedEarly;

impl Rules for EndedEarly {
    const TTL: Duration = Duration::from_millis(600);
    const TAKEN_OVER_AFTER: Option<Duration> = None;
    const SERVER_ENDS: bool = true;
    const ENDS_AFTER: u32 = 50;
    const MARGIN: Duration = Duration::from_millis(50);
}

/// A server that ends leases, and a holder that counts from when it heard of having one, to the last moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountsFromTheAnswer;

impl Rules for CountsFromTheAnswer {
    const TTL: Duration = Duration::from_millis(500);
    const TAKEN_OVER_AFTER: Option<Duration> = None;
    const SERVER_ENDS: bool = true;
    const ANSWERS_AFTER: Duration = Duration::from_millis(150);
}

/// A waiter takes over only long after the time to live.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakenOverLate;

impl Rules for TakenOverLate {
    const TAKEN_OVER_AFTER: Option<Duration> = Some(Duration::from_secs(4));
}

macro_rules! lease_flaw {
    ($($(#[$meta:meta])* $name:ident: $constant:ident: $type:ty = $value:expr;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default)]
            pub(crate) struct $name;

            impl Rules for $name {
                const $constant: $type = $value;
            }
        )*
    };
}

lease_flaw! {
    /// A lease whose holder is gone is never freed.
    NeverExpires: TAKEN_OVER_AFTER: Option<Duration> = None;
    /// Everybody gets it.
    NotExclusive: EXCLUSIVE: bool = false;
    /// A release by a holder that has lost the lease frees it under its successor.
    StrangerReleases: RELEASE_CHECKS_HOLDER: bool = false;
    /// A release does nothing: the lease must run out.
    ReleaseDoesNothing: RELEASE_FREES: bool = false;
    /// A holder that has lost the lease renews it.
    StrangerRenews: RENEW_CHECKS_HOLDER: bool = false;
    /// Renewing moves no mark, so that waiters take over.
    RenewDoesNothing: RENEW_RENEWS: bool = false;
    /// The intent is gone with its holder.
    ForgetsIntent: INTENT_IS_KEPT: bool = false;
    /// A cleared intent is still there for the next holder.
    KeepsClearedIntent: INTENT_IS_CLEARED: bool = false;
    /// An orderly release takes the intent along.
    ReleaseDropsIntent: RELEASE_KEEPS_INTENT: bool = false;
    /// A holder that has lost the lease overwrites its successor's intent.
    StrangerRecordsIntent: INTENT_CHECKS_HOLDER: bool = false;
    /// The lease always seems to be young.
    RemainingStandsStill: REMAINING_COUNTS: bool = false;
    /// One intent for all keys.
    MixesKeys: PER_KEY: bool = false;
    /// Each handle has leases of its own.
    LeasesPerHandle: SHARED: bool = false;
    /// A waiter counts from when it first looked, although the holder has renewed since.
    IgnoresRenewals: WATCHES_MARK: bool = false;
    /// A holder that has lost the lease clears its successor's intent.
    StrangerClears: CLEAR_CHECKS_HOLDER: bool = false;
    /// Dropping a lost guard frees the lease of its successor.
    DropFreesSuccessor: DROP_FREES: bool = true;
    /// A lost lease comes back when its successor has gone.
    RenewsWhenFree: RENEWS_WHEN_FREE: bool = true;
    /// A second waiter does not see that the first one was faster.
    TakeOverIsUnseen: TAKE_OVER_MOVES_MARK: bool = false;
    /// What a handle has acquired again its older guards hold, too.
    HandlesHold: HANDLES_HOLD: bool = true;
    /// What remains is not more after a renewal.
    RenewingCountsForNothing: RENEWING_COUNTS: bool = false;
    /// A lease seems to remain for longer than its time to live.
    SeemsLonger: SEEMS_LONGER_BY: Duration = Duration::from_millis(120);
    /// Each value that stands for the leases sees all marks for the first time.
    ForgetsMarks: REMEMBERS: bool = false;
    /// Who acquires again has the mark that it had before.
    MarkedByHolder: MARKED_BY_HOLDER: bool = true;
    /// Who waits for two leases never takes one over.
    RemembersOne: REMEMBERS_ONE: bool = true;
    /// The holder reckons with more time when it has recorded an intent.
    IntentCounts: INTENT_COUNTS: bool = true;
    /// Two renewals are twice the time.
    RenewalsAddUp: RENEWALS_ADD_UP: bool = true;
    /// The successor writes the entry anew.
    TakeOverForgetsIntent: TAKE_OVER_KEEPS_INTENT: bool = false;
    /// Machines' clocks must agree, or a lease is taken over while it is held.
    TrustsWallClocks: TRUSTS_WALL_CLOCKS: bool = true;
}

/// A lease is taken over while its holder may still use it: so early that no busy machine hides it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpiresEarly;

impl Rules for ExpiresEarly {
    const TTL: Duration = Duration::from_secs(10);
    const TAKEN_OVER_AFTER: Option<Duration> = Some(Duration::from_millis(40));
}
