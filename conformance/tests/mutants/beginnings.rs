//! Steps of a refresh that are taken together, and wrongly: clause L6.

use std::time::Duration;

use token_storage_core::{
    Acquisition, Begin, Intent, LeaseGuard, MemoryStorage, RefreshLease, Result, Revision, TokenKey, TokenStorage,
    async_trait, backend::forward,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const BEGUN: &str = "lease::what_is_begun_is_recorded";
    const NOT_BEGUN: &str = "lease::nothing_is_begun_over_what_has_moved_on";
    const FINISHED: &str = "lease::finishing_clears_and_frees";
    vec![
        memory::<BeginsWithoutIntent>("begins without its intent", BEGUN),
        memory::<BeginningWrites>("beginning writes the record again", BEGUN),
        memory::<BeginsOverChanges>("begins over a changed record", NOT_BEGUN),
        memory::<BeginsOverIntents>("begins over an intent", NOT_BEGUN),
        memory::<FinishKeepsIntent>("finishing keeps the intent", FINISHED),
        memory::<FinishKeepsLease>("finishing keeps the lease", FINISHED),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    RecordsNothing,
    OverlooksChanges,
    OverlooksPredecessors,
    TouchesTheRecord,
    FinishKeepsIntent,
    FinishKeepsLease,
}

struct Beginning<'a> {
    base: &'a MemoryStorage,
    inner: Box<dyn RefreshLease + 'a>,
    wrong: Wrong,
}

impl Beginning<'_> {
    async fn is_unmoved(&self, key: &TokenKey, revision: Revision) -> Result<bool> {
        let stored = self.base.get(key).await?;
        Ok(self.wrong == Wrong::OverlooksChanges || stored.is_some_and(|stored| stored.revision == revision))
    }
}

#[async_trait]
impl RefreshLease for Beginning<'_> {
    forward!(self.inner => look);

    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let wrong = self.wrong;
        let acquired = self.inner.try_acquire(key).await?;
        Ok(acquired.map(|guard| Box::new(Ending { guard, wrong })))
    }

    async fn try_begin(&self, key: &TokenKey, revision: Revision, intent: Option<&Intent>) -> Result<Begin> {
        let mut guard = match self.try_acquire(key).await? {
            Acquisition::Acquired(guard) => guard,
            held => return Ok(Begin::Tried(held)),
        };
        let is_settled = guard.intent().is_none() || self.wrong == Wrong::OverlooksPredecessors;
        if !is_settled || !self.is_unmoved(key, revision).await? {
            return Ok(Begin::Tried(Acquisition::Acquired(guard)));
        }
        if self.wrong == Wrong::TouchesTheRecord {
            crate::guards::touch(self.base, key).await?;
        }
        if let Some(intent) = intent.filter(|_| self.wrong != Wrong::RecordsNothing) {
            guard.record_intent(intent).await?;
        }
        Ok(Begin::Begun(guard))
    }
}

#[derive(Debug)]
struct Ending {
    guard: Box<dyn LeaseGuard>,
    wrong: Wrong,
}

#[async_trait]
impl LeaseGuard for Ending {
    forward!(self.guard => intent, renew, record_intent, clear_intent, release);

    fn remaining(&self) -> Option<Duration> {
        self.guard.remaining()
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        match self.wrong {
            Wrong::FinishKeepsIntent => self.guard.release().await,
            Wrong::FinishKeepsLease => {
                self.guard.clear_intent().await?;
                std::mem::forget(self.guard);
                Ok(())
            }
            _ => self.guard.finish().await,
        }
    }
}

macro_rules! beginning {
    ($(#[$meta:meta])* $name:ident, $wrong:expr) => {
        flaw!(
            $(#[$meta])*
            $name {
                fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                    let inner = self.0.lease()?;
                    Some(Box::new(Beginning { base: &self.0, inner, wrong: $wrong }))
                }
            }
        );
    };
}

beginning!(
    /// All steps together, and rightly.
    Begins,
    Wrong::Nothing
);
beginning!(
    /// The intent is said to be recorded, and is not.
    BeginsWithoutIntent,
    Wrong::RecordsNothing
);
beginning!(
    /// The record is not looked at.
    BeginsOverChanges,
    Wrong::OverlooksChanges
);
beginning!(
    /// A predecessor's intent is replaced.
    BeginsOverIntents,
    Wrong::OverlooksPredecessors
);
beginning!(
    /// The record is proven writable by being written.
    BeginningWrites,
    Wrong::TouchesTheRecord
);
beginning!(
    /// The intent stays behind.
    FinishKeepsIntent,
    Wrong::FinishKeepsIntent
);
beginning!(
    /// The lease stays held.
    FinishKeepsLease,
    Wrong::FinishKeepsLease
);
