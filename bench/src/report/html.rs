//! The page for people. Everything in it that comes from a storage is escaped.

use std::fmt::Write as _;

use token_storage_core::backend::counted;

use super::{
    Measured, Report, StorageReport,
    chart::{Axis, Line, svg},
    words::{duration, escape, rate},
};
use crate::{BASE_RECORDS, Operation};

const STYLE: &str = include_str!("page.css");
/// How many storages have a colour of their own.
pub(super) const COLOURS: usize = 6;

pub(super) fn page(report: &Report) -> String {
    let mut page = Page {
        report,
        html: String::with_capacity(64 * 1024),
    };
    page.head();
    page.storages();
    page.operations();
    page.charts();
    page.figures();
    page.skipped();
    page.foot();
    page.html
}

struct Page<'a> {
    report: &'a Report,
    html: String,
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($page:expr, $($text:tt)*) => {
        let _ = write!($page.html, $($text)*);
    };
}

impl Page<'_> {
    fn head(&mut self) {
        let Report {
            cores, budget_seconds, ..
        } = self.report;
        put!(
            self,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>Token storages, measured</title><style>\n{STYLE}</style></head><body><main>\n\
             <header><h1>Token storages, measured</h1><p class=\"soft\">Each for at most {}{}, on {cores} cores; records of \
             about 1 kB{}</p></header>\n",
            duration(*budget_seconds),
            self.report
                .budget_requests
                .map_or_else(String::new, |requests| format!(" and {requests} requests")),
            if self.report.stopped {
                "; stopped before its end"
            } else {
                ""
            }
        );
    }

    fn storages(&mut self) {
        self.html += "<div class=\"cards\">";
        for (at, (storage, label)) in self.report.storages.iter().zip(self.report.labels()).enumerate() {
            put!(
                self,
                "<div class=\"card\"><h2>{}{}</h2><p class=\"place soft\">{}</p><dl><dt>Survives</dt><dd>{}</dd>\
                 <dt>Shared by</dt><dd>{}</dd><dt>Took</dt><dd>{}, {}</dd></dl>",
                dot(at),
                escape(label),
                escape(&storage.name),
                escape(survives(storage)),
                escape(&storage.promises.sharing.to_string()),
                duration(storage.seconds),
                counted(storage.requests, "request")
            );
            if let Some(error) = &storage.error {
                put!(
                    self,
                    "<p class=\"error\">It ended with an error: {}</p>",
                    escape(&error.to_string())
                );
            }
            if storage.left > 0 {
                put!(
                    self,
                    "<p class=\"error\">{} could not be removed: look in the namespace {}</p>",
                    counted(storage.left, "record"),
                    escape(&storage.namespace)
                );
            }
            self.html += "</div>";
        }
        self.html += "</div>\n";
    }

    /// Side by side, with bars: one task, the usual number of records.
    fn operations(&mut self) {
        put!(
            self,
            "<h2>One call after the other</h2><p class=\"soft\">{BASE_RECORDS} records, one task. The bar is the median, beside \
             the slowest storage's.</p><div class=\"operations\">"
        );
        for operation in Operation::ALL {
            let rows: Vec<(usize, &StorageReport, &Measured)> = self
                .report
                .storages
                .iter()
                .enumerate()
                .filter_map(|(at, storage)| Some((at, storage, find(storage, operation, BASE_RECORDS, 1)?)))
                .collect();
            let medians = rows.iter().map(|(_, _, measured)| measured.latency_seconds.p50);
            let slowest = medians.fold(0.0, f64::max);
            if rows.is_empty() {
                continue;
            }
            put!(
                self,
                "<div class=\"card\"><h3>{}</h3><p class=\"soft\">{}</p><table>",
                operation.name(),
                operation.meaning()
            );
            let labels = self.report.labels();
            for (at, storage, measured) in rows {
                let latency = measured.latency_seconds;
                put!(
                    self,
                    "<tr><th scope=\"row\">{}<br><small>{}</small></th><td class=\"wide\" aria-hidden=\"true\">\
                     <div class=\"bar\"><i class=\"s{}\" style=\"width:{:.1}%\"></i></div></td>\
                     <td class=\"number\"><b>{}</b><br><small>99 %: {}</small></td></tr>",
                    escape(labels[at]),
                    escape(briefly(storage)),
                    at % COLOURS,
                    latency.p50 / slowest * 100.0,
                    duration(latency.p50),
                    duration(latency.p99)
                );
            }
            self.html += "</table></div>";
        }
        self.html += "</div>\n";
    }

    fn charts(&mut self) {
        let time = Axis {
            title: "a call takes",
            words: axis_time,
        };
        let calls = Axis {
            title: "calls a second",
            words: axis_number,
        };
        let part = Axis {
            title: "of the calls",
            words: part_of_calls,
        };
        let tasks = Axis {
            title: "tasks at the same time",
            words: axis_number,
        };
        let records = Axis {
            title: "records",
            words: axis_number,
        };
        self.html += "<h2>In pictures</h2>";
        self.legend();
        self.html += "<div class=\"charts\">";
        for operation in [Operation::Get, Operation::Store] {
            let name = operation.name();
            let lines = self.lines(|storage| {
                let measured = find(storage, operation, BASE_RECORDS, 1);
                let all = measured.into_iter().flat_map(|measured| &measured.distribution);
                all.map(|(part, seconds)| (1.0 / (1.0 - part), *seconds)).collect()
            });
            self.chart(&format!("{name}: how long"), &part, &time, &lines);
            let lines = self.lines(|storage| {
                let all = measurements(storage, operation).filter(|measured| measured.records == BASE_RECORDS);
                all.map(|measured| (measured.tasks as f64, measured.per_second))
                    .collect()
            });
            self.chart(&format!("{name}: together"), &tasks, &calls, &lines);
        }
        for operation in [Operation::Get, Operation::Store, Operation::List] {
            let lines = self.lines(|storage| {
                let all = measurements(storage, operation).filter(|measured| measured.tasks == 1);
                all.map(|measured| (measured.records as f64, measured.latency_seconds.p50))
                    .collect()
            });
            self.chart(&format!("{}: as it grows", operation.name()), &records, &time, &lines);
        }
        self.html += "</div>\n";
    }

    fn lines(&self, points: impl Fn(&StorageReport) -> Vec<(f64, f64)>) -> Vec<Line> {
        let storages = self.report.storages.iter().enumerate();
        storages
            .map(|(storage, report)| Line {
                storage,
                points: points(report),
            })
            .collect()
    }

    fn legend(&mut self) {
        self.html += "<p class=\"legend\">";
        for (at, label) in self.report.labels().into_iter().enumerate() {
            let storage = &self.report.storages[at];
            put!(
                self,
                "<span>{}{} <small class=\"soft\">{}</small></span>",
                dot(at),
                escape(label),
                escape(briefly(storage))
            );
        }
        self.html += "</p>";
    }

    /// What a reader without eyes gets is the table below.
    fn chart(&mut self, title: &str, x: &Axis, y: &Axis, lines: &[Line]) {
        let svg = svg(x, y, lines);
        if !svg.is_empty() {
            put!(
                self,
                "<figure class=\"card\"><figcaption>{title}</figcaption><div role=\"img\" aria-label=\"{title}: {} over {}; the \
                 figures are in the table\">{svg}</div></figure>",
                y.title,
                x.title
            );
        }
    }

    fn figures(&mut self) {
        self.html += "<h2>All figures</h2><div class=\"card scroll\" tabindex=\"0\"><table><thead><tr>\
                      <th scope=\"col\">Operation</th><th scope=\"col\" class=\"number\">Records</th>\
                      <th scope=\"col\" class=\"number\">Tasks</th><th scope=\"col\">Storage</th>\
                      <th scope=\"col\" class=\"number\">Half</th><th scope=\"col\" class=\"number\">90 %</th>\
                      <th scope=\"col\" class=\"number\">99 %</th><th scope=\"col\" class=\"number\">Slowest</th>\
                      <th scope=\"col\" class=\"number\">A second</th><th scope=\"col\" class=\"number\">Calls</th>\
                      <th scope=\"col\">Survives</th></tr></thead><tbody>";
        for (at, measured) in self.report.rows() {
            let latency = measured.latency_seconds;
            put!(
                self,
                "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}{}</td>",
                measured.operation.name(),
                measured.records,
                measured.tasks,
                dot(at),
                escape(self.report.labels()[at])
            );
            for time in [latency.p50, latency.p90, latency.p99, latency.max] {
                put!(self, "<td class=\"number\">{}</td>", duration(time));
            }
            put!(
                self,
                "<td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
                rate(measured.per_second),
                measured.calls,
                escape(briefly(&self.report.storages[at]))
            );
        }
        self.html += "</tbody></table></div>\n";
    }

    fn skipped(&mut self) {
        if self.report.storages.iter().all(|storage| storage.skipped.is_empty()) {
            return;
        }
        self.html += "<h2>What was left out</h2><div class=\"card\"><table>";
        for (storage, label) in self.report.storages.iter().zip(self.report.labels()) {
            for skipped in &storage.skipped {
                put!(
                    self,
                    "<tr><th scope=\"row\">{}</th><td>{}, {}, {}</td><td>{}</td></tr>",
                    escape(label),
                    skipped.operation.name(),
                    counted(skipped.records, "record"),
                    counted(skipped.tasks, "task"),
                    skipped.reason
                );
            }
        }
        self.html += "</table></div>\n";
    }

    fn foot(&mut self) {
        let moment = jiff::Timestamp::from_second(self.report.finished_at).unwrap_or_default();
        put!(
            self,
            "<footer class=\"soft\">token-storage {}, ended on {}. Figures of one machine and one moment: compare what stands side \
             by side here, not with another page.</footer>\n</main></body></html>\n",
            self.report.version,
            moment.strftime("%Y-%m-%d at %H:%M UTC")
        );
    }
}

fn measurements(storage: &StorageReport, operation: Operation) -> impl Iterator<Item = &Measured> {
    storage
        .measured
        .iter()
        .filter(move |measured| measured.operation == operation)
}

fn find(storage: &StorageReport, operation: Operation, records: usize, tasks: usize) -> Option<&Measured> {
    measurements(storage, operation).find(|measured| (measured.records, measured.tasks) == (records, tasks))
}

fn survives(storage: &StorageReport) -> &'static str {
    use token_storage_core::Durability::{PowerLoss, Process, Volatile};
    match storage.promises.durability {
        Volatile => "nothing: it is gone with the process",
        Process => "kill -9, but no power loss",
        PowerLoss => "kill -9 and power loss",
        _ => "what this version does not know",
    }
}

/// For beside a figure.
fn briefly(storage: &StorageReport) -> &'static str {
    use token_storage_core::Durability::{PowerLoss, Process, Volatile};
    match storage.promises.durability {
        Volatile => "survives nothing",
        Process => "survives kill -9",
        PowerLoss => "survives power loss",
        _ => "survival not known",
    }
}

fn dot(storage: usize) -> String {
    format!("<i class=\"dot s{} m{}\"></i>", storage % COLOURS, storage % 3)
}

fn axis_time(seconds: f64) -> String {
    // Whole powers of ten.
    let words = super::words::duration(seconds * 1.000_001);
    words.replace(".00", "").replace(".0", "")
}

fn axis_number(number: f64) -> String {
    let words = rate(number * 1.000_001);
    words.replace(".00", "").replace(".0", "").replace(' ', "")
}

/// 10 stands for 90 %, 100 for 99 %: what is rare is what one waits for.
fn part_of_calls(inverse: f64) -> String {
    let percent = format!("{:.3}", (1.0 - 1.0 / inverse) * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axes_speak_plainly() {
        assert_eq!(
            [axis_time(1e-6), axis_time(1e-4), axis_time(1.0)],
            ["1 µs", "100 µs", "1 s"]
        );
        assert_eq!(
            [axis_number(10.0), axis_number(1e4), axis_number(1e6)],
            ["10", "10k", "1M"]
        );
        assert_eq!(
            [part_of_calls(1.0), part_of_calls(10.0), part_of_calls(1e3)],
            ["0 %", "90 %", "99.9 %"]
        );
    }
}
