//! The page for people. Everything in it that comes from a storage is escaped.

use std::fmt::Write as _;

use super::{
    ClauseResult, LevelResult, Results, Share,
    words::{cases, class, escape, left, linked, moment, percent, totals, word},
};
use crate::{Report, Verdict};

const STYLE: &str = include_str!("page.css");
/// The first failures show what was done without being asked.
const OPEN: usize = 3;

pub(super) fn page(results: &Results) -> String {
    let mut page = Page(String::with_capacity(64 * 1024));
    page.head(results);
    page.title(results);
    page.figures(results);
    page.failures(results);
    page.map(&results.clauses);
    page.levels(&results.levels);
    page.clauses(results);
    page.ignored(results);
    page.foot(results);
    page.0
}

struct Page(String);

/// Writing to a string cannot fail.
macro_rules! put {
    ($page:expr, $($text:tt)*) => {
        let _ = write!($page.0, $($text)*);
    };
}

impl Page {
    fn head(&mut self, results: &Results) {
        put!(
            self,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>Conformance of {}</title><style>\n{STYLE}</style></head><body><main>\n",
            escape(&results.name)
        );
    }

    fn title(&mut self, results: &Results) {
        let (class, word) = match results.conforms() {
            true => ("kept", "conforms"),
            false => ("broken", "does not conform"),
        };
        put!(
            self,
            "<header><div><p class=\"soft\">Conformance with the token storage contract</p><h1>{}</h1>\
             <p class=\"soft\">{}</p></div><span class=\"badge verdict {class}\">{word}</span></header>\n",
            escape(&results.name),
            totals(&results.levels)
        );
    }

    fn figures(&mut self, results: &Results) {
        self.0 += "<div class=\"cards\">";
        self.figure(
            "Coverage",
            results.coverage,
            "good",
            "clauses of the contract were checked",
        );
        self.figure(
            "Divergence",
            results.divergence,
            "bad",
            "clauses that were checked are not kept",
        );
        self.0 += "<div class=\"card facts\"><table>";
        for (label, text) in results.description.iter().take(6) {
            put!(
                self,
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escape(label),
                escape(text)
            );
        }
        if results.description.is_empty() {
            self.0 += "<tr><td>The storage could not be opened.</td></tr>";
        }
        self.0 += "</table></div></div>\n";
    }

    fn figure(&mut self, title: &str, share: Share, colour: &str, of_what: &str) {
        const ROUND: f64 = 2.0 * std::f64::consts::PI * 50.0;
        let part = share.count as f64 / share.of.max(1) as f64;
        put!(
            self,
            "<div class=\"card figure\"><svg viewBox=\"0 0 124 124\" aria-hidden=\"true\">\
             <circle class=\"ring\" cx=\"62\" cy=\"62\" r=\"50\"/>"
        );
        // A round cap would show as a dot where there is nothing.
        if share.count > 0 {
            put!(
                self,
                "<circle class=\"arc {colour}\" cx=\"62\" cy=\"62\" r=\"50\" transform=\"rotate(-90 62 62)\" \
                 stroke-dasharray=\"{:.1} {ROUND:.1}\"/>",
                part * ROUND
            );
        }
        put!(
            self,
            "<text class=\"percent\" x=\"62\" y=\"62\">{}</text></svg>\
             <div><b>{title}</b><span class=\"soft\">{} of {} {of_what}</span></div></div>",
            percent(share),
            share.count,
            share.of
        );
    }

    fn failures(&mut self, results: &Results) {
        if results.failures().next().is_none() {
            return;
        }
        self.0 += "<section aria-label=\"Failures\"><h2>What the storage does not keep</h2>";
        for (index, report) in results.failures().enumerate() {
            let open = if index < OPEN { " open" } else { "" };
            let Verdict::Failed(failure) = &report.verdict else {
                continue;
            };
            put!(
                self,
                "<article class=\"card failure\"><h3><code>{}</code></h3>\
                 <dl><dt>Clause</dt><dd>{}</dd><dt>Expected</dt><dd>{}</dd><dt>Got</dt><dd class=\"got\">{}</dd>\
                 <dt>Want</dt><dd>{}</dd><dt>Again</dt><dd><code>TOKEN_STORAGE_CONFORMANCE_SEED={}</code></dd></dl>",
                escape(report.name),
                linked(&failure.clause),
                escape(&failure.expectation),
                escape(&failure.got),
                escape(&failure.want),
                report.seed
            );
            if !report.history.is_empty() {
                put!(
                    self,
                    "<details class=\"history\"{open}><summary>What was done</summary><pre tabindex=\"0\">{}</pre></details>",
                    escape(&report.history.join("\n"))
                );
            }
            self.0 += "</article>\n";
        }
        self.0 += "</section>\n";
    }

    fn map(&mut self, clauses: &[ClauseResult]) {
        self.0 += "<h2>The contract at a glance</h2><div class=\"card map\">";
        for area in clauses.chunk_by(|a, b| a.area == b.area) {
            put!(self, "<div><span>{}</span><div class=\"chips\">", escape(area[0].area));
            for clause in area {
                put!(
                    self,
                    "<a class=\"{}\" href=\"#{}\" title=\"{}: {}\">{}</a>",
                    class(clause.standing),
                    clause.id,
                    word(clause),
                    escape(clause.summary),
                    clause.id
                );
            }
            self.0 += "</div></div>";
        }
        self.0 += "</div>\n";
    }

    fn levels(&mut self, levels: &[LevelResult]) {
        self.0 += "<h2>Cases by level</h2><div class=\"card levels\"><table><thead><tr><th scope=\"col\">Level</th>\
                   <th class=\"wide\" aria-hidden=\"true\"></th>\
                   <th scope=\"col\" class=\"number\">passed</th><th scope=\"col\" class=\"number\">failed</th>\
                   <th scope=\"col\" class=\"number\">ignored</th><th scope=\"col\" class=\"number\">indeterminate</th>\
                   </tr></thead><tbody>";
        for level in levels {
            let parts = [
                ("passed", level.passed),
                ("failed", level.failed),
                ("indeterminate", level.indeterminate),
                ("ignored", level.ignored),
            ];
            put!(
                self,
                "<tr><th scope=\"row\">{}</th><td class=\"wide\" aria-hidden=\"true\"><div class=\"bar\">",
                level.level.name()
            );
            for (class, count) in parts {
                put!(self, "<i class=\"{class}\" style=\"flex:{count}\"></i>");
            }
            put!(
                self,
                "</div></td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
                 <td class=\"number\">{}</td></tr>",
                level.passed,
                level.failed,
                level.ignored,
                level.indeterminate
            );
        }
        self.0 += "</tbody></table></div>\n";
    }

    fn clauses(&mut self, results: &Results) {
        self.0 += "<h2>Clause by clause</h2><div class=\"card\">";
        for clause in &results.clauses {
            let (class, word) = (class(clause.standing), word(clause));
            put!(
                self,
                "<details id=\"{}\"><summary><b>{}</b><span>{}</span><span class=\"soft\">{}</span>\
                 <span class=\"badge {class}\">{word}</span></summary><ul>",
                clause.id,
                clause.id,
                escape(clause.summary),
                cases(clause.cases.len())
            );
            for report in clause.cases.iter().filter_map(|index| results.cases.get(*index)) {
                self.case(report);
            }
            if let Some(place) = clause.elsewhere {
                put!(self, "<li class=\"soft\">Checked elsewhere: {}</li>", escape(place));
            }
            self.0 += "</ul></details>";
        }
        self.0 += "</div>\n";
    }

    fn case(&mut self, report: &Report) {
        let (class, text) = match &report.verdict {
            Verdict::Passed => ("passed", String::new()),
            Verdict::Failed(failure) => ("failed", failure.got.clone()),
            Verdict::Ignored(reason) => ("ignored", reason.clone()),
            Verdict::Indeterminate(reason) => ("indeterminate", reason.clone()),
        };
        put!(
            self,
            "<li><span class=\"dot {class}\"></span><code>{}</code> <span class=\"soft\">{}</span></li>",
            escape(report.name),
            escape(&text)
        );
    }

    fn ignored(&mut self, results: &Results) {
        let mut reasons: Vec<(&str, usize)> = Vec::new();
        for report in &results.cases {
            let (Verdict::Ignored(reason) | Verdict::Indeterminate(reason)) = &report.verdict else {
                continue;
            };
            match reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, count)) => *count += 1,
                None => reasons.push((reason, 1)),
            }
        }
        if reasons.is_empty() {
            return;
        }
        self.0 += "<h2>What was not decided, and why</h2><div class=\"card\"><table>";
        for (reason, count) in reasons {
            put!(
                self,
                "<tr><td>{}</td><td class=\"number\">{}</td></tr>",
                escape(reason),
                cases(count)
            );
        }
        self.0 += "</table></div>\n";
    }

    fn foot(&mut self, results: &Results) {
        put!(
            self,
            "<footer class=\"soft\">token-storage-conformance {}, {} in {:.1} s, \
             ended on {}. Coverage says how much is known, divergence how much of that is wrong.{}</footer>\n\
             </main></body></html>\n",
            results.suite,
            cases(results.cases.len()),
            results.seconds,
            moment(results.finished_at),
            left(results.left)
        );
    }
}
