use std::{fmt, time::Duration};

use crate::{Case, Failure, Level};

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase", content = "detail")]
pub enum Verdict {
    /// The storage does what the clauses ask for.
    Passed,
    /// It does not.
    Failed(Failure),
    /// The case was not run, for this reason.
    Ignored(String),
    /// The case was run, but the storage could not be reached or was throttled: nothing is known.
    Indeterminate(String),
}

/// A case that was run, or ignored.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// The case's name.
    pub name: &'static str,
    /// Its clauses.
    pub clauses: &'static [&'static str],
    /// Its level.
    pub level: Level,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What it did, the last operations; empty unless it failed. `h1`, `h2` are handles, `r1`, `r2` revisions.
    pub history: Vec<String>,
    /// What `TOKEN_STORAGE_CONFORMANCE_SEED` repeats it with.
    pub seed: u64,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds", rename = "seconds")]
    pub took: Duration,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

impl Report {
    pub(crate) fn new(case: &Case, verdict: Verdict, seed: u64) -> Self {
        Self {
            name: case.name(),
            clauses: case.clauses(),
            level: case.level(),
            verdict,
            history: Vec::new(),
            seed,
            took: Duration::ZERO,
        }
    }
}

impl Report {
    /// Why it failed, for people, in several lines: the clause, got and want, the history. Empty unless it failed.
    pub fn explanation(&self) -> String {
        let Verdict::Failed(failure) = &self.verdict else {
            return String::new();
        };
        let mut text = format!(
            "clause {}: {}\n   got: {}\n  want: {}\n",
            failure.clause, failure.expectation, failure.got, failure.want
        );
        if !self.history.is_empty() {
            text += "  what was done:\n";
        }
        for line in &self.history {
            text += &format!("    {line}\n");
        }
        text
    }
}

/// For people: how it ended; of a failure the [explanation](Report::explanation), and how to repeat it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(f, "{} passed", self.name),
            Verdict::Ignored(reason) => write!(f, "{} was ignored: {reason}", self.name),
            Verdict::Indeterminate(reason) => write!(f, "{} is indeterminate: {reason}", self.name),
            Verdict::Failed(_) => write!(
                f,
                "{}  to repeat: {}",
                self.explanation(),
                crate::repeat::command(self, "")
            ),
        }
    }
}
