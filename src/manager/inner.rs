use std::{sync::Arc, time::Duration};

use token_storage_core::{Freshness, ProcessLeases, StoredToken, TokenData, TokenKey, TokenStorage};

use super::{
    AccessToken, Clock, ConnectionProblem, EndpointError, EndpointErrorKind, Event, ManagerError, RevokeRequest,
    TokenEndpoint, TokenKind,
    absent::Absent,
    error::Action,
    event::Events,
    flight::Mode,
    slot::{Slot, is_stale},
    slots::Slots,
    step::{Polls, Step, Steps},
};

use crate::{IssuedBy, lifetime};

/// What the clones of a manager share.
#[derive(Debug)]
pub(super) struct Inner<S> {
    pub(super) storage: S,
    pub(super) endpoint: Arc<dyn TokenEndpoint>,
    pub(super) settings: Settings,
    /// Instead of the storage's leases, by explicit choice.
    pub(super) local: Option<ProcessLeases>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) steps: Steps,
    pub(super) polls: Polls,
    pub(super) slots: Slots,
    pub(super) absent: Absent,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) skew: i64,
    pub(super) valid_for: i64,
    pub(super) serve_after: Duration,
    pub(super) timeout: Duration,
    pub(super) trust: Duration,
    pub(super) refresh_ahead: Duration,
    pub(super) request_timeout: Duration,
    pub(super) lease_wait: Duration,
    /// The part of a timed lease that is kept for storing the answer.
    pub(super) lease_margin: Duration,
    /// A timed lease with less left than this is renewed before the request.
    pub(super) renew_below: Duration,
    pub(super) store_patience: Duration,
    pub(super) revoke_unstored: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            skew: 60,
            valid_for: 0,
            serve_after: Duration::from_secs(1),
            timeout: Duration::MAX,
            trust: Duration::from_secs(5),
            refresh_ahead: Duration::from_secs(300),
            request_timeout: Duration::from_secs(30),
            lease_wait: Duration::from_secs(30),
            lease_margin: Duration::ZERO,
            renew_below: Duration::ZERO,
            store_patience: Duration::from_secs(10),
            revoke_unstored: false,
        }
    }
}

/// The skew is at most this part of a token's lifetime, or a second: otherwise no short-lived token would ever be good
/// enough, and without that second one would be handed out that expires now.
const SKEW_PART: i64 = 4;

impl Settings {
    fn margin(&self, lifetime: Option<i64>) -> i64 {
        let skew = lifetime.map_or(self.skew, |lifetime| self.skew.min((lifetime / SKEW_PART).max(1)));
        skew.max(self.valid_for)
    }

    /// Whether a token may be handed out without a refresh (L9).
    pub(super) fn is_fresh(&self, token: &AccessToken, now: i64) -> bool {
        !is_stale(token, now, self.margin(token.lifetime()))
    }

    /// As [`is_fresh`](Self::is_fresh), of a record.
    pub(super) fn is_fresh_record(&self, data: &TokenData, now: i64) -> bool {
        data.freshness(now, self.margin(lifetime::of(data))) != Freshness::Stale
    }
}

/// Whether a token has not expired yet, for at least a second.
pub(super) fn is_valid(data: &TokenData, now: i64) -> bool {
    data.freshness(now, 1) != Freshness::Stale
}

/// How often a revocation is tried before it is given up.
const REVOKE_ATTEMPTS: u32 = 3;

impl<S: TokenStorage> Inner<S> {
    pub(super) fn slot(&self, key: &TokenKey) -> Arc<Slot> {
        let new = || Arc::new(Slot::new(key.clone(), self.settings.refresh_ahead));
        let is_idle = |slot: &Slot| slot.is_idle(self.clock.now(), self.clock.monotonic());
        self.slots.get_or_insert(key, new, is_idle)
    }

    pub(super) async fn read(&self, key: &TokenKey) -> Result<Option<StoredToken>, ManagerError> {
        let read = self.storage.get(key).await;
        read.map_err(|error| ManagerError::storage_failed(key, error))
    }

    /// What is refreshed: the record, or what stands for one that is fetched without a login.
    pub(super) async fn current(&self, key: &TokenKey) -> Result<Option<StoredToken>, ManagerError> {
        let stored = self.read(key).await?;
        Ok(stored.or_else(|| self.absent.blank(key, self.endpoint.issued_by())))
    }

    /// Whether a record is what a refresh was to bring. What another holder has brought meanwhile does if it has not
    /// expired: the next one would not be better (L5).
    pub(super) fn will_do(&self, mode: &Mode, stored: &StoredToken) -> bool {
        let now = self.clock.now();
        let is_fresh = || self.settings.is_fresh_record(&stored.data, now);
        match mode {
            Mode::Stale(seen) => is_fresh() || (stored.data.access_token != *seen && is_valid(&stored.data, now)),
            Mode::Ahead(revision) => stored.revision != *revision && is_fresh(),
            Mode::Forced(rejected) => stored.data.access_token != *rejected && is_valid(&stored.data, now),
        }
    }

    /// The server that is asked about a record: the one that it names, else the only one that there is.
    pub(super) fn server_name(&self, data: Option<&TokenData>) -> Option<String> {
        let of_record = data.and_then(|data| IssuedBy::of(data).ok().flatten());
        let server = of_record.or_else(|| self.endpoint.issued_by())?;
        server.server_name().map(str::to_owned)
    }

    /// The failure, told in full: what could not be done, and at which server.
    pub(super) fn named(&self, error: ManagerError, action: Action) -> ManagerError {
        let error = error.doing(action);
        match error.server_name() {
            Some(_) => error,
            None => error.at(self.server_name(None).as_deref()),
        }
    }

    pub(super) fn emit(&self, event: &Event) {
        self.events.emit(event);
    }

    pub(super) async fn at(&self, step: Step) {
        self.steps.at(step).await;
    }

    /// Revokes tokens that nobody may use; the refresh token first, because it lives longer. `record` is the one that they
    /// were asked for with. Says whether all of them are revoked.
    pub(super) async fn revoke_fresh(&self, key: &TokenKey, record: &TokenData, fresh: &TokenData) -> bool {
        self.at(Step::BeforeRevoke).await;
        let refresh = fresh.refresh_token.as_ref().map(|token| (token, TokenKind::Refresh));
        let mut failed = None;
        for (token, kind) in refresh.into_iter().chain([(&fresh.access_token, TokenKind::Access)]) {
            let request = RevokeRequest::new(key, record, token, kind);
            failed = self.revoke(request).await.err().or(failed);
        }
        let revoked = failed.is_none();
        self.emit(&match failed {
            None => Event::Revoked(key.clone()),
            Some(error) => Event::NotRevoked(key.clone(), error),
        });
        revoked
    }

    /// Revoking twice does no harm, so this may be repeated where a refresh may not.
    pub(super) async fn revoke(&self, request: RevokeRequest<'_>) -> Result<(), EndpointError> {
        let mut attempt = 1;
        loop {
            let asked = tokio::time::timeout(self.settings.request_timeout, self.endpoint.revoke(request)).await;
            let error = match asked {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => EndpointError::connection(ConnectionProblem::TimedOut),
            };
            // Whoever did not answer in all that time will not in as much again.
            let hangs = error.connection_problem() == Some(ConnectionProblem::TimedOut);
            if hangs || error.kind() != EndpointErrorKind::Transient || attempt == REVOKE_ATTEMPTS {
                return Err(error.or_server(self.server_name(Some(request.data)).as_deref()));
            }
            tokio::time::sleep(super::lease::jittered(Duration::from_millis(100) * attempt)).await;
            attempt += 1;
        }
    }
}
