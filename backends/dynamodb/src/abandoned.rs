//! Writes whose caller went away.
//!
//! Every write runs in a task of its own: dropping the caller's future cannot break it off half-way, and the request
//! cannot arrive at some later time unnoticed. What is left is to make later calls on the same key wait for it, so that
//! it never happens after one of them was acknowledged (clause A7).

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use token_storage_core::{Error, ErrorKind, Result, TokenKey};
use tokio::sync::watch;

/// The abandoned writes of one storage handle and its clones.
#[derive(Debug, Default)]
pub(crate) struct Abandoned {
    /// The number of keys in the map; the map is looked at only if there are any.
    count: AtomicUsize,
    writes: Mutex<HashMap<TokenKey, Vec<watch::Receiver<()>>>>,
}

impl Abandoned {
    /// Runs a write to its end, whether the caller waits for it or not.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        keys: Vec<TokenKey>,
        write: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (running, ended) = watch::channel(());
        let task = tokio::spawn(async move {
            let _running = running;
            write.await
        });
        let mut caller = Caller {
            abandoned: self,
            keys,
            ended: Some(ended),
        };
        let result = task.await;
        caller.ended = None;
        result.unwrap_or_else(|_| {
            let message = "the runtime ended while the request was on its way";
            Err(Error::new(ErrorKind::Unavailable, message).with_unknown_outcome())
        })
    }

    /// Waits until no abandoned write of this key is on its way any more.
    pub(crate) async fn settle(&self, key: &TokenKey) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        // They stay in the map while they are waited for: this call may be dropped, too.
        let waiting = self.writes().get(key).cloned().unwrap_or_default();
        for mut write in waiting {
            while write.changed().await.is_ok() {}
        }
        let mut writes = self.writes();
        if let Some(of_key) = writes.get_mut(key) {
            of_key.retain(|write| write.has_changed().is_ok());
            if of_key.is_empty() {
                writes.remove(key);
            }
        }
        self.count.store(writes.len(), Ordering::Release);
    }

    fn writes(&self) -> MutexGuard<'_, HashMap<TokenKey, Vec<watch::Receiver<()>>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Registers the write if it is dropped before its end.
struct Caller<'a> {
    abandoned: &'a Abandoned,
    keys: Vec<TokenKey>,
    ended: Option<watch::Receiver<()>>,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let Some(ended) = self.ended.take() else {
            return;
        };
        let mut writes = self.abandoned.writes();
        for key in self.keys.drain(..) {
            writes.entry(key).or_default().push(ended.clone());
        }
        self.abandoned.count.store(writes.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Poll};

    use super::*;

    #[tokio::test]
    async fn a7_later_calls_wait_for_an_abandoned_write() {
        let abandoned = Arc::new(Abandoned::default());
        let key = TokenKey::in_default("rs");
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let write = async {
            let _ = finished.await;
            Ok(())
        };
        let mut call = Box::pin(abandoned.run(vec![key.clone()], write));
        assert!(matches!(futures_util::poll!(&mut call), Poll::Pending));
        drop(call);

        let mut later = Box::pin(abandoned.settle(&key));
        assert!(matches!(futures_util::poll!(&mut later), Poll::Pending));
        abandoned.settle(&TokenKey::in_default("another")).await;
        finish.send(()).unwrap();
        later.await;
        assert_eq!(abandoned.count.load(Ordering::Relaxed), 0);
    }
}
