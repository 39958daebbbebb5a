use std::sync::LazyLock;

use tracing::{Dispatch, instrument::WithSubscriber as _, subscriber::NoSubscriber};

/// Runs a request of the SDK unseen by the program's subscriber: at the levels DEBUG and TRACE the SDK logs whole requests and
/// answers (clause S1).
pub fn quiet<F: Future>(request: F) -> impl Future<Output = F::Output> {
    // Made once, as making one has tracing look at every log statement of the program anew. A real one and not
    // `Dispatch::none()`: what is first reached under that one is then taken to be of no interest to anybody.
    static NOBODY: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    request.with_subscriber(NOBODY.clone())
}
