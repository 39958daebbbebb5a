use std::{sync::Arc, time::Duration};

use token_storage_core::{Error, ProcessLeases, StoredToken, TokenData, TokenKey, TokenStorage};

use super::{
    Clock, Event, ManagerError, ReauthReason, TokenEndpoint,
    absent::Absent,
    clock::Now,
    error::Action,
    event::Events,
    mode::Mode,
    settings::Settings,
    slot::Slot,
    slots::Slots,
    step::{Polls, Step, Steps},
};
use crate::{IssuedBy, sealed::refuse_sealed};

/// What a storage answers.
pub(super) type Read = Result<Option<StoredToken>, Error>;

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

impl<S: TokenStorage> Inner<S> {
    pub(super) fn slot(&self, key: &TokenKey) -> Arc<Slot> {
        let new = || Arc::new(Slot::new(key.clone(), self.settings.refresh_ahead));
        let is_idle = |slot: &Slot| slot.is_idle(self.now());
        self.slots.get_or_insert(key, new, is_idle)
    }

    pub(super) fn now(&self) -> Now {
        Now::of(&*self.clock)
    }

    /// Until when what is read now may be handed out without another look.
    pub(super) fn trusted_until(&self) -> Duration {
        match self.settings.trust {
            Duration::ZERO => Duration::ZERO,
            trust => self.clock.monotonic().saturating_add(trust),
        }
    }

    pub(super) async fn read(&self, key: &TokenKey) -> Result<Option<StoredToken>, ManagerError> {
        let read = self.storage.get(key).await;
        readable(key, read)
    }

    /// What is refreshed: the record, or what stands for one that is fetched without a login.
    pub(super) async fn current(&self, key: &TokenKey) -> Result<Option<StoredToken>, ManagerError> {
        let read = self.storage.get(key).await;
        self.understand(key, read)
    }

    /// As [`current`](Self::current), of what was read already.
    pub(super) fn understand(&self, key: &TokenKey, read: Read) -> Result<Option<StoredToken>, ManagerError> {
        let stored = readable(key, read)?;
        Ok(stored.or_else(|| self.absent.blank(key, self.endpoint.issued_by())))
    }

    /// As [`current`](Self::current), where one is needed.
    pub(super) async fn existing(&self, key: &TokenKey) -> Result<StoredToken, ManagerError> {
        let stored = self.current(key).await?;
        stored.ok_or_else(|| ManagerError::reauth(ReauthReason::NoToken, key))
    }

    /// Whether a record is what a refresh was to bring.
    pub(super) fn will_do(&self, mode: &Mode, stored: &StoredToken) -> bool {
        mode.is_met_by(stored, &self.settings, self.clock.now())
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
}

fn readable(key: &TokenKey, read: Read) -> Result<Option<StoredToken>, ManagerError> {
    let read = read.and_then(|stored| refuse_sealed(key, stored));
    read.map_err(|error| ManagerError::storage_failed(key, error))
}

/// For failures that change nothing for the caller.
pub(super) fn log_minor(what: &str, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::debug!(target: "token_storage", kind = ?error.kind(), "cannot {what}");
    }
}
