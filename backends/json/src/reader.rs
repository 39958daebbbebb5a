//! The thread that reads the file when what is known of it cannot be trusted, so that no executor's thread is blocked.

use std::sync::Arc;

use token_storage_core::Result;
use tokio::sync::oneshot;

use crate::{
    error,
    queue::{Queue, Worker},
    shared::Shared,
    snapshot::Snapshot,
};

/// Someone who waits for the content.
type Job = oneshot::Sender<Result<Arc<Snapshot>>>;

#[derive(Debug)]
pub(crate) struct Reader(Worker<Job>);

impl Reader {
    pub(crate) fn new() -> Self {
        Self(Worker::new("token-storage-json-read"))
    }

    /// The content as it is now or later: at once if it is known, else read by the thread.
    pub(crate) async fn content(&self, shared: &Arc<Shared>) -> Result<Arc<Snapshot>> {
        if let Some(snapshot) = shared.trusted() {
            return Ok(snapshot);
        }
        let (answer, wait) = oneshot::channel();
        let start = || -> Box<dyn FnOnce(Arc<Queue<Job>>) + Send> {
            let shared = Arc::clone(shared);
            Box::new(move |queue| run(&shared, &queue))
        };
        self.0.give(answer, start).map_err(|_| error::no_thread())?;
        wait.await.unwrap_or_else(|_| Err(error::no_answer()))
    }
}

/// One read serves everyone who waited before it began.
fn run(shared: &Shared, queue: &Queue<Job>) {
    while queue.wait() {
        let jobs = queue.take();
        let (content, retired) = match shared.load() {
            Ok((content, retired)) => (Ok(content), Some(retired)),
            Err(error) => (Err(error), None),
        };
        for job in jobs {
            // Who does not wait any more does not matter.
            let _ = job.send(content.clone());
        }
        drop((content, retired));
    }
}
