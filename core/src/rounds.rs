use crate::{Error, ErrorKind, Result, TokenKey};

/// Reading, changing and writing back under the precondition that nothing has changed, again and again: counts the rounds that
/// others won.
///
/// Each of them means that another writer got through, so that a few are enough in practice and no pause is needed between
/// them.
///
/// ```
/// use token_storage_core::{
///     MemoryStorage, Precondition, Result, TokenKey, TokenStorage, backend::Rounds,
/// };
///
/// /// Removes what is there, whatever others make of it meanwhile.
/// async fn take(storage: &MemoryStorage, key: &TokenKey) -> Result<bool> {
///     let mut rounds = Rounds::new(key);
///     loop {
///         let Some(stored) = storage.get(key).await? else { return Ok(false) };
///         let removed = storage.remove(key, Precondition::Unchanged(stored.revision)).await;
///         if let Some(removed) = rounds.settled(removed)? {
///             return Ok(removed);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Rounds<'a> {
    key: &'a TokenKey,
    left: usize,
    most: usize,
}

impl<'a> Rounds<'a> {
    /// How many rounds there are unless something else is said.
    pub const MOST: usize = 32;

    /// [`Rounds::MOST`] of them, about this key.
    pub fn new(key: &'a TokenKey) -> Self {
        Self::of(key, Self::MOST)
    }

    /// As many as that.
    pub fn of(key: &'a TokenKey, most: usize) -> Self {
        Self { key, left: most, most }
    }

    /// What the write answered; `None` after a conflict, which is what a further round is for.
    ///
    /// # Errors
    /// - [`ErrorKind::Busy`]: there is no further round.
    /// - That of the write, if it is no conflict.
    pub fn settled<T>(&mut self, written: Result<T>) -> Result<Option<T>> {
        match written {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            Err(conflict) => {
                self.left = self.left.saturating_sub(1);
                match self.left {
                    0 => Err(self.lost(&conflict)),
                    _ => Ok(None),
                }
            }
        }
    }

    fn lost(&self, conflict: &Error) -> Error {
        let message = format!(
            "other writers changed the record each of {} times that this one tried; try again later",
            self.most
        );
        let error = Error::new(ErrorKind::Busy, message).with_key(self.key);
        match conflict.operation() {
            Some(operation) => error.with_operation(operation),
            None => error,
        }
    }
}
