use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use token_storage_core::{Error, ErrorKind, Operation, Result};

/// What drives timers, connections and background work while the program does something else: one thread. Clones share it; it
/// ends with the last of them.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared(Mutex<Option<tokio::runtime::Runtime>>, tokio::runtime::Handle);

impl Runtime {
    /// Starts it.
    ///
    /// # Errors
    /// - [`ErrorKind::Unavailable`]: the operating system gives no thread, or no file descriptors.
    pub fn new() -> Result<Self> {
        let built = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("token-storage")
            .enable_all()
            .build();
        let runtime = built.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "cannot start a thread for background work")
                .with_operation(Operation::Open)
                .with_source(error)
        })?;
        let handle = runtime.handle().clone();
        Ok(Self(Arc::new(Shared(Mutex::new(Some(runtime)), handle))))
    }

    /// Waits for a future. For calls that have no blocking form: `runtime.wait(client.client_credentials(...))`.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        // What the future starts, and its timers, belong there. Unlike tokio's own `block_on` this does not panic on a thread
        // that runs async code.
        let _within = self.0.1.enter();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                // A wake-up that came before makes it return at once.
                Poll::Pending => thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let runtime = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Also on a thread that runs async code, where dropping it would panic.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}
