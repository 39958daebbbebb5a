//! One refresh of one key, in the order of its steps: wait for the lease, read the record again, see what a predecessor
//! left behind, prove that the storage can be written to, and redeem.

use token_storage_core::{Intent, LeaseGuard, StoredToken, TokenStorage};

use super::{
    Event, ManagerError, ManagerErrorKind, ReauthReason, absent,
    inner::{Inner, log_minor},
    lease::{self, Waited},
    mode::Mode,
    redeem::Redemption,
    remembered,
    round::{Failure, MAX_ROUNDS, Round},
    slot::Slot,
    step::Step,
};
pub(super) struct Refresh<'a, S> {
    inner: &'a Inner<S>,
    slot: &'a Slot,
    mode: &'a Mode,
}

pub(super) enum Ended {
    Well {
        stored: Box<StoredToken>,
        /// The slot's, from before this was read or stored.
        generation: u64,
    },
    Failed {
        failure: Failure,
        /// Still held if there is an answer to be stored.
        lease: Option<Box<dyn LeaseGuard>>,
    },
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

impl<'a, S: TokenStorage> Refresh<'a, S> {
    pub(super) fn new(inner: &'a Inner<S>, slot: &'a Slot, mode: &'a Mode) -> Self {
        Self { inner, slot, mode }
    }

    pub(super) async fn run(&self) -> Ended {
        for _ in 0..MAX_ROUNDS {
            let generation = self.slot.generation();
            let mut lease = match lease::acquire(self.inner, &self.slot.key, self.mode).await {
                Err(error) => return Ended::failed(error),
                Ok(Waited::Moved(stored)) => {
                    self.inner.emit(&Event::RefreshedElsewhere(self.slot.key.clone()));
                    return Ended::Well { stored, generation };
                }
                Ok(Waited::Acquired(lease)) => lease,
            };
            let round = self.under_lease(&mut *lease).await;
            if let Err(failure) = round {
                let lease = match failure.pending {
                    Some(_) => Some(lease),
                    None => self.release(lease).await,
                };
                return Ended::Failed { failure, lease };
            }
            self.release(lease).await;
            if let Ok(Round::Done(stored, generation)) = round {
                return Ended::Well { stored, generation };
            }
        }
        let message = "others kept changing the record while it was being refreshed";
        Ended::failed(ManagerError::new(ManagerErrorKind::Busy, &self.slot.key, message))
    }

    async fn under_lease(&self, lease: &mut dyn LeaseGuard) -> Result<Round, Failure> {
        self.inner.at(Step::LeaseAcquired).await;
        let generation = self.slot.generation();
        let stored = self.read_again().await?;
        if self.is_needless(lease, &stored).await {
            return Ok(Round::Done(Box::new(stored), generation));
        }
        self.check_renewable(&stored)?;
        let unknown = self.succeed(lease.intent(), &stored)?;
        self.prove_writable().await?;
        Redemption::new(self.inner, self.slot, lease, stored, unknown)
            .run()
            .await
    }

    /// Somebody may have refreshed it meanwhile, or logged out.
    async fn read_again(&self) -> Result<StoredToken, Failure> {
        let key = &self.slot.key;
        let stored = self.inner.current(key).await?;
        let stored = stored.ok_or_else(|| ManagerError::reauth(ReauthReason::NoToken, key))?;
        self.inner.at(Step::ReadAgain).await;
        Ok(stored)
    }

    async fn is_needless(&self, lease: &mut dyn LeaseGuard, stored: &StoredToken) -> bool {
        if !self.inner.will_do(self.mode, stored) {
            return false;
        }
        self.inner.emit(&Event::RefreshedElsewhere(self.slot.key.clone()));
        if lease.intent().is_some_and(|intent| !intent.concerns(stored)) {
            // Its holder stored the result and died before it could say so.
            log_minor("clear the intent", lease.clear_intent().await);
        }
        true
    }

    fn check_renewable(&self, stored: &StoredToken) -> Result<(), Failure> {
        let reason = match absent::is_blank(stored) {
            _ if self.inner.endpoint.renews(&stored.data) => return Ok(()),
            true => ReauthReason::NoToken,
            false => ReauthReason::NoRefreshToken,
        };
        Err(self.reauth(reason, stored))
    }

    /// Whether the refresh token may have been spent by the holder before this one, so that this is the one guarded try
    /// (L5).
    fn succeed(&self, intent: Option<&Intent>, stored: &StoredToken) -> Result<bool, Failure> {
        // Without a refresh token there is nothing that could have been spent.
        let is_spendable = stored.data.refresh_token.is_some();
        match self.predecessor(intent, stored) {
            Predecessor::Answered(error) => Err(Failure::of(error, stored)),
            Predecessor::Unknown if is_spendable => {
                self.inner.emit(&Event::UnknownOutcome(self.slot.key.clone()));
                Ok(true)
            }
            Predecessor::UnknownAndTriedAgain if is_spendable => Err(self.reauth(ReauthReason::UnknownOutcome, stored)),
            Predecessor::Unknown | Predecessor::UnknownAndTriedAgain | Predecessor::Settled => Ok(false),
        }
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
        match remembered::verdict(intent, failure, stored, &self.slot.key, &*self.inner.clock) {
            Some(error) => Predecessor::Answered(error),
            None if failure.may_have_been_done => Predecessor::Unknown,
            None => Predecessor::Settled,
        }
    }

    async fn prove_writable(&self) -> Result<(), Failure> {
        let key = &self.slot.key;
        let proven = self.inner.storage.prove_writable(key).await;
        proven.map_err(|error| ManagerError::storage_failed(key, error))?;
        self.inner.at(Step::ProvedWritable).await;
        Ok(())
    }

    /// If the storage cannot be reached, the lease is freed as if its holder had died.
    async fn release(&self, lease: Box<dyn LeaseGuard>) -> Option<Box<dyn LeaseGuard>> {
        log_minor("release the refresh lease", lease.release().await);
        self.inner.at(Step::Released).await;
        None
    }

    fn reauth(&self, reason: ReauthReason, stored: &StoredToken) -> Failure {
        Failure::of(ManagerError::reauth(reason, &self.slot.key), stored)
    }
}

impl Ended {
    fn failed(error: ManagerError) -> Self {
        Self::Failed {
            failure: error.into(),
            lease: None,
        }
    }
}
