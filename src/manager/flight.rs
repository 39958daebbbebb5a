//! One refresh of one key, run in a task of its own: callers that go away cancel nothing.

use std::{sync::Arc, time::Duration};

use token_storage_core::{
    Error, ErrorKind, Intent, LeaseGuard, Precondition, Revision, Secret, StoredToken, TokenStorage,
};
use tokio::sync::watch;

use super::{
    EndpointError, EndpointErrorKind, Event, ManagerError, ManagerErrorKind, ReauthReason, RefreshRequest,
    inner::Inner,
    lease::{self, Waited},
    others,
    settle::{self, Pending, Settled},
    slot::{FlightGuard, Landed, Outcome, Slot, is_usable},
    step::Step,
};
use crate::TokenResponse;

/// Why it is refreshed, and with it what makes a refresh needless.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    /// The token is expired, or nearly.
    Stale,
    /// The token of this revision is good, but will not be for long.
    Ahead(Revision),
    /// The resource server refused this access token.
    Forced(Secret),
}

impl Mode {
    /// Whether a record that is fresh enough is what was wanted.
    pub(super) fn is_satisfied(&self, stored: &StoredToken) -> bool {
        match self {
            Self::Stale => true,
            Self::Ahead(revision) => stored.revision != *revision,
            Self::Forced(rejected) => stored.data.access_token != *rejected,
        }
    }

    fn early(&self) -> Option<Revision> {
        match self {
            Self::Ahead(revision) => Some(*revision),
            _ => None,
        }
    }
}

/// How often a refresh starts over because the record or the lease moved on meanwhile.
const MAX_ROUNDS: usize = 8;

enum Round {
    Done(Box<StoredToken>, u64),
    Again,
}

struct Failure {
    error: ManagerError,
    /// The revision whose refresh token was tried.
    tried: Option<Revision>,
    /// An answer that is still to be stored, under the lease that is still held.
    pending: Option<Pending>,
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
        Err((failure, lease)) => {
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

struct Flight<'a, S> {
    inner: &'a Inner<S>,
    slot: &'a Slot,
    mode: &'a Mode,
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
        let message = "others kept changing the record while it was being refreshed; try again later";
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
        let Some(stored) = self.inner.read(key).await? else {
            return Err(ManagerError::reauth(ReauthReason::NoToken, key).into());
        };
        self.inner.at(Step::ReadAgain).await;
        if self.mode.is_satisfied(&stored) && self.is_usable(&stored) {
            self.inner.emit(&Event::RefreshedElsewhere(key.clone()));
            if lease.intent().is_some() {
                // Its holder stored the result and died before it could say so.
                log_minor("clear the intent", lease.clear_intent().await);
            }
            return Ok(Round::Done(Box::new(stored), generation));
        }
        if stored.data.refresh_token.is_none() {
            return Err(self.reauth(ReauthReason::NoRefreshToken, &stored));
        }
        let unknown = match predecessor(lease.intent(), &stored) {
            Predecessor::Settled => false,
            Predecessor::Unknown => true,
            Predecessor::UnknownAndTriedAgain => return Err(self.reauth(ReauthReason::UnknownOutcome, &stored)),
        };
        if unknown {
            self.inner.emit(&Event::UnknownOutcome(key.clone()));
        }
        let Some(stored) = self.prove_writable(lease, stored).await? else {
            return Ok(Round::Again);
        };
        self.redeem(lease, stored, unknown).await
    }

    fn is_usable(&self, stored: &StoredToken) -> bool {
        is_usable(stored, self.inner.clock.now(), self.inner.settings.skew)
    }

    fn reauth(&self, reason: ReauthReason, stored: &StoredToken) -> Failure {
        Failure {
            error: ManagerError::reauth(reason, &self.slot.key),
            tried: Some(stored.revision),
            pending: None,
        }
    }

    /// `None`: the lease was lost. A storage without leases has no other proof than writing what is there.
    async fn prove_writable(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: StoredToken,
    ) -> Result<Option<StoredToken>, Failure> {
        let key = &self.slot.key;
        let proved = if self.inner.local.is_some() {
            let precondition = Precondition::Unchanged(stored.revision);
            let written = self.inner.storage.store(key, &stored.data, precondition).await;
            written.map(|revision| StoredToken { revision, ..stored })
        } else {
            lease.prove_writable().await.map(|()| stored)
        };
        match proved {
            Ok(stored) => {
                self.inner.at(Step::ProvedWritable).await;
                Ok(Some(stored))
            }
            Err(error) if started_over(&error) => Ok(None),
            Err(error) => Err(ManagerError::storage_failed(key, error).into()),
        }
    }

    /// From the intent to the answer. `unknown`: the refresh token may have been spent by a holder before this one.
    async fn redeem(&self, lease: &mut dyn LeaseGuard, stored: StoredToken, unknown: bool) -> Result<Round, Failure> {
        if let Err(error) = lease.record_intent(&self.intent(&stored, unknown)).await {
            if started_over(&error) {
                return Ok(Round::Again);
            }
            // Whatever of it was written says too much; what stays costs at most one guarded try.
            self.take_back_intent(lease, &stored, unknown).await;
            return Err(ManagerError::storage_failed(&self.slot.key, error).into());
        }
        self.inner.at(Step::IntentRecorded).await;
        let answer = match self.send(lease, &stored).await {
            Sent::Answered(answer) => answer,
            Sent::Not(error) => {
                if started_over(&error) {
                    return Ok(Round::Again);
                }
                self.take_back_intent(lease, &stored, unknown).await;
                return Err(ManagerError::storage_failed(&self.slot.key, error).into());
            }
        };
        self.inner.at(Step::Answered).await;
        match answer {
            Ok(response) => self.store(lease, stored, response).await,
            Err(error) => self.failed(lease, stored, error, unknown).await,
        }
    }

    fn intent(&self, stored: &StoredToken, guarded: bool) -> Intent {
        Intent {
            revision: stored.revision,
            guarded,
            recorded_at: self.inner.clock.now(),
        }
    }

    /// The request was not sent, or certainly not carried out: things are as they were before the intent.
    async fn take_back_intent(&self, lease: &mut dyn LeaseGuard, stored: &StoredToken, unknown: bool) {
        let taken_back = if unknown {
            lease.record_intent(&self.intent(stored, false)).await
        } else {
            lease.clear_intent().await
        };
        log_minor("take the intent back", taken_back);
    }

    async fn send(&self, lease: &mut dyn LeaseGuard, stored: &StoredToken) -> Sent {
        for _ in 0..MAX_ROUNDS {
            let timeout = match self.time_for_request(lease).await {
                Ok(timeout) => timeout,
                Err(error) => return Sent::Not(error),
            };
            self.inner.at(Step::BeforeSend).await;
            let request = RefreshRequest::new(&self.slot.key, &stored.data, self.inner.clock.now());
            // Nothing is awaited between this look at the lease's clocks and the request: a holder that was stopped for
            // longer than its lease lasts must not send (L3).
            if lease.remaining().is_some_and(|left| left < timeout) {
                continue;
            }
            let answer = tokio::time::timeout(timeout, self.inner.endpoint.refresh(request)).await;
            return Sent::Answered(answer.unwrap_or_else(|_| {
                Err(EndpointError::transient(
                    "the authorization server did not answer in time",
                ))
            }));
        }
        Sent::Not(held_up())
    }

    /// So long that request and storing end before the lease does.
    async fn time_for_request(&self, lease: &mut dyn LeaseGuard) -> Result<Duration, Error> {
        let settings = &self.inner.settings;
        let Some(mut left) = lease.remaining() else {
            return Ok(settings.request_timeout);
        };
        if left < settings.renew_below {
            lease.renew().await?;
            left = lease.remaining().unwrap_or(left);
        }
        match left.saturating_sub(settings.lease_margin) {
            Duration::ZERO => Err(held_up()),
            allowed => Ok(allowed.min(settings.request_timeout)),
        }
    }

    async fn store(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: StoredToken,
        response: TokenResponse,
    ) -> Result<Round, Failure> {
        let key = &self.slot.key;
        let tried = Some(stored.revision);
        let (mut pending, others) = Pending::new(key, stored, response);
        self.inner.at(Step::BeforeStore).await;
        let generation = self.slot.generation();
        match settle::store(self.inner, key, lease, &mut pending).await {
            Settled::Stored(stored) => {
                self.inner.at(Step::Stored).await;
                self.forget_intent(lease).await;
                others::store(self.inner, key, &stored.data, &others).await;
                self.inner.emit(&Event::Refreshed(key.clone()));
                Ok(Round::Done(stored, generation))
            }
            Settled::LoggedOut => {
                self.forget_intent(lease).await;
                Err(ManagerError::reauth(ReauthReason::LoggedOut, key).into())
            }
            Settled::Superseded => {
                self.forget_intent(lease).await;
                Ok(Round::Again)
            }
            Settled::Failed(error) => {
                let (error, pending) = settle::give_up(self.inner, key, lease, pending, error).await;
                self.inner.emit(&Event::NotStored(key.clone(), error.clone()));
                Err(Failure { error, tried, pending })
            }
        }
    }

    async fn forget_intent(&self, lease: &mut dyn LeaseGuard) {
        // Left behind it names a revision that is no more, which says the same.
        log_minor("clear the intent", lease.clear_intent().await);
        self.inner.at(Step::IntentCleared).await;
    }

    /// On any refusal the record is read again first: if another has moved it on, that is what counts (L7).
    async fn failed(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: StoredToken,
        error: EndpointError,
        unknown: bool,
    ) -> Result<Round, Failure> {
        let key = &self.slot.key;
        let refused = error.kind() == EndpointErrorKind::Refused;
        let error = match self.inner.read(key).await {
            Ok(None) => {
                self.forget_intent(lease).await;
                return Err(ManagerError::reauth(ReauthReason::LoggedOut, key).into());
            }
            Ok(Some(current)) if current.revision != stored.revision => {
                self.forget_intent(lease).await;
                return Ok(Round::Again);
            }
            // Nobody knows whether the refusal is about what is stored now.
            Err(unreadable) if refused => {
                self.correct_intent(lease, &stored, &error, unknown).await;
                return Err(unreadable.into());
            }
            Ok(Some(_)) | Err(_) => error,
        };
        self.correct_intent(lease, &stored, &error, unknown).await;
        let error = match refused {
            true if unknown => ManagerError::refused(ReauthReason::UnknownOutcome, key, error),
            true => ManagerError::refused(ReauthReason::Refused, key, error),
            false => ManagerError::endpoint(key, error),
        };
        Err(Failure {
            error,
            tried: Some(stored.revision),
            pending: None,
        })
    }

    /// Lets the intent say what is known after a failure.
    async fn correct_intent(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: &StoredToken,
        error: &EndpointError,
        unknown: bool,
    ) {
        let keep = match error.kind() {
            // So that no other process tries a third time.
            EndpointErrorKind::Refused => unknown,
            // This process lives and says so: a guarded try is not used up.
            _ => error.may_have_been_done() && !unknown,
        };
        if !keep {
            self.take_back_intent(lease, stored, unknown).await;
        }
    }
}

enum Sent {
    Answered(Result<TokenResponse, EndpointError>),
    Not(Error),
}

/// What is known of the holder before this one.
enum Predecessor {
    /// It finished, or what it tried is history.
    Settled,
    /// It may have spent the refresh token that is stored.
    Unknown,
    /// So did one before it, and this one was the guarded try.
    UnknownAndTriedAgain,
}

fn predecessor(intent: Option<&Intent>, stored: &StoredToken) -> Predecessor {
    match intent {
        Some(intent) if intent.revision == stored.revision && intent.guarded => Predecessor::UnknownAndTriedAgain,
        Some(intent) if intent.revision == stored.revision || *intent == Intent::unreadable() => Predecessor::Unknown,
        _ => Predecessor::Settled,
    }
}

/// Another has the lease now, or has changed the record.
fn started_over(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict)
}

fn held_up() -> Error {
    let message = "this process is too slow to redeem the refresh token within its lease; try again later";
    Error::new(ErrorKind::Busy, token_storage_core::Operation::Lease, message)
}

/// For failures that change nothing for the caller.
fn log_minor(what: &str, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::debug!(target: "token_storage", kind = ?error.kind(), "cannot {what}");
    }
}
