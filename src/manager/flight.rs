//! A refresh as a task of its own: callers that go away cancel nothing.

use std::sync::Arc;

use token_storage_core::{StoredToken, TokenStorage};
use tokio::sync::watch;

use super::{
    Event,
    error::Action,
    inner::Inner,
    mode::Mode,
    refresh::{Ended, Refresh},
    refreshing::Outcome,
    settle,
    slot::{Landed, Slot},
    step::Step,
};

/// Runs the refresh, tells the slot first and then everyone who waits.
pub(super) async fn run<S: TokenStorage + 'static>(
    inner: Arc<Inner<S>>,
    slot: Arc<Slot>,
    mode: Mode,
    seen: Option<StoredToken>,
    sender: watch::Sender<Option<Outcome>>,
) {
    let mut in_flight = InFlight(Some(slot.clone()));
    inner.at(Step::FlightStarted).await;
    let ended = Refresh::new(&inner, &slot, &mode).run(seen).await;
    let now = inner.now();
    let mut unstored = None;
    let outcome = match ended {
        Ended::Well { stored, generation } => {
            let landed = Landed {
                stored: &stored,
                generation,
                forced: mode.is_forced(),
            };
            Ok(slot.landed(&landed, now, &inner.settings))
        }
        Ended::Failed { failure, lease } => {
            let error = inner.named(failure.error, Action::GetToken);
            slot.crashed(&error, failure.tried, mode.early(), now);
            inner.emit(&Event::RefreshFailed(slot.key.clone(), error.clone()));
            unstored = failure.pending.zip(lease);
            Err(error)
        }
    };
    in_flight.0 = None;
    // Nobody may be waiting any more.
    let _ = sender.send(Some(outcome));
    if let Some((pending, lease)) = unstored {
        let inner = Arc::downgrade(&inner);
        settle::keep_trying(inner, slot, lease, *pending).await;
    }
}

/// Tells the slot if the refresh ends without a result.
struct InFlight(Option<Arc<Slot>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.broke_off();
        }
    }
}
