//! Leases bound to the process, broken: clauses L1, L2, L4.

use std::sync::{Arc, Mutex};

use token_storage_core::{
    Acquisition, Error, ErrorKind, LeaseGuard, LeaseView, Operation, RefreshLease, Result, TokenKey, TokenStorage,
    async_trait,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const INTENT_SHOWS: &str = "lease::whether_there_is_an_intent_can_be_asked";
    vec![
        memory::<HeldIsUnavailable>("held is unavailable", "lease::held_is_an_answer_and_no_error"),
        memory::<DropKeepsLease>("dropping keeps the lease", "lease::a_dropped_lease_is_free_at_once"),
        memory::<LooksAwayFromIntents>("intents are not looked for", INTENT_SHOWS),
        memory::<LookingTakesIt>("looking takes the lease", INTENT_SHOWS),
        memory::<LookingClears>("looking clears the intent", INTENT_SHOWS),
        memory::<IntentsShowForEver>("an intent shows for ever", INTENT_SHOWS),
        memory::<LeaseIsNeverFree>("the lease is never free", "lease::one_holder_at_a_time"),
    ]
}

/// Changes what the correct lease answers.
struct Changed<'a>(Box<dyn RefreshLease + 'a>, Change, Seen);

/// The keys whose lease was ever had.
type Seen = Arc<Mutex<Vec<TokenKey>>>;

#[derive(Clone, Copy, PartialEq)]
enum Change {
    HeldIsAnError,
    DropKeepsIt,
    AlwaysHeld,
    LooksAwayFromIntents,
    LookingTakesIt,
    LookingClears,
    IntentsShowForEver,
}

#[async_trait]
impl RefreshLease for Changed<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let acquired = self.0.try_acquire(key).await?;
        self.2.lock().unwrap().push(key.clone());
        match (self.1, acquired) {
            (Change::HeldIsAnError, Acquisition::Held { .. }) => {
                Err(Error::new(ErrorKind::Unavailable, "the lease cannot be had").with_operation(Operation::Lease))
            }
            (Change::DropKeepsIt, Acquisition::Acquired(guard)) => {
                Ok(Acquisition::Acquired(Box::new(Kept(Some(guard)))))
            }
            (Change::AlwaysHeld, Acquisition::Acquired(_)) => Ok(Acquisition::Held {
                retry_after: std::time::Duration::from_millis(5),
            }),
            (_, other) => Ok(other),
        }
    }

    async fn may_have_intent(&self, key: &TokenKey) -> Result<bool> {
        if self.1 == Change::LooksAwayFromIntents {
            return Ok(false);
        }
        if self.1 == Change::LookingTakesIt {
            std::mem::forget(self.0.try_acquire(key).await?);
        }
        if self.1 == Change::LookingClears
            && let Acquisition::Acquired(mut guard) = self.0.try_acquire(key).await?
        {
            guard.clear_intent().await?;
            return Ok(true);
        }
        let may = self.0.may_have_intent(key).await?;
        Ok(may || self.1 == Change::IntentsShowForEver && self.2.lock().unwrap().contains(key))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        self.0.look(key).await
    }
}

/// A guard that must be released; dropping it frees nothing.
#[derive(Debug)]
struct Kept(Option<Box<dyn LeaseGuard>>);

impl Drop for Kept {
    fn drop(&mut self) {
        std::mem::forget(self.0.take());
    }
}

impl Kept {
    fn inner(&mut self) -> &mut dyn LeaseGuard {
        &mut **self.0.as_mut().expect("it is there until the guard is dropped")
    }
}

#[async_trait]
impl LeaseGuard for Kept {
    fn intent(&self) -> Option<&token_storage_core::Intent> {
        self.0.as_ref().and_then(|guard| guard.intent())
    }

    fn remaining(&self) -> Option<std::time::Duration> {
        None
    }

    async fn renew(&mut self) -> Result<()> {
        self.inner().renew().await
    }

    async fn record_intent(&mut self, intent: &token_storage_core::Intent) -> Result<()> {
        self.inner().record_intent(intent).await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.inner().clear_intent().await
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        match self.0.take() {
            Some(guard) => guard.release().await,
            None => Ok(()),
        }
    }
}

macro_rules! held {
    ($(#[$meta:meta])* $name:ident, $change:expr) => {
        flaw!(
            $(#[$meta])*
            $name with Vec<TokenKey> {
                fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                    Some(Box::new(Changed(self.0.lease()?, $change, Arc::clone(&self.1))))
                }
            }
        );
    };
}

held!(
    /// A lease that another holds is reported as a storage that cannot be reached.
    HeldIsUnavailable,
    Change::HeldIsAnError
);
held!(
    /// Dropping the guard does not free the lease.
    DropKeepsLease,
    Change::DropKeepsIt
);
held!(
    /// Nobody ever gets it.
    LeaseIsNeverFree,
    Change::AlwaysHeld
);
held!(
    /// There is never an intent, says whoever looks.
    LooksAwayFromIntents,
    Change::LooksAwayFromIntents
);
held!(
    /// Whoever looks takes the lease, and does not give it back.
    LookingTakesIt,
    Change::LookingTakesIt
);
held!(
    /// Whoever looks clears the intent.
    LookingClears,
    Change::LookingClears
);
held!(
    /// A key that once was leased may have an intent for ever.
    IntentsShowForEver,
    Change::IntentsShowForEver
);
