//! Storages that insert, update, remove and write batches in code of its own each, and are wrong in one of them: clauses A2, A4,
//! K1 to K5.

use token_storage_core::{
    Cursor, Enumerate, Error, Extra, MemoryStorage, Page, Precondition, Result, Revision, Secret, StoredToken,
    TokenData, TokenKey, TokenStorage as _, TokenStorageExt as _, Write, async_trait,
};

use crate::{
    Mutant,
    flaw::{flaw, keys_of},
    registry::memory,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    const REPLACES: &str = "records::each_way_of_writing_replaces_the_whole_record";
    const EACH_ITS_OWN: &str = "batches::each_precondition_counts_wherever_it_stands";
    const ANSWERED: &str = "removal::each_precondition_is_answered_as_it_is";
    const LONGER: &str = "keys::what_is_too_long_is_no_other_key";
    vec![
        memory::<UpdateKeepsScope>("an update keeps the scope", REPLACES),
        memory::<UpdateKeepsIdentity>("an update keeps what it does not name", REPLACES),
        memory::<InsertForgetsExtra>("an insert has no members", REPLACES),
        memory::<BatchForgetsExtra>("a batch has no members", "batches::all_are_stored"),
        memory::<BatchKeepsRefreshToken>("a batch keeps the refresh token", REPLACES),
        memory::<GrowsNot>("a record does not grow", REPLACES),
        memory::<ShrinksNot>("a record does not shrink", REPLACES),
        memory::<FirstDecides>("the first precondition decides", EACH_ITS_OWN),
        memory::<BatchCreates>("a batch creates what it should replace", EACH_ITS_OWN),
        memory::<RemoveOfNothing>("what is gone need not be removed", ANSWERED),
        memory::<RemoveOfAbsent>("what must be absent cannot be removed", ANSWERED),
        memory::<RemoveSaysNothing>("a refused remove says nothing", ANSWERED),
        memory::<ConflictOfAnother>(
            "a refused batch says what the first record is",
            "batches::the_refused_key_is_named",
        ),
        memory::<SharedContent>("equal records are one", "removal::other_records_stay"),
        memory::<SharedUpdate>(
            "equal records change together",
            "removal::an_equal_record_of_another_key_stays",
        ),
        memory::<GetCuts>("a get cuts long keys", LONGER),
        memory::<RemoveCuts>("a remove cuts long keys", LONGER),
        memory::<ListingCuts>("a listing cuts long namespaces", LONGER),
    ]
}

/// The statement that writes.
#[derive(PartialEq)]
enum How {
    Plain,
    Insert,
    Update,
    Batch,
}

fn how(precondition: Precondition) -> How {
    match precondition {
        Precondition::Absent => How::Insert,
        Precondition::Unchanged(_) => How::Update,
        _ => How::Plain,
    }
}

async fn there(base: &MemoryStorage, key: &TokenKey) -> Result<Option<TokenData>> {
    Ok(base.get(key).await?.map(|stored| stored.data))
}

async fn revision(base: &MemoryStorage, key: &TokenKey) -> Result<Option<Revision>> {
    Ok(base.get(key).await?.map(|stored| stored.revision))
}

/// `how` the record is written, and the `old` one if there is one, change what `new` is.
macro_rules! path {
    ($($(#[$meta:meta])* $name:ident, |$how:ident, $old:ident, $new:ident| $change:block)*) => {$(
        flaw!(
            $(#[$meta])*
            $name {
                async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
                    let changed = Self::changed(how(precondition), there(&self.0, key).await?, data.clone());
                    self.0.store(key, &changed, precondition).await
                }

                async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
                    let mut changed = Vec::new();
                    for write in writes {
                        let there = there(&self.0, write.key).await?;
                        changed.push(Self::changed(How::Batch, there, write.data.clone()));
                    }
                    let writes: Vec<_> = writes
                        .iter()
                        .zip(&changed)
                        .map(|(write, data)| Write::new(write.key, data, write.precondition))
                        .collect();
                    self.0.store_all(&writes).await
                }
            }
        );

        impl $name {
            #[allow(unused_variables)]
            fn changed($how: How, $old: Option<TokenData>, mut $new: TokenData) -> TokenData {
                $change
                $new
            }
        }
    )*};
}

path! {
    /// `UPDATE` sets the tokens.
    UpdateKeepsScope, |how, old, new| {
        if let (How::Update, Some(old)) = (how, old) {
            new.scope = old.scope;
        }
    }

    /// `UPDATE ... SET identity_id = COALESCE(?, identity_id)`.
    UpdateKeepsIdentity, |how, old, new| {
        if let (How::Update, Some(old)) = (how, old) {
            new.identity_id = new.identity_id.take().or(old.identity_id);
        }
    }

    /// A column that `INSERT` does not name.
    InsertForgetsExtra, |how, old, new| {
        if how == How::Insert {
            new.extra = Extra::new();
        }
    }

    /// A column that the statement for several rows does not name.
    BatchForgetsExtra, |how, old, new| {
        if how == How::Batch {
            new.extra = Extra::new();
        }
    }

    /// `ON CONFLICT DO UPDATE` with the columns that are not null.
    BatchKeepsRefreshToken, |how, old, new| {
        if let (How::Batch, Some(old)) = (how, old) {
            new.refresh_token = new.refresh_token.take().or(old.refresh_token);
        }
    }

    /// It is written where the old one was.
    GrowsNot, |how, old, new| {
        if let Some(old) = old {
            let room = old.access_token.expose().chars().count();
            new.access_token = Secret::new(new.access_token.expose().chars().take(room).collect());
        }
    }

    /// It is written where the old one was, and nothing is cut off.
    ShrinksNot, |how, old, new| {
        if let Some(old) = old {
            let over = new.access_token.expose().chars().count();
            let rest = old.access_token.expose().chars().skip(over);
            new.access_token = Secret::new(new.access_token.expose().chars().chain(rest).collect());
        }
    }
}

/// A batch with other preconditions.
async fn store_under(
    base: &MemoryStorage,
    writes: &[Write<'_>],
    conditions: Vec<Precondition>,
) -> Result<Vec<Revision>> {
    let writes: Vec<_> = writes
        .iter()
        .zip(conditions)
        .map(|(write, precondition)| Write::new(write.key, write.data, precondition))
        .collect();
    base.store_all(&writes).await
}

flaw!(
    /// One statement for all, with or without a condition.
    FirstDecides {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let none = writes.first().is_some_and(|first| first.precondition == Precondition::Any);
            let conditions = writes.iter().map(|write| if none { Precondition::Any } else { write.precondition });
            store_under(&self.0, writes, conditions.collect()).await
        }
    }
);

flaw!(
    /// `INSERT ... ON CONFLICT DO UPDATE ... WHERE revision = ?`.
    BatchCreates {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let mut conditions = Vec::new();
            for write in writes {
                let update = matches!(write.precondition, Precondition::Unchanged(_));
                let creates = update && self.0.get(write.key).await?.is_none();
                conditions.push(if creates { Precondition::Any } else { write.precondition });
            }
            store_under(&self.0, writes, conditions).await
        }
    }
);

flaw!(
    /// `DELETE ... WHERE revision = ?` has found no row.
    RemoveOfNothing {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            match self.0.get(key).await? {
                None => Ok(false),
                Some(_) => self.0.remove(key, precondition).await,
            }
        }
    }
);

flaw!(
    /// A remove under `Absent` makes no sense to it.
    RemoveOfAbsent {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            if precondition == Precondition::Absent {
                return Err(Error::precondition_failed(key.clone(), revision(&self.0, key).await?));
            }
            self.0.remove(key, precondition).await
        }
    }
);

flaw!(
    /// It does not look what is there.
    RemoveSaysNothing {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let removed = self.0.remove(key, precondition).await;
            removed.map_err(|_| Error::precondition_failed(key.clone(), None))
        }
    }
);

flaw!(
    /// The key is that of the refused record, the revision that of the first one.
    ConflictOfAnother {
        async fn store_all(&self, writes: &[Write<'_>]) -> Result<Vec<Revision>> {
            let error = match self.0.store_all(writes).await {
                Err(error) => error,
                stored => return stored,
            };
            match (error.conflict(), writes.first()) {
                (Some(conflict), Some(first)) => {
                    let current = revision(&self.0, first.key).await?;
                    Err(Error::precondition_failed(conflict.key.clone(), current))
                }
                _ => Err(error),
            }
        }
    }
);

/// Other keys of the namespace with an equal record.
async fn equals(base: &MemoryStorage, key: &TokenKey) -> Result<Vec<TokenKey>> {
    let mine = there(base, key).await?;
    let mut equals = Vec::new();
    for other in keys_of(&base, key.namespace()).await? {
        if other != *key && there(base, &other).await? == mine {
            equals.push(other);
        }
    }
    Ok(equals)
}

flaw!(
    /// Content is stored once, under its digest, and goes with the first that removes it.
    SharedContent {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            let equals = equals(&self.0, key).await?;
            let removed = self.0.remove(key, precondition).await?;
            for other in equals.iter().filter(|_| removed) {
                self.0.remove(other, Precondition::Any).await?;
            }
            Ok(removed)
        }
    }
);

flaw!(
    /// Content is stored once, under its digest, and changed there.
    SharedUpdate {
        async fn store_one(&self, key: &TokenKey, data: &TokenData, precondition: Precondition) -> Result<Revision> {
            let equals = match self.0.get(key).await? {
                Some(_) => equals(&self.0, key).await?,
                None => Vec::new(),
            };
            let stored = self.0.store(key, data, precondition).await?;
            for other in &equals {
                self.0.store(other, data, Precondition::Any).await?;
            }
            Ok(stored)
        }
    }
);

fn cut(text: &str, bytes: usize) -> &str {
    text.get(..bytes).unwrap_or(text)
}

fn cut_key(key: &TokenKey) -> TokenKey {
    let limits = MemoryStorage::LIMITS;
    let namespace = cut(key.namespace(), limits.namespace_bytes);
    TokenKey::new(namespace, cut(key.resource_server(), limits.resource_server_bytes))
}

flaw!(
    /// A key that is longer than its column finds what is there of it.
    GetCuts {
        async fn get(&self, key: &TokenKey) -> Result<Option<StoredToken>> {
            self.0.get(&cut_key(key)).await
        }
    }
);

flaw!(
    /// The same.
    RemoveCuts {
        async fn remove(&self, key: &TokenKey, precondition: Precondition) -> Result<bool> {
            self.0.remove(&cut_key(key), precondition).await
        }
    }
);

flaw!(
    /// The same.
    ListingCuts {
        fn enumerate(&self) -> Option<Box<dyn Enumerate + '_>> {
            Some(Box::new(self))
        }
    }
);

#[async_trait]
impl Enumerate for &ListingCuts {
    async fn list_keys(&self, namespace: &str, after: Option<&Cursor>) -> Result<Page<TokenKey>> {
        let cut = cut(namespace, MemoryStorage::LIMITS.namespace_bytes);
        (&self.0).list_keys(cut, after).await
    }

    async fn list_namespaces(&self, after: Option<&Cursor>) -> Result<Page<String>> {
        (&self.0).list_namespaces(after).await
    }
}
