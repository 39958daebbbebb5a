//! One refresh of one key, in the order of its steps: wait for the lease, read the record again, see what a predecessor
//! left behind, prove that the storage can be written to, record the intent, and redeem. Where a storage can, all up to the
//! intent is one step.

use token_storage_core::{Intent, LeaseGuard, StoredToken, TokenStorage};

use super::{
    Event, ManagerError, ManagerErrorKind, ReauthReason, absent,
    inner::Inner,
    lease::{self, Held, Waited},
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

    /// `seen`: the record, if it has just been read.
    pub(super) async fn run(&self, mut seen: Option<StoredToken>) -> Ended {
        for _ in 0..MAX_ROUNDS {
            let generation = self.slot.generation();
            let waited = lease::acquire(self.inner, &self.slot.key, self.mode, seen.take()).await;
            let (lease, round) = match waited {
                Err(error) => return Ended::failed(error),
                Ok(Waited::Moved(stored)) => {
                    self.inner.emit(&Event::RefreshedElsewhere(self.slot.key.clone()));
                    return Ended::Well { stored, generation };
                }
                Ok(Waited::Acquired(mut lease)) => {
                    let round = self.under_lease(&mut lease).await;
                    (lease, round)
                }
                Ok(Waited::Begun(mut lease, stored)) => {
                    let round = self.begun(&mut lease, *stored).await;
                    (lease, round)
                }
            };
            if let Err(failure) = round {
                if failure.pending.is_some() {
                    let lease = Some(lease.guard);
                    return Ended::Failed { failure, lease };
                }
                self.release(lease).await;
                return Ended::Failed { failure, lease: None };
            }
            self.release(lease).await;
            if let Ok(Round::Done(stored, generation)) = round {
                return Ended::Well { stored, generation };
            }
        }
        let message = "others kept changing the record while it was being refreshed";
        Ended::failed(ManagerError::new(ManagerErrorKind::Busy, &self.slot.key, message))
    }

    /// All in one step: nobody has refreshed it meanwhile, and no predecessor left anything behind.
    async fn begun(&self, lease: &mut Held, stored: StoredToken) -> Result<Round, Failure> {
        for step in [
            Step::LeaseAcquired,
            Step::ReadAgain,
            Step::ProvedWritable,
            Step::IntentRecorded,
        ] {
            self.inner.at(step).await;
        }
        let redemption = Redemption::new(self.inner, self.slot, lease, stored, false);
        redemption.run().await
    }

    async fn under_lease(&self, lease: &mut Held) -> Result<Round, Failure> {
        self.inner.at(Step::LeaseAcquired).await;
        let generation = self.slot.generation();
        let stored = self.read_again().await?;
        if self.is_needless(lease, &stored) {
            return Ok(Round::Done(Box::new(stored), generation));
        }
        self.check_renewable(&stored)?;
        let unknown = self.succeed(lease.guard.intent(), &stored)?;
        self.prove_writable().await?;
        let mut redemption = Redemption::new(self.inner, self.slot, lease, stored, unknown);
        match redemption.record_intent().await {
            Ok(()) => redemption.run().await,
            Err(error) => redemption.not_sent(error).await,
        }
    }

    /// Somebody may have refreshed it meanwhile, or logged out.
    async fn read_again(&self) -> Result<StoredToken, Failure> {
        let stored = self.inner.existing(&self.slot.key).await?;
        self.inner.at(Step::ReadAgain).await;
        Ok(stored)
    }

    fn is_needless(&self, lease: &mut Held, stored: &StoredToken) -> bool {
        if !self.inner.will_do(self.mode, stored) {
            return false;
        }
        self.inner.emit(&Event::RefreshedElsewhere(self.slot.key.clone()));
        // The holder of an intent that is about other tokens stored the result and died before it could say so.
        lease.is_settled = lease.guard.intent().is_some_and(|intent| !intent.concerns(stored));
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

    async fn release(&self, lease: Held) {
        lease.release().await;
        self.inner.at(Step::Released).await;
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
