use std::future::Future;

use crate::{
    Cursor, Error, ErrorContext as _, ErrorKind, Operation, Page, Precondition, Result, Revision, ShowOutline,
    ShownOutline, StoredToken, TokenData, TokenKey, TokenStorage, Write,
    backend::{Rounds, counted},
    record::Outline,
};

mod sealed {
    pub trait Sealed {}
    impl<S: ?Sized> Sealed for S {}
}

/// What every storage can do, and no backend has to write. Sealed: it is for calling, not for implementing.
pub trait TokenStorageExt: TokenStorage + sealed::Sealed {
    /// Replaces the whole record of a key, atomically, and touches no other (K2, A1): a
    /// [`store_all`](TokenStorage::store_all) of one. Storing what is already there is still a write with a new
    /// revision. Returns the new revision.
    ///
    /// # Errors
    /// - [`Conflict`](ErrorKind::Conflict): the precondition did not hold; nothing changed (A4). Never reported for the
    ///   caller's own success (A5).
    /// - [`Corrupt`](ErrorKind::Corrupt): there is a precondition, and a damaged record, which has no revision to
    ///   compare. Without a precondition the damaged record is replaced: that is how a person logs in again.
    /// - [`TooLarge`](ErrorKind::TooLarge): larger than declared; nothing was written (K4, K7).
    fn store(
        &self,
        key: &TokenKey,
        data: &TokenData,
        precondition: Precondition,
    ) -> impl Future<Output = Result<Revision>> + Send {
        async move {
            let stored = self.store_all(&[Write::new(key, data, precondition)]).await;
            let stored = stored.and_then(|revisions| only(&revisions)).during(Operation::Store);
            match stored {
                // It may be the key that is too long to be shown.
                Err(error) if error.kind() == ErrorKind::TooLarge => Err(error),
                stored => stored.about(key),
            }
        }
    }

    /// Reads a record, changes it and writes it back, again if another writer was faster: nothing of theirs is lost.
    ///
    /// `change` gets what is stored, or `None`, and says what shall be stored; `None` leaves all as it is. It is called once a
    /// round. Returns the record as it is now.
    ///
    /// ```
    /// use token_storage_core::{MemoryStorage, Result, TokenKey, TokenStorageExt as _};
    ///
    /// async fn forget_refresh_token(storage: &MemoryStorage, key: &TokenKey) -> Result<()> {
    ///     let without = |stored: Option<token_storage_core::TokenData>| {
    ///         Ok(stored.map(|mut data| {
    ///             data.refresh_token = None;
    ///             data
    ///         }))
    ///     };
    ///     storage.update(key, without).await.map(drop)
    /// }
    /// ```
    ///
    /// # Errors
    /// - [`Busy`](ErrorKind::Busy): others changed the record in each of 32 rounds
    ///   ([`Rounds::MOST`](crate::backend::Rounds::MOST)).
    /// - Those of `change`, of [`TokenStorage::get`] and of [`TokenStorageExt::store`], but no conflict.
    fn update<F>(&self, key: &TokenKey, mut change: F) -> impl Future<Output = Result<Option<StoredToken>>> + Send
    where
        F: FnMut(Option<TokenData>) -> Result<Option<TokenData>> + Send,
    {
        async move {
            let mut rounds = Rounds::new(key);
            loop {
                let stored = self.get(key).await?;
                let unchanged = stored.as_ref().map(|stored| stored.revision);
                let precondition = unchanged.map_or(Precondition::Absent, Precondition::Unchanged);
                let Some(data) = change(stored.as_ref().map(|stored| stored.data.clone()))? else {
                    return Ok(stored);
                };
                let written = self.store(key, &data, precondition).await;
                if let Some(revision) = rounds.settled(written)? {
                    return Ok(Some(StoredToken { data, revision }));
                }
            }
        }
    }

    /// Shows the records of one namespace in outline, a page at a time, in the order of
    /// [`Enumerate::list_keys`](crate::Enumerate::list_keys); `after` is the [`Page::next`] of the page before. `show` gets the
    /// resource server and the record's outline, or the error that `get` has for it, and makes the item of the page; it may run
    /// on a thread of the storage's own. `None`: the storage cannot list.
    ///
    /// In one go where the storage has a way ([`Enumerate::list_outlines`](crate::Enumerate::list_outlines)), else by a `get`
    /// for each key.
    ///
    /// ```
    /// use token_storage_core::{MemoryStorage, Precondition, TokenData, TokenKey, TokenStorageExt as _};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> token_storage_core::Result<()> {
    /// let storage = MemoryStorage::new();
    /// let data = TokenData::new("rs", "openid", "access");
    /// storage.store(&TokenKey::in_default("rs"), &data, Precondition::Any).await?;
    /// let page = storage.list_outlines("DEFAULT", None, |name, outline| {
    ///     outline.map(|outline| format!("{name}: {}", outline.scope))
    /// });
    /// let shown: Vec<_> = page.await?.expect("memory can be listed").items;
    /// assert_eq!(shown.into_iter().collect::<Result<Vec<_>, _>>()?, ["rs: openid"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - As [`Enumerate::list_keys`](crate::Enumerate::list_keys). What is wrong with one record is given to `show`.
    fn list_outlines<T, F>(
        &self,
        namespace: &str,
        after: Option<&Cursor>,
        show: F,
    ) -> impl Future<Output = Result<Option<Page<T>>>> + Send
    where
        T: Send + 'static,
        F: Fn(&str, Result<Outline<'_>>) -> T + Send + Sync + 'static,
    {
        async move {
            let Some(listing) = self.enumerate() else {
                return Ok(None);
            };
            let show = ShowOutline::new(show);
            let page = match listing.list_outlines(namespace, after, &show).await? {
                Some(page) => page,
                None => read_each(self, listing.list_keys(namespace, after).await?, &show).await,
            };
            Ok(Some(page.try_map(ShownOutline::take)?))
        }
    }
}

async fn read_each<S: TokenStorage + ?Sized>(
    storage: &S,
    keys: Page<TokenKey>,
    show: &ShowOutline,
) -> Page<ShownOutline> {
    let mut items = Vec::with_capacity(keys.items.len());
    for key in &keys.items {
        let record = storage.get(key).await;
        let outline = match &record {
            Ok(Some(record)) => Ok(Outline::of(&record.data)),
            // Removed since it was listed.
            Ok(None) => continue,
            Err(error) => Err(error.clone()),
        };
        items.push(show.record(key.resource_server(), outline));
    }
    keys.with_items(items)
}

impl<S: TokenStorage + ?Sized> TokenStorageExt for S {}

/// The suite finds such a backend (K2); a caller must not panic on it.
fn only(revisions: &[Revision]) -> Result<Revision> {
    match revisions {
        [revision] => Ok(*revision),
        _ => {
            let message = format!(
                "the storage was given one record and answered with {}: a fault of its backend",
                counted(revisions.len(), "revision")
            );
            Err(Error::new(ErrorKind::Misconfigured, message).with_unknown_outcome())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStorage;

    fn token(text: &str) -> TokenData {
        TokenData::new("rs", "", text)
    }

    #[tokio::test]
    async fn an_update_starts_again_when_another_was_faster() {
        let (storage, key) = (MemoryStorage::new(), TokenKey::in_default("rs"));
        let mut seen = Vec::new();
        let updated = storage.update(&key, |stored| {
            seen.push(stored.as_ref().map(|data| data.access_token.expose().to_owned()));
            if seen.len() < 3 {
                // In memory nothing has to be waited for.
                let theirs = token(&format!("theirs {}", seen.len()));
                let write = storage.store(&key, &theirs, Precondition::Any);
                let mut write = std::pin::pin!(write);
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(write.as_mut().poll(&mut context).is_ready());
            }
            Ok(Some(token("ours")))
        });
        let updated = updated.await.unwrap().unwrap();
        assert_eq!(storage.get(&key).await.unwrap(), Some(updated));
        assert_eq!(seen, [None, Some("theirs 1".to_owned()), Some("theirs 2".to_owned())]);
    }

    #[tokio::test]
    async fn an_update_that_changes_nothing_writes_nothing() {
        let (storage, key) = (MemoryStorage::new(), TokenKey::in_default("rs"));
        assert_eq!(storage.update(&key, |_| Ok(None)).await.unwrap(), None);
        storage.store(&key, &token("at"), Precondition::Any).await.unwrap();
        let before = storage.get(&key).await.unwrap();
        assert_eq!(storage.update(&key, |_| Ok(None)).await.unwrap(), before);
        assert_eq!(storage.get(&key).await.unwrap(), before);
    }

    #[test]
    fn the_last_round_that_is_lost_is_busy_and_names_the_key() {
        let key = TokenKey::in_default("rs");
        let mut rounds = Rounds::new(&key);
        let lost = || Err::<(), _>(Error::precondition_failed(key.clone(), None).with_operation(Operation::Store));
        for _ in 1..Rounds::MOST {
            assert_eq!(rounds.settled(lost()).unwrap(), None);
        }
        let error = rounds.settled(lost()).unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Busy, Some(Operation::Store))
        );
        assert_eq!(error.key(), Some(&key));
    }
}
