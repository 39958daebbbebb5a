//! Revisions that are compared in part, or come back: clause A4.

use std::collections::HashMap;

use token_storage_core::{
    Error, MemoryStorage, Operation, Precondition, Result, Revision, StoredToken, TokenData, TokenKey,
    TokenStorage as _, TokenStorageExt as _, Write,
};

use crate::{
    Mutant,
    flaw::{Flaw, flaw},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    let whole = "revisions::are_compared_as_a_whole";
    let batch = "revisions::are_compared_as_a_whole_in_batches";
    vec![
        memory::<Beginnings>("compares beginnings of revisions", whole),
        memory::<Ends>("compares ends of revisions", whole),
        memory::<Lengths>("compares lengths of revisions", whole),
        memory::<Letters>("compares revisions without case", whole),
        memory::<ShorterIsEnough>("takes a beginning of a revision for it", whole),
        memory::<OfRemove>("a remove compares revisions in part", whole),
        memory::<OfBatches>("a batch compares revisions in part", batch),
        memory::<OneByteCounter>("counts revisions in one byte", "revisions::of_one_key_never_repeat"),
        memory::<RandomOfTwoBytes>(
            "revisions are random, of two bytes",
            "revisions::of_batches_never_repeat",
        ),
        memory::<OneForABatch>("one revision for a batch", "revisions::of_batches_never_repeat"),
        memory::<StartsAgain>(
            "counts from one after a remove",
            "revisions::of_removed_records_never_repeat",
        ),
        memory::<SharedByNamespace>(
            "one revision for a namespace",
            "revisions::stay_while_other_records_change",
        ),
        memory::<Short>("revisions are short", "revisions::have_eight_bytes_or_more"),
    ]
}

type Same = fn(&[u8], &[u8]) -> bool;

/// A precondition that names the current revision if the one given is like it.
async fn lenient(base: &MemoryStorage, key: &TokenKey, given: Precondition, same: Same) -> Result<Precondition> {
    let (Precondition::Unchanged(revision), Some(stored)) = (given, base.get(key).await?) else {
        return Ok(given);
    };
    Ok(match same(revision.as_bytes(), stored.revision.as_bytes()) {
        true => Precondition::Unchanged(stored.revision),
        false => given,
    })
}

macro_rules! lenient {
    ($(#[$meta:meta])* $name:ident, $same:expr) => {
        flaw!(
            $(#[$meta])*
            $name {
                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    let precondition = lenient(&self.0, key, precondition, $same).await?;
                    self.0.store(key, data, precondition).await
                }
            }
        );
    };
}

lenient!(
    /// The first half.
    Beginnings, |one, two| one.len() == two.len() && one[..one.len() / 2] == two[..one.len() / 2]
);
lenient!(
    /// The last half.
    Ends, |one, two| one.len() == two.len() && one[one.len() / 2..] == two[one.len() / 2..]
);
lenient!(
    /// Nothing but how long they are; the usual ones are not.
    Lengths, |one, two| one.len() == two.len()
);
lenient!(
    /// As a collation does.
    Letters, |one, two| one.eq_ignore_ascii_case(two)
);
lenient!(
    /// `LIKE 'x%'`.
    ShorterIsEnough, |one, two| !one.is_empty() && two.starts_with(one)
);

flaw!(
    /// The check of a remove is another one.
    OfRemove {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let precondition = lenient(&self.0, key, precondition, |one, two| one.first() == two.first()).await?;
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// The check of a batch is another one.
    OfBatches {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let mut changed = writes.to_vec();
            for write in &mut changed {
                write.precondition = lenient(&self.0, write.key, write.precondition, |one, two| one.first() == two.first()).await?;
            }
            self.0.store_all(&changed).await
        }
    }
);

/// A storage whose revisions are its own: what it says of each write, and what the correct storage says.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    shown: HashMap<TokenKey, Revision>,
    count: u64,
}

/// How a write's revision comes about: of its key, how many writes there were, and which of its batch it is.
type Number = fn(&mut Numbers, &TokenKey, usize) -> Vec<u8>;

fn shown(numbers: &Numbers, key: &TokenKey, real: Revision) -> Revision {
    numbers.shown.get(key).copied().unwrap_or(real)
}

fn translated(numbers: &Numbers, key: &TokenKey, given: Precondition, real: Option<Revision>) -> Precondition {
    match (given, real) {
        (Precondition::Unchanged(given), Some(real)) if shown(numbers, key, real) == given => {
            Precondition::Unchanged(real)
        }
        (given, _) => given,
    }
}

fn refusal(numbers: &Numbers, error: Error) -> Error {
    match error.conflict() {
        Some(conflict) => {
            let current = conflict.current.map(|real| shown(numbers, &conflict.key, real));
            Error::precondition_failed(conflict.key.clone(), current).with_operation(Operation::Store)
        }
        None => error,
    }
}

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident, $number:expr) => {
        flaw!(
            $(#[$meta])*
            $name with Numbers {
                async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
                    let stored = self.0.get(key).await?;
                    let numbers = self.1.lock().unwrap();
                    Ok(stored.map(|stored| StoredToken { revision: shown(&numbers, key, stored.revision), ..stored }))
                }

                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    Ok(Flaw::store_all(self, &[Write::new(key, data, precondition)]).await?[0])
                }

                async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    let mut changed = writes.to_vec();
                    for write in &mut changed {
                        let real = self.0.get(write.key).await?.map(|stored| stored.revision);
                        write.precondition = translated(&self.1.lock().unwrap(), write.key, write.precondition, real);
                    }
                    let done = self.0.store_all(&changed).await;
                    let mut numbers = self.1.lock().unwrap();
                    let number: Number = $number;
                    done.map_err(|error| refusal(&numbers, error))?;
                    numbers.count += 1;
                    let revisions = writes.iter().enumerate().map(|(index, write)| {
                        let revision = Revision::from_bytes(&number(&mut numbers, write.key, index))?;
                        numbers.shown.insert(write.key.clone(), revision);
                        Ok(revision)
                    });
                    revisions.collect()
                }

                async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
                    let real = self.0.get(key).await?.map(|stored| stored.revision);
                    let precondition = translated(&self.1.lock().unwrap(), key, precondition, real);
                    let removed = self.0.remove(key, precondition).await;
                    let mut numbers = self.1.lock().unwrap();
                    let removed = removed.map_err(|error| refusal(&numbers, error))?;
                    if stringify!($name) == "StartsAgain" {
                        numbers.count = 0;
                    }
                    numbers.shown.remove(key);
                    Ok(removed)
                }
            }
        );
    };
}

/// Of the key, so that each has revisions of its own.
fn of_key(key: &TokenKey) -> Vec<u8> {
    format!("{}/{}", key.namespace().len(), key.resource_server()).into_bytes()
}

fn kept_short(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(40);
    bytes
}

numbered!(
    /// After 256 writes it is back where it was.
    OneByteCounter, |numbers, key, _| [&[0; 8][..], &[numbers.count as u8], &kept_short(of_key(key))].concat()
);
numbered!(
    /// Random, and padded to look long.
    RandomOfTwoBytes, |numbers, _, index| {
        // Without a seed, since every run is to see it.
        let mixed = (numbers.count * 1009 + index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 48;
        [&[0; 14][..], &(mixed as u16).to_be_bytes()].concat()
    }
);
numbered!(
    /// The number of the transaction.
    OneForABatch, |numbers, _, _| [&[0; 8][..], &numbers.count.to_be_bytes()].concat()
);
numbered!(
    /// Each removal starts the count anew.
    StartsAgain, |numbers, key, _| [&numbers.count.to_be_bytes()[..], &kept_short(of_key(key))].concat()
);
numbered!(
    /// A number of four bytes.
    Short, |numbers, _, index| ((numbers.count as u32) << 12 | index as u32).to_be_bytes().to_vec()
);

flaw!(
    /// A record's revision is that of the last write to its namespace.
    SharedByNamespace with HashMap<String, Revision> {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            let stored = self.0.get(key).await?;
            let last = self.1.lock().unwrap().get(key.namespace()).copied();
            Ok(stored.map(|stored| StoredToken { revision: last.unwrap_or(stored.revision), ..stored }))
        }

        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let revision = self.0.store(key, data, precondition).await?;
            self.1.lock().unwrap().insert(key.namespace().to_owned(), revision);
            Ok(revision)
        }
    }
);
