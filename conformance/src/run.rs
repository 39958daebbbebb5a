//! Running one case, and counting.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock, mpsc},
    time::{Duration, Instant},
};

use token_storage_core::{Error, ErrorKind, Precondition, TokenData, TokenStorageExt as _};
use tokio::{runtime::Runtime, sync::watch};

use crate::{
    Case, Failure, Level, Report, Verdict,
    check::{Check, Stop},
    cx::Cx,
    history::History,
    rng::{Rng, run_seed, soak},
    stall,
    suite::Plan,
    worker::is_worker,
};

const INTERRUPTED: &str = "the run was interrupted";
const STALLED: &str = "the machine is too busy: a lease ran out in each try before it could be renewed";

/// Set: what could not be run is a failure.
const REQUIRE: &str = "TOKEN_STORAGE_CONFORMANCE_REQUIRE";

/// One for all cases, since clients that pool connections must not outlive the runtime they were made on.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build();
        runtime.expect("the runtime of the suite could not be started")
    })
}

/// How many cases run side by side: more than the machine can work on, since the half of them waits.
pub(crate) fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(2, usize::from) + 1
}

pub(crate) fn run(plan: &Plan, case: &Case) -> Report {
    let seed = run_seed();
    if let Some(reason) = plan.ignored(case) {
        return Report::new(case, Verdict::Ignored(reason), seed);
    }
    if plan.is_interrupted() {
        return Report::new(case, Verdict::Ignored(INTERRUPTED.to_owned()), seed);
    }
    if is_worker() {
        // Else each worker would start workers of its own, without end.
        let reason = "this process was started as a worker, and runs no cases";
        return Report::new(case, Verdict::Ignored(reason.to_owned()), seed);
    }
    let history = Arc::new(History::default());
    let started = Instant::now();
    let verdict = guarded(plan.clone(), *case, Arc::clone(&history), seed);
    let mut report = Report::new(case, required(verdict), seed);
    report.took = started.elapsed();
    if let Verdict::Failed(failure) = &mut report.verdict {
        for text in [&mut failure.got, &mut failure.want] {
            *text = history.with_names(text);
        }
        report.history = history.lines();
    }
    report
}

/// Survives panics and hangs of the storage, blocked threads of the runtime included. Making the place does not count:
/// a harness may have to start a server.
fn guarded(plan: Plan, case: Case, history: Arc<History>, seed: u64) -> Verdict {
    let limit = Duration::from_secs(if soak() { 1800 } else { 300 });
    let (say, progress) = mpsc::channel();
    let ready = say.clone();
    let task = runtime().spawn(async move {
        for tries_left in (0..stall::TRIES).rev() {
            let prepared = prepare(&plan, &case, Arc::clone(&history), seed).await;
            // Nobody listens any more: the limit has passed.
            let _ = ready.send(Progress::Ready);
            let cx = match prepared {
                Ok(cx) => cx,
                Err(verdict) => return verdict,
            };
            if let Some(verdict) = run_case(cx, case, plan.interrupted.subscribe(), tries_left).await {
                return verdict;
            }
            history.clear();
        }
        unreachable!("the last try has a verdict")
    });
    runtime().spawn(async move {
        let _ = say.send(Progress::Done(task.await));
    });
    let (mut patience, mut what) = (PREPARING, "the harness makes a place");
    loop {
        match progress.recv_timeout(patience) {
            Ok(Progress::Ready) => (patience, what) = (limit, "every call ends"),
            Ok(Progress::Done(Ok(verdict))) => return verdict,
            Ok(Progress::Done(Err(error))) => return broken(&case, "no call panics", panic_text(error), "no panic"),
            Err(_) => return broken(&case, what, format!("not after {} s", patience.as_secs()), "an answer"),
        }
    }
}

/// A server may have to be built first.
const PREPARING: Duration = Duration::from_secs(1800);

enum Progress {
    Ready,
    Done(Result<Verdict, tokio::task::JoinError>),
}

fn broken(case: &Case, expectation: &str, got: String, want: &str) -> Verdict {
    Verdict::Failed(Failure {
        clause: case.clauses()[0].to_owned(),
        expectation: expectation.to_owned(),
        got,
        want: want.to_owned(),
    })
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "cancelled".to_owned();
    };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}

pub(crate) fn is_required() -> bool {
    std::env::var_os(REQUIRE).is_some()
}

fn required(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Indeterminate(reason) if is_required() => Verdict::Failed(Failure {
            clause: "none".to_owned(),
            expectation: format!("{REQUIRE} is set: the storage can be used"),
            got: reason,
            want: "a storage that answers".to_owned(),
        }),
        verdict => verdict,
    }
}

async fn prepare(plan: &Plan, case: &Case, history: Arc<History>, seed: u64) -> Result<Cx, Verdict> {
    if let Err(reason) = plan.suite.ready().await {
        return Err(match is_required() {
            true => Verdict::Indeterminate(reason),
            false => Verdict::Ignored(reason),
        });
    }
    match Arc::clone(&plan.suite).place().await {
        Ok(place) => Ok(Cx::new(plan, place, history, case_seed(seed, case.name()))),
        Err(error) => Err(unusable(case, &error, error.kind() == ErrorKind::Unavailable)),
    }
}

/// `None`: once more, since a stall explains how it ended.
async fn run_case(cx: Cx, case: Case, interrupted: watch::Receiver<bool>, tries_left: usize) -> Option<Verdict> {
    let started = Instant::now();
    let verdict = tokio::select! {
        result = case.start(cx.clone()) => {
            let stalled = stall::explains(&cx, &case, &result, started.elapsed()).await;
            if stalled && tries_left > 0 {
                None
            } else {
                if stalled {
                    cx.note(stall::each_time());
                }
                Some(judge(&cx, &case, result).await)
            }
        }
        () = interruption(interrupted) => Some(Verdict::Indeterminate(INTERRUPTED.to_owned())),
    };
    cx.clean_up().await;
    verdict
}

async fn interruption(mut interrupted: watch::Receiver<bool>) {
    if interrupted.wait_for(|interrupted| *interrupted).await.is_err() {
        // Nobody is left who could interrupt.
        std::future::pending().await
    }
}

/// The same seed must not make every case do the same.
fn case_seed(seed: u64, name: &str) -> u64 {
    name.bytes()
        .fold(seed, |seed, byte| Rng::new(seed ^ u64::from(byte)).next())
}

async fn judge(cx: &Cx, case: &Case, result: Check) -> Verdict {
    match result {
        Ok(()) => Verdict::Passed,
        Err(Stop::Ignored(reason)) => Verdict::Ignored(reason),
        Err(Stop::Failed(failure)) => Verdict::Failed(failure),
        Err(Stop::Stalled) => Verdict::Indeterminate(STALLED.to_owned()),
        Err(Stop::Storage(error)) => unusable(case, &error, out_of_reach(cx, &error).await),
    }
}

/// A storage that fails the simplest calls in the same way says nothing about the case; one that fails only the case's
/// calls has failed the case. Asked in another place, if there can be one: the case may have spoiled its own.
async fn out_of_reach(cx: &Cx, error: &Error) -> bool {
    let may_pass = |kind| matches!(kind, ErrorKind::Unavailable | ErrorKind::Busy);
    if !may_pass(error.kind()) {
        return false;
    }
    let probe = async {
        let place = cx.another_place().await?;
        let storage = place.reopen().await?;
        let key = cx.key("probe");
        storage
            .store(&key, &TokenData::new("probe", "", "probe"), Precondition::Any)
            .await?;
        storage.get(&key).await?;
        storage.remove(&key, Precondition::Any).await
    };
    probe.await.is_err_and(|probed: Error| may_pass(probed.kind()))
}

fn unusable(case: &Case, error: &Error, out_of_reach: bool) -> Verdict {
    let text = chain(error);
    if out_of_reach {
        return Verdict::Indeterminate(text);
    }
    Verdict::Failed(Failure {
        clause: case.clauses()[0].to_owned(),
        expectation: "a call that must succeed does".to_owned(),
        got: format!("{:?}: {text}", error.kind()),
        want: "Ok".to_owned(),
    })
}

pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

/// How many cases of each level ended how.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    levels: BTreeMap<Level, Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
    indeterminate: usize,
}

impl Tally {
    /// Counts a case.
    pub fn add(&mut self, level: Level, verdict: &Verdict) {
        let counts = self.levels.entry(level).or_default();
        *match verdict {
            Verdict::Passed => &mut counts.passed,
            Verdict::Failed(_) => &mut counts.failed,
            Verdict::Ignored(_) => &mut counts.ignored,
            Verdict::Indeterminate(_) => &mut counts.indeterminate,
        } += 1;
    }

    /// The number of cases that passed or failed.
    pub fn decided(&self) -> usize {
        self.levels.values().map(|counts| counts.passed + counts.failed).sum()
    }

    fn total(&self) -> Counts {
        self.levels.values().fold(Counts::default(), |sum, counts| Counts {
            passed: sum.passed + counts.passed,
            failed: sum.failed + counts.failed,
            ignored: sum.ignored + counts.ignored,
            indeterminate: sum.indeterminate + counts.indeterminate,
        })
    }
}

/// A table, one line a level.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<10} {:>6} {:>6} {:>7} {:>13}",
            "level", "passed", "failed", "ignored", "indeterminate"
        )?;
        let rows = self.levels.iter().map(|(level, counts)| (level.name(), *counts));
        for (name, c) in rows.chain([("all", self.total())]) {
            writeln!(
                f,
                "  {name:<10} {:>6} {:>6} {:>7} {:>13}",
                c.passed, c.failed, c.ignored, c.indeterminate
            )?;
        }
        Ok(())
    }
}
