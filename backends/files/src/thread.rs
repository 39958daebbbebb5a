use token_storage_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

/// Runs blocking work on a thread of its own and awaits it, on any executor. For rare work: a thread costs about 30 us.
/// The work goes on if the future is dropped; what it returns is then dropped on that thread.
///
/// # Errors
/// - [`ErrorKind::Unavailable`] if no thread can be started; otherwise what `work` returns.
pub async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let failed = |message: &str| Error::new(ErrorKind::Unavailable, message);
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("token-storage-work".to_owned())
        .spawn(move || {
            // Nobody listens any more if the caller has gone away.
            let _ = answer.send(work());
        })
        .map_err(|error| failed("no thread can be started").with_source(error))?;
    answered
        .await
        .unwrap_or_else(|_| Err(failed("the working thread ended without an answer").with_unknown_outcome()))
}
