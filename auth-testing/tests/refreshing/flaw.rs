/// What is broken in a refresher, each alone, and the case that is there for it.
macro_rules! flaws {
    ($($(#[doc = $what:literal])* $flaw:ident => $case:literal,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $($(#[doc = $what])* $flaw,)+
        }

        /// Each with its case.
        pub(crate) const FLAWS: &[(Flaw, &str)] = &[$((Flaw::$flaw, concat!("refresh::", $case)),)+];
    };
}

flaws! {
    /// Nobody is asked for the lease.
    NoLease => "one_expiry_costs_one_request",
    /// Who has got the lease does not read again.
    LooksOnce => "one_expiry_costs_one_request",
    /// A good token is refreshed all the same.
    AlwaysRefreshes => "a_good_token_costs_no_request",
    /// Sends again when the answer takes longer than a second.
    Hedges => "a_slow_answer_is_waited_for",
    /// Sends again, at once, what failed.
    RetriesAtOnce => "a_lost_answer_is_tried_for_once",
    /// Waits for an answer for as long as it takes.
    WaitsForEver => "a_silent_server_is_given_up",
    /// The same, once the answer has begun.
    WaitsForTheRest => "a_silent_server_is_given_up",
    /// Keeps the lease of what it has given up.
    KeepsTheLease => "a_silent_server_is_given_up",
    /// Waits for the lease for two seconds, then does without.
    GoesAround => "a_lease_is_never_gone_around",
    /// A lease that cannot be asked for is taken for free.
    LeaseErrorIsFree => "an_unreachable_storage_is_not_gone_around",
    /// Knows its refreshes by resource server alone.
    CrossesKeys => "different_keys_do_not_cross",
    /// A skew of a minute for tokens that live for less.
    SkewAboveLifetime => "short_lifetimes_cost_one_request_each",
    /// The caller does the work, and takes it along when it goes.
    WorksInTheCaller => "followers_outlive_their_leader",
    /// The same without a refresh that others join.
    NoFlights => "a_dropped_caller_cancels_nothing",
    /// Those who wait for one that panics wait for ever.
    StrandsFollowers => "a_panic_strands_nobody",
    /// The scope of the login stays, whatever is granted.
    KeepsScope => "a_narrower_scope_is_stored",
    LosesScope => "the_first_refresh_loses_nothing",
    LosesIdentity => "the_first_refresh_loses_nothing",
    LosesMembers => "the_first_refresh_loses_nothing",
    LosesTokenType => "the_first_refresh_loses_nothing",
    /// A refresh token that is not in the answer is gone.
    LosesRefreshToken => "a_partial_answer_loses_nothing",
    /// One that is in the answer is not stored.
    KeepsRefreshToken => "the_first_refresh_loses_nothing",
    /// `expires_in` is stored as it came.
    ExpiryIsALifetime => "the_first_refresh_loses_nothing",
    NoExpiryIsForEver => "no_expiry_is_an_unknown_one",
    NoExpiryIsNow => "no_expiry_is_an_unknown_one",
    NoExpiryIsTheOldOne => "no_expiry_is_an_unknown_one",
    UnknownIsExpired => "a_good_token_costs_no_request",
    NoSkew => "a_token_is_refreshed_before_it_expires",
    /// Subtracts without looking.
    Overflows => "a_token_is_refreshed_before_it_expires",
    FailsThoughValid => "a_valid_token_outlives_a_failure",
    HandsOutExpired => "an_expired_token_is_not_handed_out",
    ThrottlingIsRefusal => "what_passes_is_no_refusal",
    FailureIsRefusal => "what_passes_is_no_refusal",
    HtmlIsRefusal => "what_passes_is_no_refusal",
    /// A refused record is removed.
    RefusalRemoves => "a_refusal_loses_nothing",
    /// A refusal is for the key, not for the revision.
    DeadForEver => "a_refusal_loses_nothing",
    /// A refusal is written into the record, even if there is none any more.
    NotesRefusals => "a_logout_wins_over_a_failure",
    AsksAgain => "a_refusal_is_not_asked_for_again",
    /// The record is not read again when its token was refused.
    RefusalIsFinal => "a_refusal_of_an_old_token_is_no_news",
    /// Stores over whatever is there.
    StoresBlindly => "an_edit_meanwhile_is_merged",
    ConflictIsFailure => "an_edit_meanwhile_is_merged",
    /// Any change is taken for another login.
    EditIsAnother => "an_edit_meanwhile_is_merged",
    OverwritesNewer => "another_login_meanwhile_is_kept",
    RevokesTheirs => "another_login_without_refresh_token_is_kept",
    RevokesNothing => "another_login_meanwhile_is_kept",
    /// Stores what was removed meanwhile.
    BringsItBack => "a_logout_meanwhile_wins",
    /// Every other token is stored, whoever it is for.
    StoresOtherTokens => "other_tokens_bring_no_record_back",
    /// Hands out, then stores.
    HandsOutFirst => "nothing_unstored_is_handed_out",
    /// Hands out what could not be stored.
    HandsOutUnstored => "a_store_that_fails_loses_nothing",
    /// Tries to store once.
    StoresOnce => "a_store_that_fails_loses_nothing",
    /// Takes its own record for another's, when the answer to the store was lost.
    DisownsItsOwn => "a_store_without_answer_is_ours",
    IgnoresTheProof => "what_cannot_be_written_is_not_spent",
    IgnoresTheIntentsFailure => "an_intent_is_recorded_or_nothing_is_sent",
    RecordsNoIntent => "an_intent_is_recorded_or_nothing_is_sent",
    /// Sends what a dead holder has perhaps sent, again and again.
    IgnoresIntents => "a_lost_answer_is_tried_for_once",
    TriesForEver => "a_dead_holder_costs_one_guarded_try",
    /// Whatever a dead holder left behind is about every record to come.
    MournsForEver => "a_new_login_ends_an_unknown_outcome",
    /// Says no more that the outcome is known.
    LeavesItsIntent => "a_dead_holder_is_succeeded",
    /// The server's words are the error.
    QuotesTheAnswer => "errors_show_no_token",
    ReleasesBeforeSending => "the_lease_lasts_until_the_answer_is_stored",
    ReleasesBeforeStoring => "the_lease_lasts_until_the_answer_is_stored",
    ClearsBeforeSending => "the_intent_lasts_until_the_answer_is_stored",
    ClearsBeforeStoring => "the_intent_lasts_until_the_answer_is_stored",
    RecordsTheIntentLate => "the_intent_lasts_until_the_answer_is_stored",
    IntentOfAnother => "the_intent_lasts_until_the_answer_is_stored",
    /// A lease that cannot be given back is taken for a refresh that failed.
    ReleaseFailureIsFailure => "a_release_that_fails_costs_nothing",
    /// Even for a good token.
    AsksForTheLeaseFirst => "a_good_token_waits_for_nobody",
    WaitsThoughValid => "a_valid_token_outlives_a_wait",
    /// The refreshes of a process, whatever their keys, wait for each other.
    OneAtATime => "one_key_does_not_wait_for_another",
    /// Those of all processes.
    OneLeaseForAll => "one_key_does_not_wait_for_another",
    /// Takes what is stored once the holder is gone, whatever it is.
    TakesWhatIsThere => "a_holder_that_brings_nothing_is_succeeded",
    GivesUpAfterWaiting => "a_holder_that_brings_nothing_is_succeeded",
    StoresUnderItsName => "a_record_may_have_any_name",
    /// The record is called by its key.
    RenamesTheRecord => "a_record_may_have_any_name",
    /// Beside the record, that of before.
    KeepsACopy => "neighbours_are_left_alone",
    RefusalRemovesNeighbours => "neighbours_are_left_alone",
    RefreshesNeighbours => "neighbours_are_left_alone",
    /// A 503 to the guarded try is its end.
    GuardedFailureIsFinal => "a_failure_uses_no_guarded_try_up",
    /// An intent is about a revision, and not about tokens.
    IntentByRevision => "an_edit_after_a_death_hides_nothing",
    ForgetsRefusals => "a_refusal_is_kept_by_all",
    ForgetsPauses => "a_pause_is_kept_by_all",
    TokenInTheUrl => "no_url_shows_a_token",
    AsksForLess => "the_scope_of_the_login_is_asked_for",
    SendsWithoutRefreshToken => "nothing_is_sent_without_a_refresh_token",
    RevokesTheOld => "a_refresh_revokes_nothing",
    KeepsTokenType => "a_token_type_is_stored",
    TakesEmptyMembers => "an_empty_member_is_an_absent_one",
    OddExpiryIsAnError => "an_odd_expiry_costs_no_token",
    NegativeExpiryIsBelieved => "an_odd_expiry_costs_no_token",
    AbsurdExpiryIsBelieved => "an_odd_expiry_costs_no_token",
    ZeroIsUnknown => "an_expiry_of_zero_is_now",
    /// Whatever is answered with a status of 500 and more was not done.
    ServerErrorIsKnown => "a_lost_answer_is_tried_for_once",
    EmptyTokenIsAToken => "a_lost_answer_is_tried_for_once",
    /// Of the client and of the server, too.
    AnyErrorIsRefusal => "what_passes_is_no_refusal",
    /// Without the condition, once storing has failed.
    RepeatsBlindly => "a_failed_store_is_repeated_on_its_condition",
    HandsOutAtUnreadConflict => "an_unread_conflict_hands_nothing_out",
    RemembersLogouts => "a_login_after_a_logout_counts",
    /// Hands out what it had, where nothing is stored.
    CachesTokens => "nobody_gets_a_token_after_a_logout",
    TouchesTheRecord => "a_good_token_costs_no_request",
    RefreshesBehind => "a_good_token_costs_no_request",
    SkewTooLong => "a_good_token_costs_no_request",
    SkewTooShort => "a_token_is_refreshed_before_it_expires",
}

/// The cases that catch a refresher as it is usually written, `careless.rs`.
pub(crate) const CARELESS: &[&str] = &[
    "refresh::one_expiry_costs_one_request",
    "refresh::a_holder_is_waited_for",
    "refresh::what_passes_changes_nothing",
    "refresh::a_lost_answer_is_tried_for_once",
    "refresh::a_dead_holder_is_succeeded",
    "refresh::a_guarded_try_may_succeed",
    "refresh::a_partial_answer_loses_nothing",
    "refresh::another_login_meanwhile_is_kept",
    "refresh::a_logout_meanwhile_wins",
];
