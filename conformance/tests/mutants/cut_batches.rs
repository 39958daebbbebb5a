//! Batches that are cut in pieces, checked in part, undone for all to see, or raced: clause A2.

use std::collections::BTreeSet;

use token_storage_core::{
    Error, ErrorKind, MemoryStorage, Operation, Precondition, Result, Revision, StoredToken, TokenKey,
    TokenStorage as _, TokenStorageExt as _, Write,
};

use crate::{Mutant, flaw::flaw, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        memory::<Pieces<25>>(
            "commits 25 records at a time",
            "batches::a_refusal_far_back_refuses_all",
        ),
        memory::<Pieces<100>>(
            "commits 100 records at a time",
            "batches::a_refusal_far_back_refuses_all",
        ),
        memory::<ChecksAHundred>("checks 100 preconditions", "batches::a_refusal_far_back_refuses_all"),
        memory::<NamesTheLast>(
            "names the last refused key",
            "batches::of_refusals_far_apart_the_first_is_named",
        ),
        memory::<NamesTheSmallest>(
            "names the smallest refused key",
            "batches::of_refusals_far_apart_the_first_is_named",
        ),
        memory::<LooksAtNeighbours>(
            "looks for one key twice among neighbours",
            "batches::two_records_of_one_key_far_apart_are_invalid",
        ),
        memory::<EqualTwiceIsOnce>(
            "takes equal records of one key for one",
            "batches::two_records_of_one_key_far_apart_are_invalid",
        ),
        memory::<MeasuresTheFirst>(
            "measures the first records",
            "batches::what_is_too_large_far_back_refuses_all",
        ),
        memory::<UndoesWithNewRevisions>("undoes with new revisions", "batches::a_refusal_leaves_the_revisions"),
        memory::<UndoesForAllToSee>("undoes for all to see", "batches::readers_see_nothing_of_a_refused_one"),
        memory::<SortsLargeOnes>("sorts large batches", "batches::large_ones_answer_in_order"),
        memory::<AnswersBeforeTheLast>(
            "answers before the last is written",
            "batches::once_acknowledged_all_is_seen",
        ),
        memory::<ChecksBeforeItWrites>(
            "checks a batch before it writes",
            "batches::of_one_and_a_store_that_race_one_wins",
        ),
        memory::<ChecksRemovesFirst>(
            "checks a remove before it removes",
            "batches::of_one_and_a_remove_that_race_one_wins",
        ),
        memory::<LocksInTurn>(
            "locks one record after the other",
            "batches::those_that_overlap_do_not_block_each_other",
        ),
        memory::<AnyNumber>(
            "takes any number of records",
            "batches::more_records_than_declared_are_too_large",
        ),
        memory::<AnyBytes>(
            "takes any number of bytes",
            "batches::more_bytes_than_declared_are_too_large",
        ),
    ]
}

/// The batch in pieces, each of which is committed.
async fn in_pieces(inner: &MemoryStorage, writes: &[Write<'_>], size: usize) -> Result<Vec<Revision>> {
    let keys: BTreeSet<_> = writes.iter().map(|write| write.key).collect();
    if keys.len() < writes.len() || writes.len() > MemoryStorage::LIMITS.batch_records {
        return inner.store_all(writes).await;
    }
    let mut revisions = Vec::new();
    for piece in writes.chunks(size) {
        revisions.extend(inner.store_all(piece).await?);
    }
    Ok(revisions)
}

/// Each so many records are a transaction of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces<const SIZE: usize>(MemoryStorage);

#[token_storage_core::async_trait]
impl<const SIZE: usize> crate::flaw::Flaw for Pieces<SIZE> {
    fn new() -> Self {
        Self::default()
    }

    fn base(&self) -> &MemoryStorage {
        &self.0
    }

    async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
        in_pieces(&self.0, writes, SIZE).await
    }
}

macro_rules! batch {
    ($(#[$meta:meta])* $name:ident, |$base:ident, $writes:ident| $done:expr) => {
        flaw!(
            $(#[$meta])*
            $name {
                async fn store_all(&self, $writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    let $base = &self.0;
                    $done
                }
            }
        );
    };
}

batch!(
    /// Those behind are not checked.
    ChecksAHundred, |base, writes| {
        let mut changed = writes.to_vec();
        changed.iter_mut().skip(100).for_each(|write| write.precondition = Precondition::Any);
        base.store_all(&changed).await
    }
);

async fn refused_keys(base: &MemoryStorage, writes: &[Write<'_>]) -> Result<Vec<(TokenKey, Option<Revision>)>> {
    let mut refused = Vec::new();
    for write in writes {
        let current = base.get(write.key).await?.map(|stored| stored.revision);
        if !write.precondition.holds(current) {
            refused.push((write.key.clone(), current));
        }
    }
    Ok(refused)
}

fn conflict((key, current): (TokenKey, Option<Revision>)) -> Error {
    Error::precondition_failed(key, current).with_operation(Operation::StoreAll)
}

batch!(
    /// The check goes from the back.
    NamesTheLast, |base, writes| match refused_keys(base, writes).await?.pop() {
        Some(last) if writes.len() > 4 => Err(conflict(last)),
        _ => base.store_all(writes).await,
    }
);
batch!(
    /// The check goes by the alphabet.
    NamesTheSmallest, |base, writes| {
        let mut refused = refused_keys(base, writes).await?;
        refused.sort_by(|a, b| a.0.cmp(&b.0));
        match refused.into_iter().next() {
            Some(first) if writes.len() > 4 => Err(conflict(first)),
            _ => base.store_all(writes).await,
        }
    }
);

/// Of several records of one key, the last counts.
async fn last_counts(base: &MemoryStorage, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
    let mut kept: Vec<Write<'_>> = Vec::new();
    for write in writes {
        kept.retain(|other| other.key != write.key);
        kept.push(*write);
    }
    base.store_all(&kept).await
}

batch!(
    /// Only those that follow one another closely are compared.
    LooksAtNeighbours, |base, writes| {
        let close = writes.windows(3).any(|three| three[0].key == three[1].key || three[0].key == three[2].key);
        if close || writes.len() < 4 { base.store_all(writes).await } else { last_counts(base, writes).await }
    }
);
batch!(
    /// If they are the same, nothing is wrong.
    EqualTwiceIsOnce, |base, writes| {
        let differ = |one: &Write<'_>| writes.iter().any(|two| two.key == one.key && two.data != one.data);
        if writes.iter().any(differ) { base.store_all(writes).await } else { last_counts(base, writes).await }
    }
);
batch!(
    /// What is too large further back is left out.
    MeasuresTheFirst, |base, writes| {
        let large = |write: &Write<'_>| write.data.access_token.expose().len() >= MemoryStorage::LIMITS.record_bytes;
        let kept: Vec<_> = writes.iter().enumerate().filter(|(i, write)| *i < 10 || !large(write)).map(|(_, w)| *w).collect();
        base.store_all(&kept).await
    }
);

/// Writes all without their preconditions and, if one did not hold, puts back what was there.
async fn undone(base: &MemoryStorage, writes: &[Write<'_>], visibly: bool) -> Result<Vec<Revision>> {
    let refused = refused_keys(base, writes).await?;
    let Some(first) = refused.into_iter().next() else {
        return base.store_all(writes).await;
    };
    for write in writes {
        let before: Option<StoredToken> = base.get(write.key).await?;
        if visibly && before.is_none() {
            base.store(write.key, write.data, Precondition::Any).await?;
            crate::pause().await;
            base.remove(write.key, Precondition::Any).await?;
        } else if let Some(before) = before.filter(|_| !visibly) {
            base.store(write.key, &before.data, Precondition::Any).await?;
        }
    }
    Err(conflict(first))
}

batch!(
    /// What was there is written once more.
    UndoesWithNewRevisions, |base, writes| undone(base, writes, false).await
);
batch!(
    /// What was not there is there for a moment.
    UndoesForAllToSee, |base, writes| undone(base, writes, true).await
);
batch!(
    /// By their keys, and the answer too.
    SortsLargeOnes, |base, writes| {
        let mut sorted = writes.to_vec();
        if writes.len() > 25 {
            sorted.sort_by(|a, b| a.key.cmp(b.key));
        }
        base.store_all(&sorted).await
    }
);
batch!(
    /// The last record of a larger batch is written by another task.
    AnswersBeforeTheLast, |base, writes| {
        let Some((last, first)) = writes.split_last().filter(|(last, _)| writes.len() > 5 && last.precondition == Precondition::Any) else {
            return base.store_all(writes).await;
        };
        let mut revisions = base.store_all(first).await?;
        let (base, key, data) = (base.clone(), last.key.clone(), last.data.clone());
        tokio::spawn(async move {
            crate::pause().await;
            base.store(&key, &data, Precondition::Any).await
        });
        revisions.push(Revision::from_bytes(b"some time")?);
        Ok(revisions)
    }
);
batch!(
    /// What has changed since is not noticed.
    ChecksBeforeItWrites, |base, writes| match refused_keys(base, writes).await?.into_iter().next() {
        Some(first) => Err(conflict(first)),
        None => {
            crate::pause().await;
            let unconditional: Vec<_> = writes.iter().map(|w| Write::new(w.key, w.data, Precondition::Any)).collect();
            base.store_all(&unconditional).await
        }
    }
);

flaw!(
    /// What has changed since is not noticed.
    ChecksRemovesFirst {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let current = self.0.get(key).await?.map(|stored| stored.revision);
            if !precondition.holds(current) {
                return Err(conflict((key.clone(), current)));
            }
            crate::pause().await;
            self.0.remove(key, Precondition::Any).await
        }
    }
);

flaw!(
    /// Two batches that wait for each other: one of them is told to try again.
    LocksInTurn with BTreeSet<TokenKey> {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let mut mine = Vec::new();
            let mut blocked = false;
            for write in writes {
                blocked |= !self.1.lock().unwrap().insert(write.key.clone());
                if blocked {
                    break;
                }
                mine.push(write.key.clone());
                crate::pause().await;
            }
            let done = match blocked {
                true => Err(Error::new(ErrorKind::Busy, "deadlock detected").with_operation(Operation::StoreAll)),
                false => self.0.store_all(writes).await,
            };
            self.1.lock().unwrap().retain(|key| !mine.contains(key));
            done
        }
    }
);

/// One part after the other, as many as it takes.
async fn in_parts(base: &MemoryStorage, writes: &[Write<'_>], size: usize) -> Result<Vec<Revision>> {
    let mut revisions = Vec::new();
    for part in writes.chunks(size) {
        revisions.extend(base.store_all(part).await?);
    }
    Ok(revisions)
}

flaw!(
    /// What is too much for one batch is two.
    AnyNumber {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let most = MemoryStorage::LIMITS.batch_records;
            if writes.len() > most {
                return in_parts(&self.0, writes, most).await;
            }
            self.0.store_all(writes).await
        }
    }
);

flaw!(
    /// Only records are counted.
    AnyBytes {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let bytes: usize = writes.iter().map(|write| write.data.access_token.expose().len()).sum();
            if bytes > MemoryStorage::LIMITS.batch_bytes {
                return in_parts(&self.0, writes, 4).await;
            }
            self.0.store_all(writes).await
        }
    }
);
