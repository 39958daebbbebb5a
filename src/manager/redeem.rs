//! From the proof that the storage can be written to the answer that is stored in it, under the lease.

use std::time::Duration;

use token_storage_core::{Error, ErrorKind, Intent, LeaseGuard, Operation, StoredToken, TokenStorage};

use super::{
    ConnectionProblem, EndpointError, EndpointErrorKind, Event, ManagerError, OddAnswer, ReauthReason, RefreshRequest,
    absent,
    error::Action,
    flight::{Failure, Flight, MAX_ROUNDS, Round, log_minor},
    others::{self, CameWith},
    remembered,
    settle::{self, Pending, Settled},
    step::Step,
};
use crate::TokenResponse;

impl<S: TokenStorage> Flight<'_, S> {
    pub(super) async fn prove_writable(&self) -> Result<(), Failure> {
        let key = &self.slot.key;
        match self.inner.storage.prove_writable(key).await {
            Ok(()) => {
                self.inner.at(Step::ProvedWritable).await;
                Ok(())
            }
            Err(error) => Err(ManagerError::storage_failed(key, error).into()),
        }
    }

    /// From the intent to the answer. `unknown`: the refresh token may have been spent by a holder before this one.
    pub(super) async fn redeem(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: StoredToken,
        unknown: bool,
    ) -> Result<Round, Failure> {
        if let Err(error) = self.record_intent(lease, &stored, unknown).await {
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
            Ok(answer) => self.store(lease, stored, answer).await,
            Err(error) if absent::is_blank(&stored) => {
                // Nobody has logged in, so no new login would help.
                self.failed(lease, stored, error.of_the_client(), unknown).await
            }
            Err(error) => self.failed(lease, stored, error, unknown).await,
        }
    }

    /// Where there is no refresh token, nothing can be spent, and so nothing has to be known about it.
    async fn record_intent(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: &StoredToken,
        unknown: bool,
    ) -> Result<(), Error> {
        match stored.data.refresh_token {
            Some(_) => lease.record_intent(&self.intent(stored, unknown)).await,
            None => Ok(()),
        }
    }

    fn intent(&self, stored: &StoredToken, guarded: bool) -> Intent {
        Intent::new(stored, guarded, self.inner.clock.now())
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
            let sent_at = self.inner.clock.now();
            let request = RefreshRequest::new(&self.slot.key, &stored.data, sent_at);
            // Nothing is awaited between this look at the lease's clocks and the request: a holder that was stopped for
            // longer than its lease lasts must not send (L3).
            if lease.remaining().is_some_and(|left| left < timeout) {
                continue;
            }
            let answer = tokio::time::timeout(timeout, self.inner.endpoint.refresh(request)).await;
            let answer = answer.unwrap_or_else(|_| Err(EndpointError::connection(ConnectionProblem::TimedOut)));
            let server = || self.inner.server_name(Some(&stored.data));
            let named = answer.map_err(|error| error.or_server(server().as_deref()));
            return Sent::Answered(named.map(|response| (response, sent_at)));
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
        (response, sent_at): (TokenResponse, i64),
    ) -> Result<Round, Failure> {
        let key = &self.slot.key;
        let tried = Some(stored.revision);
        let base = stored.data.clone();
        let server = self.inner.server_name(Some(&base));
        let odd: Vec<_> = response.warnings().to_vec();
        let (mut pending, others) = Pending::new(key, stored, response, sent_at);
        self.inner.at(Step::BeforeStore).await;
        let generation = self.slot.generation();
        match settle::store(self.inner, key, lease, &mut pending).await {
            Settled::Stored(stored) => {
                self.inner.at(Step::Stored).await;
                self.forget_intent(lease).await;
                let came_with = CameWith {
                    base: &base,
                    refreshed: &stored.data,
                    sent_at,
                };
                others::store(self.inner, key, &came_with, others).await;
                self.inner.emit(&Event::Refreshed(key.clone()));
                for warning in odd {
                    let odd = OddAnswer::new(server.as_deref(), warning);
                    self.inner.emit(&Event::OddAnswer(key.clone(), odd));
                }
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
                let error = self.inner.named(error, Action::GetToken);
                self.inner.emit(&Event::NotStored(key.clone(), error.clone()));
                Err(Failure { error, tried, pending })
            }
        }
    }

    async fn forget_intent(&self, lease: &mut dyn LeaseGuard) {
        // Left behind it names tokens that are no more, which says the same.
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
        let error = match self.inner.current(key).await {
            Ok(None) => {
                self.forget_intent(lease).await;
                return Err(ManagerError::reauth(ReauthReason::LoggedOut, key).into());
            }
            Ok(Some(current)) if current.revision != stored.revision => {
                // An edit that keeps the tokens makes nothing known of them.
                if self.intent(&stored, unknown).concerns(&current) {
                    let failed = self.remember(lease, &stored, error, unknown).await;
                    if !refused {
                        return Err(failed.into());
                    }
                } else {
                    self.forget_intent(lease).await;
                }
                return Ok(Round::Again);
            }
            // Nobody knows whether the refusal is about what is stored now.
            Err(unreadable) if refused => {
                self.correct_intent(lease, &stored, &error, unknown).await;
                return Err(unreadable.into());
            }
            Ok(Some(_)) | Err(_) => error,
        };
        let error = self.remember(lease, &stored, error, unknown).await;
        Err(Failure::of(error, &stored))
    }

    /// Writes down for all processes how it failed, and says what that means.
    async fn remember(
        &self,
        lease: &mut dyn LeaseGuard,
        stored: &StoredToken,
        error: EndpointError,
        unknown: bool,
    ) -> ManagerError {
        let key = &self.slot.key;
        let before = lease
            .intent()
            .filter(|intent| intent.concerns(stored))
            .and_then(Intent::failure);
        let Some(failure) = remembered::failure_of(&error, unknown, before) else {
            self.correct_intent(lease, stored, &error, unknown).await;
            return ManagerError::endpoint(key, error);
        };
        let intent = remembered::intent(stored, &failure, &*self.inner.clock);
        if let Err(cause) = lease.record_intent(&intent).await {
            log_minor("remember the failure", Err(cause));
            self.correct_intent(lease, stored, &error, unknown).await;
        }
        let pause = Some(failure.pause).filter(|pause| !pause.is_zero());
        remembered::error(&failure, key, error).with_retry_after(pause)
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
    /// The response, and when it was asked for.
    Answered(Result<(TokenResponse, i64), EndpointError>),
    Not(Error),
}

/// Another has the lease now, or has changed the record.
fn started_over(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict)
}

fn held_up() -> Error {
    let message = "this process is too slow to redeem the refresh token within its lease; try again later";
    Error::new(ErrorKind::Busy, message).with_operation(Operation::Lease)
}
