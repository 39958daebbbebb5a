//! Redeeming one refresh token under the lease, in the order of its steps: record the intent, if that is not done yet, send,
//! store the answer or write down how it failed.

use std::time::Duration;

use token_storage_core::{Error, ErrorKind, Intent, Operation, StoredToken, TokenKey, TokenStorage};

use super::{
    ConnectionProblem, EndpointError, EndpointErrorKind, Event, ManagerError, OddAnswer, ReauthReason, RefreshRequest,
    absent,
    error::Action,
    inner::{Inner, log_minor},
    lease::Held,
    others::{self, CameWith},
    remembered,
    round::{Failure, MAX_ROUNDS, Round},
    settle::{self, Pending, Settled},
    slot::Slot,
    step::Step,
};
use crate::TokenResponse;

pub(super) struct Redemption<'a, S> {
    inner: &'a Inner<S>,
    slot: &'a Slot,
    lease: &'a mut Held,
    /// The record whose refresh token it is.
    stored: StoredToken,
    /// Whether the refresh token may have been spent by a holder before this one.
    unknown: bool,
}

/// A response, and when it was asked for.
type Answered = Result<(TokenResponse, i64), EndpointError>;

impl<'a, S: TokenStorage> Redemption<'a, S> {
    pub(super) fn new(
        inner: &'a Inner<S>,
        slot: &'a Slot,
        lease: &'a mut Held,
        stored: StoredToken,
        unknown: bool,
    ) -> Self {
        Self {
            inner,
            slot,
            lease,
            stored,
            unknown,
        }
    }

    /// With the intent recorded.
    pub(super) async fn run(mut self) -> Result<Round, Failure> {
        match self.send().await {
            Ok(Ok(answer)) => self.store(answer).await,
            Ok(Err(error)) => self.failed(error).await,
            Err(error) => self.not_sent(error).await,
        }
    }

    fn key(&self) -> &'a TokenKey {
        &self.slot.key
    }

    pub(super) async fn record_intent(&mut self) -> Result<(), Error> {
        // Where there is no refresh token, nothing can be spent, and so nothing has to be known about it.
        if self.stored.data.refresh_token.is_some() {
            let intent = self.intent(self.unknown);
            self.lease.guard.record_intent(&intent).await?;
        }
        self.inner.at(Step::IntentRecorded).await;
        Ok(())
    }

    fn intent(&self, guarded: bool) -> Intent {
        Intent::new(&self.stored, guarded, self.inner.clock.now())
    }

    async fn send(&mut self) -> Result<Answered, Error> {
        for _ in 0..MAX_ROUNDS {
            let timeout = self.time_for_request().await?;
            self.inner.at(Step::BeforeSend).await;
            let sent_at = self.inner.clock.now();
            let request = RefreshRequest::new(&self.slot.key, &self.stored.data, sent_at);
            // Nothing is awaited between this look at the lease's clocks and the request: a holder that was stopped for
            // longer than its lease lasts must not send (L3).
            if self.lease.guard.remaining().is_some_and(|left| left < timeout) {
                continue;
            }
            let answer = tokio::time::timeout(timeout, self.inner.endpoint.refresh(request)).await;
            let answer = answer.unwrap_or_else(|_| Err(EndpointError::connection(ConnectionProblem::TimedOut)));
            self.inner.at(Step::Answered).await;
            let server = || self.inner.server_name(Some(&self.stored.data));
            let named = answer.map_err(|error| error.or_server(server().as_deref()));
            return Ok(named.map(|response| (response, sent_at)));
        }
        Err(held_up())
    }

    /// So long that request and storing end before the lease does.
    async fn time_for_request(&mut self) -> Result<Duration, Error> {
        let settings = &self.inner.settings;
        let Some(mut left) = self.lease.guard.remaining() else {
            return Ok(settings.request_timeout);
        };
        if left < settings.renew_below {
            self.lease.guard.renew().await?;
            left = self.lease.guard.remaining().unwrap_or(left);
        }
        match left.saturating_sub(settings.lease_margin) {
            Duration::ZERO => Err(held_up()),
            allowed => Ok(allowed.min(settings.request_timeout)),
        }
    }

    pub(super) async fn not_sent(&mut self, error: Error) -> Result<Round, Failure> {
        // Another has the lease now, or has changed the record.
        if matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict) {
            return Ok(Round::Again);
        }
        // Whatever was written of the intent says too much; what stays costs at most one guarded try.
        self.take_back_intent().await;
        Err(ManagerError::storage_failed(self.key(), error).into())
    }

    async fn store(self, (response, sent_at): (TokenResponse, i64)) -> Result<Round, Failure> {
        let (inner, key) = (self.inner, self.key());
        let tried = Some(self.stored.revision);
        let base = self.stored.data.clone();
        let server = inner.server_name(Some(&base));
        let odd: Vec<_> = response.warnings().to_vec();
        let (mut pending, others) = Pending::new(key, self.stored, response, sent_at);
        inner.at(Step::BeforeStore).await;
        let generation = self.slot.generation();
        match settle::store(inner, key, &mut *self.lease.guard, &mut pending).await {
            Settled::Stored(stored) => {
                inner.at(Step::Stored).await;
                self.lease.is_settled = true;
                let came_with = CameWith {
                    base: &base,
                    refreshed: &stored.data,
                    sent_at,
                };
                others::store(inner, key, &came_with, others).await;
                inner.emit(&Event::Refreshed(key.clone()));
                for warning in odd {
                    let odd = OddAnswer::new(server.as_deref(), warning);
                    inner.emit(&Event::OddAnswer(key.clone(), odd));
                }
                Ok(Round::Done(stored, generation))
            }
            Settled::LoggedOut => {
                self.lease.is_settled = true;
                Err(ManagerError::reauth(ReauthReason::LoggedOut, key).into())
            }
            Settled::Superseded => {
                self.lease.is_settled = true;
                Ok(Round::Again)
            }
            Settled::Failed(error) => {
                let (error, pending) = settle::give_up(inner, key, &mut *self.lease.guard, pending, error).await;
                let error = inner.named(error, Action::GetToken);
                inner.emit(&Event::NotStored(key.clone(), error.clone()));
                let pending = pending.map(Box::new);
                Err(Failure { error, tried, pending })
            }
        }
    }

    /// On any refusal the record is read again first: if another has moved it on, that is what counts (L7).
    async fn failed(&mut self, error: EndpointError) -> Result<Round, Failure> {
        let key = self.key();
        let error = match absent::is_blank(&self.stored) {
            // Nobody has logged in, so no new login would help.
            true => error.of_the_client(),
            false => error,
        };
        let refused = error.kind() == EndpointErrorKind::Refused;
        match self.inner.current(key).await {
            Ok(None) => {
                self.lease.is_settled = true;
                Err(ManagerError::reauth(ReauthReason::LoggedOut, key).into())
            }
            Ok(Some(current)) if current.revision != self.stored.revision => {
                // An edit that keeps the tokens makes nothing known of them.
                if !self.intent(self.unknown).concerns(&current) {
                    self.lease.is_settled = true;
                    return Ok(Round::Again);
                }
                let failed = self.remember(error).await;
                if refused { Ok(Round::Again) } else { Err(failed.into()) }
            }
            // Nobody knows whether the refusal is about what is stored now.
            Err(unreadable) if refused => {
                self.correct_intent(&error).await;
                Err(unreadable.into())
            }
            Ok(Some(_)) | Err(_) => {
                let error = self.remember(error).await;
                Err(Failure::of(error, &self.stored))
            }
        }
    }

    /// Writes down for all processes how it failed, and says what that means.
    async fn remember(&mut self, error: EndpointError) -> ManagerError {
        let key = self.key();
        let before = self.lease.guard.intent();
        let before = before.filter(|intent| intent.concerns(&self.stored));
        let Some(failure) = remembered::failure_of(&error, self.unknown, before.and_then(Intent::failure)) else {
            self.correct_intent(&error).await;
            return ManagerError::endpoint(key, error);
        };
        let intent = remembered::intent(&self.stored, &failure, &*self.inner.clock);
        if let Err(cause) = self.lease.guard.record_intent(&intent).await {
            log_minor("remember the failure", Err(cause));
            self.correct_intent(&error).await;
        }
        let pause = Some(failure.pause).filter(|pause| !pause.is_zero());
        remembered::error(&failure, key, error).with_retry_after(pause)
    }

    /// Lets the intent say what is known after a failure.
    async fn correct_intent(&mut self, error: &EndpointError) {
        let keep = match error.kind() {
            // So that no other process tries a third time.
            EndpointErrorKind::Refused => self.unknown,
            // This process lives and says so: a guarded try is not used up.
            _ => error.may_have_been_done() && !self.unknown,
        };
        if !keep {
            self.take_back_intent().await;
        }
    }

    /// The request was not sent, or certainly not carried out: things are as they were before the intent.
    async fn take_back_intent(&mut self) {
        let taken_back = if self.unknown {
            let intent = self.intent(false);
            self.lease.guard.record_intent(&intent).await
        } else {
            self.lease.guard.clear_intent().await
        };
        log_minor("take the intent back", taken_back);
    }
}

fn held_up() -> Error {
    let message = "this process is too slow to redeem the refresh token within its lease; try again later";
    Error::new(ErrorKind::Busy, message).with_operation(Operation::Lease)
}
