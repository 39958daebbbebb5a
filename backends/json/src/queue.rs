//! A thread of one's own for what may block: it starts with the first job and ends with the last handle, after
//! finishing what is queued. Works on any executor.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Jobs in the order in which they were given, shared by those who give and the one thread that does them.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    started: bool,
    closed: bool,
}

impl<J> Queue<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job without taking it. `false`: there are none, and there will be none.
    pub(crate) fn wait(&self) -> bool {
        let state = self.lock();
        let idle = |state: &mut State<J>| state.jobs.is_empty() && !state.closed;
        let state = self
            .changed
            .wait_while(state, idle)
            .unwrap_or_else(PoisonError::into_inner);
        !state.jobs.is_empty()
    }

    /// Waits until there are `count` jobs, but no longer than `patience`.
    pub(crate) fn gather(&self, count: usize, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        while state.jobs.len() < count && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes all jobs.
    pub(crate) fn take(&self) -> Vec<J> {
        self.lock().jobs.drain(..).collect()
    }

    /// Looks at the oldest job.
    pub(crate) fn peek<T>(&self, look: impl FnOnce(&J) -> T) -> Option<T> {
        self.lock().jobs.front().map(look)
    }

    /// Takes the jobs for which `wanted` holds from the front, up to the first for which it does not.
    pub(crate) fn take_while(&self, wanted: impl Fn(&J) -> bool) -> Vec<J> {
        let mut state = self.lock();
        let count = state.jobs.iter().take_while(|job| wanted(job)).count();
        state.jobs.drain(..count).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }
}

/// The giving side. Dropping it ends the thread once the queue is empty.
#[derive(Debug)]
pub(crate) struct Worker<J: Send + 'static> {
    queue: Arc<Queue<J>>,
    name: &'static str,
}

impl<J: Send + 'static> Worker<J> {
    pub(crate) fn new(name: &'static str) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            started: false,
            closed: false,
        };
        let queue = Queue {
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        Self {
            queue: Arc::new(queue),
            name,
        }
    }

    /// Queues a job; `run` is what the thread does if it must be started for it.
    pub(crate) fn give(&self, job: J, run: impl FnOnce() -> Box<dyn FnOnce(Arc<Queue<J>>) + Send>) -> io::Result<()> {
        let mut state = self.queue.lock();
        if !state.started {
            let (queue, run) = (Arc::clone(&self.queue), run());
            thread::Builder::new().name(self.name.to_owned()).spawn(move || {
                let _ended = Ended(Arc::clone(&queue));
                run(queue);
            })?;
            state.started = true;
        }
        state.jobs.push_back(job);
        drop(state);
        self.queue.changed.notify_one();
        Ok(())
    }
}

/// A thread that panics takes its jobs along, so that nobody waits for ever; the next job starts a new one.
struct Ended<J>(Arc<Queue<J>>);

impl<J> Drop for Ended<J> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.started = false;
        state.jobs.clear();
    }
}

impl<J: Send + 'static> Drop for Worker<J> {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn queued_jobs_are_done_in_order_after_the_last_handle_is_gone() {
        let (done, results) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        let worker = Worker::new("test");
        let run = move || -> Box<dyn FnOnce(Arc<Queue<i32>>) + Send> {
            Box::new(move |queue| {
                gate.recv().unwrap();
                while queue.wait() {
                    queue.take().into_iter().for_each(|job| done.send(job).unwrap());
                }
            })
        };
        let mut run = Some(run);
        for job in 0..10 {
            worker.give(job, || run.take().unwrap()()).unwrap();
        }
        drop(worker);
        go.send(()).unwrap();
        assert_eq!(results.iter().collect::<Vec<i32>>(), (0..10).collect::<Vec<i32>>());
    }

    #[test]
    fn a_panic_fails_the_waiting_and_the_next_job_starts_anew() {
        let worker = Worker::<mpsc::Sender<()>>::new("test");
        let (lost, waits) = mpsc::channel();
        worker
            .give(lost, || Box::new(|queue| assert!(!queue.wait(), "on purpose")))
            .unwrap();
        assert!(waits.recv().is_err());
        let (kept, waits) = mpsc::channel();
        // The thread may still be ending: it says so before it lets go of the queue.
        while Arc::strong_count(&worker.queue) > 1 {
            thread::yield_now();
        }
        let answer = |queue: Arc<Queue<mpsc::Sender<()>>>| {
            while queue.wait() {
                queue.take().into_iter().for_each(|job| job.send(()).unwrap());
            }
        };
        worker.give(kept, || Box::new(answer)).unwrap();
        waits.recv().unwrap();
    }

    #[test]
    fn an_unused_worker_has_no_thread() {
        let worker = Worker::<()>::new("test");
        assert_eq!(Arc::strong_count(&worker.queue), 1);
    }
}
