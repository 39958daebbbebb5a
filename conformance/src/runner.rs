//! The suite as a test target.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use libtest_mimic::{Arguments, Completion, Failed, FormatSetting, Trial};

use crate::{Case, Report, Tally, Verdict, suite::Plan, worker::worker};

type Tallies = Arc<Mutex<BTreeMap<String, Tally>>>;

/// Runs the suites of a test target (`harness = false`), with the arguments of `cargo test`: filters, `--list`,
/// `--exact`, `--test-threads`; nextest works too. At the end it prints, for each suite, the cases of each level.
///
/// It does not succeed if it ran nothing: a run without a filter in which no case passed or failed ends with an error,
/// unless the harness said that it is not [`ready`](crate::Harness::ready) here.
///
/// With several plans, the names of cases begin with the plan's name and a slash.
pub fn main(plans: impl IntoIterator<Item = Plan>) -> ExitCode {
    let plans: Vec<Plan> = plans.into_iter().collect();
    if worker(&plans).is_some() {
        // Whatever the test target does after its suite is not for workers.
        std::process::exit(0);
    }
    let arguments = Arguments::from_args();
    let tallies = Tallies::default();
    let trials = plans
        .iter()
        .flat_map(|plan| {
            let prefix = if plans.len() > 1 {
                format!("{}/", plan.name())
            } else {
                String::new()
            };
            let tallies = &tallies;
            plan.cases().iter().map(move |case| trial(plan, case, &prefix, tallies))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.list {
        return conclusion.exit_code();
    }
    let tallies = tallies.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(arguments.format, Some(FormatSetting::Json)) {
        for (name, tally) in &*tallies {
            println!("conformance of {name}:\n{tally}");
        }
    }
    let filtered = arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.ignored;
    let unready = plans
        .iter()
        .all(|plan| crate::run::runtime().block_on(plan.suite.ready()).is_err());
    if !filtered && !unready && tallies.values().any(|tally| tally.decided() == 0) {
        eprintln!("error: not one case of the suite was decided; see the reasons above");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn trial(plan: &Plan, case: &'static Case, prefix: &str, tallies: &Tallies) -> Trial {
    let (running, tallies) = (plan.clone(), Arc::clone(tallies));
    let name = format!("{prefix}{}", case.name());
    Trial::ignorable_test(name, move || {
        let report = running.run(case);
        let mut tallies = tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies
            .entry(running.name().to_owned())
            .or_default()
            .add(report.level, &report.verdict);
        drop(tallies);
        outcome(&report)
    })
    .with_kind(case.level().name())
}

fn outcome(report: &Report) -> Result<Completion, Failed> {
    match &report.verdict {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Ignored(reason) => Ok(Completion::ignored_with(reason)),
        Verdict::Indeterminate(reason) => Ok(Completion::ignored_with(format!("indeterminate: {reason}"))),
        Verdict::Failed(_) => Err(Failed::from(report.to_string())),
    }
}
