//! Dropping calls in flight: what a time-out or a `select!` does.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Await points that are tried; a call rarely has as many.
pub(crate) const POINTS: usize = 24;

/// Polls the call until it has been pending that many times, and drops it at once: not when it would go on, as its work
/// may be over by then. `Some`: it was done before. With 0 it is never polled.
pub(crate) async fn dropped_after<F: Future>(pendings: usize, call: F) -> Option<F::Output> {
    if pendings == 0 {
        return None;
    }
    let (mut call, mut left) = (pin!(call), pendings);
    poll_fn(move |task| match call.as_mut().poll(task) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    /// Nobody will ever wake it: whoever waits for that hangs.
    #[tokio::test]
    async fn a_call_is_dropped_while_what_it_waits_for_is_not_over() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let gone = Arc::new(AtomicBool::new(false));
        let call = Dropped(Arc::clone(&gone));
        let done = dropped_after(1, async move {
            std::future::pending::<()>().await;
            drop(call);
        });
        assert!(done.await.is_none() && gone.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn each_await_point_is_reached() {
        let call = || async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(dropped_after(0, call()).await, None);
        assert_eq!(dropped_after(2, call()).await, None);
        assert_eq!(dropped_after(3, call()).await, Some(7));
    }
}
