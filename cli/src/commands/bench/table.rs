//! The results for people.

use std::fmt::Write as _;

use token_storage::{Durability, backend::counted};
use token_storage_bench::{Report, StorageReport, duration, rate};

use crate::{output, text};

/// What each storage promises, all figures side by side, and what was left out.
pub(super) fn of(report: &Report) -> String {
    let mut out = storages(report);
    let _ = write!(out, "\n{}", figures(report));
    for (storage, label) in report.storages.iter().zip(report.labels()) {
        for (what, reason) in left_out(storage) {
            let _ = writeln!(out, "\nleft out at {}: {reason}: {what}", text::name(label));
        }
    }
    out
}

fn storages(report: &Report) -> String {
    let rows = report.storages.iter().zip(report.labels()).map(|(storage, label)| {
        [
            text::name(label),
            storage.promises.durability.to_string(),
            storage.promises.sharing.to_string(),
            storage.requests.to_string(),
            text::name(&storage.name),
        ]
    });
    output::table(Some(["STORAGE", "DURABILITY", "SHARED BY", "REQUESTS", "AT"]), rows)
}

fn figures(report: &Report) -> String {
    let labels = report.labels();
    let mut before = None;
    let rows = report.rows().into_iter().map(|(at, measured)| {
        let what = (measured.operation, measured.records, measured.tasks);
        let again = before.replace(what) == Some(what);
        let unless_again = |text: String| if again { String::new() } else { text };
        [
            unless_again(measured.operation.name().to_owned()),
            unless_again(measured.records.to_string()),
            unless_again(measured.tasks.to_string()),
            text::name(labels[at]),
            duration(measured.latency_seconds.p50),
            duration(measured.latency_seconds.p99),
            rate(measured.per_second),
            survives(&report.storages[at]).to_owned(),
        ]
    });
    let header = [
        "OPERATION",
        "RECORDS",
        "TASKS",
        "STORAGE",
        "MEDIAN",
        "99 %",
        "A SECOND",
        "SURVIVES",
    ];
    output::table(Some(header), rows)
}

fn survives(storage: &StorageReport) -> &'static str {
    match storage.promises.durability {
        Durability::Volatile => "nothing",
        Durability::Process => "kill -9",
        Durability::PowerLoss => "power loss",
        _ => "not known here",
    }
}

/// By reason.
fn left_out(storage: &StorageReport) -> Vec<(String, &'static str)> {
    let mut reasons: Vec<(String, &'static str)> = Vec::new();
    for skipped in &storage.skipped {
        let what = format!(
            "{} ({}, {})",
            skipped.operation.name(),
            counted(skipped.records, "record"),
            counted(skipped.tasks, "task")
        );
        match reasons.iter_mut().find(|(_, reason)| *reason == skipped.reason) {
            Some((all, _)) => {
                let _ = write!(all, ", {what}");
            }
            None => reasons.push((what, skipped.reason)),
        }
    }
    reasons
}
