//! Calls of leases that go wrong when their caller drops them: clauses A7, L2, L5, L7.

use std::{sync::Arc, time::Duration};

use token_storage_core::{
    Acquisition, Intent, LeaseGuard, LeaseView, MemoryStorage, Operation, Precondition, RefreshLease, Result,
    TokenData, TokenKey, TokenStorage, TokenStorageExt as _, async_trait, backend::forward,
};
use tokio::{sync::Mutex, task::yield_now};

use crate::{Mutant, flaw::flaw, in_flight::Pool, pause, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<DroppedAcquireKeepsLease>(
            "a dropped acquire keeps the lease",
            "cancellation::a_dropped_acquire_does_not_keep_the_lease",
        ),
        memory::<DroppedIntentComesLate>(
            "a dropped intent comes late",
            "cancellation::a_dropped_intent_does_not_come_late",
        ),
        memory::<DroppedClearingComesLate>(
            "a dropped clearing comes late",
            "cancellation::a_dropped_clearing_does_not_come_late",
        ),
        memory::<DroppedRenewalHangs>(
            "a dropped renewal hangs the next",
            "cancellation::a_dropped_renewal_or_proof_harms_nothing",
        ),
        memory::<DroppedProofLeavesProbe>(
            "a dropped proof leaves its probe",
            "cancellation::a_dropped_renewal_or_proof_harms_nothing",
        ),
        memory::<DroppedReleaseKeepsLease>(
            "a dropped release keeps the lease",
            "cancellation::a_dropped_release_frees_it_in_the_end",
        ),
        memory::<DroppedLookLeaks>(
            "a dropped look keeps its connection",
            "cancellation::dropped_looks_use_nothing_up",
        ),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flawed {
    Acquire,
    Intent,
    Clearing,
    Renewal,
    Release,
}

struct Leases(MemoryStorage, Flawed);

#[async_trait]
impl RefreshLease for Leases {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let acquired = self
            .0
            .lease()
            .expect("a memory storage has leases")
            .try_acquire(key)
            .await?;
        let Acquisition::Acquired(guard) = acquired else {
            return Ok(acquired);
        };
        let guard = Guard {
            intent: guard.intent().cloned(),
            inner: Arc::new(Mutex::new(guard)),
            flawed: self.1,
            stuck: false,
        };
        if self.1 == Flawed::Acquire {
            // Its caller may go away now; nobody then knows of it.
            let kept = Arc::clone(&guard.inner);
            let forgotten = Forgotten(Some(kept));
            yield_now().await;
            forgotten.known();
        }
        Ok(Acquisition::Acquired(Box::new(guard)))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let lease = self.0.lease().expect("a memory storage has leases");
        lease.look(key).await
    }
}

type Inner = Arc<Mutex<Box<dyn LeaseGuard>>>;

/// Keeps what it has for ever, if it is dropped.
struct Forgotten(Option<Inner>);

impl Forgotten {
    fn known(mut self) {
        self.0 = None;
    }
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        std::mem::forget(self.0.take());
    }
}

#[derive(Debug)]
struct Guard {
    inner: Inner,
    intent: Option<Intent>,
    flawed: Flawed,
    /// A renewal was dropped half-way.
    stuck: bool,
}

impl Guard {
    /// In a task that goes on without its caller, beside whatever comes later.
    async fn record(&self, intent: Option<Intent>, late: bool) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let work = async move {
            if late {
                pause().await;
            }
            let mut guard = inner.lock().await;
            match intent {
                Some(intent) => guard.record_intent(&intent).await,
                None => guard.clear_intent().await,
            }
        };
        match late {
            true => tokio::spawn(work).await.expect("recording does not panic"),
            false => work.await,
        }
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    fn remaining(&self) -> Option<Duration> {
        None
    }

    async fn renew(&mut self) -> Result<()> {
        if self.flawed == Flawed::Renewal {
            if std::mem::replace(&mut self.stuck, true) {
                std::future::pending::<()>().await;
            }
            yield_now().await;
            self.stuck = false;
        }
        Ok(())
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        self.record(Some(intent.clone()), self.flawed == Flawed::Intent).await
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.record(None, self.flawed == Flawed::Clearing).await
    }

    async fn release(self: Box<Self>) -> Result<()> {
        if self.flawed == Flawed::Release {
            let forgotten = Forgotten(Some(Arc::clone(&self.inner)));
            yield_now().await;
            forgotten.known();
        }
        Ok(())
    }
}

macro_rules! dropped {
    ($($(#[$meta:meta])* $name:ident: $flawed:ident;)*) => {
        $(
            flaw!(
                $(#[$meta])*
                $name {
                    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                        Some(Box::new(Leases(self.0.clone(), Flawed::$flawed)))
                    }
                }
            );
        )*
    };
}

dropped! {
    /// An acquire that is dropped when it has the lease keeps it.
    DroppedAcquireKeepsLease: Acquire;
    /// An intent whose recording was dropped is recorded after the next call.
    DroppedIntentComesLate: Intent;
    /// A clearing that was dropped clears a later intent.
    DroppedClearingComesLate: Clearing;
    /// After a dropped renewal the next one never ends.
    DroppedRenewalHangs: Renewal;
    /// A release that is dropped keeps the lease.
    DroppedReleaseKeepsLease: Release;
}

flaw!(
    /// A proof that is dropped leaves its probe in place of the record.
    DroppedProofLeavesProbe {
        async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
            let before = self.0.get(key).await?;
            self.0.store(key, &TokenData::new("probe", "", "probe"), Precondition::Any).await?;
            yield_now().await;
            match before {
                Some(before) => self.0.store(key, &before.data, Precondition::Any).await.map(drop),
                None => Ok(()),
            }
        }
    }
);

flaw!(
    /// A look at a lease that is dropped keeps its connection.
    DroppedLookLeaks with Pool {
        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            let inner = self.0.lease()?;
            Some(Box::new(Looks { inner, pool: &self.1 }))
        }
    }
);

struct Looks<'a> {
    inner: Box<dyn RefreshLease + 'a>,
    pool: &'a std::sync::Mutex<Pool>,
}

#[async_trait]
impl RefreshLease for Looks<'_> {
    forward!(self.inner => try_acquire, try_begin);

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        Pool::leaky(self.pool, Operation::Lease).await?;
        self.inner.look(key).await
    }
}
