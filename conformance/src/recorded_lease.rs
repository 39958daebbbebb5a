//! Leases, every call and answer written down with its time. A new method of the trait must not be forgotten here, hence
//! the lint.
#![deny(clippy::missing_trait_methods)]

use std::{fmt, future::Future, sync::Arc, time::Duration};

use token_storage_core::{
    Acquisition, Begin, Intent, LeaseGuard, LeaseView, RefreshLease, Result, Revision, TokenKey, async_trait,
};

use crate::{
    check::Show,
    history::{History, shown},
    recorder::{Noted, failure},
};

pub(crate) struct RecordedLease<'a> {
    pub(crate) inner: Box<dyn RefreshLease + 'a>,
    pub(crate) handle: usize,
    pub(crate) history: Arc<History>,
}

#[async_trait]
impl RefreshLease for RecordedLease<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let call = format!("h{} try_acquire {} ({})", self.handle, key.show(), self.history.time());
        let noted = Noted::new(&self.history, call);
        let answer = self.inner.try_acquire(key).await;
        match answer {
            Ok(acquisition) => Ok(self.acquisition(acquisition, noted)),
            Err(error) => {
                noted.answered(&failure(&self.history, &error));
                Err(error)
            }
        }
    }

    async fn try_begin(&self, key: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let call = format!(
            "h{} try_begin {} at {}{} ({})",
            self.handle,
            key.show(),
            self.history.revision(&revision),
            intent.map_or("", |_| ", with an intent"),
            self.history.time()
        );
        let noted = Noted::new(&self.history, call);
        match self.inner.try_begin(key, revision, intent).await {
            Ok(Begin::Begun(guard)) => Ok(Begin::Begun(self.guard(guard, noted, "begun: "))),
            Ok(Begin::Tried(acquisition)) => Ok(Begin::Tried(self.acquisition(acquisition, noted))),
            Err(error) => {
                noted.answered(&failure(&self.history, &error));
                Err(error)
            }
        }
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let call = format!("h{} look {} ({})", self.handle, key.show(), self.history.time());
        let noted = Noted::new(&self.history, call);
        let answer = self.inner.look(key).await;
        match &answer {
            Ok(None) => noted.answered("not known"),
            Ok(Some(view)) => noted.answered(match (view.held, &view.intent) {
                (true, Some(_)) => "held, with an intent",
                (true, None) => "held",
                (false, Some(_)) => "free, with an intent",
                (false, None) => "free",
            }),
            Err(error) => noted.answered(&failure(&self.history, error)),
        }
        answer
    }
}

impl RecordedLease<'_> {
    fn acquisition(&self, acquisition: Acquisition, noted: Noted<'_>) -> Acquisition {
        match acquisition {
            Acquisition::Acquired(guard) => Acquisition::Acquired(self.guard(guard, noted, "")),
            Acquisition::Held { retry_after } => {
                noted.answered(&format!("held, to be tried again after {}", seconds(retry_after)));
                Acquisition::Held { retry_after }
            }
        }
    }

    fn guard(&self, guard: Box<dyn LeaseGuard>, noted: Noted<'_>, how: &str) -> Box<dyn LeaseGuard> {
        let name = format!("h{} {}", self.handle, self.history.lease());
        let intent = guard.intent().map_or(String::new(), |intent| {
            format!(
                ", with an intent at {}",
                self.history.with_names(&shown(&intent.revision))
            )
        });
        let left = guard
            .remaining()
            .map_or(String::new(), |left| format!(", {} left", seconds(left)));
        noted.answered(&format!("{how}{name}{left}{intent}"));
        Box::new(RecordedGuard {
            inner: Some(guard),
            name,
            history: Arc::clone(&self.history),
        })
    }
}

/// A time for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

struct RecordedGuard {
    /// `None` once it was released.
    inner: Option<Box<dyn LeaseGuard>>,
    name: String,
    history: Arc<History>,
}

impl RecordedGuard {
    fn inner(&self) -> &dyn LeaseGuard {
        &**self.inner.as_ref().expect("a guard that was released is gone")
    }

    fn parts(&mut self, call: &str) -> (&mut dyn LeaseGuard, Noted<'_>) {
        let call = format!("{} {call} ({})", self.name, self.history.time());
        let inner = self.inner.as_mut().expect("a guard that was released is gone");
        (&mut **inner, Noted::new(&self.history, call))
    }
}

async fn noted(history: &History, noted: Noted<'_>, call: impl Future<Output = Result<()>>) -> Result<()> {
    let answer = call.await;
    let shown = answer
        .as_ref()
        .map_or_else(|error| failure(history, error), |()| "done".to_owned());
    noted.answered(&shown);
    answer
}

impl fmt::Debug for RecordedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Drop for RecordedGuard {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.history
                .note(format!("{} dropped ({})", self.name, self.history.time()));
        }
    }
}

#[async_trait]
impl LeaseGuard for RecordedGuard {
    fn intent(&self) -> Option<&Intent> {
        self.inner().intent()
    }

    fn remaining(&self) -> Option<Duration> {
        self.inner().remaining()
    }

    async fn renew(&mut self) -> Result<()> {
        let history = Arc::clone(&self.history);
        let (inner, call) = self.parts("renew");
        noted(&history, call, inner.renew()).await
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        let history = Arc::clone(&self.history);
        let call = format!("record_intent at {}", history.revision(&intent.revision));
        let (inner, call) = self.parts(&call);
        noted(&history, call, inner.record_intent(intent)).await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        let history = Arc::clone(&self.history);
        let (inner, call) = self.parts("clear_intent");
        noted(&history, call, inner.clear_intent()).await
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        let history = Arc::clone(&self.history);
        let call = format!("{} release ({})", self.name, history.time());
        match self.inner.take() {
            Some(inner) => noted(&history, Noted::new(&history, call), inner.release()).await,
            None => Ok(()),
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        let history = Arc::clone(&self.history);
        let call = format!("{} finish ({})", self.name, history.time());
        match self.inner.take() {
            Some(inner) => noted(&history, Noted::new(&history, call), inner.finish()).await,
            None => Ok(()),
        }
    }
}
