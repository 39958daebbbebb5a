//! Fail points: named places of a refresh where a test can kill, stop or hold the process. Without the feature
//! `__steps` they are nothing at all, so no released program can be steered through them.

/// A place in a refresh, named after what has just been done.
#[doc(hidden)]
// Without the feature nobody outside can see it.
#[cfg_attr(not(feature = "__steps"), allow(unreachable_pub))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    FlightStarted,
    LeaseAcquired,
    ReadAgain,
    ProvedWritable,
    IntentRecorded,
    BeforeSend,
    Answered,
    BeforeStore,
    Stored,
    Released,
    ConflictRead,
    BeforeRevoke,
    OtherRead,
}

#[cfg(feature = "__steps")]
impl Step {
    /// All of them, in the order of an undisturbed refresh; the last three need a conflict, or tokens of other
    /// resource servers in the answer.
    #[doc(hidden)]
    pub const ALL: [Self; 13] = [
        Self::FlightStarted,
        Self::LeaseAcquired,
        Self::ReadAgain,
        Self::ProvedWritable,
        Self::IntentRecorded,
        Self::BeforeSend,
        Self::Answered,
        Self::BeforeStore,
        Self::Stored,
        Self::Released,
        Self::ConflictRead,
        Self::BeforeRevoke,
        Self::OtherRead,
    ];
}

#[cfg(feature = "__steps")]
mod hooked {
    use std::{fmt, future::Future, pin::Pin, sync::Arc};

    use super::Step;

    type Hook = dyn Fn(Step) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

    #[derive(Clone, Default)]
    pub(crate) struct Steps(pub(crate) Option<Arc<Hook>>);

    impl Steps {
        pub(crate) async fn at(&self, step: Step) {
            if let Some(hook) = &self.0 {
                hook(step).await;
            }
        }
    }

    type PollHook = dyn Fn(usize) + Send + Sync;

    /// Is told before each poll of a refresh, how many there were: its await points, one by one.
    #[derive(Clone, Default)]
    pub(crate) struct Polls(pub(crate) Option<Arc<PollHook>>);

    impl Polls {
        pub(crate) fn watch<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
            let (hook, mut polls) = (self.0.clone(), 0);
            let mut future = Box::pin(future);
            std::future::poll_fn(move |cx| {
                if let Some(hook) = &hook {
                    hook(polls);
                    polls += 1;
                }
                future.as_mut().poll(cx)
            })
        }
    }

    impl fmt::Debug for Polls {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Polls")
        }
    }

    impl fmt::Debug for Steps {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Steps")
        }
    }
}

#[cfg(not(feature = "__steps"))]
mod hooked {
    use super::Step;

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Polls;

    impl Polls {
        #[inline]
        pub(crate) fn watch<F>(&self, future: F) -> F {
            future
        }
    }

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Steps;

    impl Steps {
        #[inline]
        pub(crate) async fn at(&self, _: Step) {}
    }
}

pub(crate) use hooked::{Polls, Steps};
