//! What is said after the table: where to begin, and what green does not mean.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{Need, Report, Verdict, cases, clauses};

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
    let failed = || {
        let all = reports.iter();
        all.filter_map(|report| match &report.verdict {
            Verdict::Failed(failure) => Some((report, failure.clause.as_str())),
            _ => None,
        })
    };
    // Of the lowest level, since the others build upon it; of one level the first in the order of the suite.
    let Some((_, cause)) = failed().min_by_key(|(report, _)| report.level) else {
        return;
    };
    let simplest = failed()
        .filter(|(_, clause)| *clause == cause)
        .min_by_key(|(report, _)| (takes_processes(report), report.history.len()));
    let others = failed().count() - 1;
    if let (Some((report, _)), 1..) = (simplest, others) {
        let _ = writeln!(
            text,
            "  begin with {}: the other {others} may follow from it",
            report.name
        );
    }
}

/// What other processes do is not in its history, and depends on chance more often.
fn takes_processes(report: &Report) -> bool {
    let case = cases().iter().find(|case| case.name() == report.name);
    case.is_some_and(|case| case.required().contains(&Need::Processes))
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

    /// A failure that breaks this clause after so many calls.
    fn failed(name: &str, clause: &str, calls: usize) -> Report {
        let verdict = Verdict::Failed(Failure {
            clause: clause.to_owned(),
            expectation: String::new(),
            got: String::new(),
            want: String::new(),
        });
        let mut report = report(name, verdict);
        report.history = vec!["a call".to_owned(); calls];
        report
    }

    fn begun_with(reports: &mut [Report]) -> String {
        in_order(reports);
        let text = of(reports, false);
        let begun = text
            .strip_prefix("  begin with ")
            .and_then(|text| text.split_once(": "));
        begun.map_or_else(String::new, |(name, _)| name.to_owned())
    }

    #[test]
    fn the_failure_to_begin_with_is_of_the_lowest_level() {
        let mut reports = [
            failed("cancellation::a_dropped_get_harms_nothing", "A7", 1),
            failed("records::absent_is_none", "K1", 9),
        ];
        assert_eq!(begun_with(&mut reports), "records::absent_is_none");
        assert_eq!(begun_with(&mut reports[..1]), "", "one alone needs no advice");
    }

    #[test]
    fn of_one_cause_the_simplest_is_to_begin_with() {
        let mut reports = [
            failed("records::absent_is_none", "K1", 40),
            failed("keys::case_is_kept", "K4", 1),
            failed("records::every_field_round_trips", "K1", 3),
            failed("cancellation::a_dropped_get_harms_nothing", "K1", 5),
        ];
        assert_eq!(begun_with(&mut reports), "records::every_field_round_trips");
        let mut reports = [
            failed("processes::each_sees_what_the_other_stores", "A3", 1),
            failed("handles::another_handle_sees_a_store", "A3", 5),
        ];
        assert_eq!(begun_with(&mut reports), "handles::another_handle_sees_a_store");
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
