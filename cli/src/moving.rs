//! What came of moving tokens, from one storage to another or by way of a file, and how it is told.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use token_storage::{
    TokenKey,
    backend::counted,
    migrate::{Migration, Outcome, Reason, Selection, Tally},
};

use crate::{Context, Exit, Failure, Result, output::print_done, voice};

/// What it is called.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) verb: &'static str,
    pub(crate) past: &'static str,
    pub(crate) doing: &'static str,
    /// Where the tokens come from.
    pub(crate) source: &'static str,
}

/// What was done, or would be.
pub(crate) struct Report {
    pub(crate) tally: Tally,
    left: Vec<(TokenKey, Reason)>,
    words: &'static Words,
}

impl Report {
    /// Runs it. Without a total the bar counts.
    pub(crate) async fn of(
        migration: Migration<'_>,
        selection: &Selection,
        words: &'static Words,
        total: Option<u64>,
    ) -> Result<Self> {
        let bar = bar(words, total);
        let mut left = Vec::new();
        let tally = migration
            .run(selection, |key, outcome| {
                bar.inc(1);
                if let Outcome::Left(reason) = outcome {
                    left.push((key.clone(), reason.clone()));
                }
            })
            .await;
        bar.finish_and_clear();
        Ok(Self {
            tally: tally?,
            left,
            words,
        })
    }

    /// The end of a command that does nothing while something is in the way.
    pub(crate) fn in_the_way(self) -> Failure {
        self.tell_left();
        let Words { verb, past, .. } = self.words;
        let message = format!(
            "nothing was {past}, since {} would stay; see to these, or {verb} the others with --keep-going",
            counted(self.tally.left, "token")
        );
        Failure::new(Exit::Usage, message)
    }

    pub(crate) fn end_of_dry_run(self, context: &Context) -> Result<Exit> {
        self.tell_left();
        let lines = format!("would {} {}\n", self.words.verb, self.summary());
        print_done(context, &self.as_json(true), &lines)?;
        Ok(Exit::Success)
    }

    pub(crate) fn end(self, context: &Context) -> Result<Exit> {
        self.tell_left();
        print_done(context, &self.as_json(false), &format!("{}\n", self.line()))?;
        Ok(self.exit())
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.tally.left {
            0 => Exit::Success,
            _ => Exit::Failure,
        }
    }

    /// What was done, in a line.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.words.past, self.summary())
    }

    fn summary(&self) -> String {
        let tally = &self.tally;
        let mut summary = counted(tally.copied, "token");
        let not_in = format!("not in {}", self.words.source);
        let more = [
            (tally.replaced, "in the place of others"),
            (tally.already_there, "already there"),
            (tally.absent, &*not_in),
            (tally.left, "left in place"),
            (tally.unnameable, "left in place, with a name that is not Unicode"),
        ];
        for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
            summary += &format!("; {count} {what}");
        }
        summary
    }

    pub(crate) fn tell_left(&self) {
        for (key, reason) in &self.left {
            voice::note_of(key, &self.why(reason));
        }
    }

    pub(crate) fn as_json(&self, dry_run: bool) -> Value {
        let tally = &self.tally;
        let left = self.left.iter().map(|(key, reason)| {
            json!({
                "namespace": key.namespace(),
                "resource_server": key.resource_server(),
                "reason": name(reason),
            })
        });
        json!({
            "dry_run": dry_run,
            "copied": tally.copied,
            "replaced": tally.replaced,
            "already_there": tally.already_there,
            "absent": tally.absent,
            "unnameable": tally.unnameable,
            "left": left.collect::<Vec<_>>(),
        })
    }

    fn why(&self, reason: &Reason) -> String {
        match reason {
            Reason::Occupied => "another token is stored there; --overwrite replaces it".to_owned(),
            Reason::SamePlace => {
                "both names lead to the same record, or one file is a copy of the other; nothing is removed, as that cannot be told"
                    .to_owned()
            }
            Reason::Unsettled => format!(
                "a refresh ended without an answer; get a token from {}, or log in again",
                self.words.source
            ),
            Reason::Changed => "another program stored a new one meanwhile; run this again with --overwrite".to_owned(),
            Reason::Damaged(error) | Reason::Refused(error) => error.message().to_owned(),
            _ => "it stays".to_owned(),
        }
    }
}

fn name(reason: &Reason) -> &'static str {
    match reason {
        Reason::Occupied => "occupied",
        Reason::SamePlace => "same_place",
        Reason::Unsettled => "unsettled",
        Reason::Changed => "changed",
        Reason::Damaged(_) => "damaged",
        Reason::Refused(_) => "refused",
        _ => "other",
    }
}

/// Shown at a terminal only. Without a total it counts.
fn bar(words: &Words, total: Option<u64>) -> ProgressBar {
    if voice::is_json() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            format!("{} {{bar:30}} {{pos}}/{{len}} {{eta}}", words.doing),
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} looking at {pos} tokens".to_owned(),
        ),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
