//! The results for people.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};
use token_storage_conformance::{Results, Selection, Verdict, cases};

use crate::{
    Context, Exit, Result,
    output::{self, print, print_json},
    text,
};

/// The failures with their histories, what was not decided and why, the table of levels, and the two figures.
pub(super) fn of(results: &Results) -> String {
    let mut out = String::new();
    for report in results.failures() {
        let _ = writeln!(out, "{} failed", report.name);
        for line in report.explanation().lines() {
            let _ = writeln!(out, "  {}", text::one_line(line));
        }
        let seed = report.seed;
        let _ = writeln!(
            out,
            "  to repeat: TOKEN_STORAGE_CONFORMANCE_SEED={seed} token-storage conformance URL --filter {}\n",
            report.name
        );
    }
    for (reason, count) in undecided(results) {
        let _ = writeln!(out, "not decided: {count} {}", text::one_line(&reason));
    }
    let _ = writeln!(out, "\n{}", levels(results));
    let _ = writeln!(
        out,
        "coverage    {} of {} clauses were checked\ndivergence  {} of {} checked clauses are not kept",
        results.coverage.count, results.coverage.of, results.divergence.count, results.divergence.of
    );
    out
}

fn undecided(results: &Results) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for report in &results.cases {
        if let Verdict::Ignored(reason) | Verdict::Indeterminate(reason) = &report.verdict {
            *reasons.entry(reason.clone()).or_insert(0) += 1;
        }
    }
    reasons
}

fn levels(results: &Results) -> String {
    let (mut rows, mut all) = (Vec::new(), [0; 4]);
    for level in &results.levels {
        let figures = [level.passed, level.failed, level.ignored, level.indeterminate];
        // Not selected.
        if figures != [0; 4] {
            rows.push(row(level.level.name(), figures));
        }
        all.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
    }
    rows.push(row("all", all));
    output::table(Some(["LEVEL", "PASSED", "FAILED", "IGNORED", "INDETERMINATE"]), rows)
}

fn row(name: &str, figures: [usize; 4]) -> [String; 5] {
    let [passed, failed, ignored, indeterminate] = figures.map(|figure| figure.to_string());
    [name.to_owned(), passed, failed, ignored, indeterminate]
}

/// The selected cases.
pub(super) fn list(selection: &Selection, context: &Context) -> Result<Exit> {
    let selected = cases().iter().filter(|case| selection.includes(case));
    if context.json {
        let cases: Vec<Value> = selected
            .map(|case| json!({"name": case.name(), "level": case.level(), "clauses": case.clauses()}))
            .collect();
        print_json(&json!({ "cases": cases }))?;
    } else {
        let rows = selected.map(|case| {
            let (level, clauses) = (case.level().name().to_owned(), case.clauses().join(" "));
            [case.name().to_owned(), level, clauses]
        });
        print(&output::table(Some(["CASE", "LEVEL", "CLAUSES"]), rows))?;
    }
    Ok(Exit::Success)
}
