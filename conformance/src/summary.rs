//! What is said after the table: where to begin, and what green does not mean.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{Report, Verdict, cases, clauses};

/// The order of the suite, whichever ended first: what others build upon comes before them.
pub(crate) fn in_order(reports: &mut [Report]) {
    reports.sort_by_key(|report| cases().iter().position(|case| case.name() == report.name));
}

/// For reports in the order of the suite. Of a part of the suite nothing can be said about what it leaves open.
pub(crate) fn of(reports: &[Report], whole: bool) -> String {
    let mut text = String::new();
    begin_with(reports, &mut text);
    if whole {
        unproven(reports, &mut text);
    }
    text
}

fn begin_with(reports: &[Report], text: &mut String) {
    let failed: Vec<&Report> = reports
        .iter()
        .filter(|report| matches!(report.verdict, Verdict::Failed(_)))
        .collect();
    if let [first, _, ..] = failed.as_slice() {
        let others = failed.len() - 1;
        let _ = writeln!(
            text,
            "  begin with {}: the other {others} may follow from it",
            first.name
        );
    }
}

/// Clauses that this storage may break unseen: some of their cases were not run, and why.
fn unproven(reports: &[Report], text: &mut String) {
    let (mut wholly, mut partly) = (Vec::new(), Vec::new());
    let mut reasons = BTreeMap::<&str, usize>::new();
    for clause in clauses() {
        let own = reports.iter().filter(|report| report.clauses.contains(&clause.id));
        let (mut ran, mut left_out) = (0, 0);
        for report in own {
            match &report.verdict {
                Verdict::Passed | Verdict::Failed(_) => ran += 1,
                Verdict::Ignored(reason) | Verdict::Indeterminate(reason) => {
                    left_out += 1;
                    reasons.entry(reason).or_default();
                }
            }
        }
        match (ran, left_out) {
            (_, 0) => {}
            (0, _) => wholly.push(format!("    {:<3} {}", clause.id, clause.summary)),
            _ => partly.push(clause.id),
        }
    }
    if !wholly.is_empty() {
        let _ = writeln!(
            text,
            "  unproven for this storage, as none of their cases was run:\n{}",
            wholly.join("\n")
        );
    }
    if !partly.is_empty() {
        let _ = writeln!(
            text,
            "  unproven in part, as some of their cases were not run: {}",
            partly.join(", ")
        );
    }
    for report in reports {
        if let Verdict::Ignored(reason) | Verdict::Indeterminate(reason) = &report.verdict
            && let Some(count) = reasons.get_mut(reason.as_str())
        {
            *count += 1;
        }
    }
    for (reason, count) in reasons {
        let _ = writeln!(text, "    {count:>3} not run: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Case, Failure};

    fn report(name: &str, verdict: Verdict) -> Report {
        let case: &Case = cases().iter().find(|case| case.name() == name).unwrap();
        Report::new(case, verdict, 0)
    }

    fn failed() -> Verdict {
        Verdict::Failed(Failure {
            clause: String::new(),
            expectation: String::new(),
            got: String::new(),
            want: String::new(),
        })
    }

    #[test]
    fn the_first_failure_is_that_of_the_cause() {
        let mut reports = [
            report("cancellation::a_dropped_get_harms_nothing", failed()),
            report("records::absent_is_none", failed()),
        ];
        in_order(&mut reports);
        assert!(of(&reports, true).starts_with("  begin with records::absent_is_none: the other 1 may"));
    }

    #[test]
    fn what_was_not_run_is_named_with_its_clauses() {
        let reason = Verdict::Ignored("the harness injects no faults".to_owned());
        let text = of(
            &[
                report("records::absent_is_none", Verdict::Passed),
                report("faults::out_of_reach_is_an_error_and_not_absent", reason),
            ],
            true,
        );
        assert!(text.contains("unproven for this storage"), "{text}");
        assert!(text.contains("    A5  lost answers"), "{text}");
        assert!(
            text.contains("in part, as some of their cases were not run: K1"),
            "{text}"
        );
        assert!(text.contains("  1 not run: the harness injects no faults"), "{text}");
    }

    #[test]
    fn nothing_is_said_where_all_was_run() {
        assert_eq!(of(&[report("records::absent_is_none", Verdict::Passed)], true), "");
    }
}
