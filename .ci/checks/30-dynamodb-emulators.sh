#!/usr/bin/env bash
# The DynamoDB suites against other emulators than ours: dynalite, an independent code base, and moto, which has
# transactions and time to live. What an emulator cannot take is named here, with the reason; nothing else is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/lib.sh
source .ci/dynamodb.sh

programs=$(test_programs dynamodb)
[ -n "$programs" ] || die "there are no tests of the DynamoDB backend"

# suite NAME ...CASES: runs our tests at the endpoint, without the cases, each of which must exist.
suite() {
    local name=$1 skips=() case known program
    shift
    known=$(for program in $programs; do "$program" --list; done)
    for case in "$@"; do
        grep -qF "$case: test" <<<"$known" || die "there is no case $case to leave out for $name"
        say "$name cannot take: $case"
        skips+=(--skip "$case")
    done
    cd backends/dynamodb
    for program in $programs; do
        # Compiling for an error is the same everywhere.
        TOKEN_STORAGE_DYNAMODB_ENDPOINT=$endpoint "$program" --quiet --skip c1_code_that_lists "${skips[@]}"
    done
    cd "$root"
}

start_dynalite
# It has no TransactWriteItems.
transactions=(
    a2_a_batch_is_one_transaction_and_names_the_first_refusal
    a2_a_batch_over_foreign_items
    a5_a_batch_that_is_known_not_to_have_happened
    a5_a_batch_whose_answer_was_lost
    a_beginning_that_may_have_met_itself_is_asked_for_again
    a_beginning_whose_answer_was_lost_has_begun
    a_refresh_begins_with_one_request_and_ends_with_one
    the_policy_in_the_docs_is_what_is_needed
    atomicity::a_batch_is_never_half_replaced
    batches::a_refusal_far_back_refuses_all
    batches::a_refusal_leaves_the_revisions
    batches::all_are_stored
    batches::as_many_records_as_declared
    batches::each_precondition_counts_wherever_it_stands
    batches::large_ones_answer_in_order
    batches::namespaces_may_be_mixed
    batches::of_one_and_a_remove_that_race_one_wins
    batches::of_one_and_a_store_that_race_one_wins
    batches::of_refusals_far_apart_the_first_is_named
    batches::once_acknowledged_all_is_seen
    batches::one_refusal_refuses_all
    batches::other_records_stay
    batches::preconditions_hold_each_for_its_own_record
    batches::readers_see_nothing_of_a_refused_one
    batches::refusals_use_nothing_up
    batches::revisions_come_in_order
    batches::the_refused_key_is_named
    batches::those_that_overlap_do_not_block_each_other
    cancellation::a_batch_waits_for_dropped_writes
    cancellation::a_dropped_batch_is_all_or_nothing
    cancellation::batches_dropped_under_contention_stay_whole
    cancellation::many_dropped_calls_use_nothing_up
    capability::nothing_but_listing_needs_a_listing
    faults::a_batch_whose_answer_is_lost_is_no_conflict
    handles::another_handle_sees_a_batch
    keys::any_separator_is_a_character
    keys::each_length_is_another_key
    keys::equal_checksums_do_not_collide
    keys::long_parts_differ_in_any_byte
    keys::names_that_storages_use_are_keys
    keys::names_that_storages_use_are_namespaces
    keys::numbers_are_texts
    keys::parts_are_not_interchangeable
    keys::parts_do_not_shift
    keys::what_a_codec_folds_is_distinct
    keys::what_a_collation_folds_is_distinct
    kills::a_batch_is_whole
    lease::it_stays_while_its_record_is_in_a_batch
    limits::a_batch_of_half_the_declared_size_fits
    model::random_sequences_do_what_the_model_does
    model::random_sequences_through_several_handles
    network::a_refusal_whose_answer_is_lost_is_no_success
    network::a_write_whose_requests_are_lost_is_not_acknowledged
    processes::batches_that_overlap_do_not_block_each_other
    processes::of_racing_batches_one_wins
    processes::waiting_for_a_stopped_writer_is_bounded
    records::each_way_of_writing_replaces_the_whole_record
    records::one_outlasts_its_token
    removal::an_equal_record_of_another_key_stays
    revisions::of_batches_never_repeat
)
# It has neither time to live nor deletion protection.
options=(every_option_is_set concurrent_first_starts_with_clean_up_all_succeed)
suite dynalite "${transactions[@]}" "${options[@]}"

start_moto
# It checks a condition and writes in two steps, and a batch in as many as it has records, with other requests in between:
# of racing writers several win, and readers see half a batch.
races=(
    a4_of_racing_swaps_exactly_one_wins
    a4_racing_swaps_of_a_foreign_item
    a6_racing_stores_without_precondition_all_succeed
    atomicity::a_batch_is_never_half_replaced
    batches::of_one_and_a_remove_that_race_one_wins
    batches::of_one_and_a_store_that_race_one_wins
    batches::readers_see_nothing_of_a_refused_one
    batches::those_that_overlap_do_not_block_each_other
    cancellation::a_dropped_batch_is_all_or_nothing
    cancellation::batches_dropped_under_contention_stay_whole
    concurrency::counting_by_swaps_loses_no_step
    concurrency::of_racing_creations_one_wins
    concurrency::of_racing_handles_one_wins
    concurrency::of_racing_removes_one_finds_it
    concurrency::of_racing_swaps_of_equal_values_one_wins
    concurrency::of_racing_swaps_one_wins
    histories::calls_of_one_handle_are_linearizable
    histories::calls_of_several_handles_are_linearizable
    kills::a_batch_is_whole
    lease::of_racing_tasks_one_gets_it
    processes::batches_that_overlap_do_not_block_each_other
    processes::of_racing_batches_one_wins
    processes::of_racing_removes_one_finds_it
)
# Its limit for an item is 405 KB in place of 400 KiB.
sizes=(k7_the_largest_record_is_stored)
suite moto "${races[@]}" "${sizes[@]}"
