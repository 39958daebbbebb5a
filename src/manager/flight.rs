//! One refresh of one key, run in a task of its own: callers that go away cancel nothing.

use std::sync::Arc;

use token_storage_core::{Error, Intent, LeaseGuard, Revision, Secret, StoredToken, TokenStorage};
use tokio::sync::watch;

use super::{
    Event, ManagerError, ManagerErrorKind, ReauthReason, absent,
    error::Action,
    inner::Inner,
    lease::{self, Waited},
    remembered,
    settle::{self, Pending},
    slot::{FlightGuard, Landed, Outcome, Slot},
    step::Step,
};
use crate::IssuedBy;

/// Why it is refreshed, and with it what makes a refresh needless.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    /// This access token is expired, or nearly.
    Stale(Secret),
    /// The token of this revision is good, but will not be for long.
    Ahead(Revision),
    /// The resource server refused this access token.
    Forced(Secret),
}

impl Mode {
    fn early(&self) -> Option<Revision> {
        match self {
            Self::Ahead(revision) => Some(*revision),
            _ => None,
        }
    }
}

/// How often a refresh starts over because the record or the lease moved on meanwhile.
pub(super) const MAX_ROUNDS: usize = 8;

pub(super) enum Round {
    Done(Box<StoredToken>, u64),
    Again,
}

pub(super) struct Failure {
    pub(super) error: ManagerError,
    /// The revision whose refresh token was tried.
    pub(super) tried: Option<Revision>,
    /// An answer that is still to be stored, under the lease that is still held.
    pub(super) pending: Option<Pending>,
}

impl Failure {
    /// Of the refresh token of this record.
    pub(super) fn of(error: ManagerError, stored: &StoredToken) -> Self {
        let server = IssuedBy::of(&stored.data).ok().flatten();
        Self {
            error: error.at(server.as_ref().and_then(IssuedBy::server_name)),
            tried: Some(stored.revision),
            pending: None,
        }
    }
}

impl From<ManagerError> for Failure {
    fn from(error: ManagerError) -> Self {
        Self {
            error,
            tried: None,
            pending: None,
        }
    }
}

/// Runs the refresh, tells the slot first and then everyone who waits.
pub(super) async fn run<S: TokenStorage + 'static>(
    inner: Arc<Inner<S>>,
    slot: Arc<Slot>,
    mode: Mode,
    sender: watch::Sender<Option<Outcome>>,
) {
    let mut guard = FlightGuard { slot, finished: false };
    inner.at(Step::FlightStarted).await;
    let slot = &guard.slot;
    let flight = Flight {
        inner: &inner,
        slot,
        mode: &mode,
    };
    let ended = flight.refresh().await;
    let monotonic = inner.clock.monotonic();
    let mut keep = None;
    let outcome = match ended {
        Ok((stored, generation)) => {
            let landed = Landed {
                stored: &stored,
                generation,
                forced: matches!(mode, Mode::Forced(_)),
            };
            Ok(slot.landed(&landed, monotonic, &inner.settings))
        }
        Err((mut failure, lease)) => {
            failure.error = inner.named(failure.error, Action::GetToken);
            slot.crashed(&failure.error, failure.tried, mode.early(), monotonic);
            inner.emit(&Event::RefreshFailed(slot.key.clone(), failure.error.clone()));
            keep = failure.pending.zip(lease);
            Err(failure.error)
        }
    };
    guard.finished = true;
    // Nobody may be waiting any more.
    let _ = sender.send(Some(outcome));
    if let Some((pending, lease)) = keep {
        let slot = guard.slot.clone();
        let inner = Arc::downgrade(&inner);
        drop(guard);
        settle::keep_trying(inner, slot, lease, pending).await;
    }
}

pub(super) struct Flight<'a, S> {
    pub(super) inner: &'a Inner<S>,
    pub(super) slot: &'a Slot,
    pub(super) mode: &'a Mode,
}

type Held = Option<Box<dyn LeaseGuard>>;

impl<S: TokenStorage> Flight<'_, S> {
    async fn refresh(&self) -> Result<(Box<StoredToken>, u64), (Failure, Held)> {
        for _ in 0..MAX_ROUNDS {
            let generation = self.slot.generation();
            let waited = lease::acquire(self.inner, &self.slot.key, self.mode).await;
            let mut lease = match waited.map_err(|error| (error.into(), None))? {
                Waited::Moved(stored) => {
                    self.inner.emit(&Event::RefreshedElsewhere(self.slot.key.clone()));
                    return Ok((stored, generation));
                }
                Waited::Acquired(lease) => lease,
            };
            let round = self.with_lease(&mut *lease).await;
            if let Err(failure) = round {
                if failure.pending.is_some() {
                    return Err((failure, Some(lease)));
                }
                self.release(lease).await;
                return Err((failure, None));
            }
            self.release(lease).await;
            if let Ok(Round::Done(stored, generation)) = round {
                return Ok((stored, generation));
            }
        }
        let message = "others kept changing the record while it was being refreshed";
        let error = ManagerError::new(ManagerErrorKind::Busy, &self.slot.key, message);
        Err((error.into(), None))
    }

    /// If the storage cannot be reached, the lease is freed as if its holder had died.
    async fn release(&self, lease: Box<dyn LeaseGuard>) {
        let released = lease.release().await;
        log_minor("release the refresh lease", released);
        self.inner.at(Step::Released).await;
    }

    async fn with_lease(&self, lease: &mut dyn LeaseGuard) -> Result<Round, Failure> {
        let key = &self.slot.key;
        self.inner.at(Step::LeaseAcquired).await;
        let generation = self.slot.generation();
        let Some(stored) = self.inner.current(key).await? else {
            return Err(ManagerError::reauth(ReauthReason::NoToken, key).into());
        };
        self.inner.at(Step::ReadAgain).await;
        if self.inner.will_do(self.mode, &stored) {
            self.inner.emit(&Event::RefreshedElsewhere(key.clone()));
            if lease.intent().is_some_and(|intent| !intent.concerns(&stored)) {
                // Its holder stored the result and died before it could say so.
                log_minor("clear the intent", lease.clear_intent().await);
            }
            return Ok(Round::Done(Box::new(stored), generation));
        }
        if !self.inner.endpoint.renews(&stored.data) {
            let reason = match absent::is_blank(&stored) {
                true => ReauthReason::NoToken,
                false => ReauthReason::NoRefreshToken,
            };
            return Err(self.reauth(reason, &stored));
        }
        // Without a refresh token there is nothing that could have been spent.
        let is_spendable = stored.data.refresh_token.is_some();
        let unknown = match self.predecessor(lease.intent(), &stored) {
            Predecessor::Answered(error) => return Err(Failure::of(error, &stored)),
            Predecessor::Unknown => is_spendable,
            Predecessor::UnknownAndTriedAgain if is_spendable => {
                return Err(self.reauth(ReauthReason::UnknownOutcome, &stored));
            }
            Predecessor::UnknownAndTriedAgain | Predecessor::Settled => false,
        };
        if unknown {
            self.inner.emit(&Event::UnknownOutcome(key.clone()));
        }
        self.prove_writable().await?;
        self.redeem(lease, stored, unknown).await
    }

    pub(super) fn reauth(&self, reason: ReauthReason, stored: &StoredToken) -> Failure {
        Failure::of(ManagerError::reauth(reason, &self.slot.key), stored)
    }

    fn predecessor(&self, intent: Option<&Intent>, stored: &StoredToken) -> Predecessor {
        let Some(intent) = intent.filter(|intent| intent.concerns(stored)) else {
            return Predecessor::Settled;
        };
        let Some(failure) = intent.failure() else {
            // A record that was edited since gets a try of its own (L7).
            return match intent.guarded && intent.revision == stored.revision {
                true => Predecessor::UnknownAndTriedAgain,
                false => Predecessor::Unknown,
            };
        };
        let clock = &*self.inner.clock;
        match remembered::verdict(intent, failure, stored, &self.slot.key, clock) {
            Some(error) => Predecessor::Answered(error),
            None if failure.may_have_been_done => Predecessor::Unknown,
            None => Predecessor::Settled,
        }
    }
}

/// What is known of the holder before this one.
enum Predecessor {
    /// It finished, or what it tried is history.
    Settled,
    /// It may have spent the refresh token that is stored.
    Unknown,
    /// So did one before it, and this one was the guarded try.
    UnknownAndTriedAgain,
    /// It was answered, and nobody is to ask again yet.
    Answered(ManagerError),
}

/// For failures that change nothing for the caller.
pub(super) fn log_minor(what: &str, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::debug!(target: "token_storage", kind = ?error.kind(), "cannot {what}");
    }
}
