//! What can be wrong with the client.

use crate::{Mutant, registry::remote};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        remote::<RepeatsBlindly>("repeats blindly", "faults::a_store_whose_answer_is_lost_is_no_conflict"),
        remote::<DeniesLostAnswers>(
            "denies lost answers",
            "faults::a_batch_whose_answer_is_lost_is_no_conflict",
        ),
        remote::<AcknowledgesLostRequests>(
            "acknowledges lost requests",
            "faults::a_request_that_is_lost_is_not_acknowledged",
        ),
        remote::<UnreachableIsAbsent>(
            "unreachable is absent",
            "faults::out_of_reach_is_an_error_and_not_absent",
        ),
        remote::<UnreachableIsMisconfigured>(
            "unreachable is misconfigured",
            "faults::out_of_reach_is_an_error_and_not_absent",
        ),
        remote::<QuotesRequests>(
            "quotes what it could not send",
            "secrets::errors_out_of_reach_show_none",
        ),
        remote::<RemovesAgain>(
            "a remove that is sent again found nothing",
            "faults::a_remove_whose_answer_is_lost_has_removed",
        ),
        remote::<UnreachableIsEmpty>("unreachable is empty", "faults::a_listing_out_of_reach_is_not_empty"),
        remote::<UnreachableIsHeld>("unreachable is held", "faults::a_lease_out_of_reach_is_not_held"),
        remote::<UnreachableHasNoIntent>("unreachable has no intent", "faults::a_lease_out_of_reach_is_not_held"),
    ]
}

/// What is wrong with the client.
pub(crate) trait Client: std::fmt::Debug + Send + Sync + 'static {
    /// Whether a write whose answer was lost is only sent again.
    const REPEATS_BLINDLY: bool = false;
    /// Whether a write whose answer was lost is told as one that did not happen.
    const DENIES_LOST_ANSWERS: bool = false;
    /// Whether a write is acknowledged that was never carried out.
    const ACKNOWLEDGES_LOST_REQUESTS: bool = false;
    /// Whether nothing is there if nothing can be reached.
    const UNREACHABLE_IS_ABSENT: bool = false;
    /// Whether a listing is empty if nothing can be reached.
    const UNREACHABLE_IS_EMPTY: bool = false;
    /// Whether no intent is recorded if nothing can be reached.
    const UNREACHABLE_HAS_NO_INTENT: bool = false;
    /// Whether a lease is held by somebody if nothing can be reached.
    const UNREACHABLE_IS_HELD: bool = false;
    /// Whether a storage that cannot be reached is told as one that is not what the configuration says.
    const UNREACHABLE_IS_MISCONFIGURED: bool = false;
    /// Whether an error tells what was to be sent.
    const QUOTES_REQUESTS: bool = false;
    /// Whether a remove that is sent again tells what the second one found.
    const REMOVES_AGAIN: bool = false;
}

macro_rules! clients {
    ($($(#[$meta:meta])* $name:ident { $($constant:ident)? })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug)]
            pub(crate) struct $name;

            impl Client for $name {
                $(const $constant: bool = true;)?
            }
        )*
    };
}

clients! {
    /// No flaw at all.
    Correct {}
    /// Its own success looks like somebody else's.
    RepeatsBlindly { REPEATS_BLINDLY }
    /// "Nothing happened", although it did.
    DeniesLostAnswers { DENIES_LOST_ANSWERS }
    /// Sent is done.
    AcknowledgesLostRequests { ACKNOWLEDGES_LOST_REQUESTS }
    /// Logged out by a network that is down.
    UnreachableIsAbsent { UNREACHABLE_IS_ABSENT }
    /// Nobody has ever logged in, lists a client that reaches nothing.
    UnreachableIsEmpty { UNREACHABLE_IS_EMPTY }
    /// Waits for a holder that does not exist.
    UnreachableIsHeld { UNREACHABLE_IS_HELD }
    /// A name that cannot be resolved is a wrong one.
    UnreachableIsMisconfigured { UNREACHABLE_IS_MISCONFIGURED }
    /// For whoever has to find out what went wrong.
    QuotesRequests { QUOTES_REQUESTS }
    /// It was there, and now it is not.
    RemovesAgain { REMOVES_AGAIN }
    /// Nothing was ever sent, says a client that reaches nothing.
    UnreachableHasNoIntent { UNREACHABLE_HAS_NO_INTENT }
}
