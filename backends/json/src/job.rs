//! What the writing thread is given to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use token_storage_core::{Error, Precondition, Result, TokenKey};
use tokio::sync::oneshot;

use crate::{document::Document, error, shared::Shared, text::RawText};

/// One change of one record.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) key: TokenKey,
    /// The record's new text; `None`: it is removed.
    pub(crate) text: Option<RawText>,
    pub(crate) precondition: Precondition,
}

/// One call: all of its changes happen, or none.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) changes: Vec<Change>,
    /// When to give up waiting for others.
    pub(crate) deadline: Instant,
    progress: Progress,
    answer: oneshot::Sender<Result<Applied>>,
}

/// What a call did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The file must be written for it.
    pub(crate) changed: bool,
    /// A record was removed.
    pub(crate) removed: bool,
}

impl Job {
    pub(crate) fn new(changes: Vec<Change>, deadline: Instant) -> (Self, oneshot::Receiver<Result<Applied>>, Progress) {
        let (answer, wait) = oneshot::channel();
        let progress = Progress::default();
        let job = Self {
            changes,
            deadline,
            progress: progress.clone(),
            answer,
        };
        (job, wait, progress)
    }

    /// Nothing to write, only to wait until everything before it is done.
    pub(crate) fn is_barrier(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether it only takes something away, and so needs no file.
    pub(crate) fn only_removes(&self) -> bool {
        self.changes.iter().all(|change| change.text.is_none())
    }

    /// Whether it only stores, and would be the same whatever else the damaged file held than the rest that could be read.
    pub(crate) fn asks_only_what_is_known(&self, rest: &Document) -> bool {
        let known = |change: &Change| {
            change.precondition == Precondition::Any || matches!(rest.revision(&change.key), Ok(Some(_)))
        };
        let is_known = |change: &Change| change.text.is_some() && known(change);
        !self.is_barrier() && self.changes.iter().all(is_known)
    }

    /// Whether it stores something in a namespace for which `found` holds.
    pub(crate) fn stores_into(&self, found: impl Fn(&str) -> bool) -> bool {
        let mut stored = self.changes.iter().filter(|change| change.text.is_some());
        stored.any(|change| found(change.key.namespace()))
    }

    /// Whether the caller has gone away before it began.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.progress.is(CANCELLED)
    }

    /// Begins, unless the caller has gone away.
    pub(crate) fn begin(&self) -> bool {
        self.progress.advance(QUEUED, BEGUN)
    }

    pub(crate) fn finish(self, result: Result<Applied>) {
        self.progress.0.store(DONE, Ordering::SeqCst);
        // Who does not wait any more does not matter.
        let _ = self.answer.send(result);
    }

    /// Applies all changes, or none: every precondition is checked before anything is changed.
    pub(crate) fn apply(&self, document: &mut Document, shared: &Shared) -> Result<Applied> {
        for change in &self.changes {
            self.check(change, document, shared)?;
        }
        let mut applied = Applied::default();
        for change in &self.changes {
            match &change.text {
                Some(text) => {
                    document.set(&change.key, text.clone());
                    applied.changed = true;
                }
                None => {
                    applied.removed = document.remove(&change.key);
                    applied.changed |= applied.removed;
                }
            }
        }
        Ok(applied)
    }

    fn check(&self, change: &Change, document: &Document, shared: &Shared) -> Result<()> {
        let damaged = |damage| Err(error::record(&shared.path, &change.key, damage));
        match document.revision(&change.key) {
            Ok(current) if change.precondition.holds(current) => Ok(()),
            Ok(current) => Err(Error::precondition_failed(change.key.clone(), current)),
            // Replacing or removing one damaged record is the way to be rid of it. What a damaged namespace holds is
            // not known, so nothing can be removed from it.
            Err(damage) if change.precondition != Precondition::Any => damaged(damage),
            Err(damage) if change.text.is_none() && document.is_damaged(change.key.namespace()) => damaged(damage),
            Err(_) => Ok(()),
        }
    }
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const DONE: u8 = 2;
const CANCELLED: u8 = 3;

/// How far a job is, known to the caller and to the thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

impl Progress {
    /// For a caller that goes away: the job will not happen (`true`), or it has begun or is done.
    pub(crate) fn cancel(&self) -> bool {
        self.advance(QUEUED, CANCELLED)
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.is(BEGUN)
    }

    fn is(&self, state: u8) -> bool {
        self.0.load(Ordering::SeqCst) == state
    }

    fn advance(&self, from: u8, to: u8) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}
