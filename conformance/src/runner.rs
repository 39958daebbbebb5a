//! The suite as a test target.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Completion, Failed, FormatSetting, Trial};

use crate::{Case, Report, Tally, Verdict, pace, printer, repeat, run, suite::Plan, summary, worker::worker};

/// Names a folder for the results of each suite, as `NAME.json` and `NAME.html`.
const REPORTS: &str = "TOKEN_STORAGE_CONFORMANCE_REPORTS";

/// The reports of each suite, by its name.
type Reports = Arc<Mutex<BTreeMap<String, Vec<Report>>>>;

/// Runs the suites of a test target (`harness = false`), with the arguments of `cargo test`: filters, `--list`,
/// `--exact`, `--test-threads`; nextest works too. At the end it prints, for each suite, the cases of each level.
///
/// It does not succeed if it ran nothing: a run without a filter in which no case passed or failed ends with an error,
/// unless the harness said that it is not [`ready`](crate::Harness::ready) here. With
/// `TOKEN_STORAGE_CONFORMANCE_REQUIRE` a filter that matches nothing is an error, too.
///
/// With several plans, the names of cases begin with the plan's name and a slash.
pub fn main(plans: impl IntoIterator<Item = Plan>) -> ExitCode {
    let plans: Vec<Plan> = plans.into_iter().collect();
    if worker(&plans).is_some() {
        // Whatever the test target does after its suite is not for workers.
        std::process::exit(0);
    }
    printer::begin();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(run::threads);
    let (reports, started) = (Reports::default(), Instant::now());
    let trials = plans
        .iter()
        .flat_map(|plan| {
            let prefix = if plans.len() > 1 {
                format!("{}/", plan.name())
            } else {
                String::new()
            };
            let reports = &reports;
            plan.cases().iter().map(move |case| trial(plan, case, &prefix, reports))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.list {
        return conclusion.exit_code();
    }
    let took = started.elapsed();
    let mut reports = std::mem::take(&mut *reports.lock().unwrap_or_else(PoisonError::into_inner));
    reports.values_mut().for_each(|of| summary::in_order(of));
    let tallies: BTreeMap<&str, Tally> = reports.iter().map(|(name, of)| (name.as_str(), tally(of))).collect();
    let filtered = arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.ignored;
    if !matches!(arguments.format, Some(FormatSetting::Json)) {
        for (name, tally) in &tallies {
            println!("conformance of {name}:\n{tally}");
            print!("{}", summary::of(&reports[*name], !filtered));
            let plan = plans.iter().find(|plan| plan.name() == *name);
            if let Some(slow) = plan.and_then(|plan| plan.pace.slow(pace::reference())) {
                println!("  {slow}");
            }
        }
    }
    let nothing = tallies.values().any(|tally| tally.decided() == 0);
    if run::is_required() && (nothing || tallies.is_empty()) || nothing && !filtered && !unready(&plans) {
        eprintln!("error: not one case of the suite was decided; see the reasons above");
        return ExitCode::FAILURE;
    }
    if let Some(folder) = std::env::var_os(REPORTS)
        && let Err(error) = write_reports(folder.as_ref(), &plans, reports, took)
    {
        eprintln!("error: {REPORTS}: {error}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn unready(plans: &[Plan]) -> bool {
    let ready = |plan: &Plan| run::runtime().block_on(plan.suite.ready()).is_ok();
    !plans.iter().any(ready)
}

fn tally(reports: &[Report]) -> Tally {
    let mut tally = Tally::default();
    reports
        .iter()
        .for_each(|report| tally.add(report.level, &report.verdict));
    tally
}

fn write_reports(
    folder: &Path,
    plans: &[Plan],
    mut reports: BTreeMap<String, Vec<Report>>,
    took: Duration,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for plan in plans {
        if let Some(reports) = reports.remove(plan.name()) {
            let results = plan.sum_up(took, reports);
            fs::write(folder.join(format!("{}.json", plan.name())), results.to_json())?;
            fs::write(folder.join(format!("{}.html", plan.name())), results.to_html())?;
        }
    }
    Ok(())
}

fn trial(plan: &Plan, case: &'static Case, prefix: &str, reports: &Reports) -> Trial {
    let (running, reports, prefix) = (plan.clone(), Arc::clone(reports), prefix.to_owned());
    let name = format!("{prefix}{}", case.name());
    Trial::ignorable_test(name, move || {
        let report = running.run(case);
        let outcome = outcome(&report, &prefix);
        let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.entry(running.name().to_owned()).or_default().push(report);
        outcome
    })
    .with_kind(case.level().name())
}

fn outcome(report: &Report, prefix: &str) -> Result<Completion, Failed> {
    match &report.verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Ignored(reason) => Ok(Completion::ignored_with(reason)),
        Verdict::Indeterminate(reason) => Ok(Completion::ignored_with(format!("indeterminate: {reason}"))),
        Verdict::Failed(_) => {
            let repeat = repeat::command(report, prefix);
            Err(Failed::from(format!("{}  to repeat: {repeat}", report.explanation())))
        }
    }
}

#[cfg(test)]
mod tests {
    use token_storage_core::{Error, ErrorKind, LeaseKind};

    use super::*;
    use crate::{
        Level, Suite,
        case::CaseFuture,
        check::{Stop, fail},
        cx::Cx,
        made_up::MadeUp,
    };

    const NAME: &str = "records::absent_is_none";

    /// What the runner says of a case that does this.
    fn told(run: fn(Cx) -> CaseFuture) -> String {
        let plan = Suite::new("told", MadeUp::with_leases(LeaseKind::Process)).plan();
        let report = plan.run(&Case::new(Level::Core, NAME, &["K1"], run));
        let failed = outcome(&report, "told/").err().expect("the case fails");
        failed.message().unwrap_or_default().to_owned()
    }

    #[test]
    fn each_kind_of_failure_says_how_to_repeat_it() {
        let kinds: [fn(Cx) -> CaseFuture; 3] = [
            |_| Box::pin(async { fail("K1", "what is expected", "something else", "it") }),
            |_| Box::pin(async { panic!("made up") }),
            |_| Box::pin(async { Err(Stop::Storage(Error::new(ErrorKind::Corrupt, "made up"))) }),
        ];
        for kind in kinds {
            let text = told(kind);
            assert!(text.starts_with("clause K1: "), "{text}");
            assert!(text.contains("  to repeat: TOKEN_STORAGE_CONFORMANCE_SEED="), "{text}");
            assert!(text.ends_with(&format!(" --exact told/{NAME}")), "{text}");
        }
    }
}
