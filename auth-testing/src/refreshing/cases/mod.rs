//! The cases, by what they look at.

mod answers;
mod callers;
mod covered;
mod deaths;
mod expiry;
mod failures;
mod keys;
mod meanwhile;
mod odd_answers;
mod once;
mod requests;
mod storage;
mod waiting;

use super::{Ability, RefreshCase, world::World};
use crate::auth_server::Config;

/// One case: its name, its clauses, where it is, and what it needs that most do not.
macro_rules! case {
    ($name:literal [$($clause:literal)+] $run:path $(, $field:ident: $value:expr)*) => {
        RefreshCase {
            $($field: $value,)*
            ..RefreshCase {
                name: concat!("refresh::", $name),
                clauses: &[$($clause),+],
                config: Config::default,
                needs: None,
                tries: 1,
                run: |world| Box::pin($run(world)),
            }
        }
    };
}

/// Every case, in a fixed order. They need a storage with leases.
pub fn refresh_cases() -> &'static [RefreshCase] {
    const CASES: &[RefreshCase] = &[
        case!("one_expiry_costs_one_request" ["L1" "L5"] once::one_expiry_costs_one_request),
        case!("a_holder_is_waited_for" ["L1" "L5"] once::a_holder_is_waited_for),
        case!("a_slow_answer_is_waited_for" ["L5"] once::a_slow_answer_is_waited_for),
        case!("a_lease_is_never_gone_around" ["L1" "L4"] once::a_lease_is_never_gone_around),
        case!("different_keys_do_not_cross" ["K6" "L5"] once::different_keys_do_not_cross),
        case!("one_key_does_not_wait_for_another" ["L1" "L5"] waiting::one_key_does_not_wait_for_another),
        case!("a_holder_that_brings_nothing_is_succeeded" ["L5"] waiting::a_holder_that_brings_nothing_is_succeeded),
        case!("the_lease_lasts_until_the_answer_is_stored" ["L1"] covered::the_lease_lasts_until_the_answer_is_stored),
        case!("the_intent_lasts_until_the_answer_is_stored" ["L5"] covered::the_intent_lasts_until_the_answer_is_stored),
        case!("a_release_that_fails_costs_nothing" ["L5"] covered::a_release_that_fails_costs_nothing),
        case!("a_record_may_have_any_name" ["K1" "L8"] keys::a_record_may_have_any_name),
        case!("neighbours_are_left_alone" ["K2" "K6"] keys::neighbours_are_left_alone, tries: usize::MAX),
        case!("short_lifetimes_cost_one_request_each" ["L5" "L9"] once::short_lifetimes_cost_one_request_each,
            needs: Some(Ability::ShortLifetimes)),
        case!("what_passes_changes_nothing" ["L7"] failures::what_passes_changes_nothing),
        case!("what_passes_is_no_refusal" ["L7"] failures::what_passes_is_no_refusal),
        case!("a_lost_answer_is_tried_for_once" ["L5" "L7"] failures::a_lost_answer_is_tried_for_once, tries: 2),
        case!("a_silent_server_is_given_up" ["L7"] failures::a_silent_server_is_given_up,
            needs: Some(Ability::GivesUp), tries: 2),
        case!("a_dead_holder_is_succeeded" ["L5"] deaths::a_dead_holder_is_succeeded),
        case!("a_dead_holder_costs_one_guarded_try" ["L5"] deaths::a_dead_holder_costs_one_guarded_try),
        case!("a_guarded_try_may_succeed" ["L5"] deaths::a_guarded_try_may_succeed,
            config: with_grace),
        case!("a_failure_uses_no_guarded_try_up" ["L5" "L7"] deaths::a_failure_uses_no_guarded_try_up),
        case!("an_edit_after_a_death_hides_nothing" ["L5"] deaths::an_edit_after_a_death_hides_nothing),
        case!("a_new_login_ends_an_unknown_outcome" ["L5" "L7"] failures::a_new_login_ends_an_unknown_outcome,
            tries: 2),
        case!("a_refusal_loses_nothing" ["L7"] failures::a_refusal_loses_nothing, tries: usize::MAX),
        case!("a_refusal_is_not_asked_for_again" ["L7"] failures::a_refusal_is_not_asked_for_again,
            needs: Some(Ability::RemembersRefusals)),
        case!("a_refusal_is_kept_by_all" ["L7"] failures::a_refusal_is_kept_by_all,
            needs: Some(Ability::SharesFailures)),
        case!("a_pause_is_kept_by_all" ["L7"] failures::a_pause_is_kept_by_all,
            needs: Some(Ability::SharesFailures)),
        case!("errors_show_no_token" ["S1"] failures::errors_show_no_token, tries: usize::MAX),
        case!("no_url_shows_a_token" ["S1"] requests::no_url_shows_a_token),
        case!("the_scope_of_the_login_is_asked_for" ["L8"] requests::the_scope_of_the_login_is_asked_for),
        case!("nothing_is_sent_without_a_refresh_token" ["L9"] requests::nothing_is_sent_without_a_refresh_token),
        case!("a_refresh_revokes_nothing" ["L9"] requests::a_refresh_revokes_nothing,
            config: with_spreading_revocation),
        case!("a_partial_answer_loses_nothing" ["L8"] answers::a_partial_answer_loses_nothing,
            config: without_rotation, tries: usize::MAX),
        case!("the_first_refresh_loses_nothing" ["L8"] answers::the_first_refresh_loses_nothing),
        case!("a_narrower_scope_is_stored" ["L8"] answers::a_narrower_scope_is_stored),
        case!("a_token_type_is_stored" ["L8"] answers::a_token_type_is_stored),
        case!("an_empty_member_is_an_absent_one" ["K8" "L8"] odd_answers::an_empty_member_is_an_absent_one,
            config: without_rotation),
        case!("an_odd_expiry_costs_no_token" ["K8"] odd_answers::an_odd_expiry_costs_no_token),
        case!("an_expiry_of_zero_is_now" ["K8"] odd_answers::an_expiry_of_zero_is_now),
        case!("no_expiry_is_an_unknown_one" ["K8" "L9"] answers::no_expiry_is_an_unknown_one),
        case!("other_tokens_bring_no_record_back" ["L8" "L10"] answers::other_tokens_bring_no_record_back),
        case!("a_good_token_costs_no_request" ["L9"] expiry::a_good_token_costs_no_request),
        case!("a_token_is_refreshed_before_it_expires" ["L9"] expiry::a_token_is_refreshed_before_it_expires),
        case!("a_valid_token_outlives_a_failure" ["L9"] expiry::a_valid_token_outlives_a_failure),
        case!("a_good_token_waits_for_nobody" ["L9"] waiting::a_good_token_waits_for_nobody),
        case!("a_valid_token_outlives_a_wait" ["L9"] waiting::a_valid_token_outlives_a_wait),
        case!("an_expired_token_is_not_handed_out" ["L9"] expiry::an_expired_token_is_not_handed_out),
        case!("another_login_meanwhile_is_kept" ["L8"] meanwhile::another_login_meanwhile_is_kept),
        case!("another_login_without_refresh_token_is_kept" ["L8"]
            meanwhile::another_login_without_refresh_token_is_kept),
        case!("an_edit_meanwhile_is_merged" ["L8"] meanwhile::an_edit_meanwhile_is_merged),
        case!("a_refusal_of_an_old_token_is_no_news" ["L7"] meanwhile::a_refusal_of_an_old_token_is_no_news),
        case!("a_logout_meanwhile_wins" ["L8" "L10"] meanwhile::a_logout_meanwhile_wins),
        case!("a_logout_wins_over_a_failure" ["L10"] meanwhile::a_logout_wins_over_a_failure),
        case!("a_login_after_a_logout_counts" ["L10"] meanwhile::a_login_after_a_logout_counts),
        case!("nobody_gets_a_token_after_a_logout" ["L10"] meanwhile::nobody_gets_a_token_after_a_logout),
        case!("a_dropped_caller_cancels_nothing" ["L6"] callers::a_dropped_caller_cancels_nothing),
        case!("followers_outlive_their_leader" ["L5" "L6"] callers::followers_outlive_their_leader),
        case!("a_panic_strands_nobody" ["L5"] callers::a_panic_strands_nobody),
        case!("nothing_unstored_is_handed_out" ["L6"] storage::nothing_unstored_is_handed_out),
        case!("a_store_that_fails_loses_nothing" ["L6"] storage::a_store_that_fails_loses_nothing),
        case!("a_store_without_answer_is_ours" ["A5" "L8"] storage::a_store_without_answer_is_ours),
        case!("a_failed_store_is_repeated_on_its_condition" ["A4" "L8" "L10"]
            storage::a_failed_store_is_repeated_on_its_condition),
        case!("an_unread_conflict_hands_nothing_out" ["L6" "L8"] storage::an_unread_conflict_hands_nothing_out),
        case!("what_cannot_be_written_is_not_spent" ["L6"] storage::what_cannot_be_written_is_not_spent),
        case!("an_intent_is_recorded_or_nothing_is_sent" ["L5"] storage::an_intent_is_recorded_or_nothing_is_sent),
        case!("an_unreachable_storage_is_not_gone_around" ["L4"] storage::an_unreachable_storage_is_not_gone_around),
    ];
    CASES
}

fn without_rotation() -> Config {
    Config {
        rotate: false,
        ..Config::default()
    }
}

fn with_grace() -> Config {
    Config {
        grace: std::time::Duration::from_secs(3600),
        ..Config::default()
    }
}

fn with_spreading_revocation() -> Config {
    Config {
        revocation_spreads: true,
        ..Config::default()
    }
}
