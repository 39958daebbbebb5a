//! The thread that writes: it takes everything that is queued, applies it in order to one document, and writes that
//! once. Concurrent stores so share one rewrite, and those of one handle happen in the order in which they were called.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use token_storage_core::{Error, Result};
use token_storage_files::{self as files, LockGuard, SidecarLock};
use tokio::sync::oneshot;

use crate::{
    commit::{self, Entry, Rewrite},
    document::{Damage, DamageKind, Document},
    error,
    job::{Applied, Change, Job, Progress},
    queue::{Queue, Worker},
    shared::{Retired, Shared},
    snapshot::Content,
};

#[derive(Debug)]
pub(crate) struct Writer(Worker<Job>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(Worker::new("token-storage-json-write"))
    }

    /// Makes all changes or none, durably, after everything that was given before. Dropping the future before the
    /// thread has begun cancels it.
    pub(crate) async fn write(&self, shared: &Arc<Shared>, changes: Vec<Change>) -> Result<Applied> {
        let deadline = Instant::now() + shared.busy_timeout;
        let (job, wait, progress) = Job::new(changes, deadline);
        self.give(shared, job)?;
        let _abandon = AbandonOnDrop { shared, progress };
        answer(wait).await
    }

    /// Waits until every write that has begun is done.
    pub(crate) async fn settle(&self, shared: &Arc<Shared>) -> Result<()> {
        let (job, wait, _) = Job::new(Vec::new(), Instant::now());
        self.give(shared, job)?;
        answer(wait).await.map(drop)
    }

    fn give(&self, shared: &Arc<Shared>, job: Job) -> Result<()> {
        let start = || -> Box<dyn FnOnce(Arc<Queue<Job>>) + Send> {
            let shared = Arc::clone(shared);
            Box::new(move |queue| Rounds::new(&shared, &queue).run())
        };
        self.0.give(job, start).map_err(|_| error::no_thread())
    }
}

async fn answer(wait: oneshot::Receiver<Result<Applied>>) -> Result<Applied> {
    match wait.await {
        Ok(answer) => answer,
        Err(_) => Err(error::no_answer().with_unknown_outcome()),
    }
}

/// A caller that goes away takes its job along, or leaves word that a write is under way.
struct AbandonOnDrop<'a> {
    shared: &'a Shared,
    progress: Progress,
}

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        if !self.progress.cancel() && self.progress.has_begun() {
            self.shared.abandon();
        }
    }
}

/// The thread's work: round after round of taking, writing, answering.
struct Rounds<'a> {
    shared: &'a Shared,
    queue: &'a Queue<Job>,
    lock: SidecarLock,
    /// How many callers were there in the last round, and how long it took.
    crowd: usize,
    pace: Duration,
}

impl<'a> Rounds<'a> {
    fn new(shared: &'a Shared, queue: &'a Queue<Job>) -> Self {
        Self {
            shared,
            queue,
            lock: SidecarLock::new(&shared.path),
            crowd: 1,
            pace: Duration::ZERO,
        }
    }

    fn run(mut self) {
        while self.queue.wait() {
            self.gather();
            self.round();
            self.shared.settled();
        }
    }

    /// The callers that were just answered come back in a moment. Waiting for them, for a small part of what a rewrite
    /// takes, lets all share the next one; without it they would split into two halves that take turns.
    fn gather(&self) {
        if self.crowd > self.queue.len() {
            self.queue
                .gather(self.crowd, (self.pace / 4).min(Duration::from_millis(2)));
        }
    }

    fn round(&mut self) {
        self.finish_idle();
        let Some(deadline) = self.queue.peek(|job| job.deadline) else {
            return;
        };
        if self.finish_removals_of_nothing() || self.refuse_untouched() {
            return;
        }
        match self.lock.acquire_until(deadline) {
            Ok(Some(guard)) => self.locked(guard),
            Ok(None) => {
                let now = Instant::now();
                for job in self.queue.take_while(|job| job.deadline <= now) {
                    job.finish(Err(error::busy(self.shared)));
                }
            }
            Err(error) => {
                self.fail(files::io_error(self.lock.path(), "lock", error));
            }
        }
    }

    /// Whoever has come until now shares the rewrite.
    fn locked(&mut self, guard: LockGuard) {
        let jobs = self.queue.take();
        let begun: Vec<Job> = jobs.into_iter().filter(Job::begin).collect();
        let (crowd, started) = (begun.len(), Instant::now());
        let (results, retired) = write(self.shared, &begun, guard);
        for (job, result) in begun.into_iter().zip(results) {
            job.finish(result);
        }
        self.pace = started.elapsed();
        self.crowd = crowd + self.queue.len();
        drop(retired);
    }

    /// Barriers that have come to the front, and calls that nobody waits for.
    fn finish_idle(&self) {
        for job in self.queue.take_while(|job| job.is_barrier() || job.is_cancelled()) {
            job.finish(Ok(Applied::default()));
        }
    }

    /// Refuses what cannot be written, or not by these calls, before so much as a lock file is made beside it. Says whether it
    /// refused anything: whoever comes next is looked at anew.
    fn refuse_untouched(&self) -> bool {
        if self.lock.exists() {
            return false;
        }
        match look(self.shared) {
            Ok(None) => false,
            Ok(Some(damage)) => {
                let rest = damage.rest();
                let refused = self.queue.take_while(|job| !job.asks_only_what_is_known(&rest));
                let any = !refused.is_empty();
                for job in refused {
                    let error = error::damage(&self.shared.path, &damage);
                    job.finish(Err(error));
                }
                any
            }
            Err(error) => {
                self.fail(error);
                true
            }
        }
    }

    /// Tells everybody who waits.
    fn fail(&self, error: Error) {
        for job in self.queue.take() {
            job.finish(Err(error.clone()));
        }
    }

    /// Removing from a storage that does not exist yet creates nothing.
    fn finish_removals_of_nothing(&self) -> bool {
        if self.queue.peek(Job::only_removes) != Some(true) || !commit::is_absent(self.shared) {
            return false;
        }
        let mut nothing = Document::empty();
        for job in self.queue.take_while(Job::only_removes) {
            let result = job.apply(&mut nothing, self.shared);
            job.finish(result);
        }
        true
    }
}

/// Whether the file may be written, found out without the lock and without touching anything. A damaged one, which is
/// returned, may be by calls that ask nothing of its content: it is then kept aside.
pub(crate) fn look(shared: &Shared) -> Result<Option<Damage>> {
    let (snapshot, _retired) = shared.load()?;
    let damage = match &snapshot.content {
        Content::Absent => return Ok(None),
        Content::Document(_) => None,
        Content::Damaged(damage) if damage.kind == DamageKind::NotOurs => {
            return Err(error::damage(&shared.path, damage));
        }
        Content::Damaged(damage) => Some(damage.clone()),
    };
    files::prove_replaceable(&shared.path)?;
    Ok(damage)
}

/// Does all jobs with one rewrite at most. One result for each job, and what was known before, to be dropped after they
/// have been told.
fn write(shared: &Shared, jobs: &[Job], mut guard: LockGuard) -> (Vec<Result<Applied>>, Vec<Retired>) {
    let mut retired = Vec::new();
    let placed = place(shared, jobs, &mut guard, &mut retired);
    drop(guard);
    let durable = placed.and_then(|(results, entry)| {
        entry.map_or(Ok(()), |entry| entry.make_durable(shared))?;
        Ok(results)
    });
    // Answers that rest on changes which then fail to be written are void with them, refusals included.
    let results = durable.unwrap_or_else(|error| jobs.iter().map(|_| Err(error.clone())).collect());
    (results, retired)
}

/// What needs the lock. The entry is that of the new file, if there had to be one.
fn place(
    shared: &Shared,
    jobs: &[Job],
    guard: &mut LockGuard,
    retired: &mut Vec<Retired>,
) -> Result<(Vec<Result<Applied>>, Option<Entry>)> {
    let (snapshot, before) = shared.load()?;
    retired.push(before);
    let mut rewrite = Rewrite::of(shared, &snapshot);
    let results: Vec<_> = jobs.iter().map(|job| rewrite.apply(job)).collect();
    if !results.iter().flatten().any(|applied| applied.changed) {
        return Ok((results, None));
    }
    // What cannot be cleared up now is tried again by the next write.
    let _ = guard.begin_work();
    let (before, entry) = rewrite.commit()?;
    retired.push(before);
    guard.finish_work();
    Ok((results, Some(entry)))
}
