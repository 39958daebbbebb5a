//! Seeing to it that no refresh of a record is under way while it is moved.

use std::time::Duration;

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, LeaseView, Operation, RefreshLease, Result, StoredToken,
    TokenData, TokenKey,
};
use tokio::time::{Instant, sleep};

use super::Migration;
use crate::{Grant, Renewal};

const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is known of refreshes of a record.
pub(super) enum Refreshes {
    /// None is under way. The lease is held, if that is needed.
    AtRest(Option<Box<dyn LeaseGuard>>),
    /// One has ended, and nobody knows how.
    Unsettled,
}

impl Migration<'_> {
    /// Takes the lease where a refresh may be under way or may begin: each lease that was ever taken leaves a file behind,
    /// so a record that nobody refreshes goes without.
    pub(super) async fn at_rest(&self, key: &TokenKey, found: &StoredToken) -> Result<Refreshes> {
        let Some(lease) = self.from.lease() else {
            return Ok(Refreshes::AtRest(None));
        };
        let may_begin = self.remove_source && may_be_refreshed(&found.data);
        let is_settled = |view: LeaseView| view.intent.is_none();
        if !may_begin && lease.look(key).await?.is_some_and(is_settled) {
            return Ok(Refreshes::AtRest(None));
        }
        let guard = self.acquire(&*lease, key).await?;
        if guard.intent().is_some_and(|intent| is_open(intent, found)) {
            // The intent stays for whoever settles it.
            guard.release().await?;
            return Ok(Refreshes::Unsettled);
        }
        Ok(Refreshes::AtRest(Some(guard)))
    }

    /// The lease at the target, if the record is to be refreshed there from now on: a program that waits for it there must
    /// not refresh it before it was read back, and is then still at the source.
    pub(super) async fn hold_target(&self, key: &TokenKey, data: &TokenData) -> Result<Option<Box<dyn LeaseGuard>>> {
        match self.to.lease() {
            Some(lease) if self.remove_source && may_be_refreshed(data) => self.acquire(&*lease, key).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn acquire(&self, lease: &dyn RefreshLease, key: &TokenKey) -> Result<Box<dyn LeaseGuard>> {
        let deadline = Instant::now() + self.lease_wait;
        loop {
            let pause = match lease.try_acquire(key).await? {
                Acquisition::Acquired(guard) => return Ok(guard),
                Acquisition::Held { retry_after } => retry_after.min(LONGEST_PAUSE),
            };
            if Instant::now() >= deadline {
                let message = "a refresh of it is under way and does not end; try again";
                return Err(Error::new(ErrorKind::Busy, message)
                    .with_operation(Operation::Lease)
                    .with_key(key));
            }
            sleep(pause).await;
        }
    }
}

fn may_be_refreshed(data: &TokenData) -> bool {
    let renewed_without = Renewal::of(data).is_ok_and(|renewal| renewal.grant != Grant::RefreshToken);
    data.refresh_token.is_some() || renewed_without
}

/// Whether the record's refresh token may be spent without anybody having the answer.
fn is_open(intent: &Intent, stored: &StoredToken) -> bool {
    let may_be_spent = intent.failure().is_none_or(|failure| failure.may_have_been_done);
    may_be_spent && intent.concerns(stored)
}
