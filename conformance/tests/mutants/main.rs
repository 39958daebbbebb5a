//! The suite tested itself: storages that are broken on purpose, each caught by the case that is meant for it; and
//! correct ones, which pass everything several times in a row.
//!
//! And the contract tested against both: each of its sentences has a case, and each case something broken (`coverage`).
//!
//! `TOKEN_STORAGE_CONFORMANCE_REPEATS=50` repeats them as often; 3 times is the default.
//!
//! The figure `caught / shipped` is printed at the end, and every mutant that gets through is a failed test.

mod atomicity;
mod beginnings;
mod cached;
mod capabilities;
mod code_paths;
mod codecs;
mod compared;
mod coverage;
mod cursors;
mod cut_batches;
mod cut_fields;
mod disk;
mod dropped;
mod dropped_leases;
mod file_damage;
mod file_leases;
mod files;
mod flaw;
mod guards;
mod held;
mod in_flight;
mod indexes;
mod journals;
mod keys;
mod listings;
mod lock_files;
mod long_keys;
mod lost_leases;
mod odd_ones;
mod other_leases;
mod outlines;
mod outsiders;
mod own_views;
mod powerless;
mod records;
mod registry;
mod remote;
mod revisions;
mod secrets;
mod shared;
mod shared_writes;
mod spelled;
mod stopped;
mod strangers;
mod swaps;
mod timed;
mod ttl;
mod unfair;
mod used_up;
mod wire;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use token_storage_conformance::{Plan, Selection, Verdict, worker};

/// What a broken storage does while others get the chance to see it: the window of a race, made wide.
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

/// A broken storage.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// The case that is meant for it.
    pub(crate) caught_by: &'static str,
    pub(crate) plan: Plan,
}

fn main() -> ExitCode {
    let mutants = registry::mutants();
    let correct = registry::correct();
    // A case of several processes starts this very program again.
    if let Some(code) = worker(mutants.iter().map(|mutant| &mutant.plan).chain(&correct)) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // They wait more than they work.
    arguments.test_threads.get_or_insert(12);
    let (tally, shipped) = (Arc::new(Tally::default()), mutants.len());
    let meant: Vec<_> = mutants.iter().map(|mutant| (mutant.name, mutant.caught_by)).collect();
    let mut trials: Vec<Trial> = mutants.into_iter().map(|mutant| trial(mutant, &tally)).collect();
    trials.push(Trial::test("every_mutant_has_a_name_of_its_own", || {
        distinct(&registry::mutants())
    }));
    trials.push(Trial::test("a_powerless_harness_is_named", powerless::each_is_named));
    trials.extend(coverage::trials(&meant));
    for plan in correct {
        let name = format!("correct::{}", plan.name());
        trials.push(Trial::test(name, move || passes_repeatedly(&plan)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list && arguments.filter.is_none() {
        let [caught, late] = [&tally.caught, &tally.late].map(|count| count.load(Ordering::Relaxed));
        println!("mutants: caught {caught} / {shipped}, {late} of them not at the first try");
    }
    conclusion.exit_code()
}

#[derive(Default)]
struct Tally {
    caught: AtomicUsize,
    late: AtomicUsize,
}

/// A race or the moment of a kill may be missed, above all on a machine that has much else to do; not every time, though.
const TRIES: usize = 3;

fn trial(mutant: Mutant, tally: &Arc<Tally>) -> Trial {
    let tally = Arc::clone(tally);
    let name = format!("mutant::{} by {}", mutant.name, mutant.caught_by);
    Trial::test(name, move || {
        let case = mutant.plan.cases().iter().find(|case| case.name() == mutant.caught_by);
        let case = case.ok_or_else(|| format!("the suite has no case {}", mutant.caught_by))?;
        let is_caught = || matches!(mutant.plan.run(case).verdict, Verdict::Failed(_));
        let Some(tries) = (0..TRIES).find(|_| is_caught()) else {
            let results = mutant.plan.run_all(&Selection::default(), |_| ());
            let others: Vec<_> = results.failures().map(|failure| failure.name).collect();
            return Err(format!("it got through {TRIES} times; others that catch it: {others:?}").into());
        };
        tally.caught.fetch_add(1, Ordering::Relaxed);
        tally.late.fetch_add(usize::from(tries > 0), Ordering::Relaxed);
        Ok(())
    })
}

fn distinct(mutants: &[Mutant]) -> Result<(), Failed> {
    let names: std::collections::BTreeSet<_> = mutants.iter().map(|mutant| mutant.name).collect();
    match names.len() == mutants.len() {
        true => Ok(()),
        false => Err("two mutants have one name".into()),
    }
}

/// A storage that keeps the contract is never accused.
fn passes_repeatedly(plan: &Plan) -> Result<(), Failed> {
    let repeats = std::env::var("TOKEN_STORAGE_CONFORMANCE_REPEATS").ok();
    let rounds = repeats.map_or(3, |number| number.parse().expect("the repeats are a number"));
    for round in 1..=rounds {
        let results = plan.run_all(&Selection::default(), |_| ());
        if let Some(failure) = results.failures().next() {
            return Err(format!("round {round} of {rounds}, {}: {failure}", failure.name).into());
        }
        if !results.conforms() {
            return Err(format!("round {round} of {rounds}: nothing passed").into());
        }
    }
    Ok(())
}
