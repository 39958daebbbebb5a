//! Leases bound to the process that are lost, mixed up or waited for: clauses L1, L2, L4, L5.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use token_storage_core::{
    Acquisition, Intent, LeaseGuard, LeaseView, MemoryStorage, Precondition, RefreshLease, Result, Revision, TokenData,
    TokenKey, TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    let beside = "lease::it_stays_while_its_record_comes_and_goes";
    let alike = "lease::keys_that_are_alike_have_leases_of_their_own";
    let intents = "lease::any_intent_round_trips";
    vec![
        memory::<DropForgetsIntent>(
            "dropping forgets the intent",
            "lease::an_intent_outlives_a_dropped_lease",
        ),
        memory::<StoreFreesIt>("a store frees the lease", beside),
        memory::<BatchFreesIt>(
            "a batch frees the leases",
            "lease::it_stays_while_its_record_is_in_a_batch",
        ),
        memory::<RemoveFreesIt>("a remove frees the lease", beside),
        memory::<ProofStores>("a proof brings the record back", beside),
        memory::<RemoveForgetsIntent>(
            "a remove forgets the intent",
            "lease::an_intent_stays_while_its_record_comes_and_goes",
        ),
        memory::<StoreForgetsIntent>(
            "a store forgets the intent",
            "lease::an_intent_stays_while_its_record_comes_and_goes",
        ),
        memory::<AtMost64>("at most 64 leases", "lease::many_can_be_held"),
        memory::<FreesAll>("one release frees all", "lease::many_can_be_held"),
        memory::<FoldsKeys>("leases of keys without case", alike),
        memory::<CutsKeys>("leases of keys that are cut", alike),
        memory::<HashesKeys>("leases of a hash of keys", alike),
        memory::<IntentsOfFoldedKeys>(
            "intents of keys without case",
            "lease::keys_that_are_alike_have_intents_of_their_own",
        ),
        memory::<ShortRevisions>("intents of 32 bytes", intents),
        memory::<ForgetsGuarded>("an intent forgets that it is guarded", intents),
        memory::<SmallTimes>("an intent of 32 bits of time", intents),
        memory::<RunsOut>(
            "a lease of a process runs out",
            "lease::one_of_a_process_does_not_run_out",
        ),
        memory::<Waits>("a try waits", "lease::a_try_does_not_wait"),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    DropForgetsIntent,
    StoreFreesIt,
    BatchFreesIt,
    RemoveFreesIt,
    ProofStores,
    RemoveForgetsIntent,
    StoreForgetsIntent,
    AtMost64,
    FreesAll,
    FoldsKeys,
    CutsKeys,
    HashesKeys,
    IntentsOfFoldedKeys,
    ShortRevisions,
    ForgetsGuarded,
    SmallTimes,
    RunsOut,
    Waits,
}

/// Who holds what since when, and the intents.
#[derive(Debug, Default)]
pub(crate) struct Held {
    holders: HashMap<TokenKey, (u64, Instant)>,
    intents: HashMap<TokenKey, Intent>,
    last: HashMap<TokenKey, TokenData>,
    count: u64,
}

type State = Arc<Mutex<Held>>;

struct Leases {
    state: State,
    wrong: Wrong,
}

/// What stands for the key of a lease.
fn lease_key(wrong: Wrong, key: &TokenKey) -> TokenKey {
    let text = key.resource_server();
    let changed = match wrong {
        Wrong::FoldsKeys => text.to_lowercase(),
        Wrong::CutsKeys => text.chars().take(255).collect(),
        Wrong::HashesKeys => {
            let hash = text
                .bytes()
                .fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
            hash.to_string()
        }
        _ => text.to_owned(),
    };
    TokenKey::new(key.namespace(), changed)
}

fn intent_key(wrong: Wrong, key: &TokenKey) -> TokenKey {
    match wrong {
        Wrong::IntentsOfFoldedKeys => lease_key(Wrong::FoldsKeys, key),
        _ => key.clone(),
    }
}

#[async_trait]
impl RefreshLease for Leases {
    async fn try_acquire(&self, key: &TokenKey) -> Result<Acquisition> {
        let name = lease_key(self.wrong, key);
        let taken = {
            let mut held = self.state.lock().unwrap();
            let since = held.holders.get(&name).map(|(_, since)| since.elapsed());
            let free = since.is_none_or(|since| self.wrong == Wrong::RunsOut && since > Duration::from_secs(2))
                && !(self.wrong == Wrong::AtMost64 && held.holders.len() >= 64);
            free.then(|| {
                held.count += 1;
                let number = held.count;
                held.holders.insert(name.clone(), (number, Instant::now()));
                (number, held.intents.get(&intent_key(self.wrong, key)).cloned())
            })
        };
        let Some((number, intent)) = taken else {
            if self.wrong == Wrong::Waits {
                tokio::time::sleep(Duration::from_millis(2500)).await;
            }
            let retry_after = Duration::from_millis(5);
            return Ok(Acquisition::Held { retry_after });
        };
        Ok(Acquisition::Acquired(Box::new(Guard {
            state: Arc::clone(&self.state),
            wrong: self.wrong,
            key: key.clone(),
            number,
            intent,
            released: false,
        })))
    }

    async fn look(&self, _key: &TokenKey) -> Result<Option<LeaseView>> {
        Ok(None)
    }
}

#[derive(Debug)]
struct Guard {
    state: State,
    wrong: Wrong,
    key: TokenKey,
    number: u64,
    intent: Option<Intent>,
    released: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let name = lease_key(self.wrong, &self.key);
        let mut held = self.state.lock().unwrap();
        if self.wrong == Wrong::FreesAll {
            held.holders.clear();
        }
        if held
            .holders
            .get(&name)
            .is_some_and(|(number, _)| *number == self.number)
        {
            held.holders.remove(&name);
        }
        if self.wrong == Wrong::DropForgetsIntent && !self.released {
            held.intents.remove(&self.key);
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
        Ok(())
    }

    async fn record_intent(&mut self, intent: &Intent) -> Result<()> {
        let mut kept = intent.clone();
        match self.wrong {
            Wrong::ShortRevisions => {
                let bytes = intent.revision.as_bytes();
                kept.revision = Revision::from_bytes(&bytes[..bytes.len().min(32)])?;
            }
            Wrong::ForgetsGuarded => kept.guarded = false,
            Wrong::SmallTimes => kept.recorded_at = i64::from(intent.recorded_at as i32),
            _ => {}
        }
        self.state
            .lock()
            .unwrap()
            .intents
            .insert(intent_key(self.wrong, &self.key), kept);
        Ok(())
    }

    async fn clear_intent(&mut self) -> Result<()> {
        self.state
            .lock()
            .unwrap()
            .intents
            .remove(&intent_key(self.wrong, &self.key));
        Ok(())
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        self.released = true;
        Ok(())
    }
}

fn stored(state: &State, wrong: Wrong, key: &TokenKey, data: &TokenData) {
    let mut held = state.lock().unwrap();
    held.last.insert(key.clone(), data.clone());
    match wrong {
        Wrong::StoreFreesIt => drop(held.holders.remove(key)),
        Wrong::StoreForgetsIntent => drop(held.intents.remove(key)),
        _ => {}
    }
}

fn stored_all(state: &State, wrong: Wrong, writes: &[Write<'_>]) {
    let mut held = state.lock().unwrap();
    if wrong == Wrong::BatchFreesIt {
        for write in writes {
            held.holders.remove(write.key);
        }
    }
}

/// Writes what it knows of the record, if there is none.
async fn proven(state: &State, base: &MemoryStorage, wrong: Wrong, key: &TokenKey) -> Result<()> {
    let last = state.lock().unwrap().last.get(key).cloned();
    match last.filter(|_| wrong == Wrong::ProofStores) {
        Some(data) if base.get(key).await?.is_none() => base.store(key, &data, Precondition::Any).await.map(drop),
        _ => Ok(()),
    }
}

fn removed(state: &State, wrong: Wrong, key: &TokenKey) {
    let mut held = state.lock().unwrap();
    match wrong {
        Wrong::RemoveFreesIt => drop(held.holders.remove(key)),
        Wrong::RemoveForgetsIntent => drop(held.intents.remove(key)),
        _ => {}
    }
}

macro_rules! lost {
    ($($(#[$meta:meta])* $name:ident;)*) => {
        $(flaw!(
            $(#[$meta])*
            $name with Held {
                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    let done = self.base().store(key, data, precondition).await?;
                    stored(&self.1, Wrong::$name, key, data);
                    Ok(done)
                }

                async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    let done = self.base().store_all(writes).await?;
                    stored_all(&self.1, Wrong::$name, writes);
                    Ok(done)
                }

                async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
                    let done = self.base().remove(key, precondition).await?;
                    removed(&self.1, Wrong::$name, key);
                    Ok(done)
                }

                async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
                    proven(&self.1, &self.0, Wrong::$name, key).await
                }

                fn lease(&self) -> Option<Box<dyn RefreshLease + '_>> {
                    let state = Arc::clone(&self.1);
                    Some(Box::new(Leases { state, wrong: Wrong::$name }))
                }
            }
        );)*
    };
}

lost! {
    /// Only an orderly release keeps it.
    DropForgetsIntent;
    /// The lease is a column of the record, which is written anew.
    StoreFreesIt;
    /// So it is in a batch.
    BatchFreesIt;
    /// The lease is a column of the record, which goes.
    RemoveFreesIt;
    /// It writes what it knows of the record.
    ProofStores;
    /// The intent is a column of the record, which goes.
    RemoveForgetsIntent;
    /// The intent is a column of the record, which is written anew.
    StoreForgetsIntent;
    /// Each takes a connection of a pool.
    AtMost64;
    /// They are one lock.
    FreesAll;
    /// Names of files on a system without case.
    FoldsKeys;
    /// Names of files of 255 characters.
    CutsKeys;
    /// A number for each lock.
    HashesKeys;
    /// The table of intents has a collation.
    IntentsOfFoldedKeys;
    /// A column of 32 bytes.
    ShortRevisions;
    /// It is not kept.
    ForgetsGuarded;
    /// A column of 32 bits.
    SmallTimes;
    /// For the sake of safety.
    RunsOut;
    /// For a while, lest it be asked again at once.
    Waits;
}
