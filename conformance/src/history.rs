//! What a case did, in words, for its failure's message.

use std::{
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use token_storage_core::{Precondition, Revision};

/// The lines that a failure's message shows: the last ones matter most.
const SHOWN: usize = 60;
const KEPT: usize = 4000;

#[derive(Debug, Default)]
pub(crate) struct History {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    dropped: usize,
    revisions: Vec<Revision>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        let mut lines = self.lock();
        if lines.lines.len() == KEPT {
            lines.lines.drain(..KEPT / 2);
            lines.dropped += KEPT / 2;
        }
        lines.lines.push(line.into());
    }

    /// A short name for a revision: `r1` for the first one seen, and so on.
    pub(crate) fn revision(&self, revision: &Revision) -> String {
        let mut lines = self.lock();
        let known = lines.revisions.iter().position(|known| known == revision);
        let index = known.unwrap_or_else(|| {
            lines.revisions.push(*revision);
            lines.revisions.len() - 1
        });
        format!("r{}", index + 1)
    }

    pub(crate) fn precondition(&self, precondition: &Precondition) -> String {
        match precondition {
            Precondition::None => String::new(),
            Precondition::Absent => " if absent".to_owned(),
            Precondition::Unchanged(revision) => format!(" if unchanged since {}", self.revision(revision)),
        }
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Lines::default();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.lock();
        let skipped = lines.lines.len().saturating_sub(SHOWN);
        let earlier = lines.dropped + skipped;
        let first = (earlier > 0).then(|| format!("({earlier} earlier operations)"));
        first
            .into_iter()
            .chain(lines.lines[skipped..].iter().cloned())
            .collect()
    }
}

/// A text for people: quoted, escaped, and cut if it is long.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 48;
    let mut shown = format!("{:?}", text.chars().take(MOST).collect::<String>());
    if text.chars().nth(MOST).is_some() {
        let _ = write!(shown, "… ({} bytes)", text.len());
    }
    shown
}
