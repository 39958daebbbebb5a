//! Leases that do more, or hold for less, than they should: clauses L1, L2, L5 to L7, and what core says of a guard.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use token_storage_core::{
    Acquisition, Error, ErrorKind, Intent, LeaseGuard, LeaseView, MemoryStorage, Precondition, RefreshLease, Result,
    Revision, TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, async_trait, backend::forward,
};

use crate::{
    Mutant,
    flaw::{Flaw, Inner, flaw},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    let looked_at = "lease::a_look_shows_what_stands";
    vec![
        memory::<LooksThenTakes>("looks, then takes the lease", "lease::of_racing_tasks_one_gets_it"),
        memory::<JoinsKeys>("leases of keys that are joined", "lease::each_key_has_its_own"),
        memory::<FailedTryFrees>("a failed try frees the lease", "lease::failed_tries_free_nothing"),
        memory::<EndsWithHandle>(
            "a lease ends with its handle",
            "lease::it_outlives_the_handle_it_came_from",
        ),
        memory::<CountsDown>(
            "a lease of a process counts down",
            "lease::the_kind_shows_in_what_remains",
        ),
        memory::<CannotRenew>("what does not run out cannot be renewed", "lease::a_holder_can_renew"),
        memory::<IntentTouches>("an intent writes the record again", "lease::it_changes_no_record"),
        memory::<NeedsRecord>("no lease without a record", "lease::it_works_without_a_record"),
        memory::<LocksRecord>("a lease locks its record", "lease::a_held_lease_does_not_stop_writers"),
        memory::<ProofRewrites>(
            "the proof writes the record again",
            "records::proving_writable_changes_nothing",
        ),
        memory::<NoLongNames>("no lease for a long key", "lease::odd_keys_have_leases_of_their_own"),
        memory::<LookTakes>("a look takes the lease", looked_at),
        memory::<LookWrites>("a look writes the record again", looked_at),
        memory::<LookForgets>("a look forgets the intent", looked_at),
        memory::<LookShowsNobody>("a look shows nobody", looked_at),
        memory::<LookShowsSomebody>("a look shows somebody who is gone", looked_at),
        memory::<LookShowsNoIntent>("a look shows no intent", looked_at),
        memory::<LookShrugs>("a look cannot tell while somebody is there", looked_at),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    LooksThenTakes,
    JoinsKeys,
    FailedTryFrees,
    EndsWithHandle,
    CountsDown,
    CannotRenew,
    IntentTouches,
    NeedsRecord,
    LocksRecord,
    NoLongNames,
    LookTakes,
    LookWrites,
    LookForgets,
    LookShowsNobody,
    LookShowsSomebody,
    LookShowsNoIntent,
    LookShrugs,
}

type Taken = Arc<Mutex<HashSet<TokenKey>>>;

struct Leases {
    base: MemoryStorage,
    taken: Taken,
    wrong: Wrong,
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

/// Writes what is there.
pub(crate) async fn touch(base: &MemoryStorage, key: &TokenKey) -> Result<()> {
    if let Some(there) = base.get(key).await? {
        base.store(key, &there.data, Precondition::Any).await?;
    }
    Ok(())
}

impl Leases {
    /// Whether it is taken now, by what these leases know beside the correct ones.
    async fn take(&self, key: &TokenKey) -> bool {
        let free = !self.taken.lock().unwrap().contains(key);
        if free && self.wrong == Wrong::LooksThenTakes {
            crate::pause().await;
        }
        let mut taken = self.taken.lock().unwrap();
        match (free, self.wrong) {
            (true, _) => taken.insert(key.clone()),
            (false, Wrong::FailedTryFrees) => !taken.remove(key),
            (false, _) => false,
        };
        free
    }

    /// What stands for the key.
    fn name(&self, key: &TokenKey) -> TokenKey {
        match self.wrong {
            Wrong::JoinsKeys => TokenKey::new("", format!("{}:{}", key.namespace(), key.resource_server())),
            _ => key.clone(),
        }
    }
}

#[async_trait]
impl RefreshLease for Leases {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        match self.wrong {
            Wrong::NeedsRecord if self.base.get(key).await?.is_none() => return Err(failed("there is no record")),
            Wrong::NoLongNames if key.resource_server().len() > 255 => return Err(failed("the name is too long")),
            _ => (),
        }
        let name = self.name(key);
        if !self.take(&name).await {
            let retry_after = Duration::from_millis(5);
            return Ok(Acquisition::Held { retry_after });
        }
        // The correct leases keep the intents.
        let inner = match self
            .base
            .lease()
            .ok_or_else(|| failed("no leases"))?
            .try_acquire(key)
            .await?
        {
            Acquisition::Acquired(inner) => Some(inner),
            Acquisition::Held { .. } => None,
        };
        Ok(Acquisition::Acquired(Box::new(Guard {
            inner: Inner(inner),
            base: self.base.clone(),
            taken: Arc::clone(&self.taken),
            key: key.clone(),
            name,
            wrong: self.wrong,
        })))
    }

    async fn look(&self, key: &TokenKey) -> Result<Option<LeaseView>> {
        let inner = self.base.lease().ok_or_else(|| failed("no leases"))?;
        let mut view = inner.look(key).await?.unwrap_or_default();
        match self.wrong {
            Wrong::LookTakes => drop(self.take(key).await),
            Wrong::LookWrites => touch(&self.base, key).await?,
            Wrong::LookForgets => {
                if let Acquisition::Acquired(mut guard) = inner.try_acquire(key).await? {
                    guard.clear_intent().await?;
                }
            }
            Wrong::LookShowsNobody => view.held = false,
            Wrong::LookShowsSomebody => view.held |= view.intent.is_some(),
            Wrong::LookShowsNoIntent => view.intent = None,
            Wrong::LookShrugs if view.held => return Ok(None),
            _ => (),
        }
        Ok(Some(view))
    }
}

#[derive(Debug)]
struct Guard {
    inner: Inner,
    base: MemoryStorage,
    taken: Taken,
    key: TokenKey,
    name: TokenKey,
    wrong: Wrong,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.taken.lock().unwrap().remove(&self.name);
    }
}

#[async_trait]
impl LeaseGuard for Guard {
    forward!(self.inner => intent);

    fn remaining(&self) -> Option<Duration> {
        (self.wrong == Wrong::CountsDown).then_some(Duration::from_secs(60))
    }

    async fn renew(&mut self) -> Result<()> {
        match self.wrong {
            Wrong::CannotRenew => Err(Error::new(ErrorKind::LeaseLost, "it does not run out")),
            _ => Ok(()),
        }
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        if self.wrong == Wrong::IntentTouches {
            touch(&self.base, &self.key).await?;
        }
        match &mut self.inner.0 {
            Some(inner) => inner.record_intent(intent).await,
            None => Ok(()),
        }
    }

    async fn clear_intent(&mut self) -> Result<()> {
        match &mut self.inner.0 {
            Some(inner) => inner.clear_intent().await,
            None => Ok(()),
        }
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.inner.release().await
    }
}

macro_rules! leases {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name with HashSet<TokenKey> {
                fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                    let (base, taken) = (self.0.clone(), Arc::clone(&self.1));
                    Some(Box::new(Leases { base, taken, wrong: Wrong::$name }))
                }
            }
        );)*
    };
}

leases! {
    /// Two tasks find it free.
    LooksThenTakes;
    /// With a colon.
    JoinsKeys;
    /// It closes the file that it has tried to lock, and so unlocks it for its whole process.
    FailedTryFrees;
    /// As if it ran out.
    CountsDown;
    /// It is not its time to live that has passed: it has none.
    CannotRenew;
    /// It is kept with the record.
    IntentTouches;
    /// It is kept with the record.
    NeedsRecord;
    /// It is the name of a file.
    NoLongNames;
    /// It looks by acquiring, and forgets to give back.
    LookTakes;
    /// It looks by writing.
    LookWrites;
    /// It looks once.
    LookForgets;
    /// It does not know who holds what.
    LookShowsNobody;
    /// Whoever left an intent behind is still there.
    LookShowsSomebody;
    /// It knows holders only.
    LookShowsNoIntent;
    /// It reads what it has to lock.
    LookShrugs;
}

flaw!(
    /// By writing.
    ProofRewrites {
        async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
            touch(&self.0, key).await
        }
    }
);

flaw!(
    /// Only its holder writes.
    LocksRecord with HashSet<TokenKey> {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            if self.1.lock().unwrap().contains(key) {
                return Err(Error::new(ErrorKind::Busy, "a refresh is under way"));
            }
            self.0.store(key, data, precondition).await
        }

        fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
            let (base, taken) = (self.0.clone(), Arc::clone(&self.1));
            Some(Box::new(Leases { base, taken, wrong: Wrong::LocksRecord }))
        }
    }
);

/// What a handle has taken goes with it.
#[derive(Debug, Default)]
struct OfHandle(Taken);

impl Drop for OfHandle {
    fn drop(&mut self) {
        self.0.lock().unwrap().clear();
    }
}

/// A connection whose locks end with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndsWithHandle(
    MemoryStorage,
    Taken,
    #[expect(dead_code, reason = "it is there to be dropped")] Option<Arc<OfHandle>>,
);

#[async_trait]
impl Flaw for EndsWithHandle {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    fn handle(&self) -> Self {
        let own = Some(Arc::new(OfHandle(Arc::clone(&self.1))));
        Self(self.0.clone(), Arc::clone(&self.1), own)
    }

    fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
        let (base, taken) = (self.0.clone(), Arc::clone(&self.1));
        Some(Box::new(Leases {
            base,
            taken,
            wrong: Wrong::EndsWithHandle,
        }))
    }
}
