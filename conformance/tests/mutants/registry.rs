//! Every mutant: each file says which it has, with the case that is meant for each; here they are folded.

use token_storage_conformance::Plan;

use crate::{
    Mutant, files,
    flaw::{self, Flaw, flaw},
    remote as n,
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

pub(crate) fn remote<C: n::Client>(name: &'static str, caught_by: &'static str) -> Mutant {
    let plan = n::suite::<C>(name).plan();
    Mutant { name, caught_by, plan }
}

pub(crate) fn wire<F: w::Flaws>(name: &'static str, caught_by: &'static str) -> Mutant {
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
        flaw::suite::<crate::beginnings::Begins>("begins")
            .enumerates()
            .process_leases()
            .plan(),
        flaw::suite::<Timed<t::Correct>>("timed")
            .enumerates()
            .timed_leases()
            .shifted_clocks()
            .plan(),
        flaw::suite::<Timed<t::EndedByServer>>("ended-by-server")
            .enumerates()
            .timed_leases()
            .plan(),
        flaw::suite::<crate::cached::Cached<100, 100>>("cached")
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
        crate::keys::mutants(),
        crate::long_keys::mutants(),
        crate::records::mutants(),
        crate::revisions::mutants(),
        crate::compared::mutants(),
        crate::cut_batches::mutants(),
        crate::cursors::mutants(),
        crate::spelled::mutants(),
        crate::cut_fields::mutants(),
        crate::lost_leases::mutants(),
        crate::ttl::mutants(),
        crate::swaps::mutants(),
        crate::own_views::mutants(),
        crate::cached::mutants(),
        crate::odd_ones::mutants(),
        crate::listings::mutants(),
        crate::guards::mutants(),
        crate::code_paths::mutants(),
        crate::codecs::mutants(),
        crate::indexes::mutants(),
        crate::journals::mutants(),
        crate::outlines::mutants(),
        crate::other_leases::mutants(),
        crate::atomicity::mutants(),
        crate::dropped::mutants(),
        crate::in_flight::mutants(),
        crate::dropped_leases::mutants(),
        crate::used_up::mutants(),
        crate::outsiders::mutants(),
        crate::secrets::mutants(),
        crate::capabilities::mutants(),
        crate::held::mutants(),
        crate::beginnings::mutants(),
        t::mutants(),
        n::mutants(),
        w::mutants(),
        crate::powerless::mutants(),
        crate::disk::mutants(),
        crate::file_damage::mutants(),
        crate::shared::mutants(),
        crate::shared_writes::mutants(),
        crate::stopped::mutants(),
        crate::strangers::mutants(),
        crate::file_leases::mutants(),
        crate::lock_files::mutants(),
    ];
    groups.into_iter().flatten().collect()
}
