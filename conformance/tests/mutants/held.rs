//! Leases bound to the process, broken: clauses L1, L2, L4.

use std::sync::{Arc, Mutex};

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, LeaseView, Operation, RefreshLease, Result, TokenKey,
    TokenStorage, async_trait, backend::forward,
};

use crate::{
    Mutant,
    flaw::{Inner, flaw},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<HeldIsUnavailable>("held is unavailable", "lease::held_is_an_answer_and_no_error"),
        memory::<DropKeepsLease>("dropping keeps the lease", "lease::a_dropped_lease_is_free_at_once"),
        memory::<IntentsShowForEver>("an intent shows for ever", "lease::a_look_shows_what_stands"),
        memory::<LeaseIsNeverFree>("the lease is never free", "lease::one_holder_at_a_time"),
    ]
}

/// Changes what the correct lease answers.
struct Changed<'a>(Box<dyn RefreshLease + 'a>, Change, Seen);

/// The intents that were ever seen.
type Seen = Arc<Mutex<Vec<(TokenKey, Intent)>>>;

#[derive(Clone, Copy, PartialEq)]
enum Change {
    HeldIsAnError,
    DropKeepsIt,
    AlwaysHeld,
    IntentsShowForEver,
}

#[async_trait]
impl RefreshLease for Changed<'_> {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let acquired = self.0.try_acquire(key).await?;
        match (self.1, acquired) {
            (Change::HeldIsAnError, Acquisition::Held { .. }) => {
                Err(Error::new(ErrorKind::Unavailable, "the lease cannot be had").with_operation(Operation::Lease))
            }
            (Change::DropKeepsIt, Acquisition::Acquired(guard)) => {
                Ok(Acquisition::Acquired(Box::new(Kept(Inner(Some(guard))))))
            }
            (Change::AlwaysHeld, Acquisition::Acquired(_)) => Ok(Acquisition::Held {
                retry_after: std::time::Duration::from_millis(5),
            }),
            (_, other) => Ok(other),
        }
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let view = self.0.look(key).await?;
        if self.1 != Change::IntentsShowForEver {
            return Ok(view);
        }
        let (mut view, mut seen) = (view.unwrap_or_default(), self.2.lock().unwrap());
        match &view.intent {
            Some(intent) => seen.push((key.clone(), intent.clone())),
            None => view.intent = seen.iter().find(|(of, _)| of == key).map(|(_, intent)| intent.clone()),
        }
        Ok(Some(view))
    }
}

/// A guard that must be released; dropping it frees nothing.
#[derive(Debug)]
struct Kept(Inner);

impl Drop for Kept {
    fn drop(&mut self) {
        std::mem::forget(self.0.0.take());
    }
}

#[async_trait]
impl LeaseGuard for Kept {
    forward!(self.0 => intent);
    forward!(self.0.inner() => renew, record_intent, clear_intent);

    fn remaining(&self) -> Option<std::time::Duration> {
        None
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.0.release().await
    }
}

macro_rules! held {
    ($(#[$meta:meta])* $name:ident, $change:expr) => {
        flaw!(
            $(#[$meta])*
            $name with Vec<(TokenKey, Intent)> {
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
    /// What it once has seen of a key it shows for ever.
    IntentsShowForEver,
    Change::IntentsShowForEver
);
