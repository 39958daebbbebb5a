//! How many of an operation's attempts were sent without a definite answer.
//!
//! The SDK repeats a request whose answer was lost. If the first one was applied after all, the repetition finds its
//! condition broken, by ourselves. So a refusal is taken at its word only if every earlier attempt was answered.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
    },
    error::BoxError,
};

/// Counts the unanswered attempts of one logical write; clones count together.
#[derive(Clone, Default)]
pub(crate) struct Attempts(Arc<AtomicUsize>);

impl Attempts {
    /// Whether an attempt may have been applied without our hearing of it.
    pub(crate) fn ambiguous(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    /// Forgets the attempts so far: they are known to have had no effect, for good.
    pub(crate) fn settle(&self) {
        self.0.store(0, Ordering::Release);
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempts({} unanswered)", self.0.load(Ordering::Relaxed))
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "unanswered attempts"
    }

    /// Counted before it is sent: a time-out of the whole operation ends without another call.
    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if definite(context) {
            let _ = self
                .0
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        }
        Ok(())
    }
}

/// Whether the answer says for sure that the write happened, or that it did not. A server error does not, and neither
/// does an answer that broke off.
fn definite(context: &FinalizerInterceptorContextRef<'_>) -> bool {
    let succeeded = matches!(context.output_or_error(), Some(Ok(_)));
    let status = context.response().map(|response| response.status().as_u16());
    match (succeeded, status) {
        (true, _) => true,
        (false, Some(status)) => (400..500).contains(&status),
        (false, None) => context
            .output_or_error()
            .and_then(Result::err)
            .is_some_and(token_storage_aws::never_connected),
    }
}
