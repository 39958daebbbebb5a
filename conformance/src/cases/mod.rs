//! The cases, one file for each area. A case's name is `area::what_is_expected`.

mod anywhere;
mod atomicity;
mod batches;
mod beginnings;
mod cancellation;
mod cancelled_leases;
mod capability;
mod clocks;
mod concurrency;
mod damage;
mod declared_sizes;
mod dropped_often;
mod enumeration;
mod exact_values;
mod faults;
mod fields;
mod files;
mod folds;
mod handles;
mod histories;
mod intents;
mod keys;
mod kills;
mod large_batches;
mod lasting;
mod lease_processes;
mod leases;
mod limits;
mod listed;
mod lock_files;
mod long_keys;
mod lost_leases;
mod model;
mod network;
mod network_leases;
mod outlines;
mod paging;
mod powerless;
mod preconditions;
mod process_leases;
mod process_writes;
mod processes;
mod raced_batches;
mod record_damage;
mod records;
mod refusals;
mod removal;
mod revisions;
mod second_way;
mod secrets;
mod stopped_writers;
mod talk;
mod timed_leases;
mod used_up;
mod ways_of_writing;

use std::sync::OnceLock;

pub(crate) use self::{intents::intent, secrets::use_all, talk::keys as talk_keys};
use crate::Case;

/// Every case of the suite, in a fixed order.
pub fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        [
            // First, since it waits: others are done meanwhile.
            lasting::CASES,
            capability::CASES,
            records::CASES,
            keys::CASES,
            folds::CASES,
            long_keys::CASES,
            removal::CASES,
            preconditions::CASES,
            revisions::CASES,
            batches::CASES,
            ways_of_writing::CASES,
            large_batches::CASES,
            raced_batches::CASES,
            atomicity::CASES,
            limits::CASES,
            fields::CASES,
            exact_values::CASES,
            declared_sizes::CASES,
            secrets::CASES,
            enumeration::CASES,
            paging::CASES,
            listed::CASES,
            outlines::CASES,
            leases::CASES,
            intents::CASES,
            beginnings::CASES,
            process_leases::CASES,
            timed_leases::CASES,
            lost_leases::CASES,
            clocks::CASES,
            handles::CASES,
            concurrency::CASES,
            processes::CASES,
            process_writes::CASES,
            stopped_writers::CASES,
            lease_processes::CASES,
            kills::CASES,
            files::CASES,
            lock_files::CASES,
            damage::CASES,
            record_damage::CASES,
            refusals::CASES,
            second_way::CASES,
            cancellation::CASES,
            dropped_often::CASES,
            cancelled_leases::CASES,
            used_up::CASES,
            anywhere::CASES,
            faults::CASES,
            network::CASES,
            network_leases::CASES,
            model::CASES,
            histories::CASES,
        ]
        .concat()
    })
}

/// The clauses of the contract that no storage can be asked about through the trait, and where they are checked
/// instead.
pub fn elsewhere() -> &'static [(&'static str, &'static str)] {
    &[
        (
            "S2",
            "core: what `Secret` wipes is a matter of its type, not of a backend",
        ),
        (
            "S3",
            "the tests of the encrypting layer: a backend knows nothing of what it keeps",
        ),
        (
            "D7",
            "the tests of the JSON and SQLite backends, which run the Python SDK",
        ),
        (
            "L5",
            "`refreshing::refresh_cases`, which the token manager's tests run on every storage",
        ),
        (
            "L6",
            "the tests of the token manager; the storage's part is `records::proving_writable_changes_nothing`",
        ),
        (
            "L8",
            "the tests of the facade's `merge_response` and of the token manager",
        ),
        ("L9", "core, `TokenData::freshness`, and the tests of the token manager"),
        (
            "L10",
            "`refreshing::refresh_cases`, which the token manager's tests run on every storage",
        ),
    ]
}
