//! The order of writes, and what becomes of a write whose caller has gone.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use token_storage_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::work::{Outcome, Work};

/// The writes of one storage handle, strictly first in, first out.
///
/// At most one group of them is being committed at a time (one transaction, one fsync): by one of their callers if nobody
/// was committing when they came, else by a thread.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    orphans: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    pending: VecDeque<Queued>,
    /// Somebody is committing, or about to.
    busy: bool,
    /// The thread is to be woken once this many writes wait.
    wanted: usize,
    /// Whether the thread runs.
    thread: bool,
    closed: bool,
}

/// A write that waits for its turn.
pub(crate) struct Queued {
    pub(crate) work: Work,
    pub(crate) deadline: Instant,
    reply: oneshot::Sender<Outcome>,
    unsettled: Unsettled,
}

/// Settles the fate of a write when it is done, and also when it is dropped undone.
struct Unsettled(Fate);

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.done();
    }
}

/// What a caller waits on. Dropping it abandons the write, which may still happen.
pub(crate) struct Ticket {
    reply: oneshot::Receiver<Outcome>,
    fate: Fate,
}

/// What joining the queue comes to.
pub(crate) struct Pushed {
    pub(crate) ticket: Ticket,
    /// The caller is to commit, with whatever has come by then.
    pub(crate) leads: bool,
    pub(crate) start_thread: bool,
}

/// Known to the write and to its caller, to keep count of writes that are still to happen though nobody waits for them.
#[derive(Clone)]
struct Fate {
    state: Arc<AtomicU8>,
    orphans: Arc<AtomicUsize>,
}

const WAITING: u8 = 0;
const DONE: u8 = 1;
const ABANDONED: u8 = 2;

impl Queued {
    fn new(work: Work, deadline: Instant, orphans: &Arc<AtomicUsize>) -> (Self, Ticket) {
        let (sender, receiver) = oneshot::channel();
        let fate = Fate {
            state: Arc::new(AtomicU8::new(WAITING)),
            orphans: orphans.clone(),
        };
        let ticket = Ticket {
            reply: receiver,
            fate: fate.clone(),
        };
        let queued = Self {
            work,
            deadline,
            reply: sender,
            unsettled: Unsettled(fate),
        };
        (queued, ticket)
    }

    pub(crate) fn finish(self, outcome: Outcome) {
        let Self { reply, unsettled, .. } = self;
        // Before the reply: once a caller has it, its write is no orphan any more.
        drop(unsettled);
        let _ = reply.send(outcome);
    }
}

impl Fate {
    fn done(&self) {
        if self.state.swap(DONE, Ordering::AcqRel) == ABANDONED {
            self.orphans.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn abandon(&self) {
        if self.state.load(Ordering::Acquire) == DONE {
            return;
        }
        // Counted first, so that the count is never too low.
        self.orphans.fetch_add(1, Ordering::AcqRel);
        if self.state.swap(ABANDONED, Ordering::AcqRel) == DONE {
            self.orphans.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Ticket {
    pub(crate) async fn wait(mut self) -> Outcome {
        match (&mut self.reply).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "the thread that writes to the database has gone",
            )
            .with_unknown_outcome()),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.fate.abandon();
    }
}

/// The right to commit. Dropping it hands over to whoever waits.
pub(crate) struct Turn<'a> {
    queue: &'a Queue,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.busy = false;
        if !state.pending.is_empty() || state.closed {
            self.queue.wake.notify_one();
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether writes that nobody waits for are still to happen: then a read has to wait for them (clause A7).
    pub(crate) fn has_orphans(&self) -> bool {
        self.orphans.load(Ordering::Acquire) > 0
    }

    /// Joins the queue at its end. With `may_lead` the thread is not woken if nobody is committing: then the caller has to
    /// [`lead`](Queue::lead), or see to it that somebody [`drives`](Queue::drive) the queue.
    pub(crate) fn push(&self, work: Work, deadline: Instant, may_lead: bool) -> Pushed {
        let (queued, ticket) = Queued::new(work, deadline, &self.orphans);
        let mut state = self.state();
        state.pending.push_back(queued);
        let leads = may_lead && !state.busy && !state.closed;
        let start_thread = !leads && self.rouse(&mut state);
        Pushed {
            ticket,
            leads,
            start_thread,
        }
    }

    /// The right to commit, and all that waits, if nobody is committing and it is not too much.
    pub(crate) fn lead(&self, limit: usize) -> Option<(Turn<'_>, Vec<Queued>)> {
        let mut state = self.state();
        if state.busy || state.closed || state.pending.is_empty() || state.pending.len() > limit {
            return None;
        }
        state.busy = true;
        let group = state.pending.drain(..).collect();
        Some((Turn { queue: self }, group))
    }

    /// Has the thread commit what waits, unless somebody is at it; says whether the caller must start the thread.
    pub(crate) fn drive(&self) -> bool {
        let mut state = self.state();
        !state.busy && !state.pending.is_empty() && !state.closed && self.rouse(&mut state)
    }

    fn rouse(&self, state: &mut State) -> bool {
        if state.pending.len() >= state.wanted {
            self.wake.notify_one();
        }
        !std::mem::replace(&mut state.thread, true)
    }

    /// For the thread: waits until something is to be committed and nobody else does. `None`: the storage is closed.
    pub(crate) fn next_turn(&self) -> Option<Turn<'_>> {
        let mut state = self.state();
        loop {
            if state.closed {
                state.thread = false;
                return None;
            }
            if !state.busy && !state.pending.is_empty() {
                state.busy = true;
                return Some(Turn { queue: self });
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the thread, which keeps its turn meanwhile: waits a little until as many writes wait as have been seen
    /// together lately. Those whose group has just been committed come back at once, as a rule, and so share the next
    /// fsync instead of the one after it. Says whether any write waits.
    pub(crate) fn gather(&self, crowd: usize, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut state = self.state();
        while state.pending.len() < crowd && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.wanted = crowd;
            state = self
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.wanted = 0;
        !state.pending.is_empty()
    }

    /// Takes writes from the front, at most `limit`.
    pub(crate) fn take(&self, limit: usize) -> Vec<Queued> {
        let mut state = self.state();
        let count = state.pending.len().min(limit);
        state.pending.drain(..count).collect()
    }

    /// Puts back what was taken but not done, in its order.
    pub(crate) fn put_back(&self, writes: Vec<Queued>) {
        let mut state = self.state();
        for queued in writes.into_iter().rev() {
            state.pending.push_front(queued);
        }
    }

    /// Until when the first write may wait.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        self.state().pending.front().map(|queued| queued.deadline)
    }

    pub(crate) fn len(&self) -> usize {
        self.state().pending.len()
    }

    /// No more writes: those that wait have no callers any more and are forgotten; the thread ends.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.pending.clear();
        self.wake.notify_all();
    }

    /// The thread could not be started, or has ended by a panic.
    pub(crate) fn thread_is_gone(&self) {
        let mut state = self.state();
        state.thread = false;
        state.pending.clear();
    }
}
