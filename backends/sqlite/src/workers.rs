//! Threads for what may take long, so that no worker of an async runtime stalls: own ones, since the storage runs on any
//! executor.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use token_storage_core::{Error, ErrorKind};

type Job = Box<dyn FnOnce() + Send>;

/// A few threads, started when there is work and ended when there has been none for a while.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    limit: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

const IDLE: Duration = Duration::from_secs(5);

impl Workers {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            limit,
        }))
    }

    /// Runs a job on one of the threads and waits for its result. Dropping the future lets the job go on for nobody.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        self.start(Box::new(move || {
            if !sender.is_closed() {
                let _ = sender.send(job());
            }
        }))?;
        let gone = |_| Error::new(ErrorKind::Unavailable, "the thread that reads the database has gone");
        receiver.await.map_err(gone)
    }

    /// Hands a job over without waiting for it.
    pub(crate) fn start(&self, job: Job) -> Result<(), Error> {
        let mut state = self.0.state();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= self.0.limit {
            self.0.wake.notify_one();
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let shared = self.0.clone();
        let spawned = thread::Builder::new()
            .name("token-storage-sqlite-read".to_owned())
            .spawn(move || shared.work());
        if let Err(error) = spawned {
            let mut state = self.0.state();
            state.threads -= 1;
            if state.threads == 0 {
                state.jobs.clear();
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("cannot start a thread: {error}"),
                ));
            }
        }
        Ok(())
    }

    /// Ends the threads once they have done what they are doing; what waits is forgotten.
    pub(crate) fn close(&self) {
        let mut state = self.0.state();
        state.closed = true;
        state.jobs.clear();
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A panic in a job is its caller's: the reply is dropped and the thread lives on.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                state = self.state();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, waited) = self
                .wake
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn jobs_run_side_by_side_up_to_the_limit() {
        let workers = Workers::new(2);
        let (first, second) = (mpsc::channel(), mpsc::channel());
        let (a, b) = (second.0.clone(), first.0.clone());
        // Each waits for the other: alone on one thread they would never end.
        let one = workers.run(move || {
            a.send(()).unwrap();
            first.1.recv().unwrap();
        });
        let two = workers.run(move || {
            b.send(()).unwrap();
            second.1.recv().unwrap();
        });
        let (one, two) = tokio::join!(one, two);
        assert!(one.is_ok() && two.is_ok());
        assert!(workers.0.state().threads <= 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_its_caller_alone() {
        let workers = Workers::new(1);
        let fault = workers.run(|| panic!("on purpose")).await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::Unavailable);
        assert_eq!(workers.run(|| 5).await.unwrap(), 5);
    }
}
