//! What the suite finds of a storage that was made without it, as text and as JSON. The programs that run it over others' storages
//! have this file in common.

use std::{path::PathBuf, process::ExitCode};

use token_storage_conformance::{Plan, Results, Selection, Verdict, worker};

/// Runs the plans, or is a worker of one of them: all, or those that are named behind `--json FOLDER`, which writes a file for
/// each.
///
/// The exit code is 0 whatever is found: it reports, and judges nothing.
pub(crate) fn run(plans: &[Plan]) -> ExitCode {
    if worker(plans).is_some() {
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, named) = match &arguments[..] {
        [] => (None, &[][..]),
        [flag, folder, named @ ..] if flag == "--json" => (Some(PathBuf::from(folder)), named),
        _ => {
            eprintln!("usage: {} [--json FOLDER [NAME...]]", env!("CARGO_PKG_NAME"));
            return ExitCode::from(2);
        }
    };
    let wanted = |plan: &&Plan| named.is_empty() || named.iter().any(|name| name == plan.name());
    for plan in plans.iter().filter(wanted) {
        let results = plan.run_all(&Selection::default(), |_| {});
        show(&results);
        if let Some(folder) = &folder
            && let Err(error) = write(folder, &results)
        {
            eprintln!("cannot write the results to {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn show(results: &Results) {
    let (coverage, divergence) = (results.coverage, results.divergence);
    println!("{}: suite {}", results.name, results.suite);
    println!("  clauses checked: {} of {}", coverage.count, coverage.of);
    println!(
        "  clauses that some case found not to be kept: {} of {}",
        divergence.count, divergence.of
    );
    for level in &results.levels {
        println!(
            "  {:<10} passed {:>3}, failed {:>3}, ignored {:>3}, indeterminate {:>3}",
            level.level, level.passed, level.failed, level.ignored, level.indeterminate
        );
    }
    for case in &results.cases {
        if let Verdict::Failed(failure) = &case.verdict {
            println!(
                "  failed: {} ({}): {}; got {}",
                case.name, failure.clause, failure.expectation, failure.got
            );
        }
        if let Verdict::Indeterminate(reason) = &case.verdict {
            println!("  indeterminate: {}: {reason}", case.name);
        }
    }
}

fn write(folder: &std::path::Path, results: &Results) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let json = serde_json::to_string_pretty(results)?;
    std::fs::write(folder.join(format!("{}.json", results.name)), json)
}
