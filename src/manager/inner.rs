use std::{sync::Arc, time::Duration};

use token_storage_core::{ProcessLeases, StoredToken, TokenKey, TokenStorage};

use super::{
    Clock, Event, ManagerError, TokenEndpoint, TokenKind,
    event::Events,
    slot::Slot,
    slots::Slots,
    step::{Polls, Step, Steps},
};

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
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) skew: i64,
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

    pub(super) fn emit(&self, event: &Event) {
        self.events.emit(event);
    }

    pub(super) async fn at(&self, step: Step) {
        self.steps.at(step).await;
    }

    /// Revokes tokens that nobody may use; the refresh token first, because it lives longer. Says whether all of them
    /// are revoked.
    pub(super) async fn revoke_fresh(&self, key: &TokenKey, fresh: &token_storage_core::TokenData) -> bool {
        self.at(Step::BeforeRevoke).await;
        let refresh = fresh.refresh_token.as_ref().map(|token| (token, TokenKind::Refresh));
        let mut all = true;
        for (token, kind) in refresh.into_iter().chain([(&fresh.access_token, TokenKind::Access)]) {
            all &= self.revoke(token, kind).await.is_ok();
        }
        self.emit(&if all {
            Event::Revoked(key.clone())
        } else {
            Event::NotRevoked(key.clone())
        });
        all
    }

    /// Revoking twice does no harm, so this may be repeated where a refresh may not.
    pub(super) async fn revoke(
        &self,
        token: &token_storage_core::Secret,
        kind: TokenKind,
    ) -> Result<(), super::EndpointError> {
        let mut attempt = 1;
        loop {
            let asked = tokio::time::timeout(self.settings.request_timeout, self.endpoint.revoke(token, kind)).await;
            let error = match asked {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => super::EndpointError::transient("the authorization server did not answer in time"),
            };
            if error.kind() != super::EndpointErrorKind::Transient || attempt == REVOKE_ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(super::lease::jittered(Duration::from_millis(100) * attempt)).await;
            attempt += 1;
        }
    }
}
