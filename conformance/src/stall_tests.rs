//! The rule by which cases of timed leases are run again, tried on cases that are made for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use token_storage_core::Error;

use super::*;
use crate::{
    Level, Report, Suite, Verdict,
    check::{fail, ignore},
    history::History,
    made_up::MadeUp,
    run::runtime,
};

/// A lease that is over before a case can be: each that sleeps for so long was kept waiting.
const SHORT: Duration = Duration::from_millis(5);
/// One that no case outlasts.
const LONG: Duration = Duration::from_secs(3600);

fn timed(ttl: Duration) -> Suite<MadeUp> {
    Suite::new("stalls", MadeUp::with_leases(LeaseKind::Timed { ttl })).timed_leases()
}

/// A case that does this; what it knows is how often it has begun, and so do we.
macro_rules! case {
    ($level:expr, |$number:ident| $body:expr) => {{
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let case = Case::new($level, "lease::one_holder_at_a_time", &["L1"], |_: Cx| {
            Box::pin(async move {
                let $number = RUNS.fetch_add(1, Ordering::SeqCst) + 1;
                $body
            })
        });
        (case, &RUNS)
    }};
}

fn failed() -> Check {
    fail("L1", "what the case expects", "something else", "it")
}

async fn failed_late() -> Check {
    tokio::time::sleep(SHORT).await;
    failed()
}

/// How it ended, and how often it was run.
fn run(suite: Suite<MadeUp>, (case, runs): (Case, &AtomicUsize)) -> (Report, usize) {
    let report = suite.plan().run(&case);
    (report, runs.load(Ordering::SeqCst))
}

fn has_failed(report: &Report) -> bool {
    matches!(report.verdict, Verdict::Failed(_))
}

#[test]
fn a_case_whose_lease_may_have_run_out_is_run_again_until_it_passes() {
    let late_twice = case!(Level::Lease, |number| if number < 3 {
        failed_late().await
    } else {
        Ok(())
    });
    let (report, runs) = run(timed(SHORT), late_twice);
    assert_eq!((report.verdict, runs), (Verdict::Passed, 3));
}

#[test]
fn what_fails_in_time_is_not_run_again() {
    let would_pass_then = case!(Level::Lease, |number| if number == 1 { failed() } else { Ok(()) });
    let (report, runs) = run(timed(LONG), would_pass_then);
    assert!(has_failed(&report), "{report}");
    assert_eq!(runs, 1);
}

#[test]
fn what_fails_each_time_has_failed_and_says_how_often() {
    let (report, runs) = run(timed(SHORT), case!(Level::Lease, |_number| failed_late().await));
    assert!(has_failed(&report), "{report}");
    assert_eq!(runs, TRIES);
    assert!(report.explanation().contains("the last of 5 tries"), "{report}");
}

#[test]
fn a_failure_of_one_try_says_nothing_of_tries() {
    let (report, _) = run(timed(LONG), case!(Level::Lease, |_number| failed()));
    assert!(!report.explanation().contains("tries"), "{report}");
}

#[test]
fn a_case_that_saw_itself_stalled_is_run_again() {
    let stalled_once = case!(Level::Lease, |number| if number == 1 {
        Err(Stop::Stalled)
    } else {
        Ok(())
    });
    let (report, runs) = run(timed(LONG), stalled_once);
    assert_eq!((report.verdict, runs), (Verdict::Passed, 2));
}

#[test]
fn a_machine_that_stalls_each_time_decides_nothing_and_is_named() {
    let (report, runs) = run(timed(LONG), case!(Level::Lease, |_number| Err(Stop::Stalled)));
    assert_eq!(runs, TRIES);
    match report.verdict {
        Verdict::Indeterminate(reason) => assert!(reason.contains("too busy"), "{reason}"),
        _ => panic!("{report}"),
    }
}

#[test]
fn what_passes_is_run_once_however_late() {
    let late = case!(Level::Lease, |_number| {
        tokio::time::sleep(SHORT).await;
        Ok(())
    });
    let (report, runs) = run(timed(SHORT), late);
    assert_eq!((report.verdict, runs), (Verdict::Passed, 1));
}

#[test]
fn what_needs_no_lease_is_not_run_again() {
    let (report, runs) = run(timed(SHORT), case!(Level::Core, |_number| failed_late().await));
    assert!(has_failed(&report), "{report}");
    assert_eq!(runs, 1);
}

#[test]
fn leases_of_a_process_do_not_run_out() {
    let suite = Suite::new("stalls", MadeUp::with_leases(LeaseKind::Process)).process_leases();
    let (report, runs) = run(suite, case!(Level::Lease, |_number| failed_late().await));
    assert!(has_failed(&report), "{report}");
    assert_eq!(runs, 1);
}

/// `explains` for how a case ended, after so long, at a time to live of [`LONG`].
fn explained(needs: &'static [Need], ended: fn() -> Check, took: Duration) -> bool {
    let (case, _) = case!(Level::Core, |_number| Ok(()));
    let plan = timed(LONG).plan();
    runtime().block_on(async {
        let place = Arc::clone(&plan.suite).place().await.unwrap();
        let cx = Cx::new(&plan, place, Arc::new(History::default()), 0);
        explains(&cx, &case.needs(needs), &ended(), took).await
    })
}

fn lost(kind: ErrorKind) -> Check {
    Err(Stop::Storage(Error::new(kind, "made up")))
}

const TINY: Duration = Duration::from_nanos(1);

#[test]
fn only_between_its_time_to_live_and_a_hang() {
    let after = |took| explained(&[Need::Lease], failed, took);
    assert!(!after(LONG - TINY));
    assert!(after(LONG));
    assert!(after(LONG + HUNG - TINY));
    assert!(!after(LONG + HUNG));
}

#[test]
fn what_lets_leases_run_out_itself_may_lose_one_and_nothing_else() {
    let ended = |how| explained(&[Need::TimedLease], how, LONG);
    assert!(ended(|| lost(ErrorKind::LeaseLost)));
    assert!(!ended(|| lost(ErrorKind::Unavailable)));
    assert!(!ended(failed));
    assert!(!explained(&[], || lost(ErrorKind::LeaseLost), LONG));
}

#[test]
fn what_was_ignored_or_passed_needs_no_explanation() {
    assert!(!explained(&[Need::Lease], || Ok(()), LONG));
    assert!(!explained(&[Need::Lease], || ignore("not here"), LONG));
}
