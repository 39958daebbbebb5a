//! Running a whole suite at once, and what came of it: for programs, and for people.

mod collect;
mod html;
mod words;

use std::time::Duration;

use serde::Serialize;

use crate::{Level, Report, Verdict, area, clauses, elsewhere};

pub use collect::Selection;

/// What a run of the suite found: for programs as [JSON](Results::to_json), for people as [a page](Results::to_html).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Results {
    /// The version of this crate.
    pub suite: &'static str,
    /// The name of the suite that was run.
    pub name: String,
    /// What the storage says of itself, as pairs of a label and a text; empty if it could not be opened.
    pub description: Vec<(String, String)>,
    /// When the run ended, in seconds since the Unix epoch.
    pub finished_at: i64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How many records the suite wrote and could not remove again; of storages that others use too.
    pub left: usize,
    /// Of the clauses of the contract: how many were checked by a case that passed or failed.
    pub coverage: Share,
    /// Of the clauses that were checked: how many the storage does not keep.
    pub divergence: Share,
    /// The cases of each level.
    pub levels: Vec<LevelResult>,
    /// Each clause of the contract.
    pub clauses: Vec<ClauseResult>,
    /// Each case.
    pub cases: Vec<Report>,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
}

/// How many cases of a level ended how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LevelResult {
    /// The level.
    pub level: Level,
    /// The storage does what they ask for.
    pub passed: usize,
    /// It does not.
    pub failed: usize,
    /// Not run.
    pub ignored: usize,
    /// Run, but the storage could not be reached.
    pub indeterminate: usize,
}

/// What is known of a clause.
#[derive(Clone, Debug, Serialize)]
pub struct ClauseResult {
    /// Its id, as in `docs/contract.md`.
    pub id: &'static str,
    /// What it asks for, in a few words.
    pub summary: &'static str,
    /// Its part of the contract.
    pub area: &'static str,
    /// What the cases say together.
    pub standing: Standing,
    /// The cases that check it, as indices into [`Results::cases`].
    pub cases: Vec<usize>,
    /// Where it is checked instead, if no storage can be asked about it.
    pub elsewhere: Option<&'static str>,
}

/// What the cases of a clause say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// At least one case passed, and none failed.
    Kept,
    /// At least one case failed.
    Broken,
    /// No case passed or failed.
    Unchecked,
}

impl Results {
    /// Sums up the cases of a run.
    pub(crate) fn new(name: &str, description: Vec<(String, String)>, took: Duration, cases: Vec<Report>) -> Self {
        let clauses: Vec<ClauseResult> = clauses()
            .iter()
            .map(|clause| ClauseResult::new(clause.id, clause.summary, &cases))
            .collect();
        let count = |standing| clauses.iter().filter(|clause| clause.standing == standing).count();
        let broken = count(Standing::Broken);
        let checked = broken + count(Standing::Kept);
        Self {
            suite: env!("CARGO_PKG_VERSION"),
            name: name.to_owned(),
            description,
            finished_at: now(),
            seconds: took.as_secs_f64(),
            left: 0,
            coverage: Share {
                count: checked,
                of: clauses.len(),
            },
            divergence: Share {
                count: broken,
                of: checked,
            },
            levels: Level::ALL
                .into_iter()
                .map(|level| LevelResult::new(level, &cases))
                .collect(),
            clauses,
            cases,
        }
    }

    /// Whether the storage conforms as far as it was asked: no case failed, and at least one passed.
    pub fn conforms(&self) -> bool {
        let sum = |figure: fn(&LevelResult) -> usize| self.levels.iter().map(figure).sum::<usize>();
        sum(|level| level.failed) == 0 && sum(|level| level.passed) > 0
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Report> {
        self.cases
            .iter()
            .filter(|case| matches!(case.verdict, Verdict::Failed(_)))
    }

    /// A JSON text with everything in it.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them: nothing that JSON cannot say.
        serde_json::to_string_pretty(self).expect("results are representable") + "\n"
    }

    /// One HTML page that needs no other file and no network.
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl LevelResult {
    fn new(level: Level, cases: &[Report]) -> Self {
        let mut result = Self {
            level,
            passed: 0,
            failed: 0,
            ignored: 0,
            indeterminate: 0,
        };
        for case in cases.iter().filter(|case| case.level == level) {
            *match case.verdict {
                Verdict::Passed => &mut result.passed,
                Verdict::Failed(_) => &mut result.failed,
                Verdict::Ignored(_) => &mut result.ignored,
                Verdict::Indeterminate(_) => &mut result.indeterminate,
            } += 1;
        }
        result
    }
}

impl ClauseResult {
    fn new(id: &'static str, summary: &'static str, cases: &[Report]) -> Self {
        let own = |case: &&(usize, &Report)| case.1.clauses.contains(&id);
        let own: Vec<(usize, &Report)> = cases
            .iter()
            .enumerate()
            .collect::<Vec<_>>()
            .iter()
            .filter(own)
            .copied()
            .collect();
        let any = |wanted: fn(&Verdict) -> bool| own.iter().any(|(_, case)| wanted(&case.verdict));
        let standing = if any(|verdict| matches!(verdict, Verdict::Failed(_))) {
            Standing::Broken
        } else if any(|verdict| matches!(verdict, Verdict::Passed)) {
            Standing::Kept
        } else {
            Standing::Unchecked
        };
        let elsewhere = elsewhere().iter().find(|(clause, _)| *clause == id);
        Self {
            id,
            summary,
            area: area(id),
            standing,
            cases: own.iter().map(|(index, _)| *index).collect(),
            elsewhere: elsewhere.map(|(_, place)| *place),
        }
    }
}
