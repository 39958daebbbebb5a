//! A storage in a file: how reads and writes find their connection.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use token_storage_core::{Error, ErrorKind, Result, StoredToken, TokenKey};
use token_storage_files::{LockGuard, SidecarLock, io_error};

use crate::{
    codec::Row,
    config::Options,
    create::Tightened,
    error::{self, Trouble},
    look,
    place::Place,
    queue::{Queue, Queued, Ticket},
    reader::Reader,
    readers::{Quick, Readers},
    work::{Outcome, Work},
    workers::Workers,
    writer::{self, Patience, Refusal, Writer},
};

/// The most writes in one transaction.
const GROUP: usize = 256;
/// The most of them for a caller that leads; more are left to the thread.
const GROUP_HERE: usize = 32;
/// Commits that take longer than this on the average are never made on a caller's thread.
const SLOW_COMMIT_US: u32 = 1000;

pub(crate) struct File {
    pub(crate) place: Arc<Place>,
    pub(crate) options: Arc<Options>,
    /// Keeps writers in other handles and processes in a queue. SQLite's own locks would do for correctness, but its
    /// waiting is polling and unfair.
    lock: SidecarLock,
    queue: Queue,
    writer: Mutex<Writer>,
    readers: Arc<Readers>,
    workers: Workers,
    /// How long commits take lately, in microseconds: a sliding mean.
    commit_us: AtomicU32,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl File {
    pub(crate) fn new(place: Place, options: Options, lock: SidecarLock) -> Arc<Self> {
        let (place, options) = (Arc::new(place), Arc::new(options));
        Arc::new(Self {
            lock,
            queue: Queue::default(),
            writer: Mutex::new(Writer::new(place.clone(), options.clone())),
            readers: Arc::new(Readers::new(place.clone(), options.clone())),
            workers: Workers::new(options.readers),
            commit_us: AtomicU32::new(0),
            thread: Mutex::default(),
            place,
            options,
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.busy_timeout
    }

    pub(crate) async fn get(self: &Arc<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
        self.settle().await?;
        let row = match self.readers.quick(key) {
            Quick::Done(row) => row,
            Quick::Absent => None,
            Quick::Slow(index) => self.get_slowly(index, key).await?,
        };
        row.transpose().map_err(|damage| damage.into_error(key))
    }

    async fn get_slowly(&self, index: usize, key: &TokenKey) -> Result<Row> {
        let (readers, deadline, owned) = (self.readers.clone(), self.deadline(), key.clone());
        let read = self.workers.run(move || readers.get(index, &owned, deadline)).await;
        read.and_then(|row| row)
    }

    /// Reads from a table on a thread of our own; `None` if there is no such table.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        table: &'static str,
        read: impl FnMut(&mut Reader) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        self.settle().await?;
        let (readers, deadline) = (self.readers.clone(), self.deadline());
        let read = self.workers.run(move || readers.read(0, deadline, table, read)).await;
        read.and_then(|found| found)
    }

    /// Waits for writes whose callers have gone, so that none of them happens after what comes now (clause A7).
    async fn settle(self: &Arc<Self>) -> Result<()> {
        if !self.queue.has_orphans() {
            return Ok(());
        }
        let ticket = self.enqueue(Work::Barrier);
        match ticket.wait().await {
            Err(error) if self.queue.has_orphans() => Err(error),
            _ => Ok(()),
        }
    }

    /// Does a piece of work, durably, in the order of the calls.
    ///
    /// A hop to another thread and back costs a third of a fast commit. So while commits are fast, a caller that finds
    /// nobody committing does it itself, after it has let the others of its executor come up to it: the one that leads
    /// commits for all. It occupies its thread meanwhile, one for each storage at the most. (`block_in_place` would
    /// hand a worker's tasks over, but panics in a `LocalSet`, which cannot be detected.)
    pub(crate) async fn write(self: &Arc<Self>, work: Work) -> Outcome {
        let may_lead = self.options.commit_here && self.commit_us.load(Ordering::Relaxed) < SLOW_COMMIT_US;
        let pushed = self.queue.push(work, self.deadline(), may_lead);
        self.start_thread_if(pushed.start_thread);
        if pushed.leads {
            let driven = Driven(self);
            yield_once().await;
            self.lead();
            std::mem::forget(driven);
        }
        pushed.ticket.wait().await
    }

    fn enqueue(self: &Arc<Self>, work: Work) -> Ticket {
        let pushed = self.queue.push(work, self.deadline(), false);
        self.start_thread_if(pushed.start_thread);
        pushed.ticket
    }

    /// Commits what waits, if nothing has to be waited for; else leaves it to the thread.
    fn lead(self: &Arc<Self>) {
        match self.queue.lead(GROUP_HERE) {
            Some((turn, group)) => {
                let Err(group) = self.try_commit(group) else { return };
                self.queue.put_back(group);
                drop(turn);
            }
            // Somebody else leads, or has done so.
            None if self.queue.len() <= GROUP_HERE => return,
            None => {}
        }
        self.start_thread_if(self.queue.drive());
    }

    fn try_commit(&self, group: Vec<Queued>) -> Result<(), Vec<Queued>> {
        let Ok(Some(held)) = self.lock.try_acquire_existing() else {
            return Err(group);
        };
        match self.commit(&group, held, Patience::Now) {
            Err(Refusal::WouldWait) => Err(group),
            result => {
                self.finish(group, result);
                Ok(())
            }
        }
    }

    fn commit(&self, group: &[Queued], held: LockGuard, patience: Patience) -> Result<Vec<Outcome>, Refusal> {
        let works: Vec<&Work> = group.iter().map(|queued| &queued.work).collect();
        let mut writer = self.writer();
        let start = Instant::now();
        let result = writer.run(&works, patience);
        if result.is_ok() {
            self.committed(&mut writer, start);
        }
        // Before anybody is told: who waits for the lock elsewhere need not wait for that.
        drop((writer, held));
        result
    }

    fn finish(&self, group: Vec<Queued>, result: Result<Vec<Outcome>, Refusal>) {
        match result {
            Ok(outcomes) => {
                for (queued, outcome) in group.into_iter().zip(outcomes) {
                    queued.finish(outcome);
                }
            }
            Err(Refusal::Error(error)) => self.fail(group, &error),
            Err(Refusal::WouldWait) => self.fail(group, &error::locked(&self.place.path().display())),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn committed(&self, writer: &mut Writer, start: Instant) {
        let sample = start.elapsed().as_micros().min(10_000) as u32;
        let mean = self.commit_us.load(Ordering::Relaxed);
        self.commit_us.store(mean - mean / 8 + sample / 8, Ordering::Relaxed);
        if writer.wants_checkpoint() {
            let (place, options) = (self.place.clone(), self.options.clone());
            // Should it fail, the log grows on and the next one tries again.
            let _ = self.workers.start(Box::new(move || {
                let _ = writer::checkpoint(&place, &options);
            }));
        }
    }

    fn start_thread_if(self: &Arc<Self>, start: bool) {
        if !start {
            return;
        }
        let file = self.clone();
        let run = move || {
            let gone = ThreadGone(&file.queue);
            file.commit_groups();
            drop(gone);
        };
        let spawned = thread::Builder::new()
            .name("token-storage-sqlite-write".to_owned())
            .spawn(run);
        match spawned {
            Ok(handle) => *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle),
            Err(_) => self.queue.thread_is_gone(),
        }
    }

    /// What the thread does: commits groups as long as there is somebody to commit for.
    fn commit_groups(self: &Arc<Self>) {
        while let Some(_turn) = self.queue.next_turn() {
            loop {
                let crowd = self.commit_group() + self.queue.len();
                let mean = Duration::from_micros(self.commit_us.load(Ordering::Relaxed).into());
                let patience = (mean / 3).clamp(Duration::from_micros(30), Duration::from_micros(500));
                if crowd < 2 || !self.queue.gather(crowd.min(GROUP), patience) {
                    break;
                }
            }
        }
    }

    /// Commits what waits, in one transaction. Says how many writes that were.
    fn commit_group(self: &Arc<Self>) -> usize {
        let Some(deadline) = self.queue.first_deadline() else {
            return 0;
        };
        if let Err(fault) = self.refuse_untouched() {
            self.fail(self.queue.take(usize::MAX), &fault);
            return 0;
        }
        let held = match self.take_turn(deadline) {
            Ok(Some(held)) => held,
            Ok(None) => {
                self.fail(self.queue.take(usize::MAX), &error::locked(&self.lock.path().display()));
                return 0;
            }
            Err(error) => {
                let fault = io_error(self.lock.path(), "lock", error);
                self.fail(self.queue.take(usize::MAX), &fault);
                return 0;
            }
        };
        // Only now: whatever came while the lock was waited for takes part.
        let group = self.queue.take(GROUP);
        let count = group.len();
        let result = self.commit(&group, held, Patience::Until(deadline));
        let committed = result.is_ok();
        self.finish(group, result);
        if committed { count } else { 0 }
    }

    /// Waits for the lock with the database open. Else, in a crowd of programs that each write once, every one would be the
    /// last to close it: merge the log, and remove it for the next one to make anew, with all others waiting.
    fn take_turn(&self, deadline: Instant) -> std::io::Result<Option<LockGuard>> {
        match self.lock.try_acquire()? {
            Some(held) => Ok(Some(held)),
            None => {
                // What is wrong with the database shows again with the lock held.
                let _ = self.readers.read(0, deadline, "token_storage", |_| Ok(()));
                self.lock.acquire_until(deadline)
            }
        }
    }

    /// Refuses what is not ours to use, before so much as a lock file is made beside it. Whatever else is wrong shows again
    /// with the lock held.
    pub(crate) fn refuse_untouched(&self) -> Result<(), Error> {
        let path = self.place.path();
        let Ok(Some(epoch)) = self.place.look() else {
            return Ok(());
        };
        let is_new = !self.lock.exists();
        if is_new {
            look::refuse_other_names(path)?;
        }
        let fault = match look::vet(&self.place, &self.options, epoch) {
            Ok(()) => None,
            Err(Trouble::Error(fault)) => Some(fault),
            Err(Trouble::Sql(error)) => Some(error::from_sqlite(&error, path)),
        };
        match fault.map(|fault| (fault.kind(), fault)) {
            Some((ErrorKind::Misconfigured, fault)) => return Err(fault),
            Some((ErrorKind::PermissionDenied, fault)) if is_new => return Err(fault),
            Some(_) => return Ok(()),
            None => {}
        }
        if is_new {
            look::refuse_read_only(path)?;
        }
        Tightened::begin(&self.place).refuse_wide()
    }

    /// Tells the callers. "Busy" is told only to those who have waited long enough; the others wait on.
    fn fail(&self, writes: Vec<Queued>, fault: &Error) {
        let now = Instant::now();
        let mut waiting = Vec::new();
        for (index, queued) in writes.into_iter().enumerate() {
            if fault.kind() == ErrorKind::Busy && index > 0 && queued.deadline > now {
                waiting.push(queued);
            } else {
                queued.finish(Err(fault.clone()));
            }
        }
        self.queue.put_back(waiting);
    }

    /// Ends the threads and closes the connections, the writing one last: it tidies the write-ahead log away.
    pub(crate) fn close(&self) {
        self.queue.close();
        self.workers.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        self.readers.close();
        // Whoever writes now, or waits to, merges the log in the end.
        let is_last = !matches!(self.lock.try_acquire_existing(), Ok(None));
        self.writer().close(is_last);
    }
}

/// Sees to it that a write is done whose caller was dropped before it could lead.
struct Driven<'a>(&'a Arc<File>);

impl Drop for Driven<'_> {
    fn drop(&mut self) {
        self.0.start_thread_if(self.0.queue.drive());
    }
}

/// Lets whatever else is ready on the executor run first.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Tells the queue when the thread ends, by a panic too: those who wait then get an error, and a new one can start.
struct ThreadGone<'a>(&'a Queue);

impl Drop for ThreadGone<'_> {
    fn drop(&mut self) {
        self.0.thread_is_gone();
    }
}
