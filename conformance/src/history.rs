//! What a case did, in words, for its failure's message.

use std::{
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use token_storage_core::{Precondition, Revision};

/// The lines that a failure's message shows: the last ones matter most.
const SHOWN: usize = 60;
const KEPT: usize = 4000;

#[derive(Debug)]
pub(crate) struct History {
    lines: Mutex<Lines>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    dropped: usize,
    revisions: Vec<Revision>,
    leases: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            started: Instant::now(),
        }
    }
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

    /// A short name for a lease that was acquired: `l1` for the first one, and so on.
    pub(crate) fn lease(&self) -> String {
        let mut lines = self.lock();
        lines.leases += 1;
        format!("l{}", lines.leases)
    }

    /// Since the case began: leases are about time.
    pub(crate) fn time(&self) -> String {
        format!("at {:.3} s", self.started.elapsed().as_secs_f64())
    }

    pub(crate) fn precondition(&self, precondition: &Precondition) -> String {
        match precondition {
            Precondition::Any => String::new(),
            Precondition::Absent => " if absent".to_owned(),
            Precondition::Unchanged(revision) => format!(" if unchanged since {}", self.revision(revision)),
        }
    }

    /// A text with each revision that [`shown`] put there replaced by its short name.
    pub(crate) fn with_names(&self, text: &str) -> String {
        let mut parts = text.split(OPENING);
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let found = part
                .split_once(CLOSING)
                .and_then(|(digits, rest)| Some((parse(digits)?, rest)));
            match found {
                Some((revision, rest)) => {
                    named += &self.revision(&revision);
                    named += rest;
                }
                None => named += part,
            }
        }
        named
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

/// Noncharacters: nothing that a case stores has them.
const OPENING: char = '\u{fdd0}';
const CLOSING: char = '\u{fdd1}';

/// A revision where no history is at hand, to be given its name later. Its `Debug` tells nothing.
pub(crate) fn shown(revision: &Revision) -> String {
    let mut text = String::from(OPENING);
    for byte in revision.as_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text.push(CLOSING);
    text
}

fn parse(digits: &str) -> Option<Revision> {
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    Revision::from_bytes(&bytes?).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_can_be_told_apart() {
        let history = History::default();
        let (one, two) = (
            Revision::from_bytes(&[1; 32]).unwrap(),
            Revision::from_bytes(&[2]).unwrap(),
        );
        assert_eq!(history.revision(&two), "r1");
        let text = format!("got {}, want {} {}", shown(&one), shown(&two), shown(&one));
        assert_eq!(history.with_names(&text), "got r2, want r1 r2");
    }
}
