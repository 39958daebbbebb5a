//! Every mutant, with the case that is meant for it.

use token_storage_conformance::Plan;

use crate::{
    Mutant, atomicity as a, capabilities as c, disk as d, dropped as y, dropped_leases as dl, file_leases as l, files,
    flaw::{self, Flaw, flaw},
    held as h, in_flight as i, keys as k, records as r, remote as n, revisions as v, secrets as s, shared as p,
    shared_writes as pw, stopped as st,
    timed::{self as t, Timed},
    wire as w,
};

/// In memory, with everything declared that the correct storage has.
pub(crate) fn memory<F: Flaw>(name: &'static str, caught_by: &'static str) -> Mutant {
    let plan = flaw::suite::<F>(name).enumerates().process_leases().plan();
    Mutant { name, caught_by, plan }
}

pub(crate) fn timed<R: t::Rules>(name: &'static str, caught_by: &'static str) -> Mutant {
    let suite = flaw::suite::<Timed<R>>(name).enumerates().timed_leases();
    let plan = suite.shifted_clocks().plan();
    Mutant { name, caught_by, plan }
}

fn remote<C: n::Client>(name: &'static str, caught_by: &'static str) -> Mutant {
    let plan = n::suite::<C>(name).plan();
    Mutant { name, caught_by, plan }
}

fn wire<F: w::Flaws>(name: &'static str, caught_by: &'static str) -> Mutant {
    let plan = w::suite::<F>(name).plan();
    Mutant { name, caught_by, plan }
}

pub(crate) fn file<A: files::Around>(name: &'static str, caught_by: &'static str) -> Mutant {
    let plan = files::suite::<A>(name).plan();
    Mutant { name, caught_by, plan }
}

flaw!(
    /// No flaw at all.
    Correct {}
);

/// Storages that keep the contract.
pub(crate) fn correct() -> Vec<Plan> {
    vec![
        flaw::suite::<Correct>("memory").enumerates().process_leases().plan(),
        flaw::suite::<Timed<t::Correct>>("timed")
            .enumerates()
            .timed_leases()
            .shifted_clocks()
            .plan(),
        flaw::suite::<Timed<t::EndedByServer>>("ended-by-server")
            .enumerates()
            .timed_leases()
            .plan(),
        flaw::suite::<crate::own_views::Cached<100, 100>>("cached")
            .enumerates()
            .process_leases()
            .plan(),
        n::suite::<n::Correct>("remote").plan(),
        w::suite::<w::Correct>("wire").plan(),
        files::suite::<files::Nothing>("file").plan(),
        files::suite::<crate::unfair::UnfairLock>("unfair").plan(),
    ]
}

pub(crate) fn mutants() -> Vec<Mutant> {
    let groups = [
        keys(),
        crate::long_keys::mutants(),
        records(),
        revisions(),
        crate::compared::mutants(),
        crate::cut_batches::mutants(),
        crate::cursors::mutants(),
        crate::spelled::mutants(),
        crate::cut_fields::mutants(),
        crate::lost_leases::mutants(),
        crate::ttl::mutants(),
        crate::swaps::mutants(),
        crate::own_views::mutants(),
        crate::odd_ones::mutants(),
        crate::listings::mutants(),
        crate::guards::mutants(),
        crate::code_paths::mutants(),
        crate::codecs::mutants(),
        crate::indexes::mutants(),
        crate::other_leases::mutants(),
        atomicity(),
        dropped(),
        in_flight(),
        talkers(),
        capabilities(),
        leases(),
        remotes(),
        wires(),
        crate::powerless::mutants(),
        disk(),
        shared(),
        file_leases(),
    ];
    groups.into_iter().flatten().collect()
}

fn keys() -> Vec<Mutant> {
    vec![
        memory::<k::JoinsKeys>("joins keys", "keys::parts_do_not_run_together"),
        memory::<k::FoldsCase>("folds case", "keys::case_is_kept"),
        memory::<k::TrimsKeys>("trims keys", "keys::white_space_is_kept"),
        memory::<k::NormalisesUnicode>("normalises Unicode", "keys::unicode_is_not_normalised"),
        memory::<k::EndsKeysAtNul>("ends keys at NUL", "keys::odd_resource_servers_are_distinct"),
        memory::<k::DecodesPercent>("decodes percent", "keys::odd_resource_servers_are_distinct"),
        memory::<k::RefusesEmptyKeys>("refuses empty keys", "keys::an_empty_resource_server_is_a_key"),
        memory::<k::CutsLongKeys>("cuts long keys", "keys::longer_parts_are_too_large"),
        memory::<k::DeclaresLongerKeys>(
            "declares longer keys",
            "keys::parts_up_to_the_declared_length_are_legal",
        ),
        memory::<k::PrefixMatchesNamespaces>(
            "prefix-matches namespaces",
            "keys::a_namespace_is_not_matched_by_its_prefix",
        ),
        memory::<k::RemovesInEveryNamespace>(
            "removes in every namespace",
            "keys::a_namespace_sees_nothing_of_another",
        ),
    ]
}

fn records() -> Vec<Mutant> {
    vec![
        memory::<r::DropsExtra>("drops extra", "records::every_field_round_trips"),
        memory::<r::ReencodesExtra>("re-encodes extra", "records::extra_values_are_verbatim"),
        memory::<r::DropsRefreshTokenOnUpdate>(
            "drops the refresh token on update",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<r::MergesInsteadOfReplacing>(
            "merges instead of replacing",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<r::EmptyForAbsent>("empty for absent", "records::optional_fields_stay_absent"),
        memory::<r::AbsentForEmpty>("absent for empty", "records::empty_texts_stay_empty"),
        memory::<r::TakesResourceServerFromKey>(
            "takes the resource server from the key",
            "records::the_resource_server_of_the_record_is_not_the_keys",
        ),
        memory::<r::CutsLongValues>("cuts long values", "limits::a_record_of_half_the_declared_size_fits"),
        memory::<r::WritesBeforeItRefuses>("writes before it refuses", "limits::the_old_record_stays"),
        memory::<r::DeclaresLargerRecords>(
            "declares larger records",
            "limits::a_record_of_half_the_declared_size_fits",
        ),
        memory::<r::TakesMoreThanDeclared>("takes more than declared", "limits::a_larger_record_is_too_large"),
        memory::<r::ExpiresRecords>("takes the expiry for a time to live", "records::expired_records_stay"),
        memory::<r::UnknownExpiryIsZero>("unknown expiry is zero", "records::unknown_expiry_is_not_zero"),
        memory::<r::RoundsExpiry>("rounds the expiry", "records::any_expiry_round_trips"),
        memory::<r::DropsNegativeExpiry>("drops a negative expiry", "records::any_expiry_round_trips"),
        memory::<r::LosesNeighbours>("loses the other entries", "records::a_store_touches_no_other_record"),
        memory::<r::SkipsIdenticalWrites>("skips identical writes", "records::equal_content_has_a_new_revision"),
        memory::<r::RemoveAlwaysTrue>("remove is always true", "removal::says_whether_something_was_there"),
        memory::<r::RemoveAlwaysFalse>("remove is always false", "removal::says_whether_something_was_there"),
        memory::<r::RemoveOfNothingFails>("remove of nothing fails", "removal::says_whether_something_was_there"),
        memory::<r::RemovesNeighbours>("removes neighbours", "removal::other_records_stay"),
        memory::<r::AbsentIsAnError>("absent is an error", "records::absent_is_none"),
        memory::<r::ResurrectsRemoved>(
            "resurrects removed records",
            "removal::removed_records_do_not_come_back",
        ),
    ]
}

fn revisions() -> Vec<Mutant> {
    vec![
        memory::<v::ForgetsCompareAndSwap>(
            "forgets compare-and-swap",
            "preconditions::unchanged_stores_only_over_its_revision",
        ),
        memory::<v::ForgetsCompareAndSwapInBatches>(
            "forgets compare-and-swap in batches",
            "batches::preconditions_hold_each_for_its_own_record",
        ),
        memory::<v::RemoveIgnoresPrecondition>(
            "remove ignores its precondition",
            "preconditions::remove_keeps_to_its_revision",
        ),
        memory::<v::AbsentIsIgnored>(
            "absent is ignored",
            "preconditions::absent_stores_only_what_is_not_there",
        ),
        memory::<v::UnchangedMeansPresent>(
            "unchanged means present",
            "preconditions::unchanged_stores_only_over_its_revision",
        ),
        memory::<v::UnchangedHoldsOfNothing>("unchanged holds of nothing", "preconditions::unchanged_does_not_create"),
        memory::<v::ComparesOnlyAccessToken>("compares only the access token", "preconditions::every_field_counts"),
        memory::<v::ChecksThenWrites>("checks, then writes", "concurrency::of_racing_swaps_one_wins"),
        memory::<v::ChecksThenRemoves>("checks, then removes", "concurrency::of_racing_removes_one_finds_it"),
        memory::<v::RevisionRepeatsForEqualContent>(
            "the revision repeats for equal content",
            "preconditions::equal_content_is_a_change",
        ),
        memory::<v::RevisionStartsAgainAfterRemove>(
            "the revision starts again after a remove",
            "preconditions::changed_and_changed_back_is_a_change",
        ),
        memory::<v::RevisionIsAClock>("the revision is a clock", "records::equal_content_has_a_new_revision"),
        memory::<v::RevisionOfSomeFields>("the revision is of some fields", "preconditions::every_field_counts"),
        memory::<v::RevisionOfEachRead>(
            "each read has another revision",
            "records::reading_does_not_change_the_revision",
        ),
        memory::<v::StoreAnswersOldRevision>(
            "store answers the old revision",
            "records::the_revision_read_is_the_one_written",
        ),
        memory::<v::BatchRevisionsOutOfOrder>("batch revisions out of order", "batches::revisions_come_in_order"),
        memory::<v::ConflictWithoutRevision>(
            "a conflict without the revision",
            "preconditions::a_conflict_says_what_is_there",
        ),
        memory::<v::ConflictNamesFirstKey>("a conflict names the first key", "batches::the_refused_key_is_named"),
        memory::<v::ConflictAsBusy>(
            "a conflict is busy",
            "preconditions::absent_stores_only_what_is_not_there",
        ),
    ]
}

fn atomicity() -> Vec<Mutant> {
    vec![
        memory::<a::TearsWrites>("tears writes", "atomicity::a_reader_sees_the_old_or_the_new_record"),
        memory::<a::RemovesBeforeStoring>(
            "removes before storing",
            "atomicity::a_reader_sees_the_old_or_the_new_record",
        ),
        memory::<a::AcknowledgesBeforeWriting>(
            "acknowledges before writing",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<a::AcknowledgesBeforeRemoving>("acknowledges before removing", "removal::removed_records_are_gone"),
        memory::<a::ReadsStale>("reads stale", "records::a_store_replaces_the_whole_record"),
        memory::<a::CachesAcrossHandles>("caches across handles", "handles::another_handle_sees_a_store"),
        memory::<a::CachesAbsence>("caches absence", "handles::what_was_absent_is_seen_when_it_comes"),
        memory::<a::LateDuplicate>(
            "a late duplicate undoes a newer write",
            "records::a_store_replaces_the_whole_record",
        ),
        memory::<a::OwnSuccessIsAConflict>(
            "its own success is a conflict",
            "preconditions::absent_stores_only_what_is_not_there",
        ),
        memory::<a::PartialBatch>("partial batch", "batches::one_refusal_refuses_all"),
        memory::<a::ChecksBatchThenWrites>(
            "checks a batch, then writes",
            "atomicity::a_batch_is_never_half_replaced",
        ),
        memory::<a::LastOfTwoWins>("the last of two wins", "batches::two_records_of_one_key_are_invalid"),
        memory::<a::EmptyBatchFails>("an empty batch fails", "batches::an_empty_batch_succeeds"),
        memory::<a::WritesWhatFits>("writes what fits", "batches::one_too_large_record_refuses_all"),
        memory::<a::LosesConcurrentUpdates>(
            "loses concurrent updates",
            "concurrency::writers_of_different_keys_lose_nothing",
        ),
    ]
}

fn dropped() -> Vec<Mutant> {
    vec![
        memory::<y::DroppedStoreComesLate>(
            "a dropped store comes late",
            "cancellation::a_dropped_write_does_not_come_late",
        ),
        memory::<y::DroppedRemoveComesLate>(
            "a dropped remove comes late",
            "cancellation::a_dropped_remove_does_not_come_late",
        ),
        memory::<y::DroppedBatchIsTorn>(
            "a dropped batch is torn",
            "cancellation::a_dropped_batch_is_all_or_nothing",
        ),
        memory::<y::DroppedStoreKeepsLock>(
            "a dropped store keeps the lock",
            "cancellation::a_dropped_call_does_not_block_others",
        ),
    ]
}

fn in_flight() -> Vec<Mutant> {
    const STORE: &str = "cancellation::a_dropped_write_does_not_come_late";
    const USED_UP: &str = "cancellation::many_dropped_calls_use_nothing_up";
    vec![
        memory::<i::StoreGoesOnInATask>("a store goes on in a task", STORE),
        memory::<i::RemoveGoesOnInATask>(
            "a remove goes on in a task",
            "cancellation::a_dropped_remove_does_not_come_late",
        ),
        memory::<i::BatchGoesOnInATask>(
            "a batch goes on in a task",
            "cancellation::a_dropped_batch_does_not_come_late",
        ),
        memory::<i::ReadsDoNotWait>(
            "reads do not wait for dropped writes",
            "cancellation::a_get_is_not_overtaken_by_a_dropped_write",
        ),
        memory::<i::DroppedStoreLeavesHalf>(
            "a dropped store leaves half a record",
            "cancellation::a_dropped_store_leaves_the_old_or_the_new_record",
        ),
        memory::<i::ContendedBatchIsTorn>(
            "a batch that is dropped under contention is torn",
            "cancellation::batches_dropped_under_contention_stay_whole",
        ),
        memory::<i::DroppedGetTakesAlong>(
            "a dropped get takes the record along",
            "cancellation::a_dropped_get_harms_nothing",
        ),
        memory::<i::DroppedGetLeaks>("a dropped get keeps its connection", USED_UP),
        memory::<i::DroppedStoreLeaks>("a dropped store keeps its connection", USED_UP),
        memory::<i::DroppedBatchLeaks>("a dropped batch keeps its connection", USED_UP),
        memory::<i::DroppedRemoveLeaks>("a dropped remove keeps its connection", USED_UP),
        memory::<i::DroppedListingLeaks>(
            "a dropped listing keeps its connection",
            "cancellation::dropped_listings_use_nothing_up",
        ),
        memory::<dl::DroppedAcquireKeepsLease>(
            "a dropped acquire keeps the lease",
            "cancellation::a_dropped_acquire_does_not_keep_the_lease",
        ),
        memory::<dl::DroppedIntentComesLate>(
            "a dropped intent comes late",
            "cancellation::a_dropped_intent_does_not_come_late",
        ),
        memory::<dl::DroppedClearingComesLate>(
            "a dropped clearing comes late",
            "cancellation::a_dropped_clearing_does_not_come_late",
        ),
        memory::<dl::DroppedRenewalHangs>(
            "a dropped renewal hangs the next",
            "cancellation::a_dropped_renewal_or_proof_harms_nothing",
        ),
        memory::<dl::DroppedProofLeavesProbe>(
            "a dropped proof leaves its probe",
            "cancellation::a_dropped_renewal_or_proof_harms_nothing",
        ),
        memory::<dl::DroppedReleaseKeepsLease>(
            "a dropped release keeps the lease",
            "cancellation::a_dropped_release_frees_it_in_the_end",
        ),
    ]
}

fn talkers() -> Vec<Mutant> {
    vec![
        memory::<s::LeaksInDebug>("leaks in debug", "secrets::debug_of_a_storage_shows_none"),
        memory::<s::LeaksInError>("leaks in an error's source", "secrets::conflicts_show_none"),
        memory::<s::LeaksInTooLarge>("leaks in too large", "secrets::refused_sizes_show_none"),
        memory::<s::LeaksInRefusedRemove>("leaks in a refused remove", "secrets::conflicts_show_none"),
    ]
}

fn capabilities() -> Vec<Mutant> {
    vec![
        memory::<c::UnsupportedAtRunTime>("unsupported at run time", "enumeration::lists_each_key_once"),
        memory::<c::ClaimsEnumeration>("claims what it lacks", "capability::declared_matches_reported"),
        memory::<c::HidesEnumeration>("hides what it has", "capability::declared_matches_reported"),
        memory::<c::ForgetsToForwardLeases>("forgets to forward", "capability::declared_matches_reported"),
        memory::<c::HasNoName>("has no name", "capability::the_description_makes_sense"),
        memory::<c::ListsAPageTwice>("lists a page twice", "enumeration::lists_each_key_once"),
        memory::<c::ListsOnePageOnly>("lists one page only", "enumeration::pages_add_up"),
        memory::<c::ListsByPrefix>("lists by prefix", "enumeration::lists_only_the_asked_namespace"),
        memory::<c::ListsAKeyTwice>("lists a key twice", "enumeration::lists_each_key_once"),
        memory::<c::ListsAllNamespaces>("lists all namespaces", "enumeration::lists_only_the_asked_namespace"),
        memory::<c::ListsNoNamespaces>("lists no namespaces", "enumeration::lists_each_namespace_once"),
    ]
}

fn leases() -> Vec<Mutant> {
    const INTENT_SHOWS: &str = "lease::whether_there_is_an_intent_can_be_asked";
    vec![
        memory::<h::HeldIsUnavailable>("held is unavailable", "lease::held_is_an_answer_and_no_error"),
        memory::<h::DropKeepsLease>("dropping keeps the lease", "lease::a_dropped_lease_is_free_at_once"),
        memory::<h::LooksAwayFromIntents>("intents are not looked for", INTENT_SHOWS),
        memory::<h::LookingTakesIt>("looking takes the lease", INTENT_SHOWS),
        memory::<h::LookingClears>("looking clears the intent", INTENT_SHOWS),
        memory::<h::IntentsShowForEver>("an intent shows for ever", INTENT_SHOWS),
        memory::<h::LeaseIsNeverFree>("the lease is never free", "lease::one_holder_at_a_time"),
        timed::<t::NeverExpires>(
            "the lease never expires",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::ExpiresEarly>(
            "the lease expires early",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::NotExclusive>("the lease is everybody's", "lease::one_holder_at_a_time"),
        timed::<t::StrangerReleases>(
            "a stranger's release frees the lease",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::ReleaseDoesNothing>("a release does nothing", "lease::a_released_lease_is_free"),
        timed::<t::StrangerRenews>("a stranger renews", "lease::a_timed_one_is_taken_over_after_its_time"),
        timed::<t::RenewDoesNothing>("renewing does nothing", "lease::renewing_keeps_a_timed_one"),
        timed::<t::ForgetsIntent>("forgets the intent", "lease::an_intent_is_found_by_the_next_holder"),
        timed::<t::KeepsClearedIntent>("keeps a cleared intent", "lease::a_cleared_intent_is_gone"),
        timed::<t::ReleaseDropsIntent>(
            "a release drops the intent",
            "lease::an_intent_is_found_by_the_next_holder",
        ),
        timed::<t::StrangerRecordsIntent>(
            "a stranger records its intent",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::RemainingStandsStill>(
            "the lease is always young",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::MixesKeys>("mixes the intents of keys", "lease::an_intent_belongs_to_its_key"),
        timed::<t::LeasesPerHandle>("leases of each handle", "lease::one_holder_at_a_time"),
        timed::<t::IgnoresRenewals>("ignores renewals", "lease::renewing_keeps_a_timed_one"),
        timed::<t::StrangerClears>(
            "a stranger clears the intent",
            "lease::a_lost_holder_leaves_its_successor_alone",
        ),
        timed::<t::DropFreesSuccessor>(
            "dropping a lost guard frees the lease",
            "lease::a_lost_holder_leaves_its_successor_alone",
        ),
        timed::<t::RenewsWhenFree>("a lost lease comes back", "lease::a_lost_one_stays_lost"),
        timed::<t::TakeOverIsUnseen>("two waiters take over", "lease::of_two_waiters_one_takes_over"),
        timed::<t::HandlesHold>("handles hold leases", "lease::acquired_again_it_is_another_one"),
        timed::<t::RenewingCountsForNothing>("renewing counts for nothing", "lease::what_remains_counts_down"),
        timed::<t::SeemsLonger>("a lease seems longer than it is", "lease::what_remains_counts_down"),
        timed::<t::TakenOverLate>("a lease is taken over late", "lease::a_timed_one_is_taken_over_in_time"),
        timed::<t::ForgetsMarks>(
            "each value of the leases forgets the marks",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::EndedEarly>("a server ends leases early", "lease::what_remains_counts_down"),
        timed::<t::MarkedByHolder>(
            "the mark is the holder's name",
            "lease::one_that_was_given_back_is_watched_anew",
        ),
        timed::<t::RemembersOne>("a waiter remembers one mark", "lease::several_are_watched_at_once"),
        timed::<t::IntentCounts>(
            "an intent is a renewal for its holder alone",
            "lease::nothing_remains_of_what_another_has",
        ),
        timed::<t::RenewalsAddUp>("renewals add up", "lease::what_remains_counts_down"),
        timed::<t::TakeOverForgetsIntent>(
            "a take-over forgets the intent",
            "lease::a_timed_one_is_taken_over_after_its_time",
        ),
        timed::<t::CountsFromTheAnswer>(
            "counts from the answer, without a margin",
            "lease::nothing_remains_of_what_another_has",
        ),
        timed::<t::TrustsWallClocks>("trusts wall clocks", "lease::wall_clocks_that_disagree_change_nothing"),
    ]
}

fn remotes() -> Vec<Mutant> {
    vec![
        remote::<n::RepeatsBlindly>("repeats blindly", "faults::a_store_whose_answer_is_lost_is_no_conflict"),
        remote::<n::DeniesLostAnswers>(
            "denies lost answers",
            "faults::a_batch_whose_answer_is_lost_is_no_conflict",
        ),
        remote::<n::AcknowledgesLostRequests>(
            "acknowledges lost requests",
            "faults::a_request_that_is_lost_is_not_acknowledged",
        ),
        remote::<n::UnreachableIsAbsent>(
            "unreachable is absent",
            "faults::out_of_reach_is_an_error_and_not_absent",
        ),
        remote::<n::UnreachableIsMisconfigured>(
            "unreachable is misconfigured",
            "faults::out_of_reach_is_an_error_and_not_absent",
        ),
        remote::<n::QuotesRequests>(
            "quotes what it could not send",
            "secrets::errors_out_of_reach_show_none",
        ),
        remote::<n::RemovesAgain>(
            "a remove that is sent again found nothing",
            "faults::a_remove_whose_answer_is_lost_has_removed",
        ),
        remote::<n::UnreachableIsEmpty>("unreachable is empty", "faults::a_listing_out_of_reach_is_not_empty"),
        remote::<n::UnreachableIsHeld>("unreachable is held", "faults::a_lease_out_of_reach_is_not_held"),
        remote::<n::UnreachableHasNoIntent>("unreachable has no intent", "faults::a_lease_out_of_reach_is_not_held"),
    ]
}

fn wires() -> Vec<Mutant> {
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
        wire::<w::SendsStoresUnconditionally>("a late store undoes a newer one", LATE),
        wire::<w::SendsRemovesUnconditionally>("a duplicate of a remove removes a newer record", DUPLICATE),
        wire::<w::ForgetsItsMark>("forgets its mark when an answer is lost", FIRST_LOST),
        wire::<w::DeniesAllLost>("certainly not written, says who heard nothing", ALL_LOST),
        wire::<w::LostRefusalIsDone>("a refusal that is lost is a success", REFUSAL_LOST),
        wire::<w::LostIsDone>("a request that is lost is a success", REQUESTS_LOST),
        wire::<w::AnyRecordIsOurs>("any record is its own", REQUESTS_LOST),
        wire::<w::LostReadIsAbsent>(
            "a lost answer is no record",
            "network::a_read_whose_answer_is_lost_is_not_absent",
        ),
        wire::<w::RefusedIsDone>("acknowledges what is refused", REFUSED),
        wire::<w::RefusedIsConflict>("a refused write is a conflict", REFUSED),
        wire::<w::BatchWritesFirst>("a refused batch writes its first record", REFUSED),
        wire::<w::ProvesNothing>("the proof proves nothing", PROOF),
        wire::<w::ProvesReading>("the proof proves reading", PROOF),
        wire::<w::DamageIsAbsent>("a damaged record is absent", CORRUPT),
        wire::<w::DamageIsEmpty>("a record without a token is an empty one", CORRUPT),
        wire::<w::DamageIsUnavailable>("a damaged record is out of reach", CORRUPT),
        wire::<w::DamageIsQuoted>(
            "a damaged record is quoted",
            "damage::errors_of_damaged_records_show_no_token",
        ),
        wire::<w::DamageHidesOthers>("a damaged record hides others", OTHERS),
        wire::<w::DamageFailsListing>("a damaged record fails the listing", OTHERS),
        wire::<w::DamageIsNotListed>("a damaged record is not listed", OTHERS),
        wire::<w::DamageIsConflict>(
            "a damaged record is a conflict",
            "damage::a_damaged_record_has_no_revision_to_compare",
        ),
        wire::<w::DamageStays>("a damaged record stays for ever", REPLACED),
        wire::<w::DamageIsNotRemoved>("a damaged record was not there", REPLACED),
        wire::<w::WaysHaveCaches>(
            "each way has a cache",
            "handles::a_second_way_leads_to_the_same_records",
        ),
        wire::<w::WaysRace>("two ways race", "handles::writers_on_two_ways_lose_nothing"),
        wire::<w::WaysHaveLeases>("each way has leases", "lease::a_second_way_leads_to_the_same_leases"),
        wire::<w::LostLeaseIsHeld>(
            "a lease that cannot be asked for is held",
            "network::a_lease_whose_answer_is_lost_can_be_had_in_the_end",
        ),
        wire::<w::LostRenewalIsLost>(
            "a lost answer is a lost lease",
            "network::a_holder_whose_answers_are_lost_is_still_the_holder",
        ),
        wire::<w::LostIntentIsDone>(
            "an intent that got lost is recorded",
            "network::an_intent_that_was_acknowledged_is_there",
        ),
        wire::<w::LostReleaseStays>(
            "a release that got lost never ends",
            "network::a_release_whose_answer_is_lost_frees_it_in_the_end",
        ),
        wire::<w::RenewsOutOfReach>("renews out of reach", OUT_OF_REACH),
        wire::<w::ReleasesOutOfReach>("releases out of reach", OUT_OF_REACH),
        wire::<w::RemainsByWall>("what remains goes by the wall clock", JUMPS),
        wire::<w::RemainsByMonotonic>("what remains goes by the monotonic clock", JUMPS),
        wire::<w::FollowsBack>(
            "what remains grows when the wall clock is set back",
            "lease::a_wall_clock_that_is_set_back_gives_no_time",
        ),
        wire::<w::WaitsByWall>(
            "waits by the wall clock",
            "lease::a_waiters_wall_clock_takes_nothing_over",
        ),
    ]
}

fn disk() -> Vec<Mutant> {
    vec![
        file::<d::ForgetsOnExit>("forgets on exit", "durability::records_outlive_all_handles"),
        file::<d::RemovesInMemory>("removes in memory", "durability::removed_records_stay_removed"),
        file::<d::LeavesTempFiles>("leaves temporary files", "files::writing_leaves_nothing_behind"),
        file::<d::LeavesTempFilesWhenKilled>("leaves temporary files when killed", "kills::nothing_is_left_behind"),
        file::<d::WideMode>("creates files with a wide mode", "files::are_the_owners_only"),
        file::<d::KeepsWideModes>("keeps wide modes", "files::wider_modes_are_tightened"),
        file::<d::ChangesTheMask>(
            "changes the mask of the process",
            "files::are_the_owners_only_whatever_the_mask",
        ),
        file::<d::ReplacesSymlinks>("replaces a symlink", "files::a_symlink_stays_a_symlink"),
        file::<d::OpeningCreatesFiles>("opening creates files", "files::opening_and_reading_create_nothing"),
        file::<d::ReadingWrites>("reading writes", "files::reading_leaves_the_file_as_it_is"),
        file::<d::ReadingLocks>("reading locks", "files::reading_needs_no_writable_directory"),
        file::<d::LosesOldDataWhenFull>(
            "loses the old data when full",
            "files::a_failed_write_leaves_the_old_data",
        ),
        file::<d::DamageIsNoTokens>("damage is no tokens", "damage::a_truncated_file_is_corrupt_and_kept"),
        file::<d::DamageIsUnavailable>("damage is unavailable", "damage::a_file_of_nulls_is_corrupt_and_kept"),
        file::<d::DamageWithoutPlace>(
            "damage without its place",
            "damage::a_file_of_something_else_is_corrupt_and_kept",
        ),
        file::<d::MovesDamageOnGet>("moves damage on get", "damage::a_truncated_file_is_corrupt_and_kept"),
        file::<d::WritesOverDamage>("writes over damage", "damage::a_file_of_nulls_is_corrupt_and_kept"),
        file::<d::RemembersDamage>("remembers damage", "damage::a_damaged_file_can_be_repaired"),
        file::<d::RevisionsOfEachOpening>("revisions of each opening", "durability::revisions_outlive_all_handles"),
        file::<d::MissingFileIsAnError>(
            "a file that is not there is an error",
            "durability::reading_a_place_that_was_never_written_finds_nothing",
        ),
        file::<d::DamageAtOnce>("damaged at once", "damage::a_file_that_is_being_written_is_read_again"),
        file::<d::DamageListsNothing>("damage lists nothing", "damage::a_truncated_file_is_corrupt_and_kept"),
        file::<d::QuotesDamage>("quotes damage", "damage::errors_show_no_token"),
    ]
}

fn shared() -> Vec<Mutant> {
    vec![
        file::<p::LosesEntriesOfOthers>(
            "loses entries of other processes",
            "processes::writers_of_different_keys_lose_nothing",
        ),
        file::<p::DeletesLockFile>(
            "deletes its lock file on release",
            "processes::writers_of_different_keys_lose_nothing",
        ),
        file::<p::ChecksThenWrites>("processes check, then write", "processes::of_racing_processes_one_wins"),
        file::<p::TearsInPlace>("tears writes in place", "kills::an_acknowledged_record_survives"),
        file::<p::AcknowledgesBeforeDisk>(
            "acknowledges before writing to disk",
            "kills::all_acknowledged_records_survive",
        ),
        file::<p::DatabaseIsLocked>(
            "database is locked",
            "processes::writers_of_different_keys_lose_nothing",
        ),
        file::<p::OpensRacily>("opens racily", "processes::a_new_place_can_be_opened_by_all_at_once"),
        file::<p::DeadProcessKeepsLock>("a dead process keeps the lock", "kills::a_killed_writer_blocks_nobody"),
        file::<p::ReadersWaitForWriters>(
            "readers wait for writers",
            "processes::a_stopped_writer_does_not_stop_readers",
        ),
        file::<p::CachesAcrossProcesses>("caches across processes", "processes::each_sees_what_the_other_stores"),
        file::<p::LogsTokens>("logs tokens", "secrets::logs_show_none"),
        file::<pw::RemovedIsKnown>(
            "what others remove is still known",
            "processes::each_sees_what_the_other_removes",
        ),
        file::<pw::ChecksThenRemoves>(
            "processes check, then remove",
            "processes::of_racing_removes_one_finds_it",
        ),
        file::<pw::ChecksThenWritesBatches>(
            "processes check, then write a batch",
            "processes::of_racing_batches_one_wins",
        ),
        file::<pw::LocksRecordByRecord>(
            "a batch locks record by record",
            "processes::batches_that_overlap_do_not_block_each_other",
        ),
        file::<pw::ListsWhatItKnows>(
            "lists what this process knows",
            "processes::each_lists_what_the_other_writes",
        ),
        file::<pw::BatchesAreLoops>("a batch is a loop under a lock", "kills::a_batch_is_whole"),
        file::<st::ListingsWaitForWriters>(
            "listings wait for writers",
            "processes::a_stopped_writer_does_not_stop_readers",
        ),
        file::<st::WaitsForEver>("waits for ever", "processes::waiting_for_a_stopped_writer_is_bounded"),
        file::<st::BusyIsOutOfReach>(
            "a busy storage is out of reach",
            "processes::waiting_for_a_stopped_writer_is_bounded",
        ),
        file::<st::BusyIsDone>(
            "busy, and written all the same",
            "processes::waiting_for_a_stopped_writer_is_bounded",
        ),
        file::<st::HoldersLockWriters>(
            "the holder of a lease stops writers",
            "lease::a_stopped_holder_does_not_stop_writers",
        ),
    ]
}

fn file_leases() -> Vec<Mutant> {
    vec![
        file::<l::LeasesOfEachProcess>("leases of each process", "lease::one_holder_among_processes"),
        file::<l::IntentDiesWithProcess>(
            "the intent dies with its process",
            "lease::the_intent_of_a_killed_holder_is_found",
        ),
        file::<l::KilledHolderKeepsLease>("a killed holder keeps the lease", "lease::a_killed_holder_frees_it"),
        file::<l::LeaseDeletesLockFile>(
            "a lease deletes its lock file",
            "lease::work_of_its_holders_does_not_overlap",
        ),
        file::<l::LooksThenTakes>(
            "processes look, then take the lease",
            "lease::of_racing_processes_one_gets_it",
        ),
        file::<l::StoppedHolderLosesLease>("a stopped holder loses the lease", "lease::a_stopped_holder_keeps_it"),
        file::<l::TimedLeasesOfEachProcess>("timed leases of each process", "lease::one_holder_among_processes"),
        file::<l::TimedLeaseStaysForOthers>(
            "a timed lease never runs out for others",
            "lease::a_killed_holder_of_a_timed_one_is_succeeded",
        ),
        file::<l::TakenOverUnnoticed>(
            "a lost lease is renewed by its old process",
            "lease::a_holder_that_was_stopped_too_long_has_lost_it",
        ),
    ]
}
